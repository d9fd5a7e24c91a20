"""Medians, spreads and ratios of repeated measurements, and the power law behind a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import attrs


@attrs.frozen
class Summary:
    """What repeats of one measurement came to: the median, the smallest and the largest."""

    median: float
    smallest: float
    largest: float

    def __str__(self) -> str:
        return f"{self.median:.4g} ({self.smallest:.4g} .. {self.largest:.4g})"


def summarise(values: Sequence[float]) -> Summary:
    """Summarise repeats, of which there is at least one."""
    return Summary(median(values), min(values), max(values))


def ratio(above: Sequence[float], below: Sequence[float]) -> Summary:
    """The ratio of two medians, and how far the ratios within single repeats spread.

    What slows a machine down for a while slows both programs of a repeat, so that their ratio is steadier than either.
    """
    pairs = [_over(one, other) for one, other in zip(above, below, strict=True)]
    return Summary(_over(median(above), median(below)), min(pairs), max(pairs))


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The p of values ~ sizes^p, by least squares of the logarithms; all numbers are above 0."""
    x, y = ([math.log(number) for number in numbers] for numbers in (sizes, values))
    middle, centre = (sum(numbers) / len(numbers) for numbers in (x, y))
    spread = sum((one - middle) ** 2 for one in x)
    return sum((one - middle) * (other - centre) for one, other in zip(x, y, strict=True)) / spread


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The b of values ~ a + b sizes, by least squares."""
    middle, centre = sum(sizes) / len(sizes), sum(values) / len(values)
    spread = sum((one - middle) ** 2 for one in sizes)
    return sum((one - middle) * (other - centre) for one, other in zip(sizes, values, strict=True)) / spread


def _over(above: float, below: float) -> float:
    return above / below if below > 0.0 else math.inf
