"""Diagnoses of ``compare-traces``: every planted fault is named, and nothing else is."""

from __future__ import annotations

import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbragg import TracedPixel
from openbragg.orchestrator.finding.registry import default_registry
from openbragg_tracers.comparison.differences import Comparison, compare_traces
from openbragg_tracers.comparison.findings import Finding, diagnose
from openbragg_tracers.comparison.rendering import as_text
from openbragg_tracers.comparison.report import report
from openbragg_tracers.comparison.summary import as_json
from openbragg_tracers.comparison.tolerances import Tolerances
from openbragg_tracers.traces.model import TraceFile
from openbragg_tracers.traces.reading import read_traces
from openbragg_tracers.traces.writing import to_json, write_log
from traced_model import FAULTS, GOOD, Simulator, fault

DIAGNOSES = [(found.cls(), found.origin()) for found in default_registry().of_role("diagnoses")]
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "compare-traces.md"
#: Differences that are none of the patterns.
STRANGE: dict[str, dict[str, Any]] = {
    "another cell": {"edges": (41.0, 53.0, 67.1)},
    "another orientation": {"misset": (11.0, -17.0, 23.5)},
    "another wavelength": {"wavelength": 0.98},
    "another distance": {"distance": 0.232},
    "a whole pixel": {"shift": (1.0, 0.0)},
    "half a pixel and a distance": {"shift": (0.5, 0.0), "distance": 0.232},
    "another spindle": {"spindle": (0.0, 1.0, 0.0)},
    "twice the cells": {"cells": (5, 6, 14)},
    "distance in centimetres": {"distance_times": 100.0},
    "a factor of less than single precision": {"sum_times": 1.0 + 3e-5},
    "other rotations": {"rotation": (3.0, -5.0, 7.5)},
}
#: A crystal whose rotation does not begin at 0, and one that is not rotated.
SCANS: dict[str, Simulator] = {
    "from 0": GOOD,
    "from 15 degrees": attrs.evolve(GOOD, phi=15.0),
    "still, at 15 degrees": attrs.evolve(GOOD, phi=15.0, phi_step=0.0, phi_steps=1),
}


def file_of(*pixels: TracedPixel) -> TraceFile:
    return TraceFile(Path("trace"), "JSON", list(pixels))


def compare(first: Simulator, second: Simulator, *pixels: tuple[int, int]) -> Comparison:
    """The comparison of two simulators in some pixels."""
    places = pixels or ((100, 300),)
    ours, theirs = (file_of(*(side.trace(*place) for place in places)) for side in (first, second))
    return compare_traces(ours, theirs)


def names(comparison: Comparison) -> list[str]:
    return [finding.name for finding in findings(comparison)]


def findings(comparison: Comparison) -> list[Finding]:
    faults: list[str] = []
    found = diagnose(comparison, DIAGNOSES, faults)
    assert faults == []
    return found


def test_every_diagnosis_has_a_planted_fault() -> None:
    assert {diagnosis.name for diagnosis, _ in DIAGNOSES} == {name for name, _, _ in FAULTS.values()}


def test_the_documented_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    found = []
    for example in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL):
        path.write_text(example, encoding="utf-8")
        found += read_traces(path).pixels
    whole, listed = found
    assert whole.steps[0]["F_latt_a"] is None
    assert (whole.slow, whole.fast) == (listed.slow, listed.fast) == (100, 2000)
    assert listed.steps[0]["F_latt"] == -4.2


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_and_no_other(name: str) -> None:
    expected, word, _ = FAULTS[name]
    (finding,) = findings(compare(GOOD, fault(name)))
    assert finding.name == expected
    assert word in finding.evidence


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_first_trace_is_named_too(name: str) -> None:
    assert names(compare(fault(name), GOOD)) == [FAULTS[name][0]]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen_in_several_pixels(name: str) -> None:
    comparison = compare(GOOD, fault(name), (100, 300), (271, 12), (350, 420))
    assert names(comparison) == [FAULTS[name][0]]
    assert len(comparison.diverged()) == 3


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("turned", [False, True], ids=["good first", "bad first"])
def test_a_fault_is_seen_in_what_a_log_shows(tmp_path: Path, name: str, turned: bool) -> None:
    sides: list[TraceFile] = []
    for side in (GOOD, fault(name)):
        path = tmp_path / f"{len(sides)}.log"
        path.write_text("\n".join(write_log([side.trace()])) + "\n", encoding="ascii")
        sides.append(read_traces(path))
    first, second = reversed(sides) if turned else sides
    assert names(compare_traces(first, second)) == [FAULTS[name][0]]


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen_wherever_the_rotation_begins(name: str, scan: str) -> None:
    simulator = SCANS[scan]
    comparison = compare(simulator, fault(name, simulator))
    if not comparison.diverged():
        # What an orientation is carried over to, and steps by which nothing is divided, are not there.
        assert name == "stale orientation"
        return
    if simulator.phi_steps == 1 and "steps" in name:
        assert names(comparison) in (["constant-factor"], [])
        return
    assert names(comparison) == [FAULTS[name][0]]


