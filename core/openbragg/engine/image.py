"""The image: the terms of every pixel, summed in blocks of bounded memory.

This is the plain way, by torch's own operations. `openbragg.engine.rendering` chooses between it and others, which
make the same strips of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import attrs
import torch
from torch.utils.checkpoint import checkpoint

from openbragg.engine.devices import device_terms
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part
from openbragg.engine.strips import Renderer, Strip, advance, filled_strip, ranges
from openbragg.engine.summation import marked, pixel_sums
from openbragg.engine.threads import Team, default_threads

#: Terms evaluated at once by one CPU thread: so many that little time goes into calling an operation, during which
#: other threads wait, and so few that intermediate arrays stay in a core's caches. Cores share the blocks, not the
#: operations within one, so that they never wait for each other.
CPU_BLOCK_TERMS = 1 << 17
#: Fewest pixels in a block, where the sum of one pixel is long: the innermost loop runs over pixels.
_FEWEST_PIXELS = 256


@attrs.frozen
class Blocks:
    """How a sum is cut: pixels in a block, and the parts of the sum over which a block is evaluated in turn."""

    pixels: int
    parts: tuple[Part, ...]


def cut_into_blocks(plan: Plan, panel: PanelPlan, pixels: int, terms: int) -> Blocks:
    """Cut a panel's sum so that no block has more than about `terms` terms.

    The innermost axes are kept whole as long as a block of a few hundred pixels fits; outer ones become a loop.
    """
    lengths = (
        panel.layer_depths.numel(),
        plan.oversample,
        plan.oversample,
        plan.wavelengths.numel(),
        *plan.cell_vectors.shape[:2],
    )
    room = max(1, terms // min(_FEWEST_PIXELS, pixels))
    chunks = []
    for length in reversed(lengths):
        chunk = min(length, room)
        room //= chunk
        chunks.append(chunk)
    chunks.reverse()
    cuts = (
        [slice(start, min(start + chunk, length)) for start in range(0, length, chunk)]
        for length, chunk in zip(lengths, chunks, strict=True)
    )
    size = 1
    for chunk in chunks:
        size *= chunk
    return Blocks(pixels=max(1, min(pixels, terms // size)), parts=tuple(Part(*cut) for cut in product(*cuts)))


def blocks_for(plan: Plan, panel: PanelPlan, pixels: Pixels, terms: int | None = None) -> Blocks:
    """The blocks in which pixels are rendered, of `terms` terms; sized to the device by default."""
    terms = terms or (CPU_BLOCK_TERMS if plan.device.type == "cpu" else device_terms(plan.device))
    return cut_into_blocks(plan, panel, max(1, pixels.count), terms)


def strip_renderer(
    panel: PanelPlan,
    pixels: Pixels,
    blocks: Blocks,
    dtype: torch.dtype,
    progress: Callable[[int], None] | None = None,
    team: Team | None = None,
) -> Renderer:
    """Make the function that renders pixels, each independent of the others, from one number up to another.

    Where the plan carries gradients, each block is computed again in the backward pass, so that memory stays that of a
    block.
    """

    def strip(plan: Plan, start: int, stop: int) -> Strip:
        def block(slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
            sums = pixel_sums(plan, panel, slow, fast, blocks.parts)
            return sums.photons.to(dtype), sums.missing, sums.complete

        if stop > start and (plan.differentiable() or plan.transformed()):
            made = []
            for low, high in ranges(start, stop, blocks.pixels):
                place = pixels.coordinates(low, high)
                # What transforms the sum does not know of blocks that are computed again.
                again = not plan.transformed()
                made.append(checkpoint(block, *place, use_reentrant=False) if again else block(*place))
                advance(progress, high - low)
            values, missing, complete = (torch.cat(parts) for parts in zip(*made, strict=True))
            return Strip(values, marked(missing, complete))
        return filled_strip(block, blocks.pixels, pixels, start, stop, dtype, team or Team(default_threads()), progress)

    return strip
