"""The reference program's Poisson deviates, number for number; compiled by numba where it is installed.

The methods are those of Numerical Recipes in C (Press et al., 2nd edition, sections 6.1 and 7.1 to 7.3), in the mixture
of precisions that nanoBragg.c has. Here a number is a float64, and `_single` rounds it wherever the reference keeps
it in single precision: one rounding more or fewer, and every later deviate is another. A sum, product, quotient or
root of two single-precision numbers is the same whether it is rounded once or by way of float64.

The generator is a `State` and a table. What draws from it returns the new state, and changes the table in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

_MULTIPLIER = 16807
#: A power of two less one: what is above those bits, added to what is in them, leaves the same remainder.
_MODULUS = 2**31 - 1
_MODULUS_BITS = 31
#: Entries of the table, and the bits below those that choose one.
_TABLE = 32
_BITS_BELOW_SLOT = 26
#: Gives the largest uniform deviate, 1 - 1.2e-7; larger numbers are taken for it.
_LARGEST = 2147483455
#: Below the first, exponential intervals are counted; above the second, a normal deviate stands in.
_FEW, _MANY = 12.0, 1.0e6
#: Whole numbers whose log(gamma) is kept once it is known.
_KEPT = 2**16

Array = np.ndarray[Any, np.dtype[Any]]
#: The latest outcome of the recurrence, and the number handed out last.
State = tuple[int, int]
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function compiled, and kept between runs where there is a place for it; without numba, as it is."""
    try:
        import numba
    except ImportError:
        return function
    compiled: Callable[_P, _R]
    try:
        compiled = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither this folder nor the user's cache can be written
        compiled = numba.njit(error_model="numpy")(function)
    return compiled


def _inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function as a part of the compiled ones that call it; without numba, as it is."""
    try:
        import numba
    except ImportError:
        return function
    inlined: Callable[_P, _R] = numba.njit(error_model="numpy", forceinline=True)(function)
    return inlined


@_inlined
def _single(value: float) -> float:
    return np.float64(np.float32(value))


@_inlined
def _start(seed: int, table: Array) -> State:
    """Fill the table."""
    latest = seed
    for slot in range(_TABLE + 7, -1, -1):
        latest = latest * _MULTIPLIER % _MODULUS
        if slot < _TABLE:
            table[slot] = latest
    return latest, table[0]


@_inlined
def _uniform(state: State, table: Array) -> tuple[State, float]:
    """A number from [0, 1): Lehmer's recurrence, its outcomes shuffled."""
    latest, last = state
    product = latest * _MULTIPLIER
    latest = (product & _MODULUS) + (product >> _MODULUS_BITS)
    if latest >= _MODULUS:
        latest -= _MODULUS
    slot = (last >> _BITS_BELOW_SLOT) & (_TABLE - 1)  # the second step tells the compiler that it is in range
    last = table[slot]
    table[slot] = latest
    if last == 0:  # stuck, as with a seed of 2^31 - 1; the reference then begins anew
        return _start(1, table), 0.0
    return (latest, last), _single((1.0 / _MODULUS) * min(last, _LARGEST))


@_inlined
def _normal_pair(state: State, table: Array) -> tuple[State, float, float]:
    """Two normal deviates, Box and Muller's transformation in its polar form: the one to use, the one to spare."""
    while True:
        state, uniform = _uniform(state, table)
        one = _single(2.0 * uniform - 1.0)
        state, uniform = _uniform(state, table)
        other = _single(2.0 * uniform - 1.0)
        square = _single(_single(one * one) + _single(other * other))
        if 0.0 < square < 1.0:
            factor = _single(math.sqrt(-2.0 * math.log(square) / square))
            return state, _single(other * factor), _single(one * factor)


@_inlined
def _intervals(limit: float, state: State, table: Array) -> tuple[State, float]:
    """A Poisson deviate as the number of exponential intervals that fit; `limit` is exp(-expected)."""
    count = -1.0
    product = np.float32(1.0)
    while True:
        count += 1.0
        state, uniform = _uniform(state, table)
        product = np.float32(product * np.float32(uniform))  # `_single` would lengthen the chain of dependencies
        if product <= np.float32(limit):
            return state, count


@_inlined
def _log_gamma(value: float) -> float:
    """The logarithm of the gamma function: Lanczos's approximation."""
    series = 1.000000000190015
    series += 76.18009172947146 / (value + 1.0)
    series -= 86.50532032941677 / (value + 2.0)
    series += 24.01409824083091 / (value + 3.0)
    series -= 1.231739572450155 / (value + 4.0)
    series += 0.1208650973866179e-2 / (value + 5.0)
    series -= 0.5395239384953e-5 / (value + 6.0)
    rest = value + 5.5 - (value + 0.5) * math.log(value + 5.5)
    return _single(math.log(2.5066282746310005 * series / value) - rest)


@_inlined
def _log_factorial(count: float, kept: Array) -> float:
    """log(gamma(count + 1)) of a whole number, from `kept` when it is there."""
    if count >= _KEPT:
        return _log_gamma(_single(count + 1.0))
    place = int(count)
    if kept[place] == 0.0:
        kept[place] = _log_gamma(_single(count + 1.0))
    return np.float64(kept[place])


@_inlined
def _rejection(
    expected: float, width: float, log_expected: float, height: float, state: State, table: Array, kept: Array
) -> tuple[State, float]:
    """A Poisson deviate by rejection from a Lorentzian of some width around the expectation.

    `height` is expected * log(expected) - log(gamma(expected + 1)).
    """
    while True:
        state, uniform = _uniform(state, table)
        tangent = _single(math.tan(math.pi * uniform))
        place = _single(_single(width * tangent) + expected)
        if place < 0.0:
            continue
        count = np.floor(place)
        exponent = _single(_single(_single(count * log_expected) - _log_factorial(count, kept)) - height)
        ratio = _single(0.9 * (1.0 + _single(tangent * tangent)) * math.exp(exponent))
        state, uniform = _uniform(state, table)
        if uniform <= ratio:
            return state, count


@_compiled
def draw(photons: Array, seed: int) -> Array:
    """Poisson deviates around expected photons, one after the other.

    Parameters
    ----------
    photons
        Expected photons: float32, finite and not negative, shape (pixels,).
    seed
        From 0 to 2^31 - 2.

    Returns
    -------
    float64, shape (pixels,): whole numbers up to a million expected photons.
    """
    counts = np.empty(photons.size)
    table = np.zeros(_TABLE, np.int64)
    kept = np.zeros(_KEPT, np.float32)
    state = _start(seed, table)
    previous = -1.0
    limit = width = log_expected = height = 0.0
    spare, is_spare = 0.0, False
    for pixel in range(photons.size):
        expected = np.float64(photons[pixel])
        changed = expected != previous
        previous = expected
        if expected < _FEW:
            if changed:
                limit = _single(math.exp(-expected))
            state, counts[pixel] = _intervals(limit, state, table)
        elif expected <= _MANY:
            if changed:
                width = _single(math.sqrt(2.0 * expected))
                log_expected = _single(math.log(expected))
                height = _single(_single(expected * log_expected) - _log_gamma(_single(expected + 1.0)))
            state, counts[pixel] = _rejection(expected, width, log_expected, height, state, table, kept)
        else:
            normal = spare
            if not is_spare:
                state, normal, spare = _normal_pair(state, table)
            is_spare = not is_spare
            counts[pixel] = _single(expected + math.sqrt(expected) * normal)
    return counts
