"""Vectors and rotations of files, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Vector = tuple[float, float, float]
#: Rows.
Matrix = tuple[Vector, Vector, Vector]

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
#: Three vectors are taken for coplanar when they enclose less than this part of the box their lengths could.
_FLAT = 1e-9


def combined(*terms: tuple[float, Sequence[float]]) -> Vector:
    """The sum of vectors, each times a number."""
    x, y, z = (sum(factor * values[axis] for factor, values in terms) for axis in range(3))
    return x, y, z


def cross(one: Sequence[float], other: Sequence[float]) -> Vector:
    """The vector product."""
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The scalar product."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def turned(matrix: Matrix, vector: Sequence[float]) -> Vector:
    """A matrix times a column vector."""
    x, y, z = (dot(row, vector) for row in matrix)
    return x, y, z


def product(one: Matrix, other: Matrix) -> Matrix:
    """The product of two matrices."""
    columns = list(zip(*other, strict=True))
    first, second, third = (tuple(dot(row, column) for column in columns) for row in one)
    return first, second, third  # type: ignore[return-value]


def rotation(axis: Vector, angle: float) -> Matrix:
    """The right-handed rotation about a unit vector, by an angle in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    columns = [
        combined((cosine, unit), ((1.0 - cosine) * dot(axis, unit), axis), (sine, cross(axis, unit)))
        for unit in IDENTITY
    ]
    first, second, third = zip(*columns, strict=True)
    return first, second, third


def reciprocal(vectors: Iterable[Sequence[float]]) -> Matrix | None:
    """The rows a*, b*, c* of rows a, b, c; None for vectors that lie in one plane."""
    a, b, c = vectors
    lengths = math.hypot(*a) * math.hypot(*b) * math.hypot(*c)
    volume = dot(a, cross(b, c))
    if not abs(volume) > _FLAT * lengths:
        return None
    first, second, third = (combined((1.0 / volume, cross(*pair))) for pair in ((b, c), (c, a), (a, b)))
    return first, second, third
