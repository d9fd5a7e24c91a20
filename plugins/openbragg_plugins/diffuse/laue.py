"""Rotations of a space group's Laue class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openbragg import InputError, shown

if TYPE_CHECKING:
    import torch

#: Metrics of a cell and of the same cell turned by its symmetry differ by less than this part.
_ALIKE = 0.02


def laue_rotations(space_group: str) -> torch.Tensor:
    """The proper rotations of the Laue class, as they act on columns h, k, l: float64, (operators, 3, 3).

    They are those of the group, with the inverse of each improper one in its place; translations do not count. The
    first leaves all as it is.

    Parameters
    ----------
    space_group
        A name that gemmi knows, such as ``P 21 21 21`` or ``I4/mmm``; empty for P 1.

    Raises
    ------
    InputError
        When there is no such space group.
    """
    import gemmi
    import torch

    found = gemmi.find_spacegroup_by_name(space_group or "P 1")
    if found is None:
        raise InputError(f"-diffuse_symmetry: there is no space group {shown(space_group)}")
    kept: dict[tuple[int, ...], torch.Tensor] = {}
    for operator in found.operations().sym_ops:
        rows = torch.tensor(operator.rot, dtype=torch.float64) / operator.DEN
        # h' = h R as rows: R' h as columns.
        columns = (rows * rows.det().sign()).T
        kept.setdefault(tuple(columns.round().int().reshape(-1).tolist()), columns)
    return torch.stack(list(kept.values()))


def refuse_other_symmetry(metric: torch.Tensor, rotations: torch.Tensor, space_group: str) -> None:
    """Refuse a cell that does not look the same after a rotation of the group.

    Parameters
    ----------
    metric
        Dot products of a*, b*, c*, (3, 3).
    rotations
        From `laue_rotations`.

    Raises
    ------
    InputError
        With the space group.
    """
    metric = metric.detach()
    worst = (rotations.mT @ metric @ rotations - metric).abs().amax(dim=(1, 2)) / metric.abs().max()
    if bool((worst > _ALIKE).any()):
        raise InputError(f"the cell does not have the symmetry of {shown(space_group)}: see -diffuse_symmetry")
