"""Tracing single pixels, of which nothing else is rendered."""

from __future__ import annotations

from openbragg.engine.trace import trace_pixel
from openbragg.errors import UsageError
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.resolving.frame import panel_at
from openbragg.roles import PixelTrace


def trace_of(layout: Layout, slow: int, fast: int, lattice: int = 0) -> PixelTrace:
    """Trace a pixel of the stored frame of a layout, or of a rendering; the trace itself counts on the panel.

    `lattice` is the number of the crystal in the scene, the main one's 0.

    Raises
    ------
    UsageError
        When the pixel is not rendered, or there is no such crystal.
    """
    lattices = layout.lattices()
    if not 0 <= lattice < len(lattices):
        raise UsageError(f"lattice: expected a whole number from 0 to {len(lattices) - 1}, got {lattice}")
    layout = lattices[lattice]
    made, place = None, panel_at(layout.panels, slow, fast)
    if place is not None:
        number, row, column = place
        part = layout.shown[number]
        if part.region is not None:
            panel = layout.plan.panels[number]
            made = trace_pixel(layout.plan, panel, row, column, dtype=layout.dtype, region=part.region, mask=part.mask)
    if made is None:
        raise UsageError(f"pixel {slow} {fast} (slow, fast) is not rendered")
    return made
