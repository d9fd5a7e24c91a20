"""Tracing single pixels of an experiment, of which nothing else is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import torch

from openbragg.engine.trace import trace_pixel
from openbragg.errors import UsageError, quoted
from openbragg.orchestrator.frame import panel_at
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.rendering import Rendering
from openbragg.roles import PixelTrace, Tracer

#: How people name the axes of a sum in a selection, and the axes of the trace that they mean.
SELECTED_AXES: dict[str, tuple[int, ...]] = {
    "layer": (0,),
    "slow_subpixel": (1,),
    "fast_subpixel": (2,),
    "subpixel": (1, 2),
    "source": (3,),
    "phi": (4,),
    "mosaic": (5,),
}
#: The same, one axis each, in the order of the sum.
_NAMES = ("layer", "slow_subpixel", "fast_subpixel", "source", "phi_tic", "mosaic")
#: No axis has a step with a longer number.
_MOST_DIGITS = 10


@attrs.frozen
class Selection:
    """Which terms of a pixel are written down: for each axis of the sum one step, or None for all of them.

    By default every rotation step of the first layer, subpixel, source and mosaic domain.
    """

    steps: tuple[int | None, ...] = (0, 0, 0, 0, None, 0)


def parse_selection(text: str) -> Selection:
    """A selection from words like ``source=0,mosaic=all``; axes that are not named stay at the default.

    Raises
    ------
    UsageError
        For a word that is not an axis, = and a whole number or ``all``.
    """
    steps = list(Selection().steps)
    for word in (part.strip() for part in text.split(",") if part.strip()):
        axis, _, value = (part.strip() for part in word.partition("="))
        if axis not in SELECTED_AXES or not (value == "all" or (value.isdecimal() and len(value) <= _MOST_DIGITS)):
            axes = ", ".join(SELECTED_AXES)
            raise UsageError(f"--select: expected AXIS=NUMBER or AXIS=all, AXIS one of {axes}, got {quoted(word)}")
        for number in SELECTED_AXES[axis]:
            steps[number] = None if value == "all" else int(value)
    return Selection(tuple(steps))


def trace_of(layout: Layout, slow: int, fast: int) -> PixelTrace:
    """Trace a pixel of the stored frame of a layout, or of a rendering; the trace itself counts on the panel.

    Raises
    ------
    UsageError
        When the pixel is not rendered.
    """
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


def brightest(rendering: Rendering, number: int) -> list[tuple[int, int]]:
    """The brightest pixels of a rendering, (slow, fast), the brightest first."""
    image = rendering.frame().detach()
    found = torch.topk(image.reshape(-1), min(number, image.numel())).indices.tolist()
    width = image.shape[1]
    return [divmod(place, width) for place in found]


def pixel_values(trace: PixelTrace, tracers: Iterable[Tracer]) -> dict[str, float | list[float]]:
    """What tracers say of a whole pixel, as Python numbers."""
    return {
        name: tensor.detach().cpu().to(torch.float64).tolist()
        for tracer in tracers
        for name, tensor in tracer.values(trace).items()
    }


def step_values(trace: PixelTrace, tracers: Iterable[Tracer], selection: Selection) -> list[dict[str, Any]]:
    """What tracers say of the selected terms of a pixel, as Python numbers, with the place of each on the axes.

    Raises
    ------
    UsageError
        When an axis has no such step.
    """
    columns: dict[str, torch.Tensor | None] = {}
    for tracer in tracers:
        steps: Mapping[str, torch.Tensor | None] = tracer.steps(trace)
        columns.update(steps)
    if not columns:
        return []
    shape = trace.terms.intensity.shape
    chosen = [_steps_of(axis, step, shape[axis]) for axis, step in enumerate(selection.steps)]
    places = torch.cartesian_prod(*(torch.tensor(steps) for steps in chosen)).reshape(-1, len(chosen))
    rows: list[dict[str, Any]] = [dict(zip(_NAMES, place, strict=True)) for place in places.tolist()]
    for name, tensor in columns.items():
        if tensor is None:
            numbers = [None] * len(rows)
        else:
            on_host = tensor.detach().cpu().to(torch.float64).expand(shape)[..., 0]
            numbers = on_host[tuple(places.unbind(1))].tolist()
        for row, number in zip(rows, numbers, strict=True):
            row[name] = number
    return rows


def _steps_of(axis: int, step: int | None, length: int) -> list[int]:
    if step is None:
        return list(range(length))
    if step >= length:
        name = _NAMES[axis].removesuffix("_tic")
        raise UsageError(f"--select {name}={step}: the sum has {length} of that axis, counted from 0")
    return [step]
