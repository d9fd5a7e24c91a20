"""Rendering a panel: by torch's own operations, by compiled code, or without what cannot matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import torch

from openbragg.engine.compiled.engine import Engine
from openbragg.engine.compiled.summers import differentiated_strip
from openbragg.engine.image import blocks_for, strip_renderer
from openbragg.engine.pixels import Pixels, Region, choose_pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sequence import reference_interpolates_otherwise, render_in_order
from openbragg.engine.strips import Renderer, Strip, filled_strip
from openbragg.engine.threads import operations_in_one_thread
from openbragg.roles import BoundedLatticeShape

if TYPE_CHECKING:
    from openbragg.engine.sparse.cull import CullingRenderer
    from openbragg.engine.sparse.culled import Culled
    from openbragg.engine.sparse.spots import SpotRenderer


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
    in_full
        Why it is a full sum, where something was to be left out.
    """

    image: torch.Tensor
    interpolated_otherwise: bool
    culled: Culled | None = None
    in_full: str | None = None


def render_panel(
    plan: Plan,
    panel: PanelPlan,
    *,
    dtype: torch.dtype,
    region: Region | None = None,
    mask: torch.Tensor | None = None,
    pixels: Pixels | None = None,
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
    pixels
        In place of the two, what `choose_pixels` makes of them, to be held and given again.
    block_terms
        Terms evaluated at once; sized to the device by default.
    progress
        Called after each block with the number of pixels it finished.
    engine
        How the sum is computed; by default operation by operation.
    cull
        The part of the peak by which pixels may differ from the full sum; None for the full sum, which it is also where
        `openbragg.engine.sparse.cull.cull_refusal` has a reason, and where there is compiled code for all terms alone.

    Returns
    -------
    RenderedPanel
        Where the plan carries gradients, each block is recomputed in the backward pass, so that memory stays that of a
        block.
    """
    engine = engine or Engine(name="eager")
    if pixels is None:
        pixels = choose_pixels(panel.pixels, region, mask, plan.device)
    blocks = blocks_for(plan, panel, pixels, block_terms)
    plain = strip_renderer(panel, pixels, blocks, dtype, progress, engine.team())
    culled, in_full = None, None
    if cull is not None and pixels.count:
        culled, in_full = _culling(plan, panel, pixels, cull, dtype, engine, progress)
    chosen = culled or _compiled_or(plain, panel, pixels, dtype, engine, progress)
    whole = render_in_order(plan, panel, pixels, chosen)
    return RenderedPanel(
        image=pixels.image(whole.values),
        interpolated_otherwise=reference_interpolates_otherwise(plan, panel, pixels, whole),
        culled=None if culled is None else culled.culled,
        in_full=in_full,
    )


def empty_panel(plan: Plan, panel: PanelPlan, *, dtype: torch.dtype) -> RenderedPanel:
    """A panel of which nothing is rendered."""
    image = torch.zeros(panel.pixels, dtype=dtype, device=plan.device)
    return RenderedPanel(image=image, interpolated_otherwise=False)


def _compiled_or(
    plain: Renderer,
    panel: PanelPlan,
    pixels: Pixels,
    dtype: torch.dtype,
    engine: Engine,
    progress: Callable[[int], None] | None,
) -> Renderer:
    """The function that renders pixels by compiled code where the engine has any for a plan, else plainly."""

    def strip(plan: Plan, start: int, stop: int) -> Strip:
        if plan.differentiable():
            differentiable = engine.differentiable_summer(plan, panel, stop - start)
            if differentiable is None:
                return plain(plan, start, stop)
            return differentiated_strip(differentiable, pixels, start, stop, dtype, progress)
        summer = engine.summer(plan, panel, stop - start)
        if summer is None:
            return plain(plan, start, stop)
        return filled_strip(summer, summer.pixels, pixels, start, stop, dtype, engine.team(), progress)

    return strip


def _culling(
    plan: Plan,
    panel: PanelPlan,
    pixels: Pixels,
    share: float,
    dtype: torch.dtype,
    engine: Engine,
    progress: Callable[[int], None] | None,
) -> tuple[SpotRenderer | CullingRenderer | None, str | None]:
    """What leaves out of the sum what cannot matter; or None, and why all terms are summed."""
    # Few runs ask.
    from openbragg.engine.sparse.cull import CullingRenderer, cull_refusal
    from openbragg.engine.sparse.spots import SpotRenderer, spots_refusal

    refusal = cull_refusal(plan)
    if refusal is not None:
        return None, refusal
    why = spots_refusal(plan)
    if why is None:
        with operations_in_one_thread():
            spots = SpotRenderer(plan, panel, pixels, share, dtype, engine, progress)
            why = spots.objection()
        if why is None:
            return spots, None
    if plan.differentiable() or plan.transformed():
        return None, f"{why}, and tiles have no derivatives"
    if plan.spectral is not None:
        return None, f"{why}, and tiles know of one amplitude at all wavelengths"
    if not isinstance(plan.shape, BoundedLatticeShape):
        return None, f"{why}, and the lattice shape {plan.shape.name} has no bound for tiles"
    if engine.summer(plan, panel, pixels.count) is not None:
        return None, f"{why}, and compiled code takes less time for all terms than for tiles"
    return CullingRenderer(panel, pixels, share, dtype, engine, progress), None
