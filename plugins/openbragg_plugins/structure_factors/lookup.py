"""Looking amplitudes up in a table of the P1 cell, by whole indices or between them."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from openbragg import InputError
from openbragg_plugins.structure_factors.places import at_places, lines_at, place_inside, place_of
from openbragg_plugins.structure_factors.spectral import (
    is_spectral,
    own_numbers,
    spectral_amplitude,
    spectral_bound,
    spectral_limits,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from openbragg import Miller

#: Tensors of a table that is not interpolated.
_TABLE_ONLY = 3
#: Amplitudes along each axis that indices in two neighbouring cells need.
_BLOCK = 5


class TableLookup:
    """What a plugin computes from a table, which its `prepare` gives as `HklTable.prepare` does."""

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.StructureFactors.amplitude`."""
        if len(tables) == 1:
            return tables[0].expand(nearest.h.shape)
        if is_spectral(tables):
            return spectral_amplitude(index, nearest, own_numbers(tables), tables)
        table, lowest, highest, *neighbours = tables
        found = at_places(table, place_inside(table, lowest, highest, tuple(nearest)))
        if not neighbours:
            return found
        return _interpolated(table, lowest, highest, neighbours[0], index, found)

    def grouped(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """See `openbragg.GroupedStructureFactors.grouped`: where there are blocks of neighbours to look up."""
        if not self.interpolates(tables):
            return False
        table, lowest, highest = tables[:_TABLE_ONLY]
        # Of a smaller one nothing is interpolated; and 0 times what is not finite would not be 0.
        return bool((highest - lowest + 1.0 >= _BLOCK).all() and table.isfinite().all())

    def grouped_amplitude(
        self, index: Miller, nearest: Miller, first: Miller, tables: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """See `openbragg.GroupedStructureFactors.grouped_amplitude`."""
        table, lowest, highest, neighbours, extent = tables
        start = place_of(table, lowest, highest, [floor + neighbours[0] for floor in first])
        otherwise = at_places(table, place_inside(table, lowest, highest, tuple(nearest)))
        found = _in_block(table, start, extent, index, first)
        return found.where(_within(index, lowest, highest), otherwise)

    def interpolates(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """See `openbragg.InterpolatingStructureFactors.interpolates`."""
        return len(tables) > _TABLE_ONLY and not is_spectral(tables)

    def complete(self, index: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.InterpolatingStructureFactors.complete`."""
        if len(tables) < _TABLE_ONLY:
            return index.h != index.h
        return _within(index, tables[1], tables[2])

    def without_interpolation(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """See `openbragg.InterpolatingStructureFactors.without_interpolation`."""
        return tables if is_spectral(tables) else tables[:_TABLE_ONLY]

    def spectral(self, wavelengths: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> torch.Tensor | None:
        """See `openbragg.SpectralStructureFactors.spectral`: None of a table with one amplitude a reflection."""
        return None if not is_spectral(tables) else self.numbers_of(wavelengths, tables)

    def numbers_of(self, wavelengths: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The numbers of sources, (sources, numbers), for spectral tables; of channels their columns.

        Raises
        ------
        InputError
            When there are not as many channels as the beam has.
        """
        import torch

        channels = tables[0].shape[1] - 1
        sources = len(wavelengths)
        if sources % channels:
            raise InputError(
                f"{getattr(self, 'file', None) or 'reflections'}: the table has {channels} amplitudes for each "
                f"reflection, one for each wavelength of the beam, which has {sources}"
            )
        columns = torch.arange(sources, dtype=torch.float64, device=wavelengths.device) % channels
        return columns.unsqueeze(1)

    def amplitude_at(
        self, index: Miller, nearest: Miller, spectral: tuple[torch.Tensor, ...], tables: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """See `openbragg.SpectralStructureFactors.amplitude_at`."""
        return spectral_amplitude(index, nearest, spectral, tables)

    def neighbourhoods(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """See `openbragg.BoundedStructureFactors.neighbourhoods`: the largest amplitude of 3 x 3 x 3 reflections."""
        import torch

        if len(tables) == 1:
            return (tables[0].abs(),)
        table, lowest, highest = tables[:_TABLE_ONLY]
        extent = [int(length) for length in (highest - lowest + 3.0).tolist()]
        box = (spectral_bound(tables) if is_spectral(tables) else table.abs()).reshape(1, *extent)
        return torch.nn.functional.max_pool3d(box, 3, stride=1, padding=1).reshape(-1), lowest, highest

    def largest(self, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.LimitedStructureFactors.largest`."""
        return (spectral_bound(tables) if is_spectral(tables) else tables[0].abs()).amax()

    def limits(self, spectral: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LimitedSpectralStructureFactors.limits`."""
        return spectral_limits(spectral, tables), *tables[1:_TABLE_ONLY]


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
    place = place_of(table, lowest, highest, [floor + neighbours[0] for floor in floors])
    _, wide, deep = (highest - lowest + 3.0).to(place.dtype).unbind(0)
    planes = []
    for i in range(4):
        rows = [lines_at(table, place + (i * wide + j) * deep, 4) for j in range(4)]
        planes.append(_weighted([_weighted(row, along_l) for row in rows], along_k))
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
