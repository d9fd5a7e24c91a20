"""The scale and the planes of background, found in closed form beside the other parameters.

What is expected of a pixel is scale times the model plus its box's plane: linear in both. At given values of the other
parameters they are the solution of bordered normal equations, blocks of three by three beside one column; in steps of
the others the planes are taken out of the normal matrix block by block. Source: Golub and Pereyra, SIAM J. Numer. Anal.
10, 413 (1973), in Kaufman's approximation, BIT 15, 49 (1975).

Where reflections have scales of their own, a box has one too: a fourth number beside its plane, known beforehand to be
0 within a standard deviation, by which part its spots are brighter.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from openbragg_tools.refine.columns import Columns, Pieces
from openbragg_tools.refine.likelihood import Likelihood
from openbragg_tools.refine.shoeboxes import Shoeboxes

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Turns of the reweighted solution, and the change of the loss below which it is found.
_TURNS, _SETTLED = 12, 1e-6
#: A part of a block's trace that keeps it from being singular.
_RIDGE = 1e-12


@attrs.frozen(eq=False)
class Fit:
    """What goes with a model's photons.

    Attributes
    ----------
    spots
        The model's photons, without scale, (pixels,).
    scale
        What they are multiplied by.
    planes
        Of each box's background: at its middle, and what it grows along fast and slow to the edge, (boxes, 3).
    expected
        Photons of each pixel, (pixels,).
    weights
        Of the residuals, (pixels,).
    loss
        The deviance of all pixels, and what the boxes' own scales add.
    parts
        By which part each box's spots are brighter than the model's, (boxes,); 0 where boxes have no scales.
    """

    spots: Array
    scale: float
    planes: Array
    expected: Array
    weights: Array
    loss: float
    parts: Array

    def brightness(self, boxes: Shoeboxes) -> Array:
        """What the model's photons are multiplied by, (pixels,)."""
        made: Array = self.scale * (1.0 + self.parts[boxes.boxes()])
        return made


def fit_linear(
    boxes: Shoeboxes,
    spots: Array,
    likelihood: Likelihood,
    scale: float | None = None,
    start: Fit | None = None,
    own: float | None = None,
) -> Fit:
    """Find scale and planes for a model's photons; a given scale is kept.

    `start` is a fit from whose expected photons the first weights are taken. `own` is the standard deviation of the
    boxes' own scales, None where they have none.
    """
    counts = boxes.counts
    box = boxes.boxes()
    expected = start.expected if start is not None else np.maximum(counts, 0.0) + 1.0
    best: Fit | None = None
    planes = boxes.planes
    before = scale if scale is not None else None if start is None else start.scale
    for _ in range(_TURNS):
        weights = likelihood.weights(counts, expected)
        if best is None and start is None:
            weights = 1.0 / np.maximum(expected + likelihood.readout**2, 1.0)
        # The first turn finds a scale of which the boxes' own are parts.
        deviation = own if before else None
        basis = _basis(planes, spots, before or 1.0, deviation)
        blocks = _blocks(boxes, basis, weights, deviation)
        by_counts, across = (boxes.sums(basis * (weights * values)[:, None]) for values in (counts, spots))
        by_spots = _solve(blocks, across)
        found = scale
        if found is None:
            norm = float(spots @ (weights * spots) - (across * by_spots).sum())
            right = float(spots @ (weights * counts) - (by_spots * by_counts).sum())
            found = max(0.0, right / norm) if norm > 0.0 else 0.0
        numbers = _solve(blocks, by_counts) - found * by_spots
        expected = found * spots + np.einsum("pk,pk->p", basis, numbers[box])
        parts = numbers[:, 3] if deviation else np.zeros(boxes.number)
        if deviation and before and found > 0.0:
            parts = parts * before / found
        loss = float(likelihood.losses(counts, expected).sum())
        loss += float(np.square(parts).sum()) / deviation**2 if deviation else 0.0
        weighted = likelihood.weights(counts, expected)
        made = Fit(spots, found, numbers[:, :3], expected, weighted, loss, parts)
        if own and not deviation:
            before = found
            if found:
                continue
        before = found
        if best is not None and not best.loss - made.loss > _SETTLED * abs(best.loss) / len(counts) + _SETTLED:
            return made if made.loss < best.loss else best
        best = made
    assert best is not None
    return best


def normal_equations(boxes: Shoeboxes, fit: Fit, columns: Columns, own: float | None = None) -> tuple[Array, Array]:
    """The normal matrix and the gradient of parameters from which planes and boxes' own scales have been taken out.

    Parameters
    ----------
    columns
        Derivatives of the expected photons.
    """
    weighted = columns.values * fit.weights[:, None]
    basis = _basis(boxes.planes, fit.spots, fit.scale, own)
    blocks = _blocks(boxes, basis, fit.weights, own)
    pieces = Pieces.of(boxes, columns.owners)
    across = np.stack([pieces.sums(each[:, None] * weighted) for each in basis.T], axis=1)
    residual = (boxes.counts - fit.expected) * fit.weights
    by_plane = boxes.sums(basis * residual[:, None])
    if own:
        by_plane[:, 3] -= fit.parts / own**2
    taken = _solve(blocks[pieces.box], across)
    matrix, gradient = np.zeros((columns.count, columns.count)), np.zeros(columns.count)
    for owner, pixels in columns.groups():
        held, places = columns.there(owner)
        mine = np.flatnonzero(pieces.owner == owner)
        tall = across[mine].reshape(-1, across.shape[2]), taken[mine].reshape(-1, across.shape[2])
        near = columns.values[pixels].T @ weighted[pixels] - tall[0].T @ tall[1]
        slopes = columns.values[pixels].T @ residual[pixels] - tall[1].T @ by_plane[pieces.box[mine]].reshape(-1)
        matrix[np.ix_(places, places)] += near[np.ix_(held, held)]
        gradient[places] += slopes[held]
    # The plane of a box that lies on several groups ties them together.
    for one, other in pieces.pairs():
        (held, places), (others, far) = (columns.there(int(pieces.owner[piece])) for piece in (one, other))
        matrix[np.ix_(places, far)] -= across[one][:, held].T @ taken[other][:, others]
    return matrix, gradient


def _basis(planes: Array, spots: Array, scale: float, own: float | None) -> Array:
    """What a box's numbers are multiplied by: those of its plane, and its own scale's part, (pixels, 3 or 4)."""
    return planes if not own else np.column_stack([planes, scale * spots])


def _blocks(boxes: Shoeboxes, basis: Array, weights: Array, own: float | None) -> Array:
    """The normal matrix of each box's numbers, (boxes, 3 or 4, likewise)."""
    blocks = boxes.sums((basis * weights[:, None])[:, :, None] * basis[:, None, :])
    trace = np.trace(blocks[:, :3, :3], axis1=1, axis2=2)
    made: Array = blocks + (_RIDGE * trace)[:, None, None] * np.eye(basis.shape[1])
    if own:
        made[:, 3, 3] += 1.0 / own**2
    return made


def _solve(blocks: Array, right: Array) -> Array:
    """Solve each block for its columns, or its one."""
    columns = right[..., None] if right.ndim == 2 else right
    made: Array = np.linalg.solve(blocks, columns).astype(float)
    return made[..., 0] if right.ndim == 2 else made
