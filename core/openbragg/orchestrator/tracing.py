"""Tracing single pixels of an experiment, of which nothing else is rendered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openbragg.engine.trace import PixelTrace, trace_pixel
from openbragg.errors import UsageError
from openbragg.model import Experiment
from openbragg.orchestrator.frame import panel_at, shown_parts
from openbragg.orchestrator.simulate import Layout, lay_out


def trace(experiment: Experiment, pixels: Iterable[tuple[int, int]], **options: Any) -> list[PixelTrace]:
    """Trace pixels of an experiment.

    Parameters
    ----------
    experiment
        What is simulated.
    pixels
        Which pixels of the stored frame, (slow, fast).
    options
        Those of `simulate`.

    Returns
    -------
    For each pixel the terms that its image is summed from, with their gradients.

    Raises
    ------
    UsageError
        When a pixel is not rendered.
    """
    layout = lay_out(experiment, **options)
    return [trace_of(layout, slow, fast) for slow, fast in pixels]


def trace_of(layout: Layout, slow: int, fast: int) -> PixelTrace:
    """Trace a pixel of the stored frame of a layout, or of a rendering; the trace itself counts on the panel.

    Raises
    ------
    UsageError
        When the pixel is not rendered.
    """
    made, place = None, panel_at(layout.experiment.detector, slow, fast)
    if place is not None:
        number, row, column = place
        part = shown_parts(layout.experiment)[number]
        if part.region is not None:
            panel = layout.plan.panels[number]
            made = trace_pixel(layout.plan, panel, row, column, dtype=layout.dtype, region=part.region, mask=part.mask)
    if made is None:
        raise UsageError(f"pixel {slow} {fast} (slow, fast) is not rendered")
    return made
