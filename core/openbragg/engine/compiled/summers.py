"""Compiled code with a plan's tensors, and strips of pixels by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE, Run
from openbragg.engine.pixels import Pixels
from openbragg.engine.strips import Strip, filled_strip, ranges
from openbragg.engine.threads import Team, in_threads
from openbragg.errors import UsageError


@attrs.frozen(eq=False)
class Summer:
    """Compiled code with a plan's tensors: sums blocks of pixels.

    Attributes
    ----------
    kernel, tensors
        The code, and all its arguments but the pixels' coordinates.
    pixels
        How many to give it at once.
    """

    kernel: Run
    tensors: list[torch.Tensor]
    pixels: int

    def __call__(self, slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Photons (pixel,), float64, and where anything interpolates the marks `missing` and `complete`."""
        count = slow.numel()
        if count % PIXEL_MULTIPLE == 0:
            return tuple(self.kernel([*self.tensors, slow, fast]))
        outputs = self.kernel([*self.tensors, padded(slow), padded(fast)])
        return tuple(output[:count] for output in outputs)


@attrs.frozen(kw_only=True, eq=False)
class DifferentiableSummer:
    """Compiled code with a plan's tensors that carry gradients, and the code of the gradient.

    Attributes
    ----------
    summer
        The sums.
    gradient
        Takes the plan's tensors, the pixels' coordinates and what each pixel's photons are multiplied by; gives the
        derivative by each tensor that requires one.
    tensors
        The plan's.
    pixels
        How many to give the gradient at once.
    team
        Who works on blocks.
    """

    summer: Summer
    gradient: Run
    tensors: list[torch.Tensor]
    pixels: int
    team: Team


def differentiated_strip(
    run: DifferentiableSummer,
    pixels: Pixels,
    start: int,
    stop: int,
    dtype: torch.dtype,
    progress: Callable[[int], None] | None,
) -> Strip:
    """`filled_strip` by compiled code, with gradients: each block is computed again when they are asked for."""
    marks: list[torch.Tensor] = []

    def forward() -> torch.Tensor:
        summer = run.summer
        strip = filled_strip(summer, summer.pixels, pixels, start, stop, torch.float64, run.team, progress)
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
        for found in in_threads(gradients, list(ranges(start, stop, run.pixels)), pixels.device, run.team):
            totals = [total.add_(part) for total, part in zip(totals, found, strict=True)] if totals else found
        return totals

    values: torch.Tensor = Summed.apply(forward, backward, *run.tensors)  # type: ignore[no-untyped-call]
    return Strip(values.to(dtype), *marks)


class Summed(torch.autograd.Function):
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


def padded(values: torch.Tensor) -> torch.Tensor:
    """Values (pixel,) with the last repeated up to the multiple of pixels that compiled code works on."""
    missing = -values.numel() % PIXEL_MULTIPLE
    return values if missing == 0 else torch.cat([values, values[-1:].expand(missing)])
