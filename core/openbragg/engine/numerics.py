"""Functions of diffraction that lose digits or gradients when written naively."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any, cast

import attrs
import torch

#: Keeps a beam along its own polarization, which has no direction across it, from becoming no number.
_SMALLEST = 1e-300

#: Below this argument (in turns of the fast wave) a power series replaces sin(N u)/sin(u); the error is below 1e-13.
_SERIES_TURNS = 0.01
#: Far below any offset that a detector can resolve, a power of two.
_TINY = 2.0**-100
_TINY_IN_PRODUCT = {torch.float32: 2.0**-40, torch.float64: _TINY}
#: sin(pi x) / x as a polynomial in x^2 for |x| <= 1/2, by Remez' exchange in 50 digits.
_SINE_SINGLE = (
    3.1415926368961181998,
    -5.1677096848420053554,
    2.5500697269350596687,
    -0.59824212930563712307,
    0.077560391389719789201,
)
_SINE_DOUBLE = (
    3.1415926535897932377,
    -5.1677127800499695287,
    2.5501640398772939382,
    -0.5992645293187382163,
    0.082145886569892609519,
    -0.0073704304787624609946,
    0.0004662996887731735553,
    -0.000021903185420805376773,
    7.6947273283067904961e-7,
)
#: cos(pi x) as a polynomial in x^2, likewise.
_COSINE_SINGLE = (
    0.99999995346770410268,
    -4.9347928587498345332,
    4.0584119149625949111,
    -1.3318801633740252282,
    0.21969679861949188746,
)
_COSINE_DOUBLE = (
    0.99999999999999999999,
    -4.9348022005446793043,
    4.0587121264167675451,
    -1.3352627688545550128,
    0.23533063035799601567,
    -0.025806891376604469338,
    0.0019295741873593241938,
    -0.00010463741712642142764,
    4.3007248316751436427e-6,
    -1.3435271519780107514e-7,
)
#: 2^x as a polynomial in x for |x| <= 1/2, its power series: within 1.2e-7, and 1.7e-8 on average.
_POWER_SINGLE = tuple(math.log(2.0) ** n / math.factorial(n) for n in range(7))
#: Where `exp_minus` ends, in powers of 2: squares of what is there are still plain numbers of the precision.
_LEAST_POWER = {torch.float32: -56.0, torch.float64: -500.0}
#: More than single precision rounds an exponent.
_REACH_ROUNDING = 1.00001
#: Of single precision's exponent: where it begins, and its lowest bit.
_EXPONENT_ZERO, _EXPONENT_UNIT = 127, 1 << 23
#: Coefficients of x^0, x^2, ... of 3 (sin x / x - cos x) / x^2: 3 (-1)^n (2n + 2) / (2n + 3)!.
_SPHERE_SERIES = tuple(3.0 * (-1) ** n * (2 * n + 2) / math.factorial(2 * n + 3) for n in range(12))
#: Up to this x^2 the twelve terms above are exact to 1e-16 and the closed form still cancels.
_SPHERE_SERIES_LIMIT = 4.0


def sin_pi(turns: torch.Tensor) -> torch.Tensor:
    """sin(pi x) for x within half a turn, |x| <= 1/2: within 2e-7 in float32, 5e-16 in float64, any shape.

    An odd polynomial of least relative error (5e-9 with the five terms of float32, 3e-19 with the nine of float64),
    which becomes a handful of multiplications in compiled code.
    """
    if torch.is_grad_enabled() and turns.requires_grad:
        return cast(torch.Tensor, _SinPi.apply(turns))  # type: ignore[no-untyped-call]
    return turns * _polynomial(turns * turns, _SINE_SINGLE if turns.dtype == torch.float32 else _SINE_DOUBLE)


def cos_pi(turns: torch.Tensor) -> torch.Tensor:
    """cos(pi x) for x within half a turn, |x| <= 1/2: within 2e-7 in float32, 5e-16 in float64, any shape."""
    return _polynomial(turns * turns, _COSINE_SINGLE if turns.dtype == torch.float32 else _COSINE_DOUBLE)


def exp_minus(exponent: torch.Tensor) -> torch.Tensor:
    """exp(-x) for x >= 0, any shape: 2^-56 where it would be less in float32, 2^-500 in float64.

    Numbers so small count nothing beside 1, but a processor takes ten times as long with what is smaller than its
    smallest plain number, as the squares would be. In compiled code of single precision it is a handful of
    multiplications; the error is below 2e-7 everywhere.
    """
    power = (exponent * (-1.0 / math.log(2.0))).clamp(min=_LEAST_POWER[exponent.dtype])
    if exponent.dtype != torch.float32 or not torch.compiler.is_compiling():
        return power.exp2()
    whole = torch.round(power)
    rest = power - whole
    fraction = reduce(lambda total, term: total * rest + term, reversed(_POWER_SINGLE), torch.zeros_like(rest))
    # The bits of a power of 2.
    return fraction * ((whole.to(torch.int32) + _EXPONENT_ZERO) * _EXPONENT_UNIT).view(torch.float32)


def gaussian_reach(level: torch.Tensor, peak: torch.Tensor, variance: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """How far from its middle a Gaussian peak^2 exp(-r^2 / (2 variance)) is above levels: float64, of their shape.

    Parameters
    ----------
    level
        Above 0, float64.
    peak, variance
        Of the square's root the height; of the widest direction the variance, in the square of the unit of the result.
    dtype
        In which `exp_minus` makes the root: below its last number nothing is known, and the reach is infinite. It is
        below 0 where the level is above the peak.
    """
    fallen = (peak * peak / level).log()
    distance = (2.0 * variance * (fallen * _REACH_ROUNDING + _REACH_ROUNDING - 1.0)).clamp(min=0.0).sqrt()
    # Of the square, a factor of 4 before its last number.
    least = 2.0 * math.log(2.0) * (-_LEAST_POWER[dtype] - 1.0)
    return distance.where(fallen >= 0.0, -1.0).where(fallen < least, math.inf)


class _SinPi(torch.autograd.Function):
    """Differentiated as a sine, not as a polynomial: half the work, and a derivative as exact as the value."""

    generate_vmap_rule = True

    @staticmethod
    def forward(turns: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return sin_pi(turns)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (turns,) = ctx.saved_tensors
        return gradients[0] * (math.pi * cos_pi(turns))


def _polynomial(square: torch.Tensor, coefficients: tuple[float, ...]) -> torch.Tensor:
    *rest, last = coefficients
    total = square * last + rest.pop()
    for coefficient in reversed(rest):
        total = total * square + coefficient
    return total


def interference(
    offset: torch.Tensor, nearest: torch.Tensor, cells: torch.Tensor, dtype: torch.dtype, signed: bool = True
) -> torch.Tensor:
    """Interference function sin(pi N h) / sin(pi h) of a row of N unit cells.

    Parameters
    ----------
    offset
        Index minus nearest whole index, float64.
    nearest
        Nearest whole index, float64, same shape.
    cells
        N, a whole number, float64, shape ().
    dtype
        Precision of the result and of all that is done here. The offset is exact enough in single precision too: its
        rounding moves N h by 6e-8 of itself, and far from a whole index, where that is much, the function is small; the
        error is below 2e-7 of the peak everywhere.
    signed
        Whether the sign is wanted; without it, it may be wrong.

    Returns
    -------
    Tensor of the offset's shape; N at whole indices, where the gradient is exactly 0.
    """
    count = cells.to(dtype)
    if torch.is_grad_enabled() and (offset.requires_grad or cells.requires_grad):
        ratio, halves = cast(tuple[torch.Tensor, torch.Tensor], _Interference.apply(offset, cells, dtype))  # type: ignore[no-untyped-call]
    else:
        # A tiny step keeps 0 / 0 from being no number; elsewhere it is lost in rounding.
        argument = offset.to(dtype) + _TINY
        waves = count * argument
        halves = torch.round(waves)
        ratio = sin_pi(waves - halves) / sin_pi(argument)
    if not signed:
        return ratio
    # (-1)^(halves + n (N - 1)): half of an odd number is half away from a whole one.
    half = 0.5 * (halves + nearest.to(dtype) * torch.remainder(count.detach() - 1.0, 2.0))
    away = half - torch.round(half)
    return ratio * (1.0 - 8.0 * (away * away))


def interference_product(offset: Sequence[torch.Tensor], cells: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Product of the interference functions along several axes, whose sign may be wrong.

    It has one division where that of `interference` has one for each axis, and divisions are a good part of a term.

    Parameters
    ----------
    offset
        Index minus nearest whole index along each axis, float64; they broadcast.
    cells
        N along each axis, whole numbers, float64, shape (axes,).
    dtype
        Precision of the result and of all that is done here, see `interference`.

    Returns
    -------
    Tensor of the offsets' shape after broadcasting, a number of cells: all of them at lattice points.

    Source: von Laue's lattice sum.
    """
    counts = cells.unbind(0)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*offset, cells)):
        # No sign is asked for, and so no nearest index.
        return reduce(
            mul,
            (interference(step, step, count, dtype, signed=False) for step, count in zip(offset, counts, strict=True)),
        )
    waves, lines = [], []
    for step, count in zip(offset, counts, strict=True):
        # As in `interference`, but such that a product of three is still a plain number.
        argument = step.to(dtype) + _TINY_IN_PRODUCT[dtype]
        turns = count.to(dtype) * argument
        waves.append(sin_pi(turns - torch.round(turns)))
        lines.append(sin_pi(argument))
    return reduce(mul, waves) / reduce(mul, lines)


