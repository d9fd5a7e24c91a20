"""Two traces of one pixel, held against each other in the order of the calculation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import attrs

from openbragg import InputError, PixelComparison, StepComparison, StepNumber, TraceDifference, TracedPixel, TracePlace
from openbragg_tracers.comparison.alignment import pair_pixels, places
from openbragg_tracers.comparison.tolerances import Tolerances
from openbragg_tracers.traces.model import STEP_AXES, TraceFile, Value, pixel_name
from openbragg_tracers.traces.quantities import (
    OF_A_STEP,
    Measure,
    in_order,
    measured_against_a_peak,
    quantity,
    step_quantity,
    steps_in_order,
)


@attrs.frozen(eq=False)
class Comparison:
    """Two files of traces.

    Attributes
    ----------
    first, second
        The files, A and B.
    tolerances
        How much they may differ.
    pixels
        Pixels that both have.
    only_first, only_second
        Pixels that only one has.
    """

    first: TraceFile
    second: TraceFile
    tolerances: Tolerances
    pixels: list[PixelComparison]
    only_first: list[TracedPixel]
    only_second: list[TracedPixel]

    def diverged(self) -> list[PixelComparison]:
        """Pixels in which a tolerance is broken."""
        return [pixel for pixel in self.pixels if pixel.diverged]

    def first_divergence(self) -> tuple[TraceDifference, PixelComparison] | None:
        """Of all pixels the difference beyond its tolerance that comes first in the calculation, and its pixel."""
        found = ((pixel.first_divergence, pixel) for pixel in self.pixels)
        known = ((difference, pixel) for difference, pixel in found if difference is not None)
        return min(known, key=lambda each: each[0].in_the_calculation(), default=None)


def compare_traces(
    first: TraceFile, second: TraceFile, tolerances: Tolerances | None = None, *, any_pixel: bool = False
) -> Comparison:
    """Compare two files of traces, A and B.

    Parameters
    ----------
    first, second
        The traces.
    tolerances
        How much they may differ.
    any_pixel
        Whether two different pixels are compared when each file has just one.

    Raises
    ------
    UsageError
        When the files have no pixel in common.
    InputError
        When nothing is known of a pixel from both.
    """
    tolerances = tolerances or Tolerances()
    paired = pair_pixels(first, second, any_pixel=any_pixel)
    pixels = [compare_pixels(ours, theirs, tolerances) for ours, theirs in paired.both]
    for pixel in pixels:
        if not pixel.values and not pixel.numbers:
            raise InputError(
                f"{first.path} and {second.path} have nothing in common on pixel {pixel_name(pixel.first)}"
            )
    return Comparison(first, second, tolerances, pixels, paired.only_first, paired.only_second)


def compare_pixels(first: TracedPixel, second: TracedPixel, tolerances: Tolerances | None = None) -> PixelComparison:
    """Align two traces of a pixel, A and B, and hold them against each other."""
    tolerances = tolerances or Tolerances()
    ours, theirs = places(first.steps), places(second.steps)
    common = [place for place in ours if place in theirs]
    peaks = _peaks((*first.steps, *second.steps))
    distance = partial(_distance, peaks)
    steps = [
        StepComparison(place, ours[place], theirs[place], _sizes(ours[place], theirs[place], distance))
        for place in common
    ]
    names = steps_in_order(dict.fromkeys(name for step in steps for name in step.sizes))
    numbers = {
        known.name: StepNumber(known.phase, tolerances.of(known)) for known in (step_quantity(name) for name in names)
    }
    return PixelComparison(
        first=first,
        second=second,
        values=_values(first, second, tolerances, peaks, common[0].phi_tic if common else None),
        steps=steps,
        numbers=numbers,
        first_steps=ours,
        second_steps=theirs,
        distance=distance,
    )


def steps_of_one(pixel: PixelComparison) -> tuple[list[TracePlace], list[TracePlace]]:
    """Where steps stand that only A has, and only B."""
    return (
        [place for place in pixel.first_steps if place not in pixel.second_steps],
        [place for place in pixel.second_steps if place not in pixel.first_steps],
    )


def names_of_one(pixel: PixelComparison) -> tuple[list[str], list[str]]:
    """Names that only A has, and only B, those of steps said to be so."""
    common = [step.place for step in pixel.steps]
    ours, theirs = (_names(side[place] for place in common) for side in (pixel.first_steps, pixel.second_steps))
    return (
        _missing(pixel.first.values, pixel.second.values, ours, theirs),
        _missing(pixel.second.values, pixel.first.values, theirs, ours),
    )


def relative_difference(first: Value, second: Value, measure: Measure, peak: float = 0.0) -> float:
    """How much two values differ.

    Parameters
    ----------
    first, second
        Numbers, vectors or words.
    measure
        What the difference is relative to.
    peak
        Largest magnitude among the steps.

    Returns
    -------
    0 for what is equal; infinity for different words, for vectors of different lengths, and where a number is NaN or
    infinite.
    """
    if isinstance(first, float) and first == second and math.isfinite(first):
        return 0.0
    if isinstance(first, str) or isinstance(second, str):
        return 0.0 if first == second else math.inf
    ours, theirs = (value if isinstance(value, list) else [value] for value in (first, second))
    if len(ours) != len(theirs) or not all(map(math.isfinite, (*ours, *theirs))):
        return math.inf
    if ours == theirs:
        return 0.0
    if measure is Measure.LENGTH:
        scale = max(math.hypot(*ours), math.hypot(*theirs))
        return max(abs(b - a) for a, b in zip(ours, theirs, strict=True)) / scale if scale < math.inf else math.inf
    return max(abs(b - a) / _scale(a, b, measure, peak) for a, b in zip(ours, theirs, strict=True) if a != b)


def _scale(first: float, second: float, measure: Measure, peak: float) -> float:
    larger = max(abs(first), abs(second))
    if measure is Measure.ONE:
        return max(larger, 1.0)
    if measure is Measure.PEAK:
        return max(larger, peak)
    if measure is Measure.PEAK_OR_ONE:
        return max(larger, peak, 1.0)
    return larger


def _distance(peaks: Mapping[str, float], name: str, first: Value, second: Value) -> float:
    return relative_difference(first, second, step_quantity(name).measure, peaks.get(name, 0.0))


def _sizes(
    first: Mapping[str, Any], second: Mapping[str, Any], distance: Callable[[str, Value, Value], float]
) -> dict[str, float]:
    return {
        name: distance(name, ours, second[name])
        for name, ours in first.items()
        if name not in STEP_AXES and ours is not None and second.get(name) is not None
    }


def _values(
    first: TracedPixel,
    second: TracedPixel,
    tolerances: Tolerances,
    peaks: Mapping[str, float],
    phi_tic: int | None,
) -> list[TraceDifference]:
    """What both have of the whole pixel; of phases that differ from step to step, that of the first step."""
    made = []
    for name in in_order(name for name in first.values if name in second.values):
        ours, theirs = first.values[name], second.values[name]
        known = quantity(name, ours)
        size = relative_difference(ours, theirs, known.measure, peaks.get(name, 0.0))
        tic = phi_tic if known.phase in OF_A_STEP else None
        made.append(TraceDifference(name, known.phase, ours, theirs, size, tolerances.of(known), phi_tic=tic))
    return made


def _peaks(steps: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Largest magnitudes of the numbers of steps that are measured against them."""
    peaks: dict[str, float] = {}
    for step in steps:
        for name in measured_against_a_peak():
            value = step.get(name)
            if value is not None and math.isfinite(value):
                peaks[name] = max(peaks.get(name, 0.0), abs(value))
    return peaks


def _names(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    named = dict.fromkeys(name for step in steps for name, value in step.items() if value is not None)
    return steps_in_order(name for name in named if name not in STEP_AXES)


def _missing(
    here: Iterable[str], there: Iterable[str], steps_here: Iterable[str], steps_there: Iterable[str]
) -> list[str]:
    others, step_others = set(there), set(steps_there)
    missing = in_order(name for name in here if name not in others)
    return missing + [f"{name} of steps" for name in steps_here if name not in step_others]
