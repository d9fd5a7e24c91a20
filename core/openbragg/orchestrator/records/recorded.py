"""The record of the run that made an image: found beside it, and what it says of the camera and the crystal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from openbragg.engine.reflections.sphere import Margin
from openbragg.engine.sources import make_sources, mean_wavelength
from openbragg.errors import InputError, OpenBraggError
from openbragg.model import Experiment, Scan
from openbragg.model.geometry import Laboratory
from openbragg.model.lattice import oriented_bases
from openbragg.model.scalars import plain
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.outputs.files import fingerprint
from openbragg.orchestrator.records.record import FORMAT, OutputFile, Record, UsedPlugin, read_record
from openbragg.orchestrator.records.serialise import from_plain
from openbragg.orchestrator.resolving.placement import place_with_quirks
from openbragg.orchestrator.resolving.quirks import check_names
from openbragg.orchestrator.resolving.resolve import Choices, refuse_ill_fitting_mask
from openbragg.orchestrator.series.series import image_scan, is_still, still_crystal
from openbragg.roles import ClosedMosaicModel, MosaicModel, Spectrum

#: A record begins with its format.
_START_BYTES = 256
#: Standard deviations of rotations in closed form beyond which there is next to nothing.
_DEVIATIONS = 3.0
#: Files beside an image that are looked at, at most.
_MOST_FILES = 1000


@attrs.frozen(kw_only=True, eq=False)
class Recorded:
    """A record, and what of it places an image.

    Attributes
    ----------
    path
        The record's file.
    record
        What it says.
    experiment, laboratory
        The experiment of the first image, and where the convention placed it.
    mosaic, spectrum
        How the crystal's blocks are turned, and which wavelengths the beam had.
    cell
        Real-space vectors a, b, c as rows, with the spindle at 0, a tensor (3, 3), metres.
    """

    path: Path
    record: Record
    experiment: Experiment
    laboratory: Laboratory
    mosaic: MosaicModel
    spectrum: Spectrum
    cell: Any

    def pixels(self) -> tuple[int, int]:
        """Pixels (slow, fast) of an image."""
        return self.experiment.detector.frame_shape()

    def hidden(self) -> NDArray[np.bool_] | None:
        """Which pixels of an image (slow, fast) are masked, in a gap or between panels; None where all are there."""
        hidden = self.experiment.detector.hidden()
        return hidden if hidden is not None and hidden.any() else None

    def number_of(self, image: Path) -> int | None:
        """Which image of its series a file is, from 1; None when it is none of this run."""
        counts: dict[Any, int] = {}
        found = []
        for output in self.record.outputs:
            key = (output.flag, output.format, output.content)
            counts[key] = counts.get(key, 0) + 1
            if Path(output.path).name == image.name:
                found.append((counts[key], output))
        here = _hash(image) if len(found) > 1 else None
        same = [number for number, output in found if output.sha256 == here] or [number for number, _ in found]
        return same[0] if same else None

    def has(self, image: Path) -> bool:
        """Whether a file is what this run wrote, as far as can be told."""
        return _is_among(image, self.record.outputs)

    def scan(self, number: int) -> Scan:
        """The scan of image `number` of the run, from 1."""
        return image_scan(self.experiment.scan, number)

    def cell_of(self, number: int) -> Any:
        """Real-space vectors a, b, c of image `number`, from 1, rows with the spindle at 0, a tensor (3, 3), metres."""
        seed = self.record.seeds.misset
        if seed is None or number == 1 or not is_still(self.experiment.scan):
            return self.cell
        crystal = still_crystal(self.experiment.crystal, seed, number)
        return oriented_bases(crystal, oblique="oblique-cell" in self.record.quirks)[0].detach()

    def wavelength_of(self, number: int) -> float:
        """The one wavelength that stands for the spectrum of image `number`, from 1, in metres: its mean."""
        return plain(mean_wavelength(self.experiment.beam, self.spectrum, number))

    def margin(self, number: int = 1) -> Margin:
        """How far from the sphere of reflection a spot of image `number`, from 1, still shines."""
        crystal, beam = self.experiment.crystal, self.experiment.beam
        lengths = self.cell.norm(dim=1).tolist()
        sources = make_sources(beam, self.laboratory, self.spectrum, image=number)
        slopes = (sources.incident @ self.laboratory.beam).clamp(-1.0, 1.0)
        spread = sources.wavelengths / self.wavelength_of(number) - 1.0
        return Margin(
            angle=self._largest_turn() + float(slopes.acos().max()),
            bandwidth=float(spread.abs().max()),
            width=0.5 / min(plain(count) * length for count, length in zip(crystal.cells, lengths, strict=True)),
        )

    def _largest_turn(self) -> float:
        """The largest rotation of a mosaic domain that counts, in radians."""
        crystal = self.experiment.crystal
        if isinstance(self.mosaic, ClosedMosaicModel):
            return _DEVIATIONS * self.mosaic.deviation(crystal)
        try:
            rotations = self.mosaic.blocks(crystal, self.cell).rotations.detach()
        except InputError:
            # The file of a list need not be there.
            return plain(crystal.mosaic_spread or 0.0)
        cosines = (rotations.diagonal(dim1=1, dim2=2).sum(dim=1) - 1.0) / 2.0
        return max(plain(crystal.mosaic_spread or 0.0), float(cosines.clamp(-1.0, 1.0).acos().max()))


def read_recorded(path: Path) -> Recorded:
    """Read a record for its geometry; the run's inputs need not be there.

    Raises
    ------
    InputError
        When the file is no record, or its experiment is not one that this version knows.
    PluginError
        When the convention is not installed.
    """
    record = read_record(path)
    try:
        experiment = from_plain(Experiment, record.experiment, "experiment")
        refuse_ill_fitting_mask(experiment.detector)
        roles = ("geometry_conventions", "mosaic_models", "spectra")
        convention, mosaic, spectrum = (_made(record.plugin(role)) for role in roles)
        quirks = check_names(record.quirks)
        laboratory = place_with_quirks(experiment.detector, convention, quirks, Choices())
        cell, _ = oriented_bases(experiment.crystal, oblique="oblique-cell" in quirks)
    except OpenBraggError as error:
        raise type(error)(f"{path}: {error}") from None
    if experiment.detector.curved:
        raise InputError(f"{path}: its detector is curved, and geometry is shown of flat ones")
    return Recorded(
        path=path,
        record=record,
        experiment=experiment,
        laboratory=laboratory,
        mosaic=mosaic,
        spectrum=spectrum,
        cell=cell.detach(),
    )


def _made(used: UsedPlugin) -> Any:
    """A plugin of a record; the files that it reads are those of then."""
    found = default_registry().get(used.role, used.name)
    return from_plain(found.cls, used.options, f"{used.role} {used.name}")


def find_record(image: Path) -> tuple[Recorded | None, tuple[str, ...]]:
    """The record beside an image of the run that wrote it, to the byte.

    Returns
    -------
    The record, None where there is none; and a line on each that is there and cannot be used.
    """
    notices = []
    for path in _records_beside(image):
        try:
            outputs = read_record(path).outputs
        except OpenBraggError:
            # It may be another program's, and nobody named it.
            continue
        if not _is_among(image, outputs):
            continue
        try:
            return read_recorded(path), ()
        except OpenBraggError as error:
            notices.append(f"the record beside {image} cannot be used: {error}")
    return None, tuple(notices)


def _is_among(image: Path, outputs: Iterable[OutputFile]) -> bool:
    """Whether a file is one that a run wrote, as far as can be told."""
    named = [output for output in outputs if Path(output.path).name == image.name]
    return any(output.sha256 in (None, _hash(image)) for output in named)


def _records_beside(image: Path) -> Iterator[Path]:
    try:
        names = sorted(path for path in image.parent.iterdir() if path.suffix == ".json")[:_MOST_FILES]
    except OSError:
        return
    for path in names:
        try:
            if not path.is_file():
                continue
            with path.open("rb") as stream:
                start = stream.read(_START_BYTES)
        except OSError:
            continue
        if FORMAT.encode("ascii") in start:
            yield path


def _hash(path: Path) -> str | None:
    try:
        return fingerprint(path)[0]
    except InputError:
        return None
