"""Strips of pixels, each independent of the others, in blocks that the cores share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import torch

from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import Plan
from openbragg.engine.summation import COMPLETE, MISSING, marked
from openbragg.engine.threads import Team, in_threads, operations_in_one_thread

Block = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]]


@attrs.frozen(eq=False)
class Strip:
    """Pixels in their order.

    Attributes
    ----------
    values
        Photons (pixel,).
    marks
        What `marked` makes of the marks in `PixelSums`, uint8, (pixel,).
    """

    values: torch.Tensor
    marks: torch.Tensor

    @property
    def missing(self) -> torch.Tensor:
        """Which pixels lack a neighbour to interpolate in any term, (pixel,)."""
        return self.marks & MISSING > 0

    @property
    def complete(self) -> torch.Tensor:
        """Which pixels have all in any term, (pixel,)."""
        return self.marks & COMPLETE > 0


#: Renders pixels of a plan, each independent of the others, from one number up to another.
Renderer = Callable[[Plan, int, int], Strip]


def filled_strip(
    block: Block,
    size: int,
    pixels: Pixels,
    start: int,
    stop: int,
    dtype: torch.dtype,
    team: Team,
    progress: Callable[[int], None] | None,
) -> Strip:
    """The pixels from one number up to another, by a function of slow and fast indices, `size` pixels at a time.

    The function gives photons, and may give the two marks, or a number that has both as `marked` makes it.
    """
    with operations_in_one_thread():
        values = torch.empty(stop - start, dtype=dtype, device=pixels.device)
        marks = torch.zeros(stop - start, dtype=torch.uint8, device=pixels.device)

    def fill(piece: tuple[int, int]) -> int:
        low, high = piece
        part = slice(low - start, high - start)
        # A thread begins with gradients on, whatever its caller has.
        with torch.no_grad():
            photons, *of_block = block(*pixels.coordinates(low, high))
            values[part] = photons
            if of_block:
                marks[part] = of_block[0] if len(of_block) == 1 else marked(*of_block)
        return high - low

    for finished in in_threads(fill, list(ranges(start, stop, pixels.aligned(size))), pixels.device, team):
        advance(progress, finished)
    return Strip(values, marks)


def advance(progress: Callable[[int], None] | None, pixels: int) -> None:
    """Tell of finished pixels, if anybody wants to know."""
    if progress is not None:
        progress(pixels)


def ranges(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Pieces of a range, each of one size but for the last."""
    for low in range(start, stop, size):
        yield low, min(stop, low + size)
