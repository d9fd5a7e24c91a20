"""Which pixel of one file, and which step of one pixel, belongs to which of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from openbragg import TracedPixel, TracePlace, UsageError
from openbragg_tracers.traces.model import STEP_AXES, TraceFile


@attrs.frozen
class Paired:
    """What two files have in common, and what only one of them has."""

    both: list[tuple[TracedPixel, TracedPixel]]
    only_first: list[TracedPixel]
    only_second: list[TracedPixel]


def pair_pixels(first: TraceFile, second: TraceFile, *, any_pixel: bool = False) -> Paired:
    """Pair the pixels of two files by their indices, those that stand there several times in their order.

    The only pixel of a file that does not say which it is belongs to the only pixel of the other file.

    Parameters
    ----------
    first, second
        The traces.
    any_pixel
        Whether two different pixels are a pair when each file has just one.

    Raises
    ------
    UsageError
        When there is no pair.
    """
    if any_pixel and len(first.pixels) == len(second.pixels) == 1:
        return Paired([(first.pixels[0], second.pixels[0])], [], [])
    if len(first.pixels) == len(second.pixels) == 1:
        pair = _named_alike(first.pixels[0], second.pixels[0])
        if pair is not None:
            return Paired([pair], [], [])
    ours, theirs = (_numbered(file.pixels) for file in (first, second))
    both = [(pixel, theirs[key]) for key, pixel in ours.items() if key in theirs]
    if not both:
        lone = len(first.pixels) == len(second.pixels) == 1
        raise UsageError(
            f"no pixel is in both traces: A has {_listed(first.pixels)}, B has {_listed(second.pixels)} (slow, fast)"
            + ("; --any-pixel compares them all the same" if lone else "")
        )
    return Paired(
        both,
        [pixel for key, pixel in ours.items() if key not in theirs],
        [pixel for key, pixel in theirs.items() if key not in ours],
    )


def places(steps: Iterable[dict[str, Any]]) -> dict[TracePlace, dict[str, Any]]:
    """Steps by their places, in the order of the sum."""
    seen: Counter[TracePlace] = Counter()
    found = {}
    for step in steps:
        place = TracePlace(*(step[axis] for axis in STEP_AXES))
        found[place._replace(repeat=seen[place])] = step
        seen[place] += 1
    return {place: found[place] for place in sorted(found)}


def _named_alike(ours: TracedPixel, theirs: TracedPixel) -> tuple[TracedPixel, TracedPixel] | None:
    """Two pixels as one, where one of them has no name."""
    if ours.slow is not None and theirs.slow is not None:
        return None
    named = theirs if ours.slow is None else ours
    first, second = (attrs.evolve(pixel, slow=named.slow, fast=named.fast) for pixel in (ours, theirs))
    return first, second


def _numbered(pixels: Iterable[TracedPixel]) -> dict[tuple[int | None, int | None, int], TracedPixel]:
    seen: Counter[tuple[int | None, int | None]] = Counter()
    found = {}
    for pixel in pixels:
        indices = (pixel.slow, pixel.fast)
        found[*indices, seen[indices]] = pixel
        seen[indices] += 1
    return found


def _listed(pixels: list[TracedPixel]) -> str:
    shown = ", ".join(
        "one without a name" if pixel.slow is None else f"{pixel.slow} {pixel.fast}" for pixel in pixels[:3]
    )
    return f"{shown} and {len(pixels) - 3} more" if len(pixels) > 3 else shown
