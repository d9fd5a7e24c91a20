"""Curves over phi of two traces, as a drawing for a page."""

from __future__ import annotations

import io
import math
import re
from types import ModuleType
from typing import Any

from openbragg import InputError, PixelComparison, StepComparison
from openbragg_tracers.comparison.report import divergence_words

_COLOURS = ("#1f5a99", "#d1495b")
_WIDTH, _HEIGHT = 8.0, 1.9
#: Numbers beyond this, and below its inverse, are not drawn as they are.
_LARGEST = 1e100


def draw_curves(pixel: PixelComparison) -> tuple[str, str] | None:
    """The numbers of the rotation steps of both traces, one above the other, with the first divergence marked.

    Of several sources, domains and subpixels those are drawn to which the first divergence belongs, or the first.

    Returns
    -------
    An ``<svg>`` element, and what is to be said of it; None when no step has a number in both traces.

    Raises
    ------
    InputError
        When matplotlib is not installed.
    """
    steps = _run(pixel)
    names = [name for name in pixel.numbers if name != "phi_deg" and any(name in step.sizes for step in steps)]
    if not names:
        return None
    pyplot_figure, settings = _matplotlib()
    with settings({"svg.fonttype": "none", "svg.hashsalt": f"{pixel.first.slow} {pixel.first.fast}"}):
        figure = pyplot_figure.Figure(figsize=(_WIDTH, _HEIGHT * len(names)), layout="constrained")
        rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        has_phi = all("phi_deg" in step.sizes and math.isfinite(_drawable(step.first["phi_deg"])) for step in steps)
        for axes, name in zip(rows, names, strict=True):
            _draw(axes, pixel, steps, name, has_phi)
        rows[0].legend(loc="upper right")
        if pixel.first_divergence is not None:
            rows[0].set_title(f"first divergence: {divergence_words(pixel.first_divergence)}", fontsize=10)
        rows[-1].set_xlabel("phi (degrees)" if has_phi else "phi_tic")
        content = io.StringIO()
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(content.getvalue()), _caption(pixel, steps)


def _draw(axes: Any, pixel: PixelComparison, steps: list[StepComparison], name: str, has_phi: bool) -> None:
    known = [step for step in steps if name in step.sizes]
    places = [_angle(step, has_phi) for step in known]
    for label, style, colour, width, side in (
        ("A", "o-", _COLOURS[0], 2.2, [step.first for step in known]),
        ("B", "x--", _COLOURS[1], 1.2, [step.second for step in known]),
    ):
        heights = [_drawable(each[name]) for each in side]
        axes.plot(places, heights, style, color=colour, linewidth=width, markersize=5, label=label)
    axes.set_ylabel(name)
    axes.ticklabel_format(useOffset=False)
    found = pixel.first_divergence
    if found is not None:
        for step in steps:
            if step.place.phi_tic == found.phi_tic:
                axes.axvline(_angle(step, has_phi), color="black", linestyle=":", linewidth=1.5)


def _run(pixel: PixelComparison) -> list[StepComparison]:
    """The rotation steps to draw."""
    found = pixel.first_divergence
    runs = [step.place.run() for step in pixel.steps]
    wanted = found.place.run() if found is not None and found.place is not None else next(iter(runs), None)
    return [step for step, run in zip(pixel.steps, runs, strict=True) if run == wanted]


def _angle(step: StepComparison, has_phi: bool) -> float:
    angle: float = step.first["phi_deg"] if has_phi else step.place.phi_tic
    return angle


def _drawable(value: float | str) -> float:
    """A number where a drawing can have it, else NaN, which is left out."""
    if isinstance(value, str) or not abs(value) < _LARGEST:
        return math.nan
    return 0.0 if abs(value) < 1.0 / _LARGEST else value


def _caption(pixel: PixelComparison, steps: list[StepComparison]) -> str:
    if len(steps) == len(pixel.steps):
        return f"{len(steps)} rotation steps"
    return f"{len(steps)} of {len(pixel.steps)} steps: those that go with {steps[0].place}"


def _inline(svg: str) -> str:
    """A drawing without what only a file of its own needs."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    return svg.replace("xlink:href", "href")


def _matplotlib() -> tuple[ModuleType, Any]:
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise InputError("the curves of --html need matplotlib: pip install 'openbragg[plots]'") from None
    return matplotlib.figure, matplotlib.rc_context