@pytest.mark.parametrize("name", STRANGE)
def test_other_differences_are_not_named(name: str) -> None:
    comparison = compare(GOOD, attrs.evolve(GOOD, **STRANGE[name]))
    assert comparison.diverged()
    assert names(comparison) == []


def test_nothing_is_named_where_nothing_diverged() -> None:
    assert names(compare(GOOD, GOOD)) == []


def test_a_pattern_of_one_pixel_is_no_diagnosis_of_two() -> None:
    ours = file_of(GOOD.trace(100, 300), GOOD.trace(271, 12))
    theirs = file_of(fault("half a pixel along fast").trace(100, 300), fault("phi in degrees").trace(271, 12))
    assert names(compare_traces(ours, theirs)) == []


def test_two_faults_that_do_not_touch_are_both_named() -> None:
    both = attrs.evolve(fault("stale orientation"), fluence=3e24)
    assert names(compare(GOOD, both)) == ["phi-carryover", "constant-factor"]


def test_carryover_is_seen_when_the_other_trace_was_cut_off() -> None:
    whole, cut = fault("stale orientation").trace(), GOOD.trace()
    cut = attrs.evolve(cut, steps=cut.steps[:3], values={})
    assert names(compare_traces(file_of(whole), file_of(cut))) == ["phi-carryover"]


def test_carryover_in_the_middle_of_a_scan_repeats_the_step_before() -> None:
    simulator = attrs.evolve(GOOD, phi=-0.5, phi_step=0.25)
    (finding,) = findings(compare(simulator, fault("stale orientation", simulator)))
    assert "phi_tic 1 at phi_tic 2" in finding.evidence


def test_a_stale_step_on_both_sides_does_not_hide_degrees() -> None:
    simulator = fault("stale orientation")
    assert names(compare(simulator, fault("phi in degrees", simulator))) == ["degrees-for-radians"]


def test_a_sum_that_is_off_in_one_step_is_no_constant_factor() -> None:
    trace = GOOD.trace()
    values = dict(trace.values)
    values["I_before_scaling"] *= 1.2345
    steps = [dict(step, intensity=step["intensity"] * (2.0 if step["phi_tic"] == 3 else 1.0)) for step in trace.steps]
    assert names(compare_traces(file_of(trace), file_of(attrs.evolve(trace, values=values, steps=steps)))) == []


def test_distances_alone_tell_millimetres() -> None:
    names_kept = ("R_distance_meters", "close_distance_meters", "polar")
    sides = [
        file_of(attrs.evolve(trace, values={name: trace.values[name] for name in names_kept}, steps=[]))
        for trace in (GOOD.trace(), fault("all lengths in mm").trace())
    ]
    (finding,) = findings(compare_traces(*sides, Tolerances(named={"polar": 1.0})))
    assert finding.evidence == "R and the close distance of B are 1000 times the other's"


def test_a_matrix_of_which_nothing_is_left_is_not_named() -> None:
    trace = GOOD.trace()
    flat = {name: [0.0, 0.0, 0.0] for name in trace.values if name.startswith("rot_")}
    theirs = attrs.evolve(trace, values={**trace.values, **flat})
    for first, second in ((trace, theirs), (theirs, trace)):
        assert names(compare_traces(file_of(first), file_of(second))) == []


def test_a_term_is_needed_for_a_diagnosis_of_terms() -> None:
    for name in FAULTS:
        ours, theirs = (attrs.evolve(side.trace(), steps=[]) for side in (GOOD, fault(name)))
        comparison = compare_traces(file_of(ours), file_of(theirs))
        assert set(names(comparison)) <= {FAULTS[name][0]}


@given(st.data())
def test_no_number_breaks_a_diagnosis(data: st.DataObject) -> None:
    extremes = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e308, -1.7e308, 5e-324, 1e-200, math.inf, -math.inf, math.nan])
    sides = []
    for side in (GOOD, data.draw(st.sampled_from([GOOD, *map(fault, FAULTS)]))):
        trace = side.trace()
        values = dict(trace.values)
        for name in data.draw(st.lists(st.sampled_from(list(values)), max_size=4)):
            old = values[name]
            values[name] = [data.draw(extremes) for _ in old] if isinstance(old, list) else data.draw(extremes)
        for step in trace.steps:
            for name in data.draw(st.lists(st.sampled_from(["phi_deg", "k_frac", "F_latt", "intensity"]), max_size=2)):
                step[name] = data.draw(extremes)
        sides.append(file_of(attrs.evolve(trace, values=values)))
    comparison = compare_traces(sides[0], sides[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = findings(comparison)
        assert as_text(report(comparison, found))
        json.loads(as_json(comparison, found))


def test_numbers_that_are_none_break_no_diagnosis() -> None:
    trace = GOOD.trace()
    lost = {
        name: [float("nan")] * 3 if isinstance(value, list) else float("nan") for name, value in trace.values.items()
    }
    steps = [
        {
            name: value if name in ("phi_tic", "layer") or not isinstance(value, float) else float("inf")
            for name, value in step.items()
        }
        for step in trace.steps
    ]
    comparison = compare_traces(file_of(trace), file_of(attrs.evolve(trace, values=lost, steps=steps)))
    assert names(comparison) == []
    assert to_json([trace])
