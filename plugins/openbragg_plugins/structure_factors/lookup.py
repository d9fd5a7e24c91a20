"""Looking amplitudes up in a table of the P1 cell, by whole indices or between them."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch

    from openbragg import Miller

#: Tensors of a table that is not interpolated.
_TABLE_ONLY = 3
#: Up to here single precision holds all whole numbers.
_WHOLE_IN_SINGLE = 1 << 24


class TableLookup:
    """What a plugin computes from a table, which its `prepare` gives as `HklTable.prepare` does."""

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.StructureFactors.amplitude`."""
        if len(tables) == 1:
            return tables[0].expand(nearest.h.shape)
        table, lowest, highest, *neighbours = tables
        found = _look_up(table, lowest, highest, tuple(nearest))
        if not neighbours:
            return found
        return _interpolated(table, lowest, highest, neighbours[0], index, found)

    def interpolates(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """See `openbragg.InterpolatingStructureFactors.interpolates`."""
        return len(tables) > _TABLE_ONLY

    def complete(self, index: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.InterpolatingStructureFactors.complete`."""
        if len(tables) < _TABLE_ONLY:
            return index.h != index.h
        return _within(index, tables[1], tables[2])

    def without_interpolation(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """See `openbragg.InterpolatingStructureFactors.without_interpolation`."""
        return tables[:_TABLE_ONLY]

    def neighbourhoods(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """See `openbragg.BoundedStructureFactors.neighbourhoods`: the largest amplitude of 3 x 3 x 3 reflections."""
        import torch

        if len(tables) == 1:
            return (tables[0].abs(),)
        table, lowest, highest = tables[:_TABLE_ONLY]
        extent = [int(length) for length in (highest - lowest + 3.0).tolist()]
        box = table.abs().reshape(1, *extent)
        return torch.nn.functional.max_pool3d(box, 3, stride=1, padding=1).reshape(-1), lowest, highest


def _look_up(
    table: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor, whole: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Amplitudes at whole indices; outside the table its border answers, which holds the default."""
    numbers, _ = _numbers(table)
    # Before the first index and after the last there is the border.
    limits = zip((lowest - 1.0).to(numbers).unbind(0), (highest + 1.0).to(numbers).unbind(0), strict=True)
    inside = [value.to(numbers).clamp(*limit) for value, limit in zip(whole, limits, strict=True)]
    return _at(table, _place(table, lowest, highest, inside))


def _place(
    table: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor, whole: Iterable[torch.Tensor]
) -> torch.Tensor:
    """Where in a flat table with its border indices stand: whole numbers, beyond the table if the indices are."""
    numbers, places = _numbers(table)
    _, wide, deep = (highest - lowest + 3.0).to(numbers).unbind(0)
    # Counted from the border: indices themselves may be larger than the table.
    h, k, l = (
        value.to(numbers) - first for value, first in zip(whole, (lowest - 1.0).to(numbers).unbind(0), strict=True)
    )
    return ((h * wide + k) * deep + l).to(places)


def _numbers(table: torch.Tensor) -> tuple[torch.dtype, torch.dtype]:
    """The precision in which places of a table are worked out, and the whole numbers for them."""
    import torch

    # Single precision is half the work.
    single = table.numel() <= _WHOLE_IN_SINGLE
    return (torch.float32, torch.int32) if single else (torch.float64, torch.int64)


def _at(table: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The numbers of a flat table at places, which are moved into it where they are outside."""
    import torch

    # What was clamped needs no check.
    found: torch.Tensor = torch.ops.aten._unsafe_index.Tensor(table, [place.clamp(0, table.numel() - 1)])
    return found


def _interpolated(
    table: torch.Tensor,
    lowest: torch.Tensor,
    highest: torch.Tensor,
    neighbours: torch.Tensor,
    index: Miller,
    otherwise: torch.Tensor,
) -> torch.Tensor:
    """Lagrange cubics through the four neighbours along each axis; `otherwise` where the table lacks one."""
    floors = [value.floor() for value in index]
    along_h, along_k, along_l = (
        _cubics((value - floor).to(table.dtype)) for value, floor in zip(index, floors, strict=True)
    )
    place = _place(table, lowest, highest, [floor + neighbours[0] for floor in floors])
    _, wide, deep = (highest - lowest + 3.0).to(place.dtype).unbind(0)
    planes = []
    for i in range(4):
        rows = []
        for j in range(4):
            start = place + (i * wide + j) * deep
            rows.append(_weighted([_at(table, start + k) for k in range(4)], along_l))
        planes.append(_weighted(rows, along_k))
    return _weighted(planes, along_h).where(_within(index, lowest, highest), otherwise)


def _cubics(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The weights of values at -1, 0, 1 and 2 in the cubic through them, at x."""
    before, after, beyond = x + 1.0, x - 1.0, x - 2.0
    return (
        x * after * beyond * (-1.0 / 6.0),
        before * after * beyond * 0.5,
        before * x * beyond * -0.5,
        before * x * after * (1.0 / 6.0),
    )


def _weighted(values: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> torch.Tensor:
    first, *others = (value * weight for value, weight in zip(values, weights, strict=True))
    return reduce(add, others, first)


def _within(index: Miller, lowest: torch.Tensor, highest: torch.Tensor) -> torch.Tensor:
    """Whether the table has all neighbours of a fractional index, by the limits of nanoBragg.c."""
    h, k, l = (
        (value - low + 3.0 <= high - low + 1.0) & (value - 2.0 >= low)
        for value, low, high in zip(index, lowest.unbind(0), highest.unbind(0), strict=True)
    )
    return h & k & l
