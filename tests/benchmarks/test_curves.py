"""What is concluded from curves, the limit of the machine, and the pictures."""

from pathlib import Path

import pytest

from benchmarks import plots
from benchmarks.curves import CULLED_PIXELS, CURVES, PIXELS, Curve, fitted, measure_curve
from benchmarks.limit import Throughput
from benchmarks.measure import Observation
from benchmarks.programs import Program
from stand_in import MakeProgram


def observed(seconds: float, memory: float) -> list[Observation]:
    return [Observation(whole=1.0 + seconds, kernel=seconds, peak_memory=int(memory))]


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_linear_time_and_little_memory_pass_and_more_does_not(curve: Curve) -> None:
    assert curve.values[-1] >= 100 * curve.values[0]
    good = [(size, observed(1e-6 * size, 2e8 + 10 * size)) for size in curve.values]
    found = fitted(curve.name, good)
    assert found["linear"] and found["bounded"]
    assert found["exponent"] == pytest.approx(1.0, abs=1e-9)
    steep = fitted(curve.name, [(size, observed(1e-6 * size**1.5, 2e8)) for size in curve.values])
    assert not steep["linear"]
    heavy = [
        (size, observed(1e-6 * size, 2e8 + (1000 if curve in (PIXELS, CULLED_PIXELS) else 1e6) * size))
        for size in curve.values
    ]
    assert not fitted(curve.name, heavy)["bounded"]


def test_points_are_measured_up_and_down_three_times_at_most_after_a_run_that_does_not_count(
    make_program: MakeProgram, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    timings = {"terms": 1, "seconds": {"render": 0.5}}
    rest = (
        f"print(sys.argv[sys.argv.index('-phisteps') + 1], file=open({str(log)!r}, 'a'))\n"
        f"import json; json.dump({timings!r}, open('timings.json', 'w'))"
    )
    program = Program("fake", (str(make_program(rest=rest)),), flags=frozenset({"--timings"}))
    curve = Curve("steps", (1, 10, 100), lambda value: f"-phisteps {value}")
    found = measure_curve(curve, program, repeats=5, threads=1, timeout=60.0, say=lambda text: None)
    assert (found["sizes"], found["kernel_seconds"]) == ([1, 10, 100], [0.5, 0.5, 0.5])
    assert found["exponent"] == 0.0
    assert log.read_text(encoding="utf-8").split() == "1 1 10 100".split() + "100 10 1".split() + "1 10 100".split()


@pytest.mark.skipif(not plots.available(), reason="no matplotlib here")
def test_pictures_are_drawn(tmp_path: Path) -> None:
    bar = {"quantity": "kernel", "limit": 2.0, "at_least": True, "verdict": "met"}
    value = {"median": 3.0, "smallest": 3.5, "largest": 4.0}
    assert plots.plot_cases([{"name": "a", "bars": [{**bar, "value": value}]}], tmp_path / "cases.png")
    assert not plots.plot_cases([{"name": "a", "bars": [{**bar, "value": None}]}], tmp_path / "none.png")
    points = [(size, observed(1e-6 * size, 2e8)) for size in PIXELS.values]
    plots.plot_curves([fitted("pixels", points), fitted("steps", points)], tmp_path / "curves.png")
    assert {file.name for file in tmp_path.iterdir()} == {"cases.png", "curves.png"}


def test_a_machine_that_is_twice_as_fast_evaluates_twice_as_many_terms() -> None:
    for precision in ("mixed", "double"):
        slow, fast = (Throughput(factor * 4e10, factor * 2e10).terms_per_second(precision) for factor in (1.0, 2.0))
        assert fast == pytest.approx(2.0 * slow)
    assert Throughput(4e10, 2e10).terms_per_second("double") < Throughput(4e10, 2e10).terms_per_second("mixed")
