"""What the source of structure factors says of its crystal, beside what the experiment says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from openbragg.errors import InputError
from openbragg.model import Crystal, Experiment
from openbragg.model.scalars import is_tensor, plain
from openbragg.roles import KnownCrystal
from openbragg.units import unit

if TYPE_CHECKING:
    from openbragg.orchestrator.resolving.resolve import Choices

#: Two cells are taken for one while no length and no angle differs by more than this part.
_TOLERANCE = 0.01
_ANGSTROM, _DEGREE = unit("A"), unit("deg")


def refuse_other_cell(crystal: Crystal, known: KnownCrystal) -> None:
    """Refuse a cell that is not that of the structure factors; for flags and files.

    Raises
    ------
    InputError
        When a length or an angle differs by more than 1 %; the message has both cells.
    """
    where = "-mat" if crystal.reciprocal_vectors is not None else "-cell"
    if (line := _other_cell(crystal, known, f" ({where})")) is not None:
        raise InputError(line)


def _other_cell(crystal: Crystal, known: KnownCrystal, where: str) -> str | None:
    """What is to be said of a cell that is not that of the structure factors; None where it is."""
    if known.cell is None:
        return None
    from openbragg.model.lattice import cell_angles

    # Turning the crystal changes no length and no angle, and it may not be known yet how it is turned.
    vectors = attrs.evolve(crystal, misset=None).oriented_vectors().detach()
    cell = (*vectors.norm(dim=1).tolist(), *cell_angles(vectors))
    if all(abs(here - there) <= _TOLERANCE * there for here, there in zip(cell, known.cell, strict=True)):
        return None
    return (
        f"the unit cell {shown_cell(cell)}{where} is not {shown_cell(known.cell)} of {known.source}: "
        f"they differ by more than {_TOLERANCE:.0%}"
    )


def _varies(crystal: Crystal) -> bool:
    """Whether a cell is a tensor, as in a fit or a draw."""
    if crystal.reciprocal_vectors is not None:
        rows = crystal.reciprocal_vectors
        return is_tensor(rows) or any(is_tensor(row) or any(map(is_tensor, row)) for row in rows)
    return is_tensor(crystal.cell) or any(map(is_tensor, crystal.cell or ()))


def report_known(known: KnownCrystal, experiment: Experiment, finest: float, choices: Choices) -> None:
    """Say what was taken from the source, and how far it goes; `finest` is the smallest d spacing on the detector.

    A cell that is not the source's is what flags and files may not have; in Python it is noticed, unless it is a
    tensor, as in a fit.
    """
    other = None if _varies(experiment.crystal) else _other_cell(experiment.crystal, known, "")
    for line in (*known.notices, *([other] if other is not None else [])):
        if line not in choices.notices:
            choices.notices.append(line)
    if known.space_group:
        choices.made["space group"] = known.space_group
    cell = experiment.crystal.cell
    if known.cell is not None and experiment.crystal.reciprocal_vectors is None and _equal(cell, known.cell):
        choices.made["unit cell"] = f"{shown_cell(known.cell)}, of {known.source}"
    wavelength = experiment.beam.wavelength
    if known.wavelength is not None and not is_tensor(wavelength) and wavelength == known.wavelength:
        choices.made["wavelength"] = f"{_ANGSTROM.from_si(known.wavelength):.6g} A, of {known.source}"
    choices.made.update(known.chosen)
    if known.resolution is not None:
        ends, reached = _ANGSTROM.from_si(known.resolution), _ANGSTROM.from_si(finest)
        choices.made["resolution"] = f"{ends:.3g} A; the detector reaches {reached:.3g} A"


def shown_cell(cell: Iterable[float]) -> str:
    """A cell as people write it, in angstroms and degrees."""
    a, b, c, *angles = cell
    lengths = [f"{_ANGSTROM.from_si(value):.6g}" for value in (a, b, c)]
    return " ".join([*lengths, *(f"{_DEGREE.from_si(angle):.6g}" for angle in angles)])


def _equal(cell: tuple[object, ...] | None, known: tuple[float, ...]) -> bool:
    if cell is None or any(is_tensor(value) for value in cell):
        return False
    return [plain(value) for value in cell] == list(known)
