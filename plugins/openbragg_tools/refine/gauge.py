"""Motions of all panels together that something else makes too, and that are held for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from openbragg_tools.refine.model import Model
from openbragg_tools.refine.panels import MOTIONS, WHOLE, PanelGroups, detector_axes

Array = np.ndarray[Any, np.dtype[np.float64]]
#: How much surer a motion is held than the data say of one parameter like it.
_HELD = 1e4


def held_motions(model: Model, shared: list[int]) -> tuple[Array, list[str]]:
    """What is held at none, and the lines that say so.

    Moved together, all panels do what the detector does as a whole; turned about the beam, what all crystals do.

    Parameters
    ----------
    shared
        Places of what all stills share.

    Returns
    -------
    Rows of coefficients, whose products with the shared parameters are held at 0, (held, shared); lines.
    """
    every = len(model.simulation.layout().panels)
    rows: list[Array] = []
    lines = []
    groups = [group for group in model.groups if sum(map(len, group.members)) == every]
    names = {model.parameters[place].group for place in shared}
    axes, corner = detector_axes(model.simulation)
    crystal, beam = -axes @ corner, axes @ model.simulation.layout().laboratory.beam.detach().numpy()
    inner = [group for group in groups if group.kind != WHOLE]
    for group in inner:
        moving = {
            WHOLE: [*_shifts(group, np.eye(3)), *_turns(group, np.eye(3), crystal)],
            "distance": _shifts(group, beam[None]),
            "close_distance": _shifts(group, beam[None]),
            "beam_centre": _shifts(group, np.eye(3)[:2]),
            "rotation": _turns(group, np.eye(3), crystal),
        }
        for name, motions in moving.items():
            if name in names:
                rows += [_placed(model, shared, group, motion, crystal) for motion in motions]
                lines.append(f"panels moved together do what {name} does: their common motion is held")
    turning = [group for group in groups if group.kind == WHOLE] or inner
    if model.of(["misset"]):
        for group in turning:
            (motion,) = _turns(group, beam[None], crystal)
            rows.append(_placed(model, shared, group, motion, crystal))
            lines.append("all panels turned about the beam do what all crystals do: that turn is held")
    return np.array(rows).reshape(-1, len(shared)), lines


def held(matrix: Array, rows: Array) -> Array:
    """The normal matrix of what is shared with rows held at 0."""
    if not len(rows):
        return matrix
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    made = matrix.copy()
    for row in rows:
        # In units in which the data say as much of each parameter.
        norm = np.linalg.norm(np.divide(row, size, out=np.zeros_like(row), where=size > 0.0))
        if norm > 0.0:
            made += _HELD * np.outer(row, row) / norm**2
    return made


def _shifts(group: PanelGroups, directions: Array) -> list[Array]:
    """Motions of all groups along directions, each (groups, 6)."""
    return [np.tile([*direction, 0.0, 0.0, 0.0], (len(group.members), 1)) for direction in directions]


def _turns(group: PanelGroups, about: Array, centre: Array) -> list[Array]:
    """Motions of all groups as they turn about axes through a point, each (groups, 6)."""
    arms = group.middles.numpy() - centre
    return [np.column_stack([np.cross(axis, arms), np.tile(axis, (len(arms), 1))]) for axis in about]


def _placed(model: Model, shared: list[int], group: PanelGroups, motion: Array, crystal: Array) -> Array:
    """The row that holds a motion of all groups: how far their own motions are along it."""
    arm = float(np.sqrt(np.square(group.middles.numpy() - crystal).sum(axis=1).mean()))
    weighted = motion.copy()
    weighted[:, :3] /= arm**2
    row = np.zeros(len(shared))
    places = model.of([group.kind])
    assert len(places) == weighted.size == len(group.members) * len(MOTIONS)
    row[[shared.index(place) for place in places]] = weighted.ravel()
    return row
