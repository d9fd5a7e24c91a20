"""Where the reflections of a flat table stand in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch

#: Up to here single precision holds all whole numbers, and 32 bits count all numbers of a table.
_WHOLE_IN_SINGLE = 1 << 24
_COUNTED_IN_32_BITS = 1 << 31


def place_inside(
    table: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor, whole: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Where whole indices stand in a flat table with its border; what is outside of it, in that border."""
    numbers, _ = _numbers(table)
    # Before the first index and after the last there is the border.
    limits = zip((lowest - 1.0).to(numbers).unbind(0), (highest + 1.0).to(numbers).unbind(0), strict=True)
    inside = [value.to(numbers).clamp(*limit) for value, limit in zip(whole, limits, strict=True)]
    return place_of(table, lowest, highest, inside)


def place_of(
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


def at_places(table: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The numbers of a flat table at places, which are moved into it where they are outside."""
    import torch

    found: torch.Tensor = torch.ops.aten._unsafe_index.Tensor(table, [_inside(place, table.numel())])
    return found


def lines_at(table: torch.Tensor, start: torch.Tensor, length: int) -> tuple[torch.Tensor, ...]:
    """So many numbers of a flat table that follow each other, from the places of the first, moved like `at_places`."""
    import torch

    lines = table.unfold(0, length, 1).t()
    found: torch.Tensor = torch.ops.aten._unsafe_index.Tensor(lines, [None, _inside(start, lines.shape[1])])
    return found.unbind(0)


def _inside(place: torch.Tensor, length: int) -> torch.Tensor:
    """Places that need no check; below comes last so that a compiler knows it."""
    return place.clamp(max=length - 1).clamp(min=0)


def _numbers(table: torch.Tensor) -> tuple[torch.dtype, torch.dtype]:
    """The precision in which places of a table are worked out, and the whole numbers for them."""
    import torch

    # Single precision is half the work.
    single = len(table) <= _WHOLE_IN_SINGLE
    few = single and table.numel() < _COUNTED_IN_32_BITS
    return torch.float32 if single else torch.float64, torch.int32 if few else torch.int64
