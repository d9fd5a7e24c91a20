"""What the data determine: covariance, correlations, and the parameters that they leave open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Eigenvalues of the correlation of the normal matrix below this part of 1 are of directions that nothing determines.
_NOTHING = 1e-9
#: A parameter of which such a direction has this part is not determined.
_PART = 0.1


@attrs.frozen(eq=False)
class Determined:
    """Errors of parameters, from the Fisher matrix.

    Attributes
    ----------
    sigmas
        Standard deviations, inside; infinite where the data do not determine a parameter.
    covariance, correlations
        (parameters, parameters).
    eigenvalues
        Of the normal matrix with ones on its diagonal, from the smallest.
    rank
        How many of them are not 0.
    open
        Places of parameters that are not determined.
    """

    sigmas: Array
    covariance: Array
    correlations: Array
    eigenvalues: Array
    rank: int
    open: tuple[int, ...]


def determined(matrix: Array, strides: Sequence[float]) -> Determined:
    """What a normal matrix says.

    Parameters
    ----------
    matrix
        (parameters, parameters).
    strides
        How far each parameter could move at all: one whose error is many of them is not determined.
    """
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    dead = size <= 0.0
    safe = np.where(dead, 1.0, size)
    scaled = matrix / np.outer(safe, safe)
    scaled[dead] = scaled[:, dead] = 0.0
    eigenvalues, vectors = np.linalg.eigh(scaled)
    kept = eigenvalues > _NOTHING
    inverse = (vectors[:, kept] / eigenvalues[kept]) @ vectors[:, kept].T
    covariance = inverse / np.outer(safe, safe)
    sigmas = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    lost = dead | (np.abs(vectors[:, ~kept]) > _PART).any(axis=1) | (sigmas > np.asarray(strides))
    sigmas = np.where(dead | (np.abs(vectors[:, ~kept]) > _PART).any(axis=1), np.inf, sigmas)
    errors = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlations = covariance / np.outer(errors, errors)
    np.fill_diagonal(correlations, 1.0)
    return Determined(
        sigmas, covariance, correlations, eigenvalues, int(kept.sum()), tuple(np.flatnonzero(lost).tolist())
    )
