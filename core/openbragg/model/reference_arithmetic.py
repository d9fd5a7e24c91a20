"""The reference program's arithmetic, rounding for rounding, where a count hangs on the last bit.

Lengths of the cell's axes, and the detector's place after its rotations: the same operations on the same numbers of
double precision in the same order, for quotients of them are rounded up to counts, and a quirk hangs on whether q is
exactly 0. Nothing else is computed from them. Source: nanoBragg.c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs

from openbragg.model.crystal import Crystal
from openbragg.model.detector import Detector
from openbragg.model.scalars import plain
from openbragg.units import ANGSTROM

#: Digits that numbers in files and on command lines have at most: with them one comes back from SI as it was typed.
_DIGITS = 13
_SMALLEST = 2.2250738585072014e-308

Vector = tuple[float, float, float]


def reference_cell_lengths(crystal: Crystal, wavelength: float) -> Vector:
    """Lengths of a, b, c in metres as the reference has them.

    Parameters
    ----------
    crystal
        Its rotations resolved to angles.
    wavelength
        In metres; a matrix was read with it.
    """
    cell = [plain(value) for value in crystal.cell] if crystal.cell is not None else None
    lengths, volume = (0.0, 0.0, 0.0), 0.0
    stars: tuple[Vector, Vector, Vector]
    if cell is not None:
        lengths = (_typed(cell[0] / ANGSTROM), _typed(cell[1] / ANGSTROM), _typed(cell[2] / ANGSTROM))
        volume = _volume(lengths, cell[3:])
    if crystal.reciprocal_vectors is not None:
        scale = ANGSTROM / wavelength
        rows = [[_typed(plain(value) * wavelength) for value in row] for row in crystal.reciprocal_vectors]
        stars = (_times(scale, rows[0]), _times(scale, rows[1]), _times(scale, rows[2]))
    else:
        assert cell is not None  # a Crystal has one or the other
        stars = _standing(lengths, cell[3:], volume)
    if crystal.misset is not None:
        angles = [plain(angle) for angle in crystal.misset]
        stars = (_turned(stars[0], angles), _turned(stars[1], angles), _turned(stars[2], angles))
    a_star, b_star, c_star = stars
    crosses = [_cross(b_star, c_star), _cross(c_star, a_star), _cross(a_star, b_star)]
    v_star = _dot(a_star, crosses[0])
    if cell is not None:
        crosses = [_rescaled(cross, length / volume) for cross, length in zip(crosses, lengths, strict=True)]
        v_star = 1.0 / volume
    v_cell = 1.0 / v_star
    a, b, c = (_length(_times(ANGSTROM, _times(v_cell, cross))) for cross in crosses)
    return a, b, c


@attrs.frozen
class ReferencePlacement:
    """Where the reference places a detector of one panel: metres and unit vectors; see `openbragg.PanelFrame`."""

    beam: Vector
    origin: Vector
    fast: Vector
    slow: Vector
    normal: Vector
    distance: float


def reference_placement(
    detector: Detector,
    axes: Any,
    pivot: str,
    beam_point: tuple[Any, Any],
    near_point: tuple[Any, Any],
) -> ReferencePlacement:
    """A detector placed as `openbragg.place` does, which has the same arguments; `axes` are those before rotation."""
    beam, fast, slow = (_unit([plain(part) for part in axis]) for axis in (axes.beam, axes.fast, axes.slow))
    normal = [plain(part) for part in axes.normal]
    odet = _unit(normal if _length(normal) == 1.0 else _cross(fast, slow))
    angles = [plain(angle) for angle in detector.rotation]
    swing, twotheta = [plain(part) for part in axes.twotheta], plain(detector.twotheta)
    ratio = _dot(beam, _turned(odet, angles)) or _SMALLEST
    given = detector.close_distance
    close = plain(given) if given is not None else abs(ratio * plain(detector.distance))
    near_fast, near_slow = plain(near_point[0]), plain(near_point[1])
    corner = _sum_of((-near_fast, fast), (-near_slow, slow), (close, odet))
    fast, slow, odet = (_about(_turned(axis, angles), swing, twotheta) for axis in (fast, slow, odet))
    if pivot == "sample":
        origin = _about(_turned(corner, angles), swing, twotheta)
    else:
        beam_fast, beam_slow = plain(beam_point[0]), plain(beam_point[1])
        origin = _sum_of((-beam_fast, fast), (-beam_slow, slow), (close / ratio, beam))
    return ReferencePlacement(beam, origin, fast, slow, odet, _dot(origin, odet) / ratio)


def reference_oversample(largest: float, wavelength: float, distance: float, pixel_size: float) -> float:
    """What the reference rounds up to subpixels, of the crystal's largest width; all in metres."""
    return 3.0 * largest / (wavelength * distance / pixel_size)


