"""Two traces held against each other: which steps belong together, how differences are measured, where the first is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbragg import InputError, PixelComparison, TraceDifference, TracedPixel, TracePlace, UsageError
from openbragg_tracers.comparison.differences import (
    Comparison,
    compare_traces,
    names_of_one,
    relative_difference,
    steps_of_one,
)
from openbragg_tracers.comparison.tolerances import Tolerances, parse_tolerances
from openbragg_tracers.traces.model import STEP_AXES, TraceFile
from openbragg_tracers.traces.quantities import Measure, Quantity
from traced_model import Simulator

TRACE = Simulator().trace()
#: For each phase, names that are of it, in the order of the calculation.
NAMES = {
    "geometry": "pix0_vector_meters fdet_vec sdet_vec pixel_pos_meters R_distance_meters omega_pixel_sr "
    "close_distance_meters obliquity_factor diffracted_vec incident_vec lambda_meters lambda_angstroms",
    "q": "scattering_vec_A_inv",
    "cell": "rot_a_angstroms rot_b_angstroms rot_c_angstroms rot_a_star_A_inv rot_b_star_A_inv rot_c_star_A_inv",
    "h k l": "hkl_frac hkl_rounded",
    "F_latt axes": "F_latt_a F_latt_b F_latt_c",
    "F_latt": "F_latt",
    "F_cell": "F_cell",
    "sum": "I_before_scaling",
    "scaling": "r_e_meters r_e_sqr fluence_photons_per_m2 steps oversample_thick oversample_polar oversample_omega "
    "capture_fraction polar omega_pixel cos_2theta I_pixel_final floatimage_accumulated",
}
STEP_NAMES = {
    "cell": "phi_deg",
    "h k l": "h_frac k_frac l_frac h k l",
    "F_latt axes": "F_latt_a F_latt_b F_latt_c",
    "F_latt": "F_latt",
    "F_cell": "F_cell",
    "sum": "intensity",
}
IN_PHASES = [(phase, name) for phase, names in NAMES.items() for name in names.split()]
OF_STEPS = [(phase, name) for phase, names in STEP_NAMES.items() for name in names.split()]


def file_of(*pixels: TracedPixel) -> TraceFile:
    return TraceFile(Path("trace"), "JSON", list(pixels))


def compare(first: TracedPixel, second: TracedPixel, **tolerances: float) -> PixelComparison:
    (pixel,) = compare_traces(file_of(first), file_of(second), Tolerances(named=tolerances)).pixels
    return pixel


def changed(trace: TracedPixel, name: str, factor: float = 1.001) -> TracedPixel:
    """The trace with a value of the pixel multiplied; 0 becomes 1."""
    value = trace.values[name]
    assert not isinstance(value, str)
    multiplied = [each * factor for each in value] if isinstance(value, list) else value * factor or 1.0
    return attrs.evolve(trace, values={**trace.values, name: multiplied})


def changed_step(trace: TracedPixel, place: int, **numbers: Any) -> TracedPixel:
    """The trace with numbers of one step replaced."""
    steps = [{**step, **numbers} if index == place else dict(step) for index, step in enumerate(trace.steps)]
    return attrs.evolve(trace, steps=steps)


def placed(**axes: int) -> dict[str, Any]:
    return {**dict.fromkeys(STEP_AXES, 0), **axes}


def first_divergence(comparison: PixelComparison) -> tuple[str, str, int | None]:
    found = comparison.first_divergence
    assert found is not None
    return found.phase, found.name, found.phi_tic


def test_a_trace_agrees_with_itself() -> None:
    comparison = compare(TRACE, TRACE)
    assert comparison.first_divergence is None
    assert all(each.size == 0.0 for each in comparison.values)
    assert [each.name for each in comparison.values] == list(TRACE.values)
    assert len(comparison.steps) == 6


@pytest.mark.parametrize(("phase", "name"), IN_PHASES)
def test_a_changed_value_is_the_first_divergence_of_its_phase(phase: str, name: str) -> None:
    stepwise = phase in ("cell", "h k l", "F_latt axes", "F_latt", "F_cell")
    assert first_divergence(compare(TRACE, changed(TRACE, name))) == (phase, name, 0 if stepwise else None)


@pytest.mark.parametrize(("phase", "name"), OF_STEPS)
def test_a_changed_step_is_the_first_divergence_of_its_phase(phase: str, name: str) -> None:
    comparison = compare(TRACE, changed_step(TRACE, 3, **{name: TRACE.steps[3][name] + 1.0}))
    assert first_divergence(comparison) == (phase, name, 3)
    assert [comparison.step_agrees(step) for step in comparison.steps] == [tic != 3 for tic in range(6)]


@given(st.lists(st.sampled_from(IN_PHASES), min_size=1, max_size=6, unique=True))
def test_the_first_of_several_divergences_comes_first_in_the_calculation(faults: list[tuple[str, str]]) -> None:
    trace = TRACE
    for _, name in faults:
        trace = changed(trace, name)
    assert first_divergence(compare(TRACE, trace))[:2] == min(faults, key=IN_PHASES.index)


@given(st.dictionaries(st.integers(0, 5), st.sampled_from(OF_STEPS), min_size=1))
def test_within_a_phase_the_first_rotation_step_comes_first(faults: dict[int, tuple[str, str]]) -> None:
    trace = TRACE
    for tic, (_, name) in faults.items():
        trace = changed_step(trace, tic, **{name: trace.steps[tic][name] + 1.0})
    tic, (phase, name) = min(faults.items(), key=lambda fault: (TraceDifference.phases.index(fault[1][0]), fault[0]))
    assert first_divergence(compare(TRACE, trace)) == (phase, name, tic)


def test_a_value_of_the_pixel_belongs_to_its_first_step() -> None:
    steps = [{**step, "phi_tic": step["phi_tic"] + 3} for step in TRACE.steps]
    trace = attrs.evolve(TRACE, steps=steps)
    assert first_divergence(compare(trace, changed(trace, "rot_a_angstroms"))) == ("cell", "rot_a_angstroms", 3)
    later = attrs.evolve(TRACE, steps=[])
    assert first_divergence(compare(later, changed(later, "rot_a_angstroms"))) == ("cell", "rot_a_angstroms", None)


def test_unknown_names_are_compared_after_everything_else() -> None:
    ours = attrs.evolve(TRACE, values={"colour": "blue", "made": [3.0, 4.0], "count": 2, **TRACE.values})
    assert compare(ours, ours).first_divergence is None
    for name, value in {"colour": "red", "made": [3.0, 4.1], "count": 3}.items():
        theirs = attrs.evolve(ours, values={**ours.values, name: value})
        assert first_divergence(compare(ours, theirs)) == ("other", name, None)
        assert compare(ours, theirs, **{name: math.inf}).first_divergence is None
    theirs = attrs.evolve(theirs, values={**theirs.values, "I_pixel_final": 1.0})
    assert first_divergence(compare(ours, theirs))[1] == "I_pixel_final"


@pytest.mark.parametrize(
    ("measure", "first", "second", "peak", "size"),
    [
        (Measure.MAGNITUDE, 2.0, 2.5, 0.0, 0.2),
        (Measure.MAGNITUDE, -1.0, 1.0, 0.0, 2.0),
        (Measure.MAGNITUDE, 0.0, 1e-300, 0.0, 1.0),
        (Measure.MAGNITUDE, 0.0, -0.0, 0.0, 0.0),
        (Measure.LENGTH, [3.0, 4.0, 0.0], [3.0, 4.0, 0.05], 0.0, 0.05 / math.hypot(5.0, 0.05)),
        (Measure.LENGTH, [0.0, 0.0], [0.0, 0.0], 0.0, 0.0),
        (Measure.LENGTH, [1.7e308, 1.7e308], [1.7e308, 1.6e308], 0.0, math.inf),
        (Measure.ONE, 0.2, 0.3, 0.0, 0.1),
        (Measure.ONE, -20.0, -22.0, 0.0, 2.0 / 22.0),
        (Measure.ONE, [0.0, 10.0], [0.05, 10.0], 0.0, 0.05),
        (Measure.PEAK, 1e-3, 2e-3, 4.0, 2.5e-4),
        (Measure.PEAK, 1e-3, 2e-3, 1e-3, 0.5),
        (Measure.PEAK_OR_ONE, 1e-3, 2e-3, 0.1, 1e-3),
        (Measure.PEAK_OR_ONE, 1e-3, 2e-3, 10.0, 1e-4),
        (Measure.MAGNITUDE, math.nan, math.nan, 0.0, math.inf),
        (Measure.MAGNITUDE, math.inf, math.inf, 0.0, math.inf),
        (Measure.LENGTH, [1.0, math.nan, 0.0], [1.0, 0.0, 0.0], 0.0, math.inf),
        (Measure.LENGTH, [1.0, 2.0], [1.0, 2.0, 0.0], 0.0, math.inf),
        (Measure.MAGNITUDE, "blue", "blue", 0.0, 0.0),
        (Measure.MAGNITUDE, "blue", 1.0, 0.0, math.inf),
    ],
)
def test_differences_are_relative_to_what_the_measure_says(
    measure: Measure, first: Any, second: Any, peak: float, size: float
) -> None:
    for one, other in ((first, second), (second, first)):
        assert relative_difference(one, other, measure, peak) == pytest.approx(size, rel=1e-12)


def test_an_amplitude_near_0_is_measured_against_the_largest_of_the_steps() -> None:
    largest = max(abs(step["F_latt"]) for step in TRACE.steps)
    theirs = changed_step(TRACE, 2, F_latt=TRACE.steps[2]["F_latt"] + 0.5e-9 * largest)
    assert compare(TRACE, theirs).first_divergence is None
    theirs = changed_step(TRACE, 2, F_latt=TRACE.steps[2]["F_latt"] + 2e-9 * largest)
    assert first_divergence(compare(TRACE, theirs)) == ("F_latt", "F_latt", 2)


def test_nan_diverges_even_from_itself() -> None:
    trace = changed_step(TRACE, 1, k_frac=math.nan)
    comparison = compare(trace, trace)
    assert first_divergence(comparison) == ("h k l", "k_frac", 1)
    assert comparison.first_divergence is not None and comparison.first_divergence.size == math.inf
    assert compare(trace, trace, k_frac=math.inf).first_divergence is None


def test_single_precision_is_expected_of_the_image_only() -> None:
    assert compare(TRACE, changed(TRACE, "floatimage_accumulated", 1.0 + 1e-6)).first_divergence is None
    assert compare(TRACE, changed(TRACE, "floatimage_accumulated", 1.0 + 3e-6)).first_divergence is not None
    assert compare(TRACE, changed(TRACE, "I_pixel_final", 1.0 + 1e-6)).first_divergence is not None


def test_tolerances_are_read_from_words() -> None:
    made = parse_tolerances(["1e-6", "F_latt=0.5", "1e-7", "F_latt=0.25", "k_frac=0", "polar=inf"])
    assert made == Tolerances(1e-7, {"F_latt": 0.25, "k_frac": 0.0, "polar": math.inf})
    image = Quantity("floatimage_accumulated", "scaling", Measure.MAGNITUDE, coarseness=2e-6)
    assert [each.of(image) for each in (Tolerances(1e-12), Tolerances(1e-3))] == [2e-6, 1e-3]
    assert Tolerances(named={"floatimage_accumulated": 0.0}).of(image) == 0.0


@pytest.mark.parametrize("word", ["", "-1", "nan", "F_latt=", "=1", "F_latt=-1", "F_latt=x", "F_latt", "1e-9,1e-6"])
def test_a_tolerance_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="--tolerance: expected"):
        parse_tolerances([word])


def test_what_only_one_trace_has_is_listed_and_not_compared() -> None:
    names = {"k_frac", "F_latt_b", "F_latt", "phi_deg", *STEP_AXES}
    theirs = attrs.evolve(
        TRACE,
        values={name: value for name, value in TRACE.values.items() if name not in ("polar", "R_distance_meters")},
        steps=[{name: step[name] for name in step if name in names} | {"flavour": 3.0} for step in TRACE.steps],
    )
    comparison = compare(TRACE, theirs)
    assert names_of_one(comparison)[0] == [
        "R_distance_meters",
        "polar",
        *(f"{name} of steps" for name in "h_frac l_frac h k l F_latt_a F_latt_c F_cell intensity".split()),
    ]
    assert names_of_one(comparison)[1] == ["flavour of steps"]
    assert list(comparison.numbers) == ["phi_deg", "k_frac", "F_latt_b", "F_latt"]
    assert comparison.first_divergence is None


def test_a_number_that_is_not_there_is_not_compared() -> None:
    theirs = attrs.evolve(TRACE, steps=[{**step, "F_latt_a": None} for step in TRACE.steps])
    comparison = compare(TRACE, theirs)
    assert names_of_one(comparison)[0] == ["F_latt_a of steps"]
    assert comparison.first_divergence is None
    assert compare(theirs, theirs).first_divergence is None


def test_steps_are_aligned_by_their_places_whatever_their_order() -> None:
    places = [
        placed(phi_tic=tic, mosaic=domain, source=source)
        for tic in range(2)
        for domain in range(2)
        for source in range(2)
    ]
    steps = [{**place, "k_frac": float(number)} for number, place in enumerate(places)]
    ours, theirs = TracedPixel(0, 0, {}, steps), TracedPixel(0, 0, {}, steps[::-1])
    comparison = compare(ours, theirs)
    assert comparison.first_divergence is None
    assert [step.place for step in comparison.steps] == sorted(TracePlace(**place) for place in places)


def test_steps_of_one_place_are_aligned_by_how_often_it_came() -> None:
    steps = [{**placed(phi_tic=1), "k_frac": value} for value in (1.0, 2.0, 3.0)]
    comparison = compare(TracedPixel(0, 0, {}, steps), TracedPixel(0, 0, {}, steps[:2]))
    assert [step.place.repeat for step in comparison.steps] == [0, 1]
    assert comparison.first_divergence is None
    assert steps_of_one(comparison)[0] == [TracePlace(phi_tic=1, repeat=2)]
    assert str(steps_of_one(comparison)[0][0]) == "phi_tic 1, repeat 2"


def test_steps_that_only_one_has_are_listed() -> None:
    comparison = compare(TRACE, attrs.evolve(TRACE, steps=TRACE.steps[2:5]))
    assert [place.phi_tic for place in steps_of_one(comparison)[0]] == [0, 1, 5]
    assert steps_of_one(comparison)[1] == []
    assert comparison.first_divergence is None


def test_another_angle_at_a_step_diverges() -> None:
    assert first_divergence(compare(TRACE, Simulator(phi_step=0.2).trace()))[:2] == ("cell", "phi_deg")


def pixels_of(comparison: Comparison) -> list[tuple[int, int]]:
    return [(pixel.first.slow, pixel.first.fast) for pixel in comparison.pixels]


def test_pixels_are_aligned_by_their_indices() -> None:
    a, b, c = (attrs.evolve(TRACE, fast=fast) for fast in (1, 2, 3))
    comparison = compare_traces(file_of(a, b), file_of(c, b))
    assert pixels_of(comparison) == [(100, 2)]
    assert comparison.only_first == [a]
    assert comparison.only_second == [c]


def test_a_pixel_that_is_traced_twice_is_compared_twice() -> None:
    again = changed(TRACE, "polar")
    comparison = compare_traces(file_of(TRACE, again), file_of(TRACE, again, TRACE))
    assert pixels_of(comparison) == [(100, 300)] * 2
    assert comparison.diverged() == []
    assert comparison.only_second == [TRACE]


def test_different_pixels_are_compared_on_request_only() -> None:
    other = attrs.evolve(TRACE, fast=7)
    with pytest.raises(UsageError, match=r"A has 100 300, B has 100 7 .*--any-pixel"):
        compare_traces(file_of(TRACE), file_of(other))
    comparison = compare_traces(file_of(TRACE), file_of(other), any_pixel=True)
    assert comparison.diverged() == []
    with pytest.raises(UsageError) as caught:
        compare_traces(file_of(TRACE, attrs.evolve(TRACE, slow=1)), file_of(other), any_pixel=True)
    assert "--any-pixel" not in str(caught.value)


def test_traces_that_have_nothing_in_common_are_refused() -> None:
    with pytest.raises(InputError, match="nothing in common"):
        compare(TracedPixel(0, 0, {"polar": 1.0}), TracedPixel(0, 0, {"F_cell": 1.0}))


def test_the_first_divergence_of_several_pixels_is_the_first_in_the_calculation() -> None:
    a, b = TRACE, attrs.evolve(TRACE, fast=2)
    found = compare_traces(file_of(a, b), file_of(changed(a, "polar"), changed(b, "F_cell"))).first_divergence()
    assert found is not None
    assert (found[0].name, found[1].first.fast) == ("F_cell", 2)
