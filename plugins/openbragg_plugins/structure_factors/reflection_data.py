"""Reflections as files hold them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError
from openbragg_plugins.structure_factors.columns import Column
from openbragg_plugins.structure_factors.symmetry import Symmetry, fits

if TYPE_CHECKING:
    import gemmi
    import numpy as np

    Whole = np.ndarray[Any, np.dtype[np.int64]]
    Real = np.ndarray[Any, np.dtype[np.float64]]

#: No index of a real reflection comes near this, and no cell is longer (A); they keep tables countable.
_LARGEST_INDEX = 10_000
_LONGEST_CELL = 100_000.0
_SHORTEST_CELL = 1.0
#: Cells whose volume is below this part of a b c are flat.
_FLAT = 1e-6


@attrs.frozen(kw_only=True, eq=False)
class ReflectionData:
    """What a reflection file holds.

    Attributes
    ----------
    cell, group
        The cell in angstroms and degrees, None where neither the file nor one beside it has any; and the space group,
        or operations that are none of gemmi's.
    indices
        h k l, int64, (reflections, 3).
    columns
        All columns of amplitudes and intensities, Friedel pairs together.
    values
        The numbers of a column by its label, (reflections,); NaN for what is missing.
    wavelength
        Of the column with a label, in angstroms; None where the file has none.
    part
        The part of the file that it is, for people; empty for all.
    weights
        Of observations that are to be averaged, (reflections,); None where all count alike, as merged ones do.
    mates_alike
        Whether h k l and -h -k -l were observed as one reflection.
    measures_intensities
        Whether such a file holds measured intensities and no measured amplitudes, so that they are what it is for.
    order, phases
        Labels of all columns in the order of the file, and of those that hold phases in degrees; none where a file
        cannot have any.
    notices
        What the user should know.
    """

    cell: gemmi.UnitCell | None
    group: gemmi.SpaceGroup | Symmetry
    indices: Whole
    columns: list[Column]
    values: Callable[[str], Real]
    wavelength: Callable[[str], float | None]
    part: str = ""
    weights: Real | None = None
    mates_alike: bool = False
    measures_intensities: bool = False
    order: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def checked_cell(path: Path, cell: gemmi.UnitCell) -> gemmi.UnitCell:
    """A cell that a crystal can have.

    Raises
    ------
    InputError
        When it has no volume, or lengths that are no cell's.
    """
    lengths, angles = cell.parameters[:3], cell.parameters[3:]
    described = " ".join(f"{value:g}" for value in cell.parameters)
    if lengths == (1.0, 1.0, 1.0):
        raise InputError(f"{path}: there is no unit cell in the file")
    sized = all(_SHORTEST_CELL <= length <= _LONGEST_CELL for length in lengths)
    if not (sized and all(0.0 < angle < 180.0 for angle in angles) and _volume(cell) > _FLAT):
        raise InputError(f"{path}: the unit cell {described} is none of a crystal")
    return cell


def checked_group(path: Path, group: gemmi.SpaceGroup | None, name: str, cell: gemmi.UnitCell) -> gemmi.SpaceGroup:
    """A space group that is known and fits the cell.

    Raises
    ------
    InputError
        When there is none, gemmi does not know its name, or the cell has not its symmetry.
    """
    if group is None:
        said = f"gemmi knows no space group {name!r}" if name else "there is no space group in the file"
        raise InputError(f"{path}: {said}")
    refuse_misfit(path, group, cell)
    return group


def refuse_misfit(path: Path, group: gemmi.SpaceGroup | Symmetry, cell: gemmi.UnitCell) -> None:
    """Refuse a cell that has not the symmetry of a group.

    Raises
    ------
    InputError
        With both.
    """
    if not fits(cell, group):
        described = " ".join(f"{value:g}" for value in cell.parameters)
        raise InputError(f"{path}: the unit cell {described} is impossible in the space group {group.xhm()}")


def checked_indices(path: Path, indices: Any) -> Whole:
    """Indices (reflections, 3) as whole numbers.

    Raises
    ------
    InputError
        When there are none, or some are no whole numbers or beyond any crystal.
    """
    import numpy as np

    if not len(indices):
        raise InputError(f"{path}: there are no reflections in the file")
    good = np.isfinite(indices).all(axis=1)
    good[good] = ((indices[good] == np.rint(indices[good])) & (abs(indices[good]) <= _LARGEST_INDEX)).all(axis=1)
    if not good.all():
        place = int(np.argmin(good))
        shown = " ".join(f"{value:g}" for value in indices[place].tolist())
        raise InputError(f"{path}, reflection {place + 1}: expected three whole indices, got {shown}")
    return np.asarray(indices).astype(np.int64)


def _volume(cell: gemmi.UnitCell) -> float:
    """Volume as a part of a b c; NaN or 0 for angles that no cell has."""
    a, b, c = cell.parameters[:3]
    volume: float = cell.volume / (a * b * c)
    return volume
