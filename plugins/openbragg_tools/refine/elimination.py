"""The scale and the planes of background, found in closed form beside the other parameters.

What is expected of a pixel is scale times the model plus its box's plane: linear in both. At given values of the other
parameters they are the solution of bordered normal equations, blocks of three by three beside one column; in steps of
the others the planes are taken out of the normal matrix block by block. Source: Golub and Pereyra, SIAM J. Numer. Anal.
10, 413 (1973), in Kaufman's approximation, BIT 15, 49 (1975).
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

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
        The deviance of all pixels.
    """

    spots: Array
    scale: float
    planes: Array
    expected: Array
    weights: Array
    loss: float


def fit_linear(
    boxes: Shoeboxes, spots: Array, likelihood: Likelihood, scale: float | None = None, start: Fit | None = None
) -> Fit:
    """Find scale and planes for a model's photons; a given scale is kept.

    `start` is a fit from whose expected photons the first weights are taken.
    """
    counts = boxes.counts
    box = boxes.boxes()
    expected = start.expected if start is not None else np.maximum(counts, 0.0) + 1.0
    best: Fit | None = None
    for _ in range(_TURNS):
        weights = likelihood.weights(counts, expected)
        if best is None and start is None:
            weights = 1.0 / np.maximum(expected + likelihood.readout**2, 1.0)
        blocks = _blocks(boxes, weights)
        by_counts = _solve(blocks, boxes.sums(boxes.planes * (weights * counts)[:, None]))
        by_spots = _solve(blocks, boxes.sums(boxes.planes * (weights * spots)[:, None]))
        pure = spots - np.einsum("pk,pk->p", boxes.planes, by_spots[box])
        found = scale
        if found is None:
            norm = float(pure @ (weights * pure))
            found = max(0.0, float(pure @ (weights * counts)) / norm) if norm > 0.0 else 0.0
        planes = by_counts - found * by_spots
        expected = found * spots + np.einsum("pk,pk->p", boxes.planes, planes[box])
        made = Fit(
            spots,
            found,
            planes,
            expected,
            likelihood.weights(counts, expected),
            float(likelihood.losses(counts, expected).sum()),
        )
        if best is not None and not best.loss - made.loss > _SETTLED * abs(best.loss) / len(counts) + _SETTLED:
            return made if made.loss < best.loss else best
        best = made
    assert best is not None
    return best


def normal_equations(boxes: Shoeboxes, fit: Fit, columns: Array) -> tuple[Array, Array]:
    """The normal matrix and the gradient of parameters from which the planes have been taken out.

    Parameters
    ----------
    columns
        Derivatives of the expected photons, (pixels, parameters).
    """
    weighted = columns * fit.weights[:, None]
    blocks = _blocks(boxes, fit.weights)
    across = boxes.sums(boxes.planes[:, :, None] * weighted[:, None, :])
    residual = (boxes.counts - fit.expected) * fit.weights
    by_plane = boxes.sums(boxes.planes * residual[:, None])
    taken = _solve(blocks, across)
    matrix = columns.T @ weighted - np.einsum("bki,bkj->ij", across, taken)
    gradient = columns.T @ residual - np.einsum("bki,bk->i", taken, by_plane)
    return matrix, gradient


def _blocks(boxes: Shoeboxes, weights: Array) -> Array:
    """The normal matrix of each plane, (boxes, 3, 3)."""
    blocks = boxes.sums((boxes.planes * weights[:, None])[:, :, None] * boxes.planes[:, None, :])
    trace = np.trace(blocks, axis1=1, axis2=2)
    made: Array = blocks + (_RIDGE * trace)[:, None, None] * np.eye(3)
    return made


def _solve(blocks: Array, right: Array) -> Array:
    """Solve each block for its columns, or its one."""
    columns = right[..., None] if right.ndim == 2 else right
    made: Array = np.linalg.solve(blocks, columns).astype(float)
    return made[..., 0] if right.ndim == 2 else made
