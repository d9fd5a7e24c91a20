"""What diagnoses have in common: the same pattern in every pixel that differs, and ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from openbragg import PixelComparison

#: Numbers in a trace have up to 15 digits; a ratio of two small differences keeps fewer.
CLOSE = 1e-6


def in_all_that_differ(pixels: Sequence[PixelComparison], check: Callable[[PixelComparison], str | None]) -> str | None:
    """What a check says of the first pixel that differs, when it says something of each of them."""
    said = [check(pixel) for pixel in pixels if pixel.diverged]
    if not said or any(each is None for each in said):
        return None
    return f"{said[0]} (first of {len(said)} pixels that show it)" if len(said) > 1 else said[0]


def number(pixel: PixelComparison, name: str) -> tuple[float, float] | None:
    """A finite number of the whole pixel that both have: A's and B's."""
    found = pixel.value(name)
    if found is None:
        return None
    pair = found.first, found.second
    if any(isinstance(value, str | list) or not math.isfinite(value) for value in pair):
        return None
    return pair  # type: ignore[return-value]


def vector(pixel: PixelComparison, name: str) -> tuple[list[float], list[float]] | None:
    """A finite vector of the whole pixel that both have: A's and B's."""
    found = pixel.value(name)
    if found is None:
        return None
    pair = found.first, found.second
    if not all(isinstance(value, list) and len(value) == 3 and all(map(math.isfinite, value)) for value in pair):
        return None
    return pair  # type: ignore[return-value]


def ratio(pair: tuple[float, float] | None) -> float | None:
    """How many times A's number B's is; None when one of them is missing, or the ratio is 0 or infinite."""
    if pair is None or 0.0 in pair:
        return None
    found = pair[1] / pair[0]
    return found if found and math.isfinite(found) else None


def is_close(value: float, expected: float, relative: float = CLOSE) -> bool:
    """Whether two numbers are the same but for rounding."""
    return math.isclose(value, expected, rel_tol=relative)


def common_ratio(pairs: Iterable[tuple[list[float], list[float]] | None]) -> float | None:
    """How many times as long B's vectors are as A's, when it is the same for all and no direction differs."""
    known = [pair for pair in pairs if pair is not None and any(pair[0])]
    if not known:
        return None
    ours, theirs = ([value for pair in known for value in pair[side]] for side in (0, 1))
    square = sum(a * a for a in ours)
    if not 0.0 < square < math.inf:
        return None
    found = sum(a * b for a, b in zip(ours, theirs, strict=True)) / square
    largest = max(map(abs, theirs))
    if not all(abs(b - found * a) <= CLOSE * largest for a, b in zip(ours, theirs, strict=True)):
        return None
    return found
