"""Settings of a lattice that spots cannot tell apart: only their intensities say which one is the crystal's.

A lattice of P 3, P 4, R 3 or I 2 3 has rotations that the crystal has not, and so, within some tenths of a degree, may
one of P 21 or C 2. An indexing program that knows places alone finds any of them. The rotations are those of merohedral
and pseudo-merohedral twins.
"""

from __future__ import annotations

from typing import Any

import attrs
import gemmi
import numpy as np
import torch

from openbragg import Layout
from openbragg_tools.refine.elimination import fit_linear
from openbragg_tools.refine.levenberg import Problem
from openbragg_tools.refine.model import Model, cell_and_orientation, standard_vectors
from openbragg_tools.refine.positions import Indexed, fit_positions

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Degrees by which a lattice may miss a rotation, Le Page's obliquity.
_OBLIQUE = 1.0
#: So many of the strongest boxes tell settings apart; another setting has to explain so much more than the start's.
_BOXES, _BETTER = 80, 1.1


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
    trial = attrs.evolve(problem, boxes=boxes.of(chosen), history=[], seconds=problem.seconds)
    nothing = fit_linear(trial.boxes, np.zeros(len(trial.boxes.counts)), problem.likelihood, 0.0).loss
    gains = []
    for model in (problem.model, *(each.model for each in others)):
        one = attrs.evolve(trial, model=model, renderings=0)
        gains.append(nothing - one.fit(model.start()).loss)
        problem.renderings += one.renderings
    best = int(np.argmax(gains[1:]))
    return others[best] if gains[best + 1] > _BETTER * max(gains[0], 0.0) else None


def _medians(problem: Problem) -> Array:
    """About the background of each box, (boxes,)."""
    return np.array([np.median(problem.boxes.counts[part]) for part in problem.boxes.parts()])


def _with_cell(vectors: torch.Tensor, cell: list[float]) -> torch.Tensor:
    """Rows a*, b*, c* of a cell turned as these are: a lattice that nearly has a rotation is a little another."""
    _, orientation = cell_and_orientation(vectors)
    return standard_vectors(torch.tensor(cell, dtype=torch.float64)) @ orientation.T
