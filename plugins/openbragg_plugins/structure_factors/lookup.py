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
#: Amplitudes along each axis that indices in two neighbouring cells need.
_BLOCK = 5
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

    def grouped(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """See `openbragg.GroupedStructureFactors.grouped`: where there are blocks of neighbours to look up."""
        if len(tables) <= _TABLE_ONLY:
            return False
        table, lowest, highest = tables[:_TABLE_ONLY]
        # Of a smaller one nothing is interpolated; and 0 times what is not finite would not be 0.
        return bool((highest - lowest + 1.0 >= _BLOCK).all() and table.isfinite().all())

    def grouped_amplitude(
        self, index: Miller, nearest: Miller, first: Miller, tables: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """See `openbragg.GroupedStructureFactors.grouped_amplitude`."""
        table, lowest, highest, neighbours, extent = tables
        start = _place(table, lowest, highest, [floor + neighbours[0] for floor in first])
        otherwise = _look_up(table, lowest, highest, tuple(nearest))
        found = _in_block(table, start, extent, index, first)
        return found.where(_within(index, lowest, highest), otherwise)

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

    def largest(self, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.LimitedStructureFactors.largest`."""
        return tables[0].abs().amax()


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

    # What was clamped needs no check, below last so that a compiler knows it.
    inside = place.clamp(max=table.numel() - 1).clamp(min=0)
    found: torch.Tensor = torch.ops.aten._unsafe_index.Tensor(table, [inside])
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


def _in_block(
    table: torch.Tensor, start: torch.Tensor, extent: torch.Tensor, index: Miller, first: Miller
) -> torch.Tensor:
    """The same for groups of indices, each from one block of 5 x 5 x 5 amplitudes of which `start` is the first.

    All indices of a group need the same numbers, which a processor loads once for all lanes of its vectors. For
    `extent` see `lengths_of`.
    """
    import torch

    along_h, along_k, along_l = (
        _placed_cubics(value, floor, table.dtype) for value, floor in zip(index, first, strict=True)
    )
    _, wide, deep = extent.shape
    # A block that reaches beyond the table is of use to no index.
    last = table.numel() - _BLOCK - (_BLOCK - 1) * (wide + 1) * deep
    start = start.to(torch.int64).clamp(max=last).clamp(min=0)
    lines = table.unfold(0, _BLOCK, 1)
    planes = []
    for i in range(_BLOCK):
        sums = []
        for j in range(_BLOCK):
            line: torch.Tensor = torch.ops.aten._unsafe_index.Tensor(lines, [start + (i * wide + j) * deep])
            sums.append(_weighted(line.unbind(-1), along_l))
        planes.append(_weighted(sums, along_k))
    return _weighted(planes, along_h)


def _placed_cubics(value: torch.Tensor, first: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """`_cubics` of an index in one of two cells, as the weights of five values of which the second is at `first`."""
    next_cell = first + 1.0
    floor = next_cell.where(value >= next_cell, first)
    before, here, after, beyond = _cubics((value - floor).to(dtype))
    # Decided anew in the amplitudes' precision: truths are slow to bring from one to the other.
    second = (floor - first).to(dtype) > 0.5
    nothing = before.new_zeros(())
    return (
        nothing.where(second, before),
        before.where(second, here),
        here.where(second, after),
        after.where(second, beyond),
        beyond.where(second, nothing),
    )


def lengths_of(wide: int, deep: int) -> torch.Tensor:
    """An empty tensor whose last two lengths are those of a flat table: a compiler counts with them."""
    import torch

    return torch.empty((0, wide, deep), dtype=torch.int32)


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
    # The sign of a difference is exact, and one comparison of the least takes less time than six.
    rooms = (
        room
        for value, low, high in zip(index, lowest.unbind(0), highest.unbind(0), strict=True)
        for room in ((high - 2.0) - value, value - (low + 2.0))
    )
    return reduce(_minimum, rooms) >= 0.0


def _minimum(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return one.minimum(other)
