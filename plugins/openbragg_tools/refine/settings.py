"""Settings of a lattice that spots cannot tell apart: only their intensities say which one is the crystal's.

A lattice of P 3, P 4, R 3 or I 2 3 has rotations that the crystal has not, and so, within some tenths of a degree, may
one of P 21 or C 2. An indexing program that knows places alone finds any of them. The rotations are those of merohedral
and pseudo-merohedral twins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import gemmi
import numpy as np
import torch

from openbragg import Layout
from openbragg_tools.refine.levenberg import Problem, Step, refine_stage
from openbragg_tools.refine.model import Model, cell_and_orientation, standard_vectors
from openbragg_tools.refine.panels import PANEL_GROUPS
from openbragg_tools.refine.positions import Indexed, fit_positions
from openbragg_tools.refine.shoeboxes import Shoeboxes

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Degrees by which a lattice may miss a rotation, Le Page's obliquity.
_OBLIQUE = 1.0
#: So many of the strongest boxes tell settings apart.
_BOXES = 80
#: A setting that leaves less than this part of what another leaves is the better one at once; else the two are refined
#: for some steps, for a start may be far off in size.
_CLEAR, _STEPS = 0.4, 4
#: Another setting has to save so much of the loss, and this part of it: of equivalent ones the start's is kept.
_SAVED, _SAVED_PART = 50.0, 0.02


@attrs.frozen(eq=False)
class Setting:
    """A start in one of its lattice's settings.

    Attributes
    ----------
    operation
        By which the start's axes were turned, as x,y,z.
    given
        The start after that.
    model
        The same, brought near by the spots' places.
    indexed
        How its reflections and the spots coincide.
    """

    operation: str
    given: Model
    model: Model
    indexed: Indexed


def other_settings(model: Model, layout: Layout, centres: Array) -> list[Setting]:
    """The same start after the rotations of its lattice that are not the crystal's, fitted to the spots' places.

    Parameters
    ----------
    model
        The start; its space group is what is known of the crystal.
    layout, centres
        As in `fit_positions`.
    """
    cell, _ = cell_and_orientation(model.vectors)
    edges, angles = np.array(cell[:3]) * 1e10, np.degrees(cell[3:])
    group = gemmi.find_spacegroup_by_name(model.space_group or "P 1")
    found = []
    for operation in gemmi.find_twin_laws(gemmi.UnitCell(*edges, *angles), group, _OBLIQUE, False):
        # It moves places; rows a*, b*, c* go the other way.
        turned = torch.tensor(operation.rot, dtype=torch.float64) / gemmi.Op.DEN
        vectors = _with_cell(torch.linalg.solve(turned, model.vectors), cell)
        given = model.with_vectors(vectors)
        indexed = fit_positions(given, layout, centres)
        found.append(Setting(operation.triplet(), given, model.with_vectors(indexed.vectors), indexed))
    return found


def best_setting(problem: Problem, others: list[Setting]) -> Setting | None:
    """The setting that explains the image better than the start's does; None when that is as good as any."""
    boxes = problem.boxes
    strength = boxes.sums(np.maximum(boxes.counts - np.repeat(_medians(problem), np.diff(boxes.starts)), 0.0))
    chosen = np.sort(np.argsort(-strength)[:_BOXES])
    own, *left = (_left(problem, boxes.of(chosen), model, 0) for model in _models(problem, others))
    best = int(np.argmin(left))
    if min(own, left[best]) > _CLEAR * max(own, left[best]):
        own, there = (_left(problem, boxes.of(chosen), model, _STEPS) for model in _models(problem, [others[best]]))
    else:
        there = left[best]
    return others[best] if own - there > max(_SAVED, _SAVED_PART * own) else None


def _models(problem: Problem, others: list[Setting]) -> list[Model]:
    return [problem.model, *(each.model for each in others)]


def _left(problem: Problem, boxes: Shoeboxes, model: Model, steps: int) -> float:
    """What a model leaves unexplained of some boxes, beside the noise, after so many steps from its start."""
    trial = attrs.evolve(problem, boxes=boxes, model=model, history=[], watch=_unwatched, last=None)
    before = trial.renderings, trial.jacobians
    if steps:
        free = [place for place in range(len(model.parameters)) if place not in model.of(PANEL_GROUPS)]
        _, fit = refine_stage(trial, model.start(), free, "setting", steps, 1.0)
    else:
        fit = trial.fit(model.start())
    problem.renderings += trial.renderings - before[0]
    problem.jacobians += trial.jacobians - before[1]
    return fit.loss


def _unwatched(history: Sequence[Step]) -> None:
    """Trials are not told of."""


def _medians(problem: Problem) -> Array:
    """About the background of each box, (boxes,)."""
    return np.array([np.median(problem.boxes.counts[part]) for part in problem.boxes.parts()])


def _with_cell(vectors: torch.Tensor, cell: list[float]) -> torch.Tensor:
    """Rows a*, b*, c* of a cell turned as these are: a lattice that nearly has a rotation is a little another."""
    _, orientation = cell_and_orientation(vectors)
    return standard_vectors(torch.tensor(cell, dtype=torch.float64)) @ orientation.T
