"""Rotations: taken out of vectors, taken apart into angles, and put together again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
#: How far from a rotation a matrix of rounded numbers may be.
_ROUNDING = 1e-7


def rotation_between(ours: Matrix, theirs: Matrix) -> Matrix | None:
    """The rotation R with theirs = R ours; None when there is none.

    Parameters
    ----------
    ours, theirs
        Three vectors each, as rows, (3, 3).
    """
    try:
        found: Matrix = np.asarray(np.linalg.solve(ours, theirs), dtype=np.float64).T
    except np.linalg.LinAlgError:
        return None
    is_rotation = np.abs(found @ found.T - np.eye(3)).max() < _ROUNDING and np.linalg.det(found) > 0.0
    return found if is_rotation else None


def angle_of(rotation: Matrix) -> float:
    """Angle of a rotation, 0 to pi, radians."""
    across = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    return math.atan2(float(np.linalg.norm(across)), float(np.trace(rotation)) - 1.0)


def about(axis: Matrix, angle: float) -> Matrix:
    """The right-handed rotation about a unit vector, radians."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: Matrix = np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross
    return rotation


def about_xyz(angles: tuple[float, ...]) -> Matrix:
    """The rotation about x, then y, then z, radians."""
    made: Matrix = np.eye(3)
    for axis, angle in zip(np.eye(3), angles, strict=True):
        made = about(axis, angle) @ made
    return made


def angles_xyz(rotation: Matrix) -> Iterator[tuple[float, ...]]:
    """Angles about x, then y, then z that make a rotation, each -pi to pi: there are two sets of them."""
    y = math.atan2(-rotation[2, 0], math.hypot(rotation[0, 0], rotation[1, 0]))
    x, z = math.atan2(rotation[2, 1], rotation[2, 2]), math.atan2(rotation[1, 0], rotation[0, 0])
    yield x, y, z
    yield tuple(math.remainder(angle, 2.0 * math.pi) for angle in (x + math.pi, math.pi - y, z + math.pi))


def scaled_rotations(rotation: Matrix, factor: float) -> Iterator[Matrix]:
    """Rotations in which the angle about one axis, or some or all of those about x, y and z, is multiplied."""
    angle = angle_of(rotation)
    if 0.0 < angle < math.pi:
        axis = np.array(
            [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
        )
        yield about(axis / np.linalg.norm(axis), factor * angle)
    for angles in angles_xyz(rotation):
        for chosen in product((1.0, factor), repeat=3):
            if chosen != (1.0, 1.0, 1.0):
                yield about_xyz(tuple(each * times for each, times in zip(angles, chosen, strict=True)))


def nearest_axes(frame: Matrix) -> Matrix:
    """The right-handed frame of laboratory axes that is closest to a frame's vectors, as rows, (3, 3)."""
    made = np.zeros((3, 3))
    taken = np.abs(frame)
    for _ in range(2):
        row, column = np.unravel_index(int(taken.argmax()), taken.shape)
        made[row, column] = math.copysign(1.0, frame[row, column])
        taken[row, :] = taken[:, column] = -1.0
    (row,) = np.flatnonzero(~made.any(axis=1))
    made[row] = np.cross(made[(row + 1) % 3], made[(row + 2) % 3])
    return made


def upright_cell(reciprocal: Matrix) -> Matrix | None:
    """The reciprocal vectors of the same cell, as rows, with a* along x and b* in the plane of x and y.

    This is how the reference program places a cell before it is misset.
    """
    try:
        return np.asarray(np.linalg.cholesky(reciprocal @ reciprocal.T), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
