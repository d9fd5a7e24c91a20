"""Strips of pixels, each independent of the others, in blocks that the cores share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs
import torch

from openbragg.engine.compiled import DifferentiableSummer, padded
from openbragg.engine.pixels import Pixels
from openbragg.engine.summation import COMPLETE, MISSING, marked
from openbragg.engine.threads import in_threads, operations_in_one_thread
from openbragg.errors import UsageError

Result = TypeVar("Result")
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


def filled_strip(
    block: Block,
    size: int,
    pixels: Pixels,
    start: int,
    stop: int,
    dtype: torch.dtype,
    threads: int,
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

    for finished in in_threads(fill, list(ranges(start, stop, pixels.aligned(size))), pixels.device, threads):
        advance(progress, finished)
    return Strip(values, marks)


def differentiated_strip(
    run: DifferentiableSummer,
    pixels: Pixels,
    start: int,
    stop: int,
    dtype: torch.dtype,
    progress: Callable[[int], None] | None,
) -> Strip:
    """The same by compiled code, with gradients: each block is computed again when they are asked for."""
    marks: list[torch.Tensor] = []

    def forward() -> torch.Tensor:
        summer = run.summer
        strip = filled_strip(summer, summer.pixels, pixels, start, stop, torch.float64, run.threads, progress)
        marks.append(strip.marks)
        return strip.values

    def backward(cotangent: torch.Tensor) -> list[torch.Tensor]:
        tensors = [tensor.detach().contiguous() for tensor in run.tensors]

        def gradients(piece: tuple[int, int]) -> list[torch.Tensor]:
            low, high = piece
            slow, fast = pixels.coordinates(low, high)
            share = cotangent[low - start : high - start].to(torch.float64)
            # Pixels that only fill a block up count nothing.
            filler = share.new_zeros(padded(slow).numel() - share.numel())
            with torch.no_grad():
                return list(run.gradient([*tensors, padded(slow), padded(fast), torch.cat([share, filler])]))

        totals: list[torch.Tensor] = []
        for found in in_threads(gradients, list(ranges(start, stop, run.pixels)), pixels.device, run.threads):
            totals = [total.add_(part) for total, part in zip(totals, found, strict=True)] if totals else found
        return totals

    values: torch.Tensor = _Summed.apply(forward, backward, *run.tensors)  # type: ignore[no-untyped-call]
    return Strip(values.to(dtype), *marks)


class _Summed(torch.autograd.Function):
    """Photons of a strip as a function of a plan's tensors."""

    @staticmethod
    def forward(
        ctx: Any,
        forward: Callable[[], torch.Tensor],
        backward: Callable[[torch.Tensor], list[torch.Tensor]],
        *tensors: torch.Tensor,
    ) -> torch.Tensor:
        ctx.gradients = backward
        ctx.wanted = [tensor.requires_grad for tensor in tensors]
        return forward()

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise UsageError("compiled code gives first derivatives only; for higher ones, use the engine 'eager'")
        found = iter(ctx.gradients(cotangent))
        return None, None, *(next(found) if wanted else None for wanted in ctx.wanted)


def advance(progress: Callable[[int], None] | None, pixels: int) -> None:
    """Tell of finished pixels, if anybody wants to know."""
    if progress is not None:
        progress(pixels)


def ranges(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Pieces of a range, each of one size but for the last."""
    for low in range(start, stop, size):
        yield low, min(stop, low + size)
