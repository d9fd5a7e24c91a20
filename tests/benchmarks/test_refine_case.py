"""The case that refines."""

from benchmarks.report import case_lines, refine_result

_RUNS = {"count": 1, "seconds": [2.0], "work": [2.0], "renderings": 5, "jacobians": 4, "parts": {"renderings": 0.5}}


def test_stills_a_minute_are_those_of_a_core() -> None:
    stills = {**_RUNS, "count": 40, "seconds": [30.0, 60.0], "work": [24.0, 20.0]}
    made = refine_result({"kind": "made here", "problem": _RUNS, "stills": stills})
    assert made["stills_per_minute"]["median"] == 110.0
    assert made["bars"][0]["verdict"] == "met"
    lines = list(case_lines(made))
    assert lines[1].startswith("  problem made here: whole 2 ")
    assert "5 renderings, 4 Jacobians" in lines[2]
    assert lines[3].startswith("  40 stills: ")
    assert lines[-1].startswith("  bar stills a minute and core >= 100, got 110")
