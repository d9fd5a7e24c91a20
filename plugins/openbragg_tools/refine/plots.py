"""Plots as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _EDGE = 640, 260, 70, 40, 14
_INK, _LINE = "#24527a", "#bbb"


def curve(x: Sequence[float], y: Sequence[float], across: str, up: str, logarithmic: bool = False) -> str:
    """A line through points."""
    return _plot(x, y, across, up, logarithmic, joined=True)


def points(x: Sequence[float], y: Sequence[float], across: str, up: str) -> str:
    """Points; their height starts at 0."""
    return _plot(x, y, across, up, False, joined=False)


def bars(names: Sequence[str], values: Sequence[float]) -> str:
    """A line from the start, a dot, to the end at 0 for each of some parameters; one standard deviation is shaded.

    Lengths are those of sign(x) log(1 + |x|), so that steps of 1 and of 1000 can both be seen.
    """
    row, middle = 22, 400
    longest = max([math.log1p(abs(value)) for value in values] + [math.log1p(10.0)])
    reach = 210.0 / longest
    lines = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        y = place * row + 16
        end = middle + math.copysign(math.log1p(abs(value)) * reach, value)
        sigma = math.log1p(1.0) * reach
        lines.append(
            f'<text x="6" y="{y + 4}">{html.escape(name)}</text>'
            f'<rect x="{middle - sigma:.1f}" y="{y - 5}" width="{2 * sigma:.1f}" height="10" fill="#dfe9f2"/>'
            f'<line x1="{middle}" y1="{y}" x2="{end:.1f}" y2="{y}" stroke="{_INK}" stroke-width="2"/>'
            f'<circle cx="{end:.1f}" cy="{y}" r="3.5" fill="{_INK}"/>'
            f'<text x="110" y="{y + 4}">{value:+.1f} &sigma;</text>'
        )
    height = len(names) * row + 10
    axis = f'<line x1="{middle}" y1="4" x2="{middle}" y2="{height - 6}" stroke="{_LINE}"/>'
    return _svg(640, height, axis + "".join(lines))


def matrix(names: Sequence[str], values: Any) -> str:
    """Correlations as coloured squares."""
    side, left, top = 26, 120, 90
    cells = []
    for row, name in enumerate(names):
        y = top + row * side
        cells.append(f'<text x="{left - 6}" y="{y + 17}" text-anchor="end">{html.escape(name)}</text>')
        x = left + row * side + 17
        cells.append(f'<text transform="translate({x} {top - 6}) rotate(-60)">{html.escape(name)}</text>')
        for column in range(len(names)):
            value = float(np.clip(values[row, column], -1.0, 1.0))
            end = (200, 30, 30) if value > 0.0 else (30, 60, 200)
            colour = ",".join(f"{255 + abs(value) * (part - 255):.0f}" for part in end)
            cells.append(
                f'<rect x="{left + column * side}" y="{y}" width="{side}" height="{side}" fill="rgb({colour})" '
                f'stroke="#fff"><title>{html.escape(name)}, {html.escape(names[column])}: {value:+.3f}</title></rect>'
            )
    return _svg(left + len(names) * side + 60, top + len(names) * side + 10, "".join(cells))


def _plot(x: Sequence[float], y: Sequence[float], across: str, up: str, logarithmic: bool, joined: bool) -> str:
    if not len(x):
        return ""
    heights = [math.log10(max(value, 1e-12)) for value in y] if logarithmic else list(y)
    low, high = (min(heights), max(heights)) if joined else (0.0, max(*heights, 1.0) * 1.1)
    first, last = min(x), max(x)
    wide, tall = _WIDTH - _LEFT - _EDGE, _HEIGHT - _BOTTOM - _EDGE

    def place(one: float, height: float) -> tuple[float, float]:
        right = (one - first) / ((last - first) or 1.0)
        above = (height - low) / ((high - low) or 1.0)
        return _LEFT + right * wide, _EDGE + (1.0 - above) * tall

    placed = [place(*pair) for pair in zip(x, heights, strict=True)]
    drawn = [f'<circle cx="{right:.1f}" cy="{down:.1f}" r="3" fill="{_INK}"/>' for right, down in placed]
    if joined:
        path = " ".join(f"{right:.1f},{down:.1f}" for right, down in placed)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{_INK}" stroke-width="2"/>')
    for part in (0.0, 0.5, 1.0):
        height = low + part * (high - low)
        _, down = place(first, height)
        shown = 10.0**height if logarithmic else height
        drawn.append(f'<line x1="{_LEFT}" y1="{down:.1f}" x2="{_WIDTH - _EDGE}" y2="{down:.1f}" stroke="#eee"/>')
        drawn.append(f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{shown:.4g}</text>')
        right, _ = place(first + part * (last - first), low)
        drawn.append(
            f'<text x="{right:.1f}" y="{_HEIGHT - 22}" text-anchor="middle">{first + part * (last - first):.3g}</text>'
        )
    drawn.append(f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 5}" text-anchor="middle">{html.escape(across)}</text>')
    drawn.append(f'<text transform="translate(14 {_EDGE + tall / 2}) rotate(-90)" text-anchor="middle">{up}</text>')
    return _svg(_WIDTH, _HEIGHT, "".join(drawn))


def _svg(width: float, height: float, inside: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{inside}</svg>'
