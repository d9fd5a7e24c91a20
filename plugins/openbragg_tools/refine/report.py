"""The report: one page that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openbragg import write_png
from openbragg_tools.refine.joint import RefinedStills
from openbragg_tools.refine.outputs import rows
from openbragg_tools.refine.plots import bars, curve, matrix, points
from openbragg_tools.refine.results import Refined

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Shoeboxes of each kind that are shown, and screen pixels of theirs.
_SHOWN, _SCREEN = 6, 7
#: Z at the ends of the colours.
_END = 5.0
#: Bins of resolution.
_BINS = 12
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 68em; margin: 2em auto; padding: 0 1em; color: #222; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } td, th { padding: 0.2em 0.9em; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #333; }
img { image-rendering: pixelated; margin-right: 4px; } .boxes td { text-align: left; vertical-align: middle; }
.note { background: #fff4d6; padding: 0.4em 0.8em; }
"""


def page(refined: Refined, image: str) -> bytes:
    """The page as UTF-8; `image` is what it was refined against."""
    name = html.escape(Path(image).name)
    parts = [f"<h1>Refinement against {name}</h1>", notes(refined.notices), *still_parts(refined)]
    return document(f"Refinement of {name}", parts)


def document(title: str, parts: Sequence[str]) -> bytes:
    """A page as UTF-8."""
    text = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    return text.encode()


def notes(lines: Sequence[str]) -> str:
    """What the user should know."""
    return "".join(f'<p class="note">{html.escape(line)}</p>' for line in dict.fromkeys(lines))


def still_parts(refined: Refined, most: int = _SHOWN) -> list[str]:
    """All of a still; of the worst and the best shoeboxes so many."""
    losses = [step.loss / len(refined.boxes.counts) for step in refined.history]
    spacing, mean = _by_resolution(refined)
    worst, best = (chosen[:most] for chosen in _ordered(refined))
    names = [each.name for each in refined.parameters]
    return [
        f"<p>Reduced χ² {refined.reduced_chi_squared():.4f} over {len(refined.boxes.counts)} pixels of "
        f"{refined.boxes.number} shoeboxes; standard deviation of Z {refined.deviations().std():.4f}. "
        f"{refined.renderings} renderings and {refined.jacobians} Jacobians.</p>",
        parameter_table(refined),
        "<h2>Convergence</h2><p>Deviance of a pixel after each step.</p>",
        curve(list(range(len(losses))), losses, "step", "χ² of a pixel", logarithmic=True),
        "<h2>From start to end</h2><p>Each parameter's way in its standard deviations; the end is 0.</p>",
        bars(names, moved(refined)),
        "<h2>Z against resolution</h2><p>Mean of Z² of the pixels; 1 is what noise gives.</p>",
        points(spacing, mean, "d (Å)", "mean Z²"),
        "<h2>Correlations</h2>",
        matrix(names, refined.determined.correlations),
        f"<h2>Worst shoeboxes</h2><p>Data, model and Z from -{_END:g} (blue) to {_END:g} (red).</p>",
        _boxes(refined, worst),
        "<h2>Best shoeboxes</h2>",
        _boxes(refined, best),
    ]


def parameter_table(refined: Refined | RefinedStills) -> str:
    """Parameters with their errors."""
    lines = ["<table><tr><th>parameter</th><th>start</th><th>end</th><th>&sigma;</th><th>unit</th></tr>"]
    for row in rows(refined):
        sigma = "not determined" if row["sigma"] is None or not row["determined"] else f"{row['sigma']:.2g}"
        lines.append(
            f"<tr><td>{html.escape(row['name'])}</td><td>{row['start']:.7g}</td><td>{row['end']:.7g}</td>"
            f"<td>{sigma}</td><td>{html.escape(row['unit'])}</td></tr>"
        )
    return "".join([*lines, "</table>"])


def moved(refined: Refined | RefinedStills) -> list[float]:
    """How far each parameter started from its end, in standard deviations."""
    sigmas = refined.determined.sigmas
    strides = (refined.start - refined.values) / np.where(sigmas > 0.0, sigmas, np.inf)
    found: list[float] = strides.tolist()
    return found


def _by_resolution(refined: Refined) -> tuple[list[float], list[float]]:
    """d in angstroms of equally many pixels, and their mean of Z squared."""
    spacing = refined.simulation.spacing()[refined.boxes.slow, refined.boxes.fast].numpy() * 1e10
    squared = np.square(refined.deviations())
    order = np.argsort(spacing)[np.isfinite(np.sort(spacing))]
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    return [float(spacing[part].mean()) for part in parts], [float(squared[part].mean()) for part in parts]


def _ordered(refined: Refined) -> tuple[Sequence[int], Sequence[int]]:
    """The worst shoeboxes, and of those with a spot the best."""
    boxes = refined.boxes
    mean = boxes.sums(np.square(refined.deviations())) / np.diff(boxes.starts)
    order = np.argsort(-mean)
    strong = boxes.sums(refined.fit.scale * refined.fit.spots)
    bright = [box for box in order[::-1] if strong[box] >= np.median(strong)]
    return order[:_SHOWN].tolist(), [int(box) for box in bright[:_SHOWN]]


def _boxes(refined: Refined, chosen: Sequence[int]) -> str:
    boxes = refined.boxes
    deviations = refined.deviations()
    lines = []
    for box in chosen:
        part = slice(boxes.starts[box], boxes.starts[box + 1])
        slow, fast = boxes.slow[part], boxes.fast[part]
        data, model = boxes.counts[part], refined.fit.expected[part]
        top = max(float(data.max()), float(model.max()), 1.0)
        pictures = [_grey(slow, fast, values / top) for values in (data, model)]
        pictures.append(_diverging(slow, fast, deviations[part] / _END))
        middle = boxes.centres[box]
        mean = float(np.square(deviations[part]).mean())
        lines.append(
            f"<tr><td>{''.join(pictures)}</td><td>fast {middle[1]:.1f}, slow {middle[0]:.1f}<br>mean Z² {mean:.2f}<br>"
            f"brightest {top:.0f} photons</td></tr>"
        )
    return f'<table class="boxes">{"".join(lines)}</table>'


def _grey(slow: Any, fast: Any, values: Array) -> str:
    # The root of photons has the same noise everywhere.
    shade = 255.0 * (1.0 - np.sqrt(np.clip(values, 0.0, 1.0)))
    return _picture(slow, fast, np.repeat(shade[:, None], 3, axis=1))


def _diverging(slow: Any, fast: Any, values: Array) -> str:
    values = np.clip(values, -1.0, 1.0)[:, None]
    red, blue = np.array([[200.0, 30.0, 30.0]]), np.array([[30.0, 60.0, 200.0]])
    colours = 255.0 + np.abs(values) * (np.where(values > 0.0, red, blue) - 255.0)
    return _picture(slow, fast, colours)


def _picture(slow: Any, fast: Any, colours: Array) -> str:
    """Pixels as an image in the page; those that are not the box's are light grey."""
    pixels = np.full((int(np.ptp(slow)) + 1, int(np.ptp(fast)) + 1, 3), 225, dtype=np.uint8)
    pixels[slow - slow.min(), fast - fast.min()] = np.rint(colours).astype(np.uint8)
    stream = io.BytesIO()
    write_png(stream, pixels)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    height, width = (math.ceil(side * _SCREEN) for side in pixels.shape[:2])
    return f'<img alt="" width="{width}" height="{height}" src="data:image/png;base64,{data}">'
