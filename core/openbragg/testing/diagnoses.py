"""Properties of diagnoses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st

from openbragg.roles import Diagnosis, PixelComparison, StepComparison, StepNumber, TracedPixel
from openbragg.roles.diagnoses import STEP_AXES, TraceDifference, TracePlace, TraceValue
from openbragg.testing.assertions import for_all, require
from openbragg.testing.declaration import check_declaration

#: What the traces that are drawn say of a pixel, by phase: a number, or a vector of three.
_VALUES: dict[str, tuple[str, ...]] = {
    "geometry": (
        *("pix0_vector_meters*", "fdet_vec*", "sdet_vec*", "pixel_pos_meters*", "incident_vec*", "diffracted_vec*"),
        *("R_distance_meters", "close_distance_meters", "omega_pixel_sr", "obliquity_factor", "lambda_angstroms"),
    ),
    "q": ("scattering_vec_A_inv*",),
    "cell": (
        *("rot_a_angstroms*", "rot_b_angstroms*", "rot_c_angstroms*"),
        *("rot_a_star_A_inv*", "rot_b_star_A_inv*", "rot_c_star_A_inv*"),
    ),
    "h k l": ("hkl_frac*", "hkl_rounded*"),
    "F_latt": ("F_latt",),
    "F_cell": ("F_cell",),
    "sum": ("I_before_scaling",),
    "scaling": (
        *("r_e_sqr", "fluence_photons_per_m2", "steps", "capture_fraction", "polar", "omega_pixel", "cos_2theta"),
        *("I_pixel_final", "floatimage_accumulated"),
    ),
    "other": ("flavour",),
}
#: And of a step.
_NUMBERS: dict[str, tuple[str, ...]] = {
    "cell": ("phi_deg",),
    "h k l": ("h_frac", "k_frac", "l_frac"),
    "F_latt axes": ("F_latt_a", "F_latt_b", "F_latt_c"),
    "F_latt": ("F_latt",),
    "F_cell": ("F_cell",),
    "sum": ("intensity",),
}
_PHASE_OF_A_VALUE = {name.rstrip("*"): phase for phase, names in _VALUES.items() for name in names}
_PHASE_OF_A_NUMBER = {name: phase for phase, names in _NUMBERS.items() for name in names}
_TOLERANCE = 1e-9
#: Numbers that a program under test may print; the factors are those of usual mistakes.
_EXTREMES = (0.0, -0.0, 1.0, -1.0, 1e308, -1.7e308, 5e-324, 1e-200, math.inf, -math.inf, math.nan)
_FACTORS = (-1.0, 0.5, 2.0, 10.0, 1000.0, 180.0 / math.pi, 1.0 + 1e-7, 0.9768)
_LONGEST = 1000
#: Comparisons that are drawn: of so many, every mistake is made with numbers of every kind.
_EXAMPLES = 100
_NOT_FINITE = re.compile(r"(?i)(?<![a-z])[-+]?(nan|inf|infinity)(?![a-z])")


def check_diagnosis(diagnosis: Any, *examples: Sequence[PixelComparison]) -> None:
    """Run every check of this role.

    Parameters
    ----------
    diagnosis
        An instance.
    examples
        Comparisons in which the diagnosis must find its pattern.

    Raises
    ------
    AssertionError
        When one of them fails; the message says what it found.
    """
    check_declaration(diagnosis, Diagnosis)
    title = type(diagnosis).__name__
    explanation, phase = diagnosis.explanation, diagnosis.phase
    require(isinstance(explanation, str) and len(explanation.split()) > 3, f"{title}.explanation is no sentence")
    require(phase in TraceDifference.phases, f"{title}.phase is no phase of the calculation: {phase!r}")
    require(_evidence(diagnosis, []) is None, f"{title} has seen something in no pixel")
    for_all(lambda pixels: check_equal_traces(diagnosis, pixels), st.lists(_pixels(), min_size=1, max_size=3))
    for_all(lambda pixels: check_evidence(diagnosis, pixels), _comparisons(), examples=_EXAMPLES)
    for number, example in enumerate(examples, start=1):
        said = _evidence(diagnosis, example)
        require(said is not None, f"{title} does not see its pattern in example {number}")
        check_evidence(diagnosis, example)
        check_equal_traces(diagnosis, [pixel.first for pixel in example])


def check_equal_traces(diagnosis: Diagnosis, pixels: Iterable[TracedPixel]) -> None:
    """Of traces that do not differ nothing is said."""
    said = _evidence(diagnosis, [make_comparison(pixel, pixel) for pixel in pixels if _is_finite(pixel)])
    require(said is None, f"{type(diagnosis).__name__} explains a difference that is not there: {said!r}")


def check_evidence(diagnosis: Diagnosis, pixels: Sequence[PixelComparison]) -> None:
    """What is said is a line with finite numbers, the same each time; the order of the pixels decides nothing.

    Nothing is raised and nothing changed, whatever the traces say.
    """
    title = type(diagnosis).__name__
    before = repr([(pixel.first, pixel.second) for pixel in pixels])
    said = _evidence(diagnosis, pixels)
    if said is not None:
        require(isinstance(said, str), f"{title} says {said!r}: a sentence is expected, or None")
        require(0 < len(said) <= _LONGEST and said.isprintable(), f"{title} does not say a line: {said!r}")
        require(_NOT_FINITE.search(said) is None, f"{title} says what is not finite: {said!r}")
    require(_evidence(diagnosis, pixels) == said, f"{title} says something else when it is asked again")
    require(repr([(pixel.first, pixel.second) for pixel in pixels]) == before, f"{title} has changed the traces")
    turned = _evidence(diagnosis, list(reversed(pixels)))
    require(
        (turned is None) == (said is None),
        f"{title} finds its pattern in one order of the pixels and not in another: {said or turned!r}",
    )


def make_comparison(first: TracedPixel, second: TracedPixel, tolerance: float = _TOLERANCE) -> PixelComparison:
    """Two traces of a pixel side by side, every difference relative to the larger magnitude.

    A comparison of traces has measures of its own for some names; this one is for trying a diagnosis.

    Parameters
    ----------
    first, second
        The traces.
    tolerance
        Of every quantity.
    """
    ours, theirs = _places(first), _places(second)
    common = [place for place in ours if place in theirs]
    steps = [
        StepComparison(
            place,
            ours[place],
            theirs[place],
            {
                name: _distance(name, value, theirs[place][name])
                for name, value in ours[place].items()
                if name not in STEP_AXES and value is not None and theirs[place].get(name) is not None
            },
        )
        for place in common
    ]
    found = {name for step in steps for name in step.sizes}
    tic = common[0].phi_tic if common else None
    values = []
    for name, phase in _ordered(_PHASE_OF_A_VALUE, first.values.keys() & second.values.keys()):
        pair = first.values[name], second.values[name]
        own = tic if phase in ("cell", "h k l", "F_latt", "F_cell") else None
        values.append(TraceDifference(name, phase, *pair, _distance(name, *pair), tolerance, phi_tic=own))
    return PixelComparison(
        first=first,
        second=second,
        values=values,
        steps=steps,
        numbers={name: StepNumber(phase, tolerance) for name, phase in _ordered(_PHASE_OF_A_NUMBER, found)},
        first_steps=ours,
        second_steps=theirs,
        distance=_distance,
    )


def _evidence(diagnosis: Diagnosis, pixels: Sequence[PixelComparison]) -> str | None:
    title = type(diagnosis).__name__
    try:
        with np.errstate(all="ignore"):
            return diagnosis.evidence(pixels)
    except Exception as error:
        raise AssertionError(f"{title} raises {type(error).__name__}: {error}") from error


def _ordered(phases: Mapping[str, str], names: Iterable[str]) -> list[tuple[str, str]]:
    """Names with their phases, in the order of the calculation."""
    known = [(name, phase) for name, phase in phases.items() if name in names]
    return known + [(name, "other") for name in sorted(set(names) - phases.keys())]


def _places(pixel: TracedPixel) -> dict[TracePlace, Mapping[str, Any]]:
    return {TracePlace(*(step[axis] for axis in STEP_AXES)): step for step in pixel.steps}


def _distance(name: str, first: TraceValue, second: TraceValue) -> float:
    if isinstance(first, str) or isinstance(second, str):
        return 0.0 if first == second else math.inf
    ours, theirs = (value if isinstance(value, list) else [value] for value in (first, second))
    if len(ours) != len(theirs) or not all(map(math.isfinite, (*ours, *theirs))):
        return math.inf
    scale = max(map(abs, (*ours, *theirs)))
    return max((abs(b / scale - a / scale) for a, b in zip(ours, theirs, strict=True)), default=0.0) if scale else 0.0


def _is_finite(pixel: TracedPixel) -> bool:
    numbers: list[Any] = [value for step in pixel.steps for value in step.values() if value is not None]
    for value in pixel.values.values():
        numbers += value if isinstance(value, list) else [value]
    return all(math.isfinite(value) for value in numbers if not isinstance(value, str))


@st.composite
def _pixels(draw: st.DrawFn) -> TracedPixel:
    """A trace, some of whose names are missing."""
    # Some sixty numbers: each drawn by itself would take most of the time.
    random = Random(draw(st.integers(0, 1 << 32)))

    def number() -> float:
        return round(random.uniform(-100.0, 100.0), 6)

    values: dict[str, TraceValue] = {}
    for names in _VALUES.values():
        for name in names:
            values[name.rstrip("*")] = [number() for _ in range(3)] if name.endswith("*") else number()
    for name in draw(st.lists(st.sampled_from(sorted(values)), max_size=5)):
        values.pop(name, None)
    steps = []
    for tic in range(draw(st.integers(0, 4))):
        step: dict[str, Any] = {**dict.fromkeys(STEP_AXES, 0), "phi_tic": tic}
        step |= {name: number() for name in _PHASE_OF_A_NUMBER}
        step["phi_deg"] = 0.5 * tic
        if draw(st.booleans()):
            step["F_latt_a"] = None
        steps.append(step)
    return TracedPixel(draw(st.integers(0, 5)), draw(st.integers(0, 5)), values, steps)


@st.composite
def _comparisons(draw: st.DrawFn) -> list[PixelComparison]:
    """Some pixels in which the same quantities differ, by one factor or by numbers of any size."""
    pixels = draw(st.lists(_pixels(), min_size=1, max_size=3))
    names = draw(st.lists(st.sampled_from(sorted({**_PHASE_OF_A_VALUE, **_PHASE_OF_A_NUMBER})), min_size=1, max_size=6))
    factor, extreme = draw(st.sampled_from(_FACTORS)), draw(st.sampled_from([None] * len(_EXTREMES) + [*_EXTREMES]))

    def spoiled(value: Any) -> Any:
        if isinstance(value, list):
            return [spoiled(each) for each in value]
        return value if value is None else value * factor if extreme is None else extreme

    made = []
    for pixel in pixels:
        values = {name: spoiled(value) if name in names else value for name, value in pixel.values.items()}
        steps = [
            {name: spoiled(value) if name in names else value for name, value in step.items()} for step in pixel.steps
        ]
        cut = draw(st.integers(0, len(steps)))
        other = attrs.evolve(pixel, values=values, steps=steps[: cut or len(steps)])
        made.append(make_comparison(*((pixel, other) if draw(st.booleans()) else (other, pixel))))
    return made