class _Interference(torch.autograd.Function):
    """sin(pi t) / sin(pi h) with t = N h less its nearest whole number, and that number.

    Near a whole index the ratio and its derivatives are differences of large numbers; there a power series in h stands
    for them. Differentiated as it is written in books, not operation by operation: half the work.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(offset: torch.Tensor, cells: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            parts = _interference_parts(offset.to(dtype), cells.to(dtype))
        return parts.ratio, parts.halves

    @staticmethod
    def setup_context(
        ctx: Any,
        inputs: tuple[torch.Tensor, torch.Tensor, torch.dtype],
        output: tuple[torch.Tensor, torch.Tensor],
    ) -> None:
        offset, cells, ctx.dtype = inputs
        ctx.save_for_backward(offset, cells)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        offset, cells = ctx.saved_tensors
        argument, count = offset.to(ctx.dtype), cells.to(ctx.dtype)
        parts = _interference_parts(argument, count)
        square, counts = argument * argument, count * count
        waves_cosine = cos_pi(parts.turns)
        by_offset = by_cells = None
        if ctx.needs_input_grad[0]:
            bend = math.pi**2 / 3.0 * (counts - 1.0) * count
            series = argument * (bend * (math.pi**2 / 30.0 * (3.0 * counts - 7.0) * square - 1.0))
            closed = (count * waves_cosine - parts.ratio * cos_pi(argument)) * (math.pi * parts.inverse)
            by_offset = (gradients[0] * torch.where(parts.near, series, closed)).to(offset.dtype)
        if ctx.needs_input_grad[1]:
            quartic = math.pi**4 / 360.0 * (15.0 * counts * counts - 30.0 * counts + 7.0)
            series = 1.0 - square * (math.pi**2 / 6.0 * (3.0 * counts - 1.0) - quartic * square)
            closed = math.pi * argument * waves_cosine * parts.inverse
            by_cells = (gradients[0] * torch.where(parts.near, series, closed)).to(cells.dtype).sum_to_size(cells.shape)
        return by_offset, by_cells, None


@attrs.frozen(eq=False)
class _InterferenceParts:
    """What ratio and derivatives are made of: t, its whole part, 1 / sin(pi h), the ratio, and where h is small."""

    turns: torch.Tensor
    halves: torch.Tensor
    inverse: torch.Tensor
    ratio: torch.Tensor
    near: torch.Tensor


def _interference_parts(argument: torch.Tensor, count: torch.Tensor) -> _InterferenceParts:
    waves = count * argument
    halves = torch.round(waves)
    turns = waves - halves
    near = waves.abs() < _SERIES_TURNS
    square = argument * argument
    bend = math.pi**2 / 6.0 * (count * count - 1.0) * count
    peak = count - square * (bend - math.pi**2 / 60.0 * (3.0 * count * count - 7.0) * bend * square)
    inverse = torch.where(near, 1.0, sin_pi(argument)).reciprocal()
    return _InterferenceParts(turns, halves, inverse, torch.where(near, peak, sin_pi(turns) * inverse), near)


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
    *,
    parallel: bool = False,
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
    parallel
        Whether a beam along its own polarization, which has none across it, counts as polarized towards every pixel, as
        in the reference, whose angle psi is 0 then; as unpolarized by default.
    """
    x, y, z = direction
    magnetic = torch.nn.functional.normalize(
        torch.linalg.cross(electric_axis.expand_as(incident), incident), dim=-1, eps=_SMALLEST
    )
    electric = torch.nn.functional.normalize(torch.linalg.cross(incident, magnetic), dim=-1, eps=_SMALLEST)

    def along(axis: torch.Tensor) -> torch.Tensor:
        first, second, third = axis.unbind(-1)
        return torch.addcmul(torch.addcmul(x * first, y, second), z, third)

    cosine, e, b = along(incident), along(electric), along(magnetic)
    polarized = torch.addcmul(e * e, b, b, value=-1.0)
    if parallel:
        lost = (magnetic * magnetic).sum(dim=-1) == 0.0
        polarized = torch.where(lost, 1.0 - cosine * cosine, polarized)
    return 0.5 * (1.0 + cosine * cosine - kahn * polarized)
