"""The image: the terms of every pixel, summed in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import attrs
import torch
from torch.utils.checkpoint import checkpoint

from openbragg.engine.compiled import Engine, device_terms
from openbragg.engine.cull import Culled, CullingRenderer, cull_refusal
from openbragg.engine.pixels import Pixels, Region, choose_pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part
from openbragg.engine.sequence import reference_interpolates_otherwise, render_in_order
from openbragg.engine.strips import Strip, advance, differentiated_strip, filled_strip, ranges
from openbragg.engine.summation import marked, pixel_sums

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


@attrs.frozen(eq=False)
class RenderedPanel:
    """A rendered panel.

    Attributes
    ----------
    image
        Expected photons, (slow, fast), on the plan's device.
    interpolated_otherwise
        Whether the reference program would have interpolated between other reflections.
    culled
        What was left out; None for a full sum.
    """

    image: torch.Tensor
    interpolated_otherwise: bool
    culled: Culled | None = None


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
    engine: Engine | None = None,
    cull: float | None = None,
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
    engine
        How the sum is computed; by default operation by operation.
    cull
        The part of the peak by which pixels may differ from the full sum; None for the full sum, which it is also where
        `openbragg.engine.cull.cull_refusal` has a reason, and where an engine that may choose has compiled code for it.

    Returns
    -------
    RenderedPanel
        Where the plan carries gradients, each block is recomputed in the backward pass, so that memory stays that of a
        block.
    """
    pixels = choose_pixels(panel.pixels, region, mask, plan.device)
    strip = strip_renderer(panel, pixels, blocks_for(plan, panel, pixels, block_terms), dtype, progress, engine)
    culled = None
    if cull is not None and cull_refusal(plan) is None and not _full_sum_is_faster(plan, panel, pixels, engine):
        culled = CullingRenderer(panel, pixels, cull, dtype, engine or Engine(name="eager"), progress)
    whole = render_in_order(plan, panel, pixels, culled or strip)
    return RenderedPanel(
        image=pixels.image(whole.values),
        interpolated_otherwise=reference_interpolates_otherwise(plan, panel, pixels, whole),
        culled=None if culled is None else culled.culled,
    )


def empty_panel(plan: Plan, panel: PanelPlan, *, dtype: torch.dtype) -> RenderedPanel:
    """A panel of which nothing is rendered."""
    image = torch.zeros(panel.pixels, dtype=dtype, device=plan.device)
    return RenderedPanel(image=image, interpolated_otherwise=False)


def _full_sum_is_faster(plan: Plan, panel: PanelPlan, pixels: Pixels, engine: Engine | None) -> bool:
    """Whether an engine that may choose has compiled code, which takes less time for all terms than for a part."""
    if engine is None or engine.name != "auto" or engine.summer(plan, panel, pixels.count) is None:
        return False
    engine.notices("nothing is culled: compiled code takes less time for all terms")
    return True


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
    engine: Engine | None = None,
) -> Callable[[Plan, int, int], Strip]:
    """Make the function that renders pixels, each independent of the others, from one number up to another."""
    engine = engine or Engine(name="eager")

    def strip(plan: Plan, start: int, stop: int) -> Strip:
        def block(slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
            sums = pixel_sums(plan, panel, slow, fast, blocks.parts)
            return sums.photons.to(dtype), sums.missing, sums.complete

        if plan.differentiable():
            differentiable = engine.differentiable_summer(plan, panel, stop - start)
            if differentiable is not None:
                return differentiated_strip(differentiable, pixels, start, stop, dtype, progress)
            made = []
            for low, high in ranges(start, stop, blocks.pixels):
                made.append(checkpoint(block, *pixels.coordinates(low, high), use_reentrant=False))
                advance(progress, high - low)
            if made:
                values, missing, complete = (torch.cat(parts) for parts in zip(*made, strict=True))
                return Strip(values, marked(missing, complete))
        summer = engine.summer(plan, panel, stop - start)
        size = summer.pixels if summer is not None else blocks.pixels
        return filled_strip(summer or block, size, pixels, start, stop, dtype, engine.cores(), progress)

    return strip
