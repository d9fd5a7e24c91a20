"""Two traces of one pixel, held against each other in the order of the calculation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from openbragg.errors import InputError
from openbragg.orchestrator.traces.alignment import Place, pair_pixels, places
from openbragg.orchestrator.traces.model import STEP_AXES, TracedPixel, TraceFile, Value
from openbragg.orchestrator.traces.quantities import (
    OF_A_STEP,
    PHASES,
    Measure,
    Quantity,
    in_order,
    measured_against_a_peak,
    quantity,
    step_quantity,
    steps_in_order,
)
from openbragg.orchestrator.traces.tolerances import Tolerances


@attrs.frozen
class Difference:
    """A quantity that both traces have.

    Attributes
    ----------
    quantity
        Which.
    place
        Of a number of one step; None for a value of the whole pixel.
    first, second
        What A and B say.
    size
        The relative difference, by the quantity's measure; infinite when one of them is no number.
    tolerance
        How large it may be.
    phi_tic
        The rotation step that it belongs to; None when it belongs to none.
    """

    quantity: Quantity
    place: Place | None
    first: Value
    second: Value
    size: float
    tolerance: float
    phi_tic: int | None = None

    @property
    def diverged(self) -> bool:
        """Whether the tolerance is broken."""
        return not self.size <= self.tolerance


@attrs.frozen
class StepComparison:
    """A step that both traces have: where, what each says, and the differences of what both have, by name."""

    place: Place
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    sizes: Mapping[str, float]


@attrs.define(eq=False, slots=False)
class PixelComparison:
    """Two traces of a pixel.

    Attributes
    ----------
    first, second
        The traces, A and B.
    tolerances
        How much they may differ.
    values
        What both have of the whole pixel, in the order of the calculation.
    steps
        Steps that both have, in the order of the sum.
    peaks
        Largest magnitudes among the steps, by name.
    names
        Numbers that both have of some step, in the order of the calculation.
    allowed
        Their tolerances, by name.
    only_first, only_second
        What only one has: names, those of steps said to be so.
    steps_only_first, steps_only_second
        Steps that only one has.
    """

    first: TracedPixel
    second: TracedPixel
    tolerances: Tolerances
    values: list[Difference] = attrs.field(init=False)
    steps: list[StepComparison] = attrs.field(init=False)
    peaks: Mapping[str, float] = attrs.field(init=False)
    names: list[str] = attrs.field(init=False)
    allowed: Mapping[str, float] = attrs.field(init=False)
    only_first: list[str] = attrs.field(init=False)
    only_second: list[str] = attrs.field(init=False)
    steps_only_first: list[Place] = attrs.field(init=False)
    steps_only_second: list[Place] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        ours, theirs = places(self.first.steps), places(self.second.steps)
        common = [place for place in ours if place in theirs]
        self.steps_only_first = [place for place in ours if place not in theirs]
        self.steps_only_second = [place for place in theirs if place not in ours]
        self.peaks = _peaks((*self.first.steps, *self.second.steps))
        self.steps = [
            StepComparison(place, ours[place], theirs[place], _sizes(ours[place], theirs[place], self.peaks))
            for place in common
        ]
        self.names = steps_in_order(dict.fromkeys(name for step in self.steps for name in step.sizes))
        self.allowed = {name: self.tolerances.of(step_quantity(name)) for name in self.names}
        self.values = self._compare_values(common[0].phi_tic if common else None)
        step_names = [_names(side[place] for place in common) for side in (ours, theirs)]
        self.only_first = _missing(self.first.values, self.second.values, *step_names)
        self.only_second = _missing(self.second.values, self.first.values, *reversed(step_names))

    @cached_property
    def first_divergence(self) -> Difference | None:
        """The difference beyond its tolerance that comes first in the calculation."""
        diverged = [difference for difference in self.values if difference.diverged]
        return min((*diverged, *self._diverged_in_steps()), key=_order, default=None)

    def value(self, name: str) -> Difference | None:
        """A value of the whole pixel that both have."""
        return next((difference for difference in self.values if difference.quantity.name == name), None)

    def agrees(self, *names: str) -> bool:
        """Whether what both have of these values of the whole pixel is within tolerance."""
        return not any(difference.diverged for difference in self.values if difference.quantity.name in names)

    def phases_agree(self, *phases: str) -> bool:
        """Whether everything that both have of these phases is within tolerance."""
        if any(difference.diverged for difference in self.values if difference.quantity.phase in phases):
            return False
        within = [name for name in self.names if step_quantity(name).phase in phases]
        return all(self.step_agrees(step, within) for step in self.steps)

    def step_agrees(self, step: StepComparison, names: Iterable[str] | None = None) -> bool:
        """Whether these numbers of a step, or all, are within tolerance."""
        chosen = step.sizes if names is None else [name for name in names if name in step.sizes]
        return all(step.sizes[name] <= self.allowed[name] for name in chosen)

    def difference(self, step: StepComparison, name: str) -> Difference:
        """One number of a step that both have."""
        known = step_quantity(name)
        return Difference(
            known,
            step.place,
            step.first[name],
            step.second[name],
            step.sizes[name],
            self.allowed[name],
            step.place.phi_tic,
        )

    def _diverged_in_steps(self) -> Iterator[Difference]:
        for step in self.steps:
            for name, tolerance in self.allowed.items():
                if name in step.sizes and not step.sizes[name] <= tolerance:
                    yield self.difference(step, name)

    def _compare_values(self, phi_tic: int | None) -> list[Difference]:
        made = []
        for name in in_order(name for name in self.first.values if name in self.second.values):
            ours, theirs = self.first.values[name], self.second.values[name]
            known = quantity(name, ours)
            size = relative_difference(ours, theirs, known.measure, self.peaks.get(name, 0.0))
            tic = phi_tic if known.phase in OF_A_STEP else None
            made.append(Difference(known, None, ours, theirs, size, self.tolerances.of(known), tic))
        return made


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
        return [pixel for pixel in self.pixels if pixel.first_divergence is not None]

    def first_divergence(self) -> tuple[Difference, PixelComparison] | None:
        """Of all pixels the difference beyond its tolerance that comes first in the calculation, and its pixel."""
        found = ((pixel.first_divergence, pixel) for pixel in self.pixels)
        known = ((difference, pixel) for difference, pixel in found if difference is not None)
        return min(known, key=lambda each: _order(each[0]), default=None)


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
    pixels = [PixelComparison(ours, theirs, tolerances) for ours, theirs in paired.both]
    for pixel in pixels:
        if not pixel.values and not pixel.names:
            raise InputError(
                f"{first.path} and {second.path} have nothing in common on pixel slow {pixel.first.slow}, "
                f"fast {pixel.first.fast}"
            )
    return Comparison(first, second, tolerances, pixels, paired.only_first, paired.only_second)


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


def _sizes(first: Mapping[str, Any], second: Mapping[str, Any], peaks: Mapping[str, float]) -> dict[str, float]:
    return {
        name: relative_difference(ours, second[name], step_quantity(name).measure, peaks.get(name, 0.0))
        for name, ours in first.items()
        if name not in STEP_AXES and ours is not None and second.get(name) is not None
    }


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


def _order(difference: Difference) -> tuple[Any, ...]:
    """The order of the calculation: by phase, by rotation step, values of the whole pixel before those of steps."""
    tic = -1 if difference.phi_tic is None else difference.phi_tic
    place = difference.place
    return (PHASES.index(difference.quantity.phase), tic, place is not None, place or Place())
