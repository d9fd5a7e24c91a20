"""Sums of the pixels that spots reach: of squares of a region, those alone that any box of pixels touches.

Spots are small and stand apart: numbers of all pixels would be next to all 0, and what a machine does to hold them
would take longer than the terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.engine.pixels import Pixels
from openbragg.engine.strips import ranges

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

#: Pixels along a side of a square, as a power of two too, and in one.
_BITS = 3
SIDE = 1 << _BITS
_PIXELS = SIDE * SIDE
#: Squares that a pixel is of, along a side: a product takes less time than a division, and is as exact.
_EACH = 1.0 / SIDE


@attrs.frozen(eq=False)
class Lit:
    """Pixels that have a sum other than 0: numbers, slow and fast indices (pixel,), and places of their sums."""

    numbers: torch.Tensor
    slow: torch.Tensor
    fast: torch.Tensor
    places: torch.Tensor


class Canvas:
    """Sums of the pixels of a region, as far as they are reached.

    Attributes
    ----------
    pixels
        The region.
    sums
        Of the pixels of the squares that are reached, row by row, one square after the other, float64, (place,).
    numbers
        Of each square of the region, row by row, its number among those that are reached, from 1 on, int32; 0 for one
        that is not.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self._across, self._down = -(-pixels.width // SIDE), -(-pixels.height // SIDE)
        self._squares = np.zeros(0, dtype=np.int64)
        # Numpy's zeros take no memory until they are written to.
        self._room = np.zeros(0)
        self._numbers = np.zeros(self._across * self._down, dtype=np.int32)
        self.sums, self.numbers = torch.from_numpy(self._room), torch.from_numpy(self._numbers)

    def grid(self) -> torch.Tensor:
        """Slow and fast index of the region's first pixel, and squares across it, float64, (3,)."""
        first_fast, _, first_slow, _ = self.pixels.region
        return torch.tensor([first_slow, first_fast, self._across], dtype=torch.float64)

    def reach(self, boxes: Numbers) -> None:
        """Make room for the pixels of boxes: first fast, last fast, first slow, last slow from the region's first."""
        reached = self._reached(boxes)
        new = reached[self._numbers[reached] == 0]
        if not len(new):
            return
        before, now = len(self._squares), len(self._squares) + len(new)
        self._numbers[new] = np.arange(before + 1, now + 1)
        self._squares = np.concatenate([self._squares, new])
        if now * _PIXELS > len(self._room):
            # Of many lots few have the sums moved.
            room = np.zeros(min(max(now, 2 * before), len(self._numbers)) * _PIXELS)
            room[: before * _PIXELS] = self._room[: before * _PIXELS]
            self._room = room
        self.sums = torch.from_numpy(self._room[: now * _PIXELS])

    def parts(self, together: int) -> list[tuple[int, int]]:
        """The squares that are reached, in parts of so many pixels: their first number, and the first after them."""
        return list(ranges(0, len(self._squares), max(1, together // _PIXELS)))

    def lit(self, part: tuple[int, int]) -> Lit:
        """The pixels in a part of the squares that have a sum other than 0 and are to be rendered."""
        first, last = part
        # Numpy looks for True many times as fast as for what is not 0, and shifts as much faster than it divides.
        found = np.flatnonzero(self._room[first * _PIXELS : last * _PIXELS] != 0.0)
        square = found >> (2 * _BITS)
        corner_slow, corner_fast = (SIDE * each for each in np.divmod(self._squares[first:last], self._across))
        slow = corner_slow[square] + ((found >> _BITS) & (SIDE - 1))
        fast = corner_fast[square] + (found & (SIDE - 1))
        places = found + first * _PIXELS
        pixels = self.pixels
        numbers = slow * pixels.width + fast
        # Squares may reach beyond the region, boxes do not; but what is in a box need not be chosen.
        if pixels.chosen is not None and len(numbers):
            chosen = pixels.chosen.numpy()
            among = np.minimum(np.searchsorted(chosen, numbers), len(chosen) - 1)
            there = np.flatnonzero(chosen[among] == numbers)
            numbers, slow, fast, places = among[there], slow[there], fast[there], places[there]
        first_fast, _, first_slow, _ = pixels.region
        return Lit(
            torch.from_numpy(numbers),
            torch.from_numpy((slow + first_slow).astype(np.float64)),
            torch.from_numpy((fast + first_fast).astype(np.float64)),
            torch.from_numpy(places),
        )

    def unlit(self, lit: list[Lit], together: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """The other pixels that are to be rendered: numbers, slow and fast indices, so many at a time."""
        dark = torch.ones(self.pixels.count, dtype=torch.bool)
        for part in lit:
            dark[part.numbers] = False
        for low, high in ranges(0, self.pixels.count, together):
            slow, fast = self.pixels.coordinates(low, high)
            there = dark[low:high].nonzero().reshape(-1)
            if len(there):
                yield there + low, slow[there], fast[there]

    def _reached(self, boxes: Numbers) -> Numbers:
        """Which squares boxes touch, each once."""
        left, right, top, bottom = boxes.T // SIDE
        across = right - left + 1
        count = across * (bottom - top + 1)
        total = int(count.sum())
        if total < len(self._numbers):
            # Of boxes of a few squares these are soon listed.
            inside = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
            down, along = np.divmod(inside, np.repeat(across, count))
            reached = np.zeros(len(self._numbers), dtype=np.bool_)
            reached[np.repeat(top * self._across + left, count) + down * self._across + along] = True
            return np.flatnonzero(reached)
        # Sums over all that is above and to the left of a square tell how many boxes it is in.
        steps = np.zeros((self._down + 1, self._across + 1))
        for slow, fast, sign in ((top, left, 1.0), (top, right + 1, -1.0), (bottom + 1, left, -1.0)):
            steps += sign * self._counted(slow, fast)
        steps += self._counted(bottom + 1, right + 1)
        return np.flatnonzero(steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0.5)

    def _counted(self, slow: Numbers, fast: Numbers) -> np.ndarray[Any, np.dtype[np.float64]]:
        shape = (self._down + 1, self._across + 1)
        counts = np.bincount(slow * shape[1] + fast, minlength=shape[0] * shape[1])
        return counts.reshape(shape).astype(np.float64)


def place_of(slow: torch.Tensor, fast: torch.Tensor, grid: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Places of the sums of pixels in squares that are reached, int64.

    Parameters
    ----------
    slow, fast
        Whole indices, float64, of one shape.
    grid, numbers
        See `Canvas`.
    """
    down, along = slow - grid[0], fast - grid[1]
    square_down, square_along = (down * _EACH).floor(), (along * _EACH).floor()
    inside = (down - SIDE * square_down) * SIDE + (along - SIDE * square_along)
    number = numbers[(square_down * grid[2] + square_along).to(torch.int64)].to(torch.int64)
    return (number - 1) * _PIXELS + inside.to(torch.int64)