def _typed(value: float) -> float:
    """A number without what its way to SI and back has added."""
    return float(f"{value:.{_DIGITS}g}")


def _volume(lengths: Sequence[float], angles: Sequence[float]) -> float:
    alpha, beta, gamma = angles
    half = (alpha + beta + gamma) / 2
    skew = math.sin(half) * math.sin(half - alpha) * math.sin(half - beta) * math.sin(half - gamma)
    return 2.0 * lengths[0] * lengths[1] * lengths[2] * math.sqrt(abs(skew)) or _SMALLEST


def _standing(lengths: Vector, angles: Sequence[float], volume: float) -> tuple[Vector, Vector, Vector]:
    """a*, b*, c* of a cell in 1/angstrom, as it stands before any rotation."""
    a, b, c = lengths
    alpha, beta, gamma = angles
    v_star = 1.0 / volume
    a_star, b_star, c_star = b * c * math.sin(alpha) * v_star, c * a * math.sin(beta) * v_star, 0.0
    c_star = a * b * math.sin(gamma) * v_star
    sine_gamma_star = c * v_star / a_star / b_star
    cosines = [math.cos(angle) for angle in angles]
    sines = [math.sin(angle) for angle in angles]
    cosine_alpha_star = _cosine((cosines[1] * cosines[2] - cosines[0]) / (sines[1] * sines[2]))
    cosine_beta_star = _cosine((cosines[2] * cosines[0] - cosines[1]) / (sines[2] * sines[0]))
    cosine_gamma_star = _cosine((cosines[0] * cosines[1] - cosines[2]) / (sines[0] * sines[1]))
    sine_gamma_star = min(max(sine_gamma_star, -1.0), 1.0)
    return (
        (a_star, 0.0, 0.0),
        (b_star * cosine_gamma_star, b_star * sine_gamma_star, 0.0),
        (
            c_star * cosine_beta_star,
            c_star * (cosine_alpha_star - cosine_beta_star * cosine_gamma_star) / sine_gamma_star,
            c_star * volume / (a * b * c * sine_gamma_star),
        ),
    )


def _cosine(value: float) -> float:
    return 1.0 if value * value > 1.0 else value


def _turned(vector: Sequence[float], angles: Sequence[float]) -> Vector:
    """Rotated about x, then y, then z; about an axis whose angle is 0 nothing is computed."""
    x, y, z = vector
    about_x, about_y, about_z = angles
    if about_x != 0.0:
        sine, cosine = math.sin(about_x), math.cos(about_x)
        y, z = y * cosine + z * -sine, y * sine + z * cosine
    if about_y != 0.0:
        sine, cosine = math.sin(about_y), math.cos(about_y)
        x, z = x * cosine + y * 0.0 + z * sine, x * -sine + y * 0.0 + z * cosine
    if about_z != 0.0:
        sine, cosine = math.sin(about_z), math.cos(about_z)
        x, y = x * cosine + y * -sine, x * sine + y * cosine
    return x, y, z


def _about(vector: Vector, axis: Sequence[float], angle: float) -> Vector:
    """Rotated about an axis, which is taken as it is."""
    sine, cosine = math.sin(angle), math.cos(angle)
    (x, y, z), (u, v, w) = vector, axis
    along = (u * x + v * y + w * z) * (1.0 - cosine)
    return (
        u * along + x * cosine + (-w * y + v * z) * sine,
        v * along + y * cosine + (w * x - u * z) * sine,
        w * along + z * cosine + (-v * x + u * y) * sine,
    )


def _sum_of(*terms: tuple[float, Vector]) -> Vector:
    (p, a), (q, b), (r, c) = terms
    x, y, z = (p * a[i] + q * b[i] + r * c[i] for i in range(3))
    return x, y, z


def _times(scale: float, vector: Sequence[float]) -> Vector:
    return scale * vector[0], scale * vector[1], scale * vector[2]


def _rescaled(vector: Vector, length: float) -> Vector:
    return _times(length / (_length(vector) or 1.0), vector)


def _unit(vector: Sequence[float]) -> Vector:
    length = _length(vector) or 1.0
    return vector[0] / length, vector[1] / length, vector[2] / length


def _length(vector: Sequence[float]) -> float:
    x, y, z = vector
    return math.sqrt(x * x + y * y + z * z)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _cross(one: Sequence[float], other: Sequence[float]) -> Vector:
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )
