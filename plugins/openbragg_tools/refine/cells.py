"""Cells that a crystal system allows, by their free numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import gemmi
import torch

from openbragg import UsageError

_EDGES = ("a", "b", "c")
_ANGLES = ("alpha", "beta", "gamma")
#: A start whose cell is off its crystal system's by more than this, in parts of an edge or radians, is another's.
_NEAR = 5e-3
#: Of each crystal system: free edges, each with those that it decides; free angles likewise; fixed angles in degrees.
_SYSTEMS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[float, ...]]] = {
    "triclinic": (("a", "b", "c"), ("alpha", "beta", "gamma"), (90.0, 90.0, 90.0)),
    "monoclinic": (("a", "b", "c"), ("beta",), (90.0, 90.0, 90.0)),
    "orthorhombic": (("a", "b", "c"), (), (90.0, 90.0, 90.0)),
    "tetragonal": (("ab", "c"), (), (90.0, 90.0, 90.0)),
    "hexagonal": (("ab", "c"), (), (90.0, 90.0, 120.0)),
    "rhombohedral": (("abc",), ("alphabetagamma",), (90.0, 90.0, 90.0)),
    "cubic": (("abc",), (), (90.0, 90.0, 90.0)),
}


@attrs.frozen
class CellForm:
    """What a crystal system leaves free of a cell.

    Attributes
    ----------
    system
        Its name.
    names
        Of the free numbers: edges and angles, each called after the first that it decides.
    placement
        What each free number decides: places in (a, b, c, alpha, beta, gamma).
    fixed
        The angles in radians where nothing decides them.
    """

    system: str
    names: tuple[str, ...]
    placement: tuple[tuple[int, ...], ...]
    fixed: tuple[float, ...]

    def free(self, cell: Sequence[float]) -> list[float]:
        """The free numbers of a cell: means of what they decide.

        Raises
        ------
        UsageError
            When the cell is no such one.
        """
        numbers = [sum(cell[place] for place in places) / len(places) for places in self.placement]
        made = self.cell(torch.tensor(numbers, dtype=torch.float64)).tolist()
        edges = zip(made[:3], cell[:3], strict=True)
        off = max(
            *(abs(one / other - 1.0) for one, other in edges),
            *(abs(one - other) for one, other in zip(made[3:], cell[3:], strict=True)),
        )
        if off > _NEAR:
            raise UsageError(
                f"the start's cell is not {self.system}, as its space group is: give another -cell or -space_group"
            )
        return numbers

    def cell(self, free: torch.Tensor) -> torch.Tensor:
        """a, b, c in metres and the angles in radians, float64 (6,), from the free numbers."""
        numbers = [torch.tensor(0.0, dtype=torch.float64)] * 3 + [
            torch.tensor(angle, dtype=torch.float64) for angle in self.fixed
        ]
        for value, places in zip(free.unbind(0), self.placement, strict=True):
            for place in places:
                numbers[place] = value
        return torch.stack(numbers)


def cell_form(space_group: str, cell: Sequence[float]) -> CellForm:
    """What a space group leaves free of its cell; without one everything is.

    Parameters
    ----------
    space_group
        Its name; of a rhombohedral one the cell tells the axes.
    cell
        The start's, a, b, c in metres and the angles in radians.

    Raises
    ------
    UsageError
        When there is no such space group.
    """
    system, unique = "triclinic", "b"
    if space_group:
        found = gemmi.find_spacegroup_by_name(space_group)
        if found is None:
            raise UsageError(f"-space_group: expected the name of a space group, got {space_group!r}")
        system = found.crystal_system_str()
        if system == "trigonal":
            oblique = abs(cell[5] - math.radians(120.0)) > _NEAR and abs(cell[5] - cell[4]) < _NEAR
            system = "rhombohedral" if found.ext == "R" or (found.ext == "H" and oblique) else "hexagonal"
        unique = found.monoclinic_unique_axis() if system == "monoclinic" else unique
    edges, angles, fixed = _SYSTEMS[system]
    if system == "monoclinic":
        angles = (_ANGLES[_EDGES.index(unique)],)
    placement = [tuple(_EDGES.index(edge) for edge in decided) for decided in edges]
    placement += [tuple(3 + place for place, angle in enumerate(_ANGLES) if angle in decided) for decided in angles]
    names = [_EDGES[places[0]] if places[0] < 3 else _ANGLES[places[0] - 3] for places in placement]
    return CellForm(system, tuple(names), tuple(placement), tuple(map(math.radians, fixed)))
