"""The contract of diagnoses, and two traces of a pixel side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import attrs

from openbragg.roles.plugin import Plugin

#: The calculation from beginning to end; what no phase knows comes last.
PHASES = ("geometry", "q", "cell", "h k l", "F_latt axes", "F_latt", "F_cell", "sum", "scaling", "other")

#: What a trace says of a name: a number, the numbers of a vector, or words that are neither.
TraceValue = float | list[float] | str


class TracePlace(NamedTuple):
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


#: The axes of a sum, in the order of the sum; each step of a trace has a number for each.
STEP_AXES = TracePlace._fields[:-1]


@attrs.frozen
class TracedPixel:
    """What a trace says of a pixel's calculation, as plain numbers.

    Attributes
    ----------
    slow, fast
        The pixel; None where the trace does not say which it is.
    values
        Numbers and vectors of the whole pixel, by the names of the reference program's traces.
    steps
        For each term its place on the axes of the sum and its numbers by name; None where there is no such number.
    further
        What else a file says of the pixel.
    """

    slow: int | None
    fast: int | None
    values: Mapping[str, TraceValue] = attrs.field(factory=dict)
    steps: list[dict[str, Any]] = attrs.field(factory=list)
    further: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class TraceDifference:
    """A quantity that both traces have.

    Attributes
    ----------
    name, phase
        Which, and in which of the `phases` of the calculation, which stand in their order; ``other`` of what none
        knows.
    first, second
        What A and B say.
    size
        The relative difference, by the quantity's measure; infinite when one of them is no number.
    tolerance
        How large it may be.
    place
        Of a number of one step; None for a value of the whole pixel.
    phi_tic
        The rotation step that it belongs to; None when it belongs to none.
    """

    phases: ClassVar[tuple[str, ...]] = PHASES

    name: str
    phase: str
    first: TraceValue
    second: TraceValue
    size: float
    tolerance: float
    place: TracePlace | None = None
    phi_tic: int | None = None

    @property
    def diverged(self) -> bool:
        """Whether the tolerance is broken."""
        return not self.size <= self.tolerance

    def in_the_calculation(self) -> tuple[Any, ...]:
        """What sorts differences: by phase, by rotation step, values of the whole pixel before those of steps."""
        tic = -1 if self.phi_tic is None else self.phi_tic
        return (PHASES.index(self.phase), tic, self.place is not None, self.place or TracePlace())


@attrs.frozen
class StepNumber:
    """A number that both traces have of some step: its phase of the calculation, and its tolerance."""

    phase: str
    tolerance: float


@attrs.frozen
class StepComparison:
    """A step that both traces have: where, what each says, and the differences of what both have, by name."""

    place: TracePlace
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    sizes: Mapping[str, float]


@attrs.frozen(kw_only=True, eq=False)
class PixelComparison:
    """Two traces of a pixel, A and B, aligned.

    Attributes
    ----------
    first, second
        The traces.
    values
        What both have of the whole pixel, in the order of the calculation.
    steps
        Steps that both have, in the order of the sum.
    numbers
        What both have of some step, by name, in the order of the calculation.
    first_steps, second_steps
        All steps of each trace, by place, in the order of the sum.
    distance
        How much two values of a number of steps differ, by the measure of its name.
    """

    first: TracedPixel
    second: TracedPixel
    values: Sequence[TraceDifference]
    steps: Sequence[StepComparison]
    numbers: Mapping[str, StepNumber]
    first_steps: Mapping[TracePlace, Mapping[str, Any]]
    second_steps: Mapping[TracePlace, Mapping[str, Any]]
    distance: Callable[[str, TraceValue, TraceValue], float]
    first_divergence: TraceDifference | None = attrs.field(init=False)
    """The difference beyond its tolerance that comes first in the calculation; None where there is none."""

    @first_divergence.default
    def _first_divergence(self) -> TraceDifference | None:
        diverged = (difference for difference in self.values if difference.diverged)
        return min((*diverged, *self._diverged_in_steps()), key=TraceDifference.in_the_calculation, default=None)

    @property
    def diverged(self) -> bool:
        """Whether a tolerance is broken."""
        return self.first_divergence is not None

    def value(self, name: str) -> TraceDifference | None:
        """A value of the whole pixel that both have."""
        return next((difference for difference in self.values if difference.name == name), None)

    def agrees(self, *names: str) -> bool:
        """Whether what both have of these values of the whole pixel is within tolerance."""
        return not any(difference.diverged for difference in self.values if difference.name in names)

    def phases_agree(self, *phases: str) -> bool:
        """Whether everything that both have of these phases is within tolerance."""
        if any(difference.diverged for difference in self.values if difference.phase in phases):
            return False
        within = [name for name, number in self.numbers.items() if number.phase in phases]
        return all(self.step_agrees(step, within) for step in self.steps)

    def step_agrees(self, step: StepComparison, names: Iterable[str] | None = None) -> bool:
        """Whether these numbers of a step, or all, are within tolerance."""
        chosen = step.sizes if names is None else [name for name in names if name in step.sizes]
        return all(step.sizes[name] <= self.numbers[name].tolerance for name in chosen)

    def difference(self, step: StepComparison, name: str) -> TraceDifference:
        """One number of a step that both have."""
        known = self.numbers[name]
        return TraceDifference(
            name,
            known.phase,
            step.first[name],
            step.second[name],
            step.sizes[name],
            known.tolerance,
            step.place,
            step.place.phi_tic,
        )

    def _diverged_in_steps(self) -> Iterator[TraceDifference]:
        for step in self.steps:
            for name, number in self.numbers.items():
                if name in step.sizes and not step.sizes[name] <= number.tolerance:
                    yield self.difference(step, name)


@runtime_checkable
class Diagnosis(Plugin, Protocol):
    """A pattern of differences between two traces whose cause is known.

    A comparison of traces asks every diagnosis that is installed, where a tolerance is broken. Numbers of a program
    under test may be of any size, NaN or infinite, and any of them may be missing: a diagnosis says what it has seen or
    nothing, and raises no error. What it says does not depend on the order of the pixels.

    Attributes
    ----------
    explanation
        What the cause is and what to do, in a paragraph.
    phase
        The phase of the calculation in which such a difference begins, as in `TraceDifference`; several diagnoses are
        given in this order.
    """

    explanation: ClassVar[str]
    phase: ClassVar[str]

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """What of two traces shows the pattern, in a sentence with finite numbers; None where it is not there.

        Parameters
        ----------
        pixels
            The pixels that both traces have, those that agree among them.
        """
