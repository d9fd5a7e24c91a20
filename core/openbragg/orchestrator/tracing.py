"""Tracing single pixels, of which nothing else is rendered."""

from __future__ import annotations

import attrs

from openbragg.engine.pixels import choose_pixels
from openbragg.engine.sparse.culled import Culled
from openbragg.engine.trace import TracedPixel, trace_pixel
from openbragg.errors import UsageError
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.rendering import Rendering
from openbragg.orchestrator.resolving.frame import Shown, panel_at
from openbragg.roles import PixelTrace


def trace_of(layout: Layout, slow: int, fast: int, lattice: int = 0) -> PixelTrace:
    """Trace a pixel of the stored frame of a layout, or of a rendering; the trace itself counts on the panel.

    `lattice` is the number of the crystal in the scene, the main one's 0. Of a rendering that left something out, the
    trace tells which terms were summed.

    Raises
    ------
    UsageError
        When the pixel is not rendered, or there is no such crystal.
    """
    lattices = layout.lattices()
    if not 0 <= lattice < len(lattices):
        raise UsageError(f"lattice: expected a whole number from 0 to {len(lattices) - 1}, got {lattice}")
    left_out = layout.left_out if isinstance(layout, Rendering) else ()
    layout = lattices[lattice]
    made, place = None, panel_at(layout.panels, slow, fast)
    if place is not None:
        number, row, column = place
        part = layout.shown[number]
        if part.region is not None:
            panel = layout.plan.panels[number]
            made = trace_pixel(layout.plan, panel, row, column, dtype=layout.dtype, region=part.region, mask=part.mask)
            culled = left_out[lattice][number] if left_out else None
            if made is not None and culled is not None:
                made = _with_summed(made, layout, number, part, culled)
    if made is None:
        raise UsageError(f"pixel {slow} {fast} (slow, fast) is not rendered")
    return made


def _with_summed(made: TracedPixel, layout: Layout, number: int, part: Shown, culled: Culled) -> TracedPixel:
    """A trace that tells which terms were summed; of the panel of a number something was left out."""
    # Few runs ask.
    from openbragg.engine.sparse.remaining import summed_terms

    plan = layout.plan
    panel = plan.panels[number]
    pixels = choose_pixels(panel.pixels, part.region, part.mask, plan.device)
    summed = summed_terms(plan, panel, pixels, (made.slow, made.fast), made.terms.nearest, culled)
    return attrs.evolve(made, summed=summed)
