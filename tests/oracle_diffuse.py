"""Diffuse scattering for the oracle, in plain Python straight from the formulas."""

import math
from collections.abc import Callable
from dataclasses import dataclass

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
Index = tuple[int, int, int]

#: Where the rotations of a few groups take h, k, l: for each index the place it comes from, and its sign.
ROTATIONS: dict[str, tuple[tuple[tuple[int, int], ...], ...]] = {
    "P1": (((0, 1), (1, 1), (2, 1)),),
    "P2": (((0, 1), (1, 1), (2, 1)), ((0, -1), (1, 1), (2, -1))),
    "P222": (
        ((0, 1), (1, 1), (2, 1)),
        ((0, 1), (1, -1), (2, -1)),
        ((0, -1), (1, 1), (2, -1)),
        ((0, -1), (1, -1), (2, 1)),
    ),
    "P4": (
        ((0, 1), (1, 1), (2, 1)),
        ((1, -1), (0, 1), (2, 1)),
        ((0, -1), (1, -1), (2, 1)),
        ((1, 1), (0, -1), (2, 1)),
    ),
}


@dataclass(frozen=True)
class Halos:
    """Settings of the model: gamma and sigma in angstrom along three axes, the rest as on the command line."""

    gamma: Vector
    sigma: Vector
    stencil: int
    group: str
    principal: Matrix
    diffbragg: bool


def intensity(
    halos: Halos,
    indices: Vector,
    nearest: Index,
    amplitude: Callable[[Index], float],
    reciprocal: Matrix,
    cells: int,
) -> float:
    """What is added to F_cell^2 F_latt^2: halos of the reflections of a stencil; reciprocal rows in 1/angstrom."""
    rows = reciprocal if halos.diffbragg else upright(reciprocal)
    volume = 1.0 / abs(determinant(reciprocal))
    total = 0.0
    rotations = ROTATIONS[halos.group]
    for rotation in rotations:
        q = place(rows, rotated(rotation, halos.principal, nearest))
        x = sum((2.0 * math.pi * sigma * along) ** 2 for sigma, along in zip(halos.sigma, q, strict=True))
        for reflection in around(nearest, halos.stencil):
            away = tuple(index - whole for index, whole in zip(indices, reflection, strict=True))
            step = place(rows, rotated(rotation, halos.principal, away))
            u = sum((2.0 * math.pi * gamma * along) ** 2 for gamma, along in zip(halos.gamma, step, strict=True))
            height = 8.0 * math.pi * math.prod(halos.gamma) * x * math.exp(-x)
            total += amplitude(reflection) ** 2 * height / (1.0 + u) ** 2
    total /= len(rotations)
    if not halos.diffbragg:
        return total * cells / volume
    there = halos.stencil == 0 or amplitude(nearest) != 0.0
    return total / (2 * halos.stencil + 1) ** 3 if there else 0.0


def around(nearest: Index, stencil: int) -> list[Index]:
    """The reflections of a stencil."""
    h, k, l = nearest
    steps = range(-stencil, stencil + 1)
    return [(h + i, k + j, l + m) for i in steps for j in steps for m in steps]


def rotated(rotation: tuple[tuple[int, int], ...], principal: Matrix, indices: tuple[float, ...]) -> Vector:
    """Indices times the principal axes, then turned."""
    moved = [sum(one * other for one, other in zip(row, indices, strict=True)) for row in principal]
    first, second, third = (sign * moved[source] for source, sign in rotation)
    return first, second, third


def place(rows: Matrix, indices: Vector) -> Vector:
    """h a* + k b* + l c*."""
    x, y, z = (sum(index * row[axis] for index, row in zip(indices, rows, strict=True)) for axis in range(3))
    return x, y, z


def upright(rows: Matrix) -> Matrix:
    """The same vectors with a* along x and b* in the plane of x and y."""
    dots = [[sum(p * q for p, q in zip(one, other, strict=True)) for other in rows] for one in rows]
    ax = math.sqrt(dots[0][0])
    bx = dots[0][1] / ax
    by = math.sqrt(dots[1][1] - bx * bx)
    cx = dots[0][2] / ax
    cy = (dots[1][2] - bx * cx) / by
    return (ax, 0.0, 0.0), (bx, by, 0.0), (cx, cy, math.sqrt(dots[2][2] - cx * cx - cy * cy))


def determinant(rows: Matrix) -> float:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
