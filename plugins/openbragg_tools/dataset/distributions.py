"""Distributions from which each shot draws what differs, and values that are always the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import attrs
import numpy as np

from openbragg import InputError, quoted
from openbragg_tools.dataset.expressions import Expression

#: A number, a word, whether a bare flag is there, or several of them; None leaves the flag out.
Value = Any


class Distribution(Protocol):
    """From which a value is drawn.

    Attributes
    ----------
    needs
        Names of values that have to be drawn before.
    numeric
        Whether it draws single numbers.
    """

    @property
    def needs(self) -> tuple[str, ...]: ...

    @property
    def numeric(self) -> bool: ...

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """A value, from random numbers and the values that are known."""

    def words(self) -> str:
        """The distribution for people."""


@attrs.frozen
class Fixed:
    """Always the same."""

    value: Value
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def numeric(self) -> bool:
        """Whether it is one number."""
        return is_number(self.value)

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        return self.value

    def words(self) -> str:
        """See `Distribution`."""
        return f"always {_shown(self.value)}"


@attrs.frozen
class Uniform:
    """Any number between two, all alike probable, or their logarithms."""

    low: float
    high: float
    logarithmic: bool = False
    needs: ClassVar[tuple[str, ...]] = ()
    numeric: ClassVar[bool] = True

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        if self.logarithmic:
            # Rounding must not lead out of the range.
            return min(max(math.exp(random.uniform(math.log(self.low), math.log(self.high))), self.low), self.high)
        return float(random.uniform(self.low, self.high))

    def words(self) -> str:
        """See `Distribution`."""
        return f"{self.low:g} to {self.high:g}, uniform{' in its logarithm' if self.logarithmic else ''}"


@attrs.frozen
class Normal:
    """A normal distribution, drawn again until it lies within limits."""

    mean: float
    deviation: float
    minimum: float = -math.inf
    maximum: float = math.inf
    needs: ClassVar[tuple[str, ...]] = ()
    numeric: ClassVar[bool] = True

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        for _ in range(_TRIES):
            value = float(random.normal(self.mean, self.deviation))
            if self.minimum <= value <= self.maximum:
                return value
        raise InputError(f"normal {self.mean:g} +- {self.deviation:g} hardly ever lies within its limits")

    def words(self) -> str:
        """See `Distribution`."""
        limits = [f"from {self.minimum:g}"] * (self.minimum > -math.inf) + [f"up to {self.maximum:g}"] * (
            self.maximum < math.inf
        )
        return " ".join([f"{self.mean:g} +- {self.deviation:g}, normal", *limits])


@attrs.frozen
class Integers:
    """Whole numbers from one to another, both included."""

    low: int
    high: int
    needs: ClassVar[tuple[str, ...]] = ()
    numeric: ClassVar[bool] = True

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        return int(random.integers(self.low, self.high, endpoint=True))

    def words(self) -> str:
        """See `Distribution`."""
        return f"whole numbers {self.low} to {self.high}"


@attrs.frozen
class Choice:
    """One of several values, with weights."""

    values: tuple[Value, ...]
    weights: tuple[float, ...]
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def numeric(self) -> bool:
        """Whether all are numbers."""
        return all(map(is_number, self.values))

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        return self.values[pick(random, self.weights)]

    def words(self) -> str:
        """See `Distribution`."""
        whole = sum(self.weights)
        parts = zip(self.values, self.weights, strict=True)
        return "one of " + ", ".join(f"{_shown(value)} ({weight / whole:.3g})" for value, weight in parts)


@attrs.frozen
class RandomOrientation:
    """Angles about x, y and z in degrees of a rotation of which all are alike probable (K. Shoemake 1992)."""

    needs: ClassVar[tuple[str, ...]] = ()
    numeric: ClassVar[bool] = False

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        w, x, y, z = random.normal(size=4)
        norm = w * w + x * x + y * y + z * z
        # Elements of the matrix Rz Ry Rx, from which its three angles follow.
        r31 = 2.0 * (x * z - w * y) / norm
        r32, r33 = 2.0 * (y * z + w * x) / norm, 1.0 - 2.0 * (x * x + y * y) / norm
        r21, r11 = 2.0 * (x * y + w * z) / norm, 1.0 - 2.0 * (y * y + z * z) / norm
        angles = math.atan2(r32, r33), math.asin(min(1.0, max(-1.0, -r31))), math.atan2(r21, r11)
        return [math.degrees(angle) for angle in angles]

    def words(self) -> str:
        """See `Distribution`."""
        return "any orientation, all alike probable"


@attrs.frozen
class FromTable:
    """A value of a table's column, all rows alike probable."""

    file: str
    column: str
    values: tuple[Value, ...]
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def numeric(self) -> bool:
        """Whether all are numbers."""
        return all(map(is_number, self.values))

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        return self.values[int(random.integers(len(self.values)))]

    def words(self) -> str:
        """See `Distribution`."""
        return f"column {self.column} of {self.file}, {len(self.values)} rows"


@attrs.frozen
class Computed:
    """What an expression makes of other values."""

    expression: Expression
    numeric: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Distribution`."""
        return self.expression.names

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        return self.expression.value(known)

    def words(self) -> str:
        """See `Distribution`."""
        return f"= {self.expression.text}"


@attrs.frozen
class FromPython:
    """What a function makes of a random generator and the values that it needs."""

    place: str
    needs: tuple[str, ...]
    function: Callable[[np.random.Generator, Mapping[str, Value]], Value] = attrs.field(eq=False, repr=False)
    numeric: ClassVar[bool] = False

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        try:
            value = self.function(random, known)
        except Exception as error:
            raise InputError(f"{self.place}: {type(error).__name__}: {error}") from error
        if isinstance(value, np.generic | np.ndarray):
            value = value.tolist()
        if isinstance(value, tuple):
            value = list(value)
        parts = value if isinstance(value, list) else [value]
        if not all(part is None or isinstance(part, bool | int | float | str) for part in parts):
            raise InputError(f"{self.place}: expected a number, a word or several, got {quoted(value)}")
        return value

    def words(self) -> str:
        """See `Distribution`."""
        return f"the function {self.place}"


@attrs.frozen
class Sometimes:
    """Another distribution, or nothing."""

    chance: float
    inner: Distribution
    numeric: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Distribution`."""
        return self.inner.needs

    def draw(self, random: np.random.Generator, known: Mapping[str, Value]) -> Value:
        """See `Distribution`."""
        there = random.random() < self.chance
        return self.inner.draw(random, known) if there else None

    def words(self) -> str:
        """See `Distribution`."""
        return f"in {100.0 * self.chance:g} % of the shots, {self.inner.words()}"


#: Draws of a normal distribution before its limits are held for a mistake.
_TRIES = 1000


def pick(random: np.random.Generator, weights: tuple[float, ...]) -> int:
    """A number from 0, with a probability that is proportional to its weight."""
    ends = np.cumsum(weights)
    return min(int(np.searchsorted(ends, random.random() * ends[-1], side="right")), len(weights) - 1)


def is_number(value: Value) -> bool:
    """Whether a value is one number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Value) -> str:
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    return f"{value:g}" if is_number(value) else str(value)
