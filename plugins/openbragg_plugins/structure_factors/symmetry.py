"""Symmetry of reflections: a space group that gemmi knows, or operations that a file lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from openbragg import InputError

if TYPE_CHECKING:
    import gemmi

#: Point groups as CrystFEL writes them, unique axis c, and a space group without translations that has each.
_SYMMORPHIC = {
    **{"1": "P 1", "-1": "P -1", "2": "P 1 1 2", "m": "P 1 1 m", "2/m": "P 1 1 2/m"},
    **{"222": "P 2 2 2", "mm2": "P m m 2", "mmm": "P m m m"},
    **{"4": "P 4", "-4": "P -4", "4/m": "P 4/m", "422": "P 4 2 2", "4mm": "P 4 m m"},
    **{"-42m": "P -4 2 m", "-4m2": "P -4 m 2", "4/mmm": "P 4/m m m"},
    **{"3_R": "R 3:R", "-3_R": "R -3:R", "32_R": "R 3 2:R", "3m_R": "R 3 m:R", "-3m_R": "R -3 m:R"},
    **{"3_H": "P 3", "-3_H": "P -3", "321_H": "P 3 2 1", "312_H": "P 3 1 2", "3m1_H": "P 3 m 1", "31m_H": "P 3 1 m"},
    **{"-3m1_H": "P -3 m 1", "-31m_H": "P -3 1 m", "32_H": "P 3 2 1", "3m_H": "P 3 m 1", "-3m_H": "P -3 m 1"},
    **{"6": "P 6", "-6": "P -6", "6/m": "P 6/m", "622": "P 6 2 2", "6mm": "P 6 m m"},
    **{"-6m2": "P -6 m 2", "-62m": "P -6 2 m", "6/mmm": "P 6/m m m"},
    **{"23": "P 2 3", "m-3": "P m -3", "432": "P 4 3 2", "-43m": "P -4 3 m", "m-3m": "P m -3 m"},
}
#: The new axes where the unique one is not c: the old ones in turn.
_UNIQUE_AXES = {"_uaa": "z,x,y", "_uab": "y,z,x", "_uac": "x,y,z"}
#: Points of a lattice beside the corners of its cell.
CENTRINGS = {
    "P": (),
    "A": ("x,y+1/2,z+1/2",),
    "B": ("x+1/2,y,z+1/2",),
    "C": ("x+1/2,y+1/2,z",),
    "I": ("x+1/2,y+1/2,z+1/2",),
    "F": ("x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z"),
    # Obverse, on hexagonal axes.
    "H": ("x+2/3,y+1/3,z+1/3", "x+1/3,y+2/3,z+2/3"),
}
#: More operations than any space group has on any axes.
_MOST_OPERATIONS = 192


@attrs.frozen(eq=False)
class Symmetry:
    """Operations without an entry in gemmi's table; used as a `gemmi.SpaceGroup` is.

    Attributes
    ----------
    name
        For people.
    group
        The operations.
    """

    name: str
    group: gemmi.GroupOps

    def operations(self) -> gemmi.GroupOps:
        """The operations."""
        return self.group

    def xhm(self) -> str:
        """The name."""
        return self.name


def fits(cell: gemmi.UnitCell, group: gemmi.SpaceGroup | Symmetry) -> bool:
    """Whether a cell has the symmetry of a group, but for a part of a hundred."""
    if not isinstance(group, Symmetry):
        return bool(cell.is_compatible_with_spacegroup(group, 0.01))
    import gemmi
    import numpy as np

    a, b, c, *angles = cell.parameters
    ca, cb, cg = np.cos(np.radians(angles))
    metric = np.array(
        [[a * a, a * b * cg, a * c * cb], [a * b * cg, b * b, b * c * ca], [a * c * cb, b * c * ca, c * c]]
    )
    lengths = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    for operation in group.operations().sym_ops:
        rotation = np.array(operation.rot) // gemmi.Op.DEN
        if (abs(rotation.T @ metric @ rotation - metric) > 0.02 * lengths).any():
            return False
    return True


def listed_group(path: Path, triplets: Iterable[str], name: str = "") -> gemmi.SpaceGroup | Symmetry:
    """The group of operations such as ``-x,y+1/2,-z``, which may be all or enough to make all.

    Raises
    ------
    InputError
        When one is no operation, or they make no group.
    """
    import gemmi

    # Each once: gemmi takes a second one of the same rotation for a centring.
    operations = {"x,y,z": gemmi.Op("x,y,z")}
    for triplet in triplets:
        try:
            operation = gemmi.Op(triplet.replace("'", "").replace('"', "")).wrap()
        except (RuntimeError, ValueError):
            raise InputError(f"{path}: {triplet[:40]!r} is no symmetry operation") from None
        operations.setdefault(operation.triplet(), operation)
        if len(operations) > 2 * _MOST_OPERATIONS:
            raise InputError(f"{path}: more symmetry operations than any space group has")
    try:
        group = gemmi.GroupOps(list(operations.values()))
        group.add_missing_elements()
    except (RuntimeError, ValueError):
        raise InputError(f"{path}: the symmetry operations make no group") from None
    if len(group) > _MOST_OPERATIONS or any(_odd(operation) for operation in group.sym_ops):
        raise InputError(f"{path}: the symmetry operations make no group")
    known = gemmi.find_spacegroup_by_ops(group)
    return known if known is not None else Symmetry(name or f"group of {len(group)} operations", group)


def point_group(path: Path, symbol: str, centring: str = "P") -> gemmi.SpaceGroup | Symmetry:
    """The symmetry of a point group by CrystFEL's symbol, such as ``4/mmm`` or ``2_uab``, with a centring.

    Raises
    ------
    InputError
        When there is no such point group.
    """
    import gemmi

    stem, axes = symbol, "x,y,z"
    for suffix, turned in _UNIQUE_AXES.items():
        if symbol.endswith(suffix):
            stem, axes = symbol.removesuffix(suffix), turned
    if stem not in _SYMMORPHIC:
        raise InputError(f"{path}: {symbol[:40]!r} is no point group that CrystFEL writes")
    group = _primitive(_SYMMORPHIC[stem])
    group.change_basis_forward(gemmi.Op(axes))
    operations = [*group.sym_ops, *(gemmi.Op(shift) for shift in CENTRINGS.get(centring, ()))]
    whole = gemmi.GroupOps(operations)
    whole.add_missing_elements()
    name = f"point group {symbol}" + (f", centring {centring}" if centring != "P" else "")
    return Symmetry(name, whole)


def named_group(path: Path, name: str) -> gemmi.SpaceGroup | Symmetry:
    """The group of a space group's name, or of a point group's.

    Raises
    ------
    InputError
        When there is none.
    """
    import gemmi

    if name.split("_ua")[0] in _SYMMORPHIC:
        return point_group(path, name)
    found = gemmi.find_spacegroup_by_name(name)
    if found is None:
        raise InputError(f"{path}: gemmi knows no space group {name[:40]!r}")
    return found


def _primitive(name: str) -> gemmi.GroupOps:
    import gemmi

    return gemmi.GroupOps(list(gemmi.SpaceGroup(name).operations().sym_ops))


def _odd(operation: gemmi.Op) -> bool:
    """Whether a rotation part is none of a crystal: not of whole numbers, or of another volume."""
    import gemmi

    whole = all(value % gemmi.Op.DEN == 0 for row in operation.rot for value in row)
    return not whole or abs(operation.det_rot()) != gemmi.Op.DEN**3
