"""Functions of diffraction that lose digits or gradients when written naively."""

from __future__ import annotations

import math
from functools import reduce

import torch

#: Keeps a beam along its own polarization, which has no direction across it, from becoming no number.
_SMALLEST = 1e-300

#: Below this argument (in turns of the fast wave) a power series replaces sin(N u)/sin(u); the error is below 1e-13.
_SERIES_TURNS = 0.01
#: Coefficients of x^0, x^2, ... of 3 (sin x / x - cos x) / x^2: 3 (-1)^n (2n + 2) / (2n + 3)!.
_SPHERE_SERIES = tuple(3.0 * (-1) ** n * (2 * n + 2) / math.factorial(2 * n + 3) for n in range(12))
#: Up to this x^2 the twelve terms above are exact to 1e-16 and the closed form still cancels.
_SPHERE_SERIES_LIMIT = 4.0


def interference(offset: torch.Tensor, nearest: torch.Tensor, cells: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Interference function sin(pi N h) / sin(pi h) of a row of N unit cells, with its sign.

    Parameters
    ----------
    offset
        Index minus nearest whole index, float64.
    nearest
        Nearest whole index, float64, same shape.
    cells
        N, a whole number, float64, shape ().
    dtype
        Precision of the trigonometric functions and of the result. The argument N h is reduced to half a turn in
        float64 before, so that single precision costs 1e-7 of the peak and no more.

    Returns
    -------
    Tensor of the offset's shape; N at whole indices, where the gradient is exactly 0.
    """
    waves = cells * offset
    numerator = (math.pi * (waves - 2.0 * torch.round(0.5 * waves))).to(dtype).sin()
    argument = (math.pi * offset).to(dtype)
    count = cells.to(dtype)
    if torch.is_grad_enabled() and (offset.requires_grad or cells.requires_grad):
        # Ten more operations, which only a gradient needs: it is a difference of large numbers near a whole index.
        near = waves.abs() < _SERIES_TURNS
        square = argument * argument
        excess = count * count - 1.0
        peak = count * (1.0 - excess / 6.0 * square * (1.0 - (3.0 * count * count - 7.0) / 60.0 * square))
    else:
        near = argument.abs() < torch.finfo(dtype).tiny
        peak = count
    ratio = torch.where(near, peak, numerator / torch.where(near, 1.0, argument.sin()))
    # (-1)^(n (N - 1)): half of an odd index is half away from a whole number.
    half = 0.5 * nearest.to(dtype)
    away = half - torch.round(half)
    return ratio * (1.0 - (8.0 * torch.remainder(count - 1.0, 2.0)) * (away * away))


def sphere_transform(square: torch.Tensor) -> torch.Tensor:
    """Fourier transform of a sphere, 3 (sin x / x - cos x) / x^2, as a function of x^2 (any shape): 1 at 0.

    Taking the square keeps the gradient finite where x = 0.
    """
    series = reduce(lambda total, term: total * square + term, reversed(_SPHERE_SERIES), torch.zeros_like(square))
    near = square < _SPHERE_SERIES_LIMIT
    distance = torch.where(near, 1.0, square).sqrt()
    closed = 3.0 * (distance.sin() / distance - distance.cos()) / (distance * distance)
    return torch.where(near, series, closed)


def polarization_factor(
    direction: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    incident: torch.Tensor,
    electric_axis: torch.Tensor,
    kahn: torch.Tensor,
) -> torch.Tensor:
    """Polarization factor of scattered rays (Kahn et al., J. Appl. Cryst. 15, 330, 1982).

    0.5 (1 + cos^2 2theta - K cos 2psi sin^2 2theta), with cos 2psi sin^2 2theta written as E^2 - B^2, the squared
    components of the ray along the electric and magnetic directions: the same number, without an angle that is
    undefined in the direct beam.

    Parameters
    ----------
    direction
        x, y, z of unit vectors along the rays; any shape that broadcasts against `incident`'s leading one.
    incident
        Unit vectors along the beam, shape (..., 3).
    electric_axis
        The beam's electric direction, (3,); its part across the beam counts.
    kahn
        K, from -1 to 1, shape ().
    """
    x, y, z = direction
    magnetic = torch.nn.functional.normalize(
        torch.linalg.cross(electric_axis.expand_as(incident), incident), dim=-1, eps=_SMALLEST
    )
    electric = torch.nn.functional.normalize(torch.linalg.cross(incident, magnetic), dim=-1, eps=_SMALLEST)

    def along(axis: torch.Tensor) -> torch.Tensor:
        first, second, third = axis.unbind(-1)
        return x * first + y * second + z * third

    cosine, e, b = along(incident), along(electric), along(magnetic)
    return 0.5 * (1.0 + cosine * cosine - kahn * (e * e - b * b))
