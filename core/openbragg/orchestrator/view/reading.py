"""Images of any format, with their geometry: from the record of their run, or from their own header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from openbragg.errors import InputError
from openbragg.orchestrator.pictures import read_picture
from openbragg.orchestrator.view import cbf, nxmx, tiff
from openbragg.orchestrator.view.camera import smv_camera, upright_geometry
from openbragg.orchestrator.view.extinction import Amplitudes, recorded_amplitudes
from openbragg.orchestrator.view.frame import Frame, check_size, make_frame
from openbragg.orchestrator.view.geometry import Geometry
from openbragg.orchestrator.view.prediction import Spots, predict
from openbragg.orchestrator.view.recorded import Recorded, find_record

_START_BYTES = 16
_PNG = b"\x89PNG"


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


def read_images(
    path: Path,
    *,
    recorded: Recorded | None,
    shape: tuple[int, int] | None,
    choose: nxmx.Chooser,
    crystals: Crystals | None = None,
) -> Iterator[Shown]:
    """Read the images of a file, one after the other.

    Parameters
    ----------
    path
        The file; its content says of which kind it is.
    recorded
        The record of its run; without it, one beside the image is looked for.
    shape
        Pixels (slow, fast) of a raw image; without it, the record's.
    choose
        Says, of the number of images in a file of several, which are wanted, from 1.
    crystals
        Structure factors that other files' records had, for those of one run.

    Raises
    ------
    InputError
        When the image cannot be read, or is not of the size that the record says.
    """
    named = recorded is not None
    start = _start_of(path)
    found, notices = (recorded, ()) if recorded is not None else find_record(path)
    pixels = shape or (found.pixels() if found is not None else None)
    for frame in _frames(path, start, pixels, choose):
        shown = _shown(path, frame, found, named, crystals or Crystals())
        yield attrs.evolve(shown, notices=(*notices, *shown.notices))


def _shown(path: Path, frame: Frame, recorded: Recorded | None, named: bool, crystals: Crystals) -> Shown:
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
    elif named and not recorded.has(path):
        notices.append(f"{path} is not what the run of {recorded.path} wrote under that name")
    hidden = recorded.hidden()
    if hidden is not None:
        frame = attrs.evolve(frame, masked=hidden if frame.masked is None else frame.masked | hidden)
    geometry = recorded.geometry(frame.number or number or 1)
    spots = predict(geometry, recorded.margin(), float(recorded.experiment.sampling.resolution_limit))
    amplitudes = crystals.amplitudes(recorded.path)
    if amplitudes is not None:
        spots = spots.with_amplitudes(amplitudes(spots.indices))
    if spots.notice:
        notices.append(f"{path}: {spots.notice}")
    return Shown(name=name, frame=frame, geometry=geometry, spots=spots, notices=tuple(notices))


def _start_of(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"cannot read {path}: it is {'a folder' if path.is_dir() else 'not a regular file'}")
        with path.open("rb") as stream:
            return stream.read(_START_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _frames(path: Path, start: bytes, shape: tuple[int, int] | None, choose: nxmx.Chooser) -> Iterator[Frame]:
    if start.startswith(_PNG):
        raise InputError(f"{path}: a PNG has shades of grey, not counts; any other format of the run can be shown")
    if start.startswith(nxmx.START):
        yield from nxmx.read_nxmx(path, choose)
    elif start.startswith(cbf.START):
        yield cbf.read_cbf(path)
    elif start.startswith(tiff.STARTS):
        yield tiff.read_tiff(path)
    else:
        picture = read_picture(path, shape)
        check_size(str(path), *picture.pixels.shape)
        camera = smv_camera(path, picture.header) if picture.header else None
        saturation = picture.header.get("CCD_IMAGE_SATURATION", "")
        yield make_frame(
            str(path),
            picture.pixels,
            geometry=None if camera is None else upright_geometry(path, camera, picture.pixels.shape),
            overload=float(saturation) if saturation.isascii() and saturation.isdigit() else None,
        )
