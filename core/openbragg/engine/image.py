"""The image: the terms of every pixel, summed in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from math import ceil

import attrs
import torch
from torch.utils.checkpoint import checkpoint

from openbragg.engine.evaluate import Part
from openbragg.engine.pixels import Pixels, Region, choose_pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sequence import Strip, reference_interpolates_otherwise, render_in_order
from openbragg.engine.summation import pixel_sums

#: Terms evaluated at once by one CPU thread. Their intermediate arrays stay in a core's cache, and torch runs
#: operations of this size on the thread that calls them: cores share the blocks, not the operations within one, so
#: that they never wait for each other.
CPU_BLOCK_TERMS = 32768
#: Terms evaluated at once on a GPU: enough to fill it, a few GB of intermediate arrays.
GPU_BLOCK_TERMS = 1 << 24
#: Fewest pixels in a block, where the sum of one pixel is long: the innermost loop runs over pixels.
_FEWEST_PIXELS = 256


@attrs.frozen
class Blocks:
    """How a sum is cut: pixels in a block, and the parts of the sum over which a block is evaluated in turn."""

    pixels: int
    parts: tuple[Part, ...]


@attrs.frozen(eq=False)
class RenderedPanel:
    """A rendered panel.

    Attributes
    ----------
    image
        Expected photons, (slow, fast), on the plan's device.
    interpolated_otherwise
        Whether the reference program would have interpolated between other reflections.
    """

    image: torch.Tensor
    interpolated_otherwise: bool


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


def render_panel(
    plan: Plan,
    panel: PanelPlan,
    *,
    dtype: torch.dtype,
    region: Region | None = None,
    mask: torch.Tensor | None = None,
    block_terms: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> RenderedPanel:
    """Render a panel.

    Parameters
    ----------
    plan, panel
        The sum.
    dtype
        Of the image; the sum itself is accumulated in float64.
    region
        The part to render; the rest stays 0.
    mask
        Where it is 0 or False nothing is rendered, (slow, fast).
    block_terms
        Terms evaluated at once; sized to the device by default.
    progress
        Called after each block with the number of pixels it finished.

    Returns
    -------
    RenderedPanel
        Where the plan carries gradients, each block is recomputed in the backward pass, so that memory stays that of a
        block.
    """
    pixels = choose_pixels(panel.pixels, region, mask, plan.device)
    strip = strip_renderer(panel, pixels, blocks_for(plan, panel, pixels, block_terms), dtype, progress)
    whole = render_in_order(plan, panel, pixels, strip)
    return RenderedPanel(
        image=pixels.image(whole.values),
        interpolated_otherwise=reference_interpolates_otherwise(plan, panel, pixels, whole),
    )


def blocks_for(plan: Plan, panel: PanelPlan, pixels: Pixels, terms: int | None = None) -> Blocks:
    """The blocks in which pixels are rendered, of `terms` terms; sized to the device by default."""
    terms = terms or (CPU_BLOCK_TERMS if plan.device.type == "cpu" else GPU_BLOCK_TERMS)
    return cut_into_blocks(plan, panel, max(1, pixels.count), terms)


def strip_renderer(
    panel: PanelPlan,
    pixels: Pixels,
    blocks: Blocks,
    dtype: torch.dtype,
    progress: Callable[[int], None] | None = None,
) -> Callable[[Plan, int, int], Strip]:
    """Make the function that renders pixels, each independent of the others, from one number up to another."""

    def strip(plan: Plan, start: int, stop: int) -> Strip:
        pieces = [(start + low, start + high) for low, high in _ranges(stop - start, blocks.pixels)]

        def block(slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
            sums = pixel_sums(plan, panel, slow, fast, blocks.parts)
            return sums.photons.to(dtype), sums.missing, sums.complete

        if plan.differentiable():
            made = []
            for low, high in pieces:
                made.append(checkpoint(block, *pixels.coordinates(low, high), use_reentrant=False))
                _advance(progress, high - low)
            if made:
                values, missing, complete = (torch.cat(parts) for parts in zip(*made, strict=True))
                return Strip(values, missing, complete)
        values = torch.empty(stop - start, dtype=dtype, device=plan.device)
        missing, complete = (torch.zeros(stop - start, dtype=torch.bool, device=plan.device) for _ in range(2))

        def fill(piece: tuple[int, int]) -> int:
            low, high = piece
            part = slice(low - start, high - start)
            # A thread begins with gradients on, whatever its caller has.
            with torch.no_grad():
                values[part], missing[part], complete[part] = block(*pixels.coordinates(low, high))
            return high - low

        for finished in _in_threads(fill, pieces, plan.device):
            _advance(progress, finished)
        return Strip(values, missing, complete)

    return strip


def _in_threads(
    work: Callable[[tuple[int, int]], int], pieces: list[tuple[int, int]], device: torch.device
) -> Iterator[int]:
    """Do pieces of work in as many threads as torch uses; on a GPU, whose queue is one, in turn."""
    threads = min(torch.get_num_threads(), len(pieces))
    if device.type != "cpu" or threads <= 1:
        yield from map(work, pieces)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(work, pieces)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _advance(progress: Callable[[int], None] | None, pixels: int) -> None:
    if progress is not None:
        progress(pixels)


def _ranges(total: int, size: int) -> Iterator[tuple[int, int]]:
    for piece in range(ceil(total / size)):
        yield piece * size, min(total, (piece + 1) * size)
