"""A pixel's background in plain Python, from the formulas: the geometry is MOSFLM's, the beam along x."""

from __future__ import annotations

import math
from collections.abc import Callable

R_E_SQUARED = 7.94079248018965e-30
AVOGADRO = 6.02214179e23


def photons_per_scatterer(
    slow: float,
    fast: float,
    intensity: Callable[[float], float],
    *,
    wavelength: float,
    fluence: float,
    pixel: float,
    distance: float,
    centre: tuple[float, float],
    kahn: float = 0.0,
) -> float:
    """Photons that a pixel (slow, fast) gets from one scatterer; metres, `centre` the beam's pixel (slow, fast).

    `intensity` is the square of the amplitude, at sin(theta)/lambda in 1/angstrom.
    """
    x = distance
    y = -(slow + 0.5 - centre[0]) * pixel
    z = (fast + 0.5 - centre[1]) * pixel
    away = math.sqrt(x * x + y * y + z * z)
    two_theta = math.acos(x / away)
    solid_angle = pixel * pixel / away**2 * x / away
    # Kahn's formula: psi from the electric vector, which lies along z.
    psi = math.atan2(y, z)
    cosine = math.cos(two_theta)
    polar = 0.5 * (1 + cosine**2 - kahn * math.cos(2 * psi) * math.sin(two_theta) ** 2)
    stol = math.sin(two_theta / 2) / (wavelength * 1e10)
    return R_E_SQUARED * fluence * intensity(stol) * polar * solid_angle


def monotone_cubic(x: float, rows: list[tuple[float, float]]) -> float:
    """Fritsch and Carlson's curve through rows of x and y, flat beyond its ends."""
    xs, ys = zip(*rows, strict=True)
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    slopes = []
    rises = [(ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i]) for i in range(len(xs) - 1)]
    for i in range(len(xs)):
        if i in (0, len(xs) - 1):
            slopes.append(rises[0] if i == 0 else rises[-1])
        elif rises[i - 1] * rises[i] <= 0:
            slopes.append(0.0)
        else:
            before, after = xs[i] - xs[i - 1], xs[i + 1] - xs[i]
            one, two = 2 * after + before, after + 2 * before
            slopes.append((one + two) / (one / rises[i - 1] + two / rises[i]))
    i = next(i for i in range(len(xs) - 1) if x <= xs[i + 1])
    width = xs[i + 1] - xs[i]
    t = (x - xs[i]) / width
    return (
        (2 * t**3 - 3 * t**2 + 1) * ys[i]
        + (t**3 - 2 * t**2 + t) * width * slopes[i]
        + (3 * t**2 - 2 * t**3) * ys[i + 1]
        + (t**3 - t**2) * width * slopes[i + 1]
    )
