"""Images of any format, with their geometry: from the record of their run, or from their own header."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

import openbragg
from openbragg import InputError, ReadImage, Recorded, find_record
from openbragg_tools.view.extinction import Amplitudes, recorded_amplitudes
from openbragg_tools.view.frame import Frame, check_size, make_frame
from openbragg_tools.view.geometry import Geometry, PlacedPanel, geometry_of
from openbragg_tools.view.prediction import Spots, predict

if TYPE_CHECKING:
    from openbragg import Registry

#: So many images of a file are shown when nobody says which.
MOST_IMAGES = 20

#: Says, of the number of images in a file of several, which are wanted, from 1.
Chooser = Callable[[int], Sequence[int]]


@attrs.frozen(kw_only=True, eq=False)
class Shown:
    """An image with all that is shown of it.

    Attributes
    ----------
    name
        Its file, and its number in a file of several.
    frame
        Its pixels.
    geometry
        Where it was recorded; None where nothing says it.
    spots
        Predicted ones; None where no crystal is known.
    notices
        Lines for the user.
    """

    name: str
    frame: Frame
    geometry: Geometry | None
    spots: Spots | None
    notices: tuple[str, ...] = ()


@attrs.frozen
class Crystals:
    """Structure factors of recorded runs, each read once."""

    _known: dict[Path, Amplitudes | None] = attrs.field(factory=dict)

    def amplitudes(self, record: Path) -> Amplitudes | None:
        """Those of a record; None where they are not there."""
        if record not in self._known:
            self._known[record] = recorded_amplitudes(record)
        return self._known[record]


@attrs.frozen(kw_only=True)
class Files:
    """How files are read.

    Attributes
    ----------
    recorded
        The record of their run; without it, one beside the image is looked for.
    shape
        Pixels (slow, fast) of a raw image; without it, the record's.
    follow_links
        Whether a file may lead out of its own folder.
    registry
        The plugins that read images; None for all that are installed.
    crystals
        Structure factors that other files' records had, for those of one run.
    """

    recorded: Recorded | None = None
    shape: tuple[int, int] | None = None
    follow_links: bool = False
    registry: Registry | None = None
    crystals: Crystals = attrs.field(factory=Crystals)


def read_images(path: Path, choose: Chooser, files: Files | None = None) -> Iterator[Shown]:
    """Read the images of a file, one after the other.

    Raises
    ------
    InputError
        When the image cannot be read, or is not of the size that the record says.
    """
    files = files or Files()
    recorded, notices = (files.recorded, ()) if files.recorded is not None else find_record(path)
    shape = files.shape or (recorded.pixels() if recorded is not None else None)
    images = openbragg.read_images(path, shape=shape, follow_links=files.follow_links, registry=files.registry)
    for number in choose(len(images)):
        shown = _shown(path, _frame(path, images[number - 1]), recorded, files)
        yield attrs.evolve(shown, notices=(*notices, *shown.notices))


def _shown(path: Path, frame: Frame, recorded: Recorded | None, files: Files) -> Shown:
    name = path.name if frame.number is None else f"{path.name} #{frame.number}"
    if recorded is None:
        return Shown(name=name, frame=frame, geometry=frame.geometry, spots=None)
    pixels = recorded.pixels()
    slow, fast = frame.pixels.shape
    if pixels != (slow, fast):
        raise InputError(
            f"{path}: it has {fast} x {slow} pixels (fast x slow), "
            f"and the run of {recorded.path} made {pixels[1]} x {pixels[0]}"
        )
    notices = []
    number = recorded.number_of(path)
    if number is None:
        notices.append(
            f"{path} is not among the files that the run of {recorded.path} wrote; it is taken for its image"
        )
    elif files.recorded is not None and not recorded.has(path):
        notices.append(f"{path} is not what the run of {recorded.path} wrote under that name")
    hidden = recorded.hidden()
    if hidden is not None:
        frame = attrs.evolve(frame, masked=hidden if frame.masked is None else frame.masked | hidden)
    shown_number = frame.number or number or 1
    geometry = recorded_geometry(recorded, shown_number)
    spots = predict(geometry, recorded.margin(shown_number), float(recorded.experiment.sampling.resolution_limit))
    amplitudes = files.crystals.amplitudes(recorded.path)
    if amplitudes is not None:
        spots = spots.with_amplitudes(amplitudes(spots.indices))
    if spots.notice:
        notices.append(f"{path}: {spots.notice}")
    return Shown(name=name, frame=frame, geometry=geometry, spots=spots, notices=tuple(notices))


def recorded_geometry(recorded: Recorded, number: int) -> Geometry:
    """The geometry of image `number` of a recorded run, from 1."""
    scan = recorded.scan(number)
    return geometry_of(
        recorded.laboratory,
        wavelength=recorded.wavelength_of(number),
        start=float(scan.start),
        range_=float(scan.range) if scan.range is not None else 0.0,
        source=f"the record {recorded.path.name}",
        cell=recorded.cell_of(number),
    )


def _frame(path: Path, image: ReadImage) -> Frame:
    if image.content == "shades":
        raise InputError(f"{path}: a PNG has shades of grey, not counts; any other format of the run can be shown")
    check_size(str(path), *image.pixels.shape)
    return make_frame(
        str(path),
        image.pixels,
        image.masked,
        geometry=None if image.geometry is None else _read_geometry(image.geometry),
        overload=image.overload,
        number=image.number,
    )


def _read_geometry(said: openbragg.Geometry) -> Geometry | None:
    """What a file says of where its image was recorded; None where it does not say the wavelength."""
    if said.wavelength is None:
        return None
    panels = tuple(
        PlacedPanel(
            origin=_vector(panel.origin),
            fast=_vector(panel.fast),
            slow=_vector(panel.slow),
            pixel_size=panel.pixel_size,
            pixels=panel.pixels,
            first=panel.slab or (0, 0),
        )
        for panel in said.panels
    )
    return Geometry(
        wavelength=said.wavelength,
        beam=_vector(said.beam),
        spindle=panels[0].fast if said.spindle is None else _vector(said.spindle),
        panels=panels,
        start=said.start or 0.0,
        range=said.oscillation or 0.0,
        source="the image's header" if said.source.startswith("the header") else "the image's file",
    )


def _vector(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)
