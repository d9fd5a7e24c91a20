"""Which pixel of one file, and which step of one pixel, belongs to which of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import attrs

from openbragg.errors import UsageError
from openbragg.orchestrator.traces.model import STEP_AXES, TracedPixel, TraceFile


class Place(NamedTuple):
    """Where a step stands in the sum; in this order, the order in which the terms are added.

    Attributes
    ----------
    layer, slow_subpixel, fast_subpixel, source, phi_tic, mosaic
        The axes, counted from 0.
    repeat
        How many steps before it say that they stand at the same place.
    """

    layer: int = 0
    slow_subpixel: int = 0
    fast_subpixel: int = 0
    source: int = 0
    phi_tic: int = 0
    mosaic: int = 0
    repeat: int = 0

    def __str__(self) -> str:
        words = [
            f"{axis} {getattr(self, axis)}"
            for axis in (*STEP_AXES, "repeat")
            if axis == "phi_tic" or getattr(self, axis)
        ]
        return ", ".join(sorted(words, key=lambda word: not word.startswith("phi_tic")))

    def run(self) -> tuple[int, ...]:
        """What it has in common with the other rotation steps of the same term."""
        return (self.layer, self.slow_subpixel, self.fast_subpixel, self.source, self.mosaic, self.repeat)


@attrs.frozen
class Paired:
    """What two files have in common, and what only one of them has."""

    both: list[tuple[TracedPixel, TracedPixel]]
    only_first: list[TracedPixel]
    only_second: list[TracedPixel]


def pair_pixels(first: TraceFile, second: TraceFile, *, any_pixel: bool = False) -> Paired:
    """Pair the pixels of two files by their indices, those that stand there several times in their order.

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


def places(steps: Iterable[dict[str, Any]]) -> dict[Place, dict[str, Any]]:
    """Steps by their places, in the order of the sum."""
    seen: Counter[Place] = Counter()
    found = {}
    for step in steps:
        place = Place(*(step[axis] for axis in STEP_AXES))
        found[place._replace(repeat=seen[place])] = step
        seen[place] += 1
    return {place: found[place] for place in sorted(found)}


def _numbered(pixels: Iterable[TracedPixel]) -> dict[tuple[int, int, int], TracedPixel]:
    seen: Counter[tuple[int, int]] = Counter()
    found = {}
    for pixel in pixels:
        indices = (pixel.slow, pixel.fast)
        found[*indices, seen[indices]] = pixel
        seen[indices] += 1
    return found


def _listed(pixels: list[TracedPixel]) -> str:
    shown = ", ".join(f"{pixel.slow} {pixel.fast}" for pixel in pixels[:3])
    return f"{shown} and {len(pixels) - 3} more" if len(pixels) > 3 else shown
