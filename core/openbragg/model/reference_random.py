"""The reference program's random numbers, deviate for deviate.

A Lehmer generator (multiplier 16807, Park and Miller's minimal standard) whose output is shuffled through a table of 32
entries, handed out in single precision. Mosaic domains and random orientations are drawn from it in both modes,
so that equal seeds give equal crystals in both programs.
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable

_MULTIPLIER = 16807
_MODULUS = 2147483647
_TABLE = 32
_ENTRIES_PER_SLOT = 1 + (_MODULUS - 1) // _TABLE
#: The largest deviate: one step of single precision below 1, as the generator's authors chose it.
_LARGEST = 1.0 - 1.2e-7

Rotation = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


def single(value: float) -> float:
    """A number rounded to single precision."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


class Lehmer:
    """The generator; seeded with a negative number as the reference does, `Lehmer(-seed)`."""

    def __init__(self, seed: int) -> None:
        state = 1 if -seed < 1 else -seed
        table = [0] * _TABLE
        for slot in range(_TABLE + 7, -1, -1):
            state = state * _MULTIPLIER % _MODULUS
            if slot < _TABLE:
                table[slot] = state
        self._state = state
        self._table = table
        self._last = table[0]

    def uniform(self) -> float:
        """The next deviate in (0, 1), a single-precision number."""
        self._state = self._state * _MULTIPLIER % _MODULUS
        slot = self._last // _ENTRIES_PER_SLOT
        self._last = self._table[slot]
        self._table[slot] = self._state
        return min(single((1.0 / _MODULUS) * self._last), single(_LARGEST))


def draw_mosaic_domain(generator: Lehmer) -> tuple[tuple[float, float, float], float]:
    """One domain: the unit axis of its rotation, and its angle as a part of the mosaic spread.

    The part is (1 - r^2)^(1/3) for a deviate r in (-1, 1), in single precision.
    """
    first, second, third = (2.0 * generator.uniform() - 1.0 for _ in range(3))
    radius = math.sqrt(1.0 - second * second)
    axis = (radius * math.sin(math.pi * first), radius * math.cos(math.pi * first), second)
    return axis, _power(single(1.0 - third * third), single(1.0 / 3.0))


def draw_mosaic_domains(count: int, seed: int) -> list[tuple[tuple[float, float, float], float]]:
    """The axes and parts of `count` mosaic domains. The first, though drawn, is unrotated: its part is 0."""
    generator = Lehmer(-seed)
    domains = [draw_mosaic_domain(generator) for _ in range(count)]
    return [(domains[0][0], 0.0), *domains[1:]]


def random_rotation(spread: float, generator: Lehmer) -> Rotation:
    """A rotation matrix drawn as for a mosaic domain with a spread in radians."""
    (x, y, z), part = draw_mosaic_domain(generator)
    angle = single(single(spread) * part)
    cosine, sine = math.cos(angle), math.sin(angle)
    rest = 1.0 - cosine
    return (
        (cosine + rest * x * x, rest * x * y - sine * z, rest * x * z + sine * y),
        (rest * x * y + sine * z, cosine + rest * y * y, rest * y * z - sine * x),
        (rest * x * z - sine * y, rest * y * z + sine * x, cosine + rest * z * z),
    )


def _single_power() -> Callable[[float, float], float]:
    """The C library's single-precision power, which the reference uses and which is not always the nearest number."""
    try:
        power = ctypes.CDLL(None).powf
    except (OSError, AttributeError, TypeError):
        return lambda base, exponent: single(base**exponent)
    power.argtypes = [ctypes.c_float, ctypes.c_float]
    power.restype = ctypes.c_float
    return lambda base, exponent: float(power(base, exponent))


_power = _single_power()
