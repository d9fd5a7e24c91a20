"""The report of many stills: a summary, and a part a still, on one page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from openbragg_tools.refine.joint import RefinedStills
from openbragg_tools.refine.outputs_of_stills import orientation_of
from openbragg_tools.refine.plots import bars, curve, matrix, points
from openbragg_tools.refine.report import document, moved, notes, parameter_table, still_parts
from openbragg_tools.refine.stills import Still

#: Stills that have a part of their own, the worst; of each so many of the worst and the best shoeboxes.
_PARTS, _SHOWN = 50, 3
#: Shared parameters whose correlations are drawn, at most.
_DRAWN = 60


def page_of_stills(refined: RefinedStills, stills: Sequence[Still]) -> bytes:
    """The page as UTF-8."""
    count = len(refined.stills)
    names = [html.escape(Path(stills[number].source).name) for number in refined.numbers]
    squares = [still.reduced_chi_squared() for still in refined.stills]
    parts = [
        f"<h1>Refinement against {count} stills</h1>",
        notes(refined.notices),
        f"<p>Reduced χ² {refined.reduced_chi_squared():.4f}; {len(refined.left_out)} images are left out.</p>",
    ]
    if refined.parameters:
        shared = [each.name for each in refined.parameters]
        losses = [step.loss / sum(len(still.boxes.counts) for still in refined.stills) for step in refined.history]
        parts += [
            "<h2>What the stills share</h2>",
            parameter_table(refined),
            "<h2>Convergence</h2><p>Deviance of a pixel after each step of all stills together.</p>",
            curve(list(range(len(losses))), losses, "step", "χ² of a pixel", logarithmic=True),
            "<h2>From start to end</h2><p>Each parameter's way in its standard deviations; the end is 0.</p>",
            bars(shared, moved(refined)),
        ]
        if len(shared) <= _DRAWN:
            parts += ["<h2>Correlations</h2>", matrix(shared, refined.determined.correlations)]
    worst = np.argsort(-np.array(squares))[:_PARTS].tolist()
    parts += [
        "<h2>The stills</h2>",
        points([number + 1 for number in refined.numbers], squares, "image", "reduced χ²"),
        _table(refined, names, squares, set(worst)),
    ]
    if count > _PARTS:
        parts.append(f"<p>Below are the {_PARTS} stills with the largest χ².</p>")
    for place in sorted(worst):
        summary = f"<summary>{names[place]}: reduced χ² {squares[place]:.4f}</summary>"
        inside = "".join(still_parts(refined.stills[place], _SHOWN))
        parts.append(f'<details id="still-{place}">{summary}{inside}</details>')
    return document(f"Refinement of {count} stills", parts)


def _table(refined: RefinedStills, names: Sequence[str], squares: Sequence[float], told: set[int]) -> str:
    """A line a still."""
    lines = [
        "<table><tr><th>still</th><th>shoeboxes</th><th>χ²</th><th>turned (°)</th><th>&sigma;</th><th>scale</th></tr>"
    ]
    for place, (still, name, square) in enumerate(zip(refined.stills, names, squares, strict=True)):
        turned, sigma = orientation_of(still)
        shown = f'<a href="#still-{place}">{name}</a>' if place in told else name
        lines.append(
            f"<tr><td>{shown}</td><td>{still.boxes.number}</td><td>{square:.4f}</td><td>{turned:.4f}</td>"
            f"<td>{sigma:.2g}</td><td>{still.scale:.5g}</td></tr>"
        )
    return "".join([*lines, "</table>"])
