"""A case, measured with programs that stand in for the real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cases import FULL_SUM, REFERENCE, Bar, Case
from benchmarks.measure import measure
from benchmarks.programs import OURS, Contestant
from benchmarks.report import case_lines, case_result
from openbragg.errors import InputError
from stand_in import MakeProgram

TIMINGS = {"terms": 1000, "seconds": {"start": None, "render": 0.002, "total": 1.0}}
WRITE_TIMINGS = f"import json; json.dump({TIMINGS!r}, open('timings.json', 'w'))"


def ours(program: Path) -> Contestant:
    return Contestant(OURS, (str(program),), {}, timings=True)


def reference(program: Path) -> Contestant:
    """Its one pixel costs nothing, so that all of a run is kernel."""
    return Contestant(REFERENCE, (str(program),), {}, beside=("true",))


def result(*contestants: Contestant, repeats: int = 2, bars: tuple[Bar, ...] = (), **case: Any) -> dict[str, Any]:
    made = Case("fake", "a case", (), bars, **case)
    return case_result(measure(made, contestants, repeats=repeats, threads=1, timeout=60.0))


def test_kernel_is_what_the_program_says_or_what_one_pixel_leaves(make_program: MakeProgram) -> None:
    slow = make_program("slow", rest="time.sleep(0.3)")
    found = result(ours(make_program(rest=WRITE_TIMINGS)), reference(slow), repeats=3)
    programs = found["programs"]
    assert programs[OURS]["kernel_seconds"]["median"] == 0.002
    assert programs[OURS]["terms_per_second"] == 1000 / 0.002
    assert 0.25 < programs[REFERENCE]["kernel_seconds"]["median"] < programs[REFERENCE]["whole_seconds"]["median"]
    assert [len(program["runs"]) for program in programs.values()] == [3, 3]
    kernel = found["ratios"][REFERENCE]["kernel"]
    assert kernel["median"] == programs[REFERENCE]["kernel_seconds"]["median"] / 0.002
    json.dumps(found, allow_nan=False)


def test_a_kernel_that_takes_no_longer_than_all_the_rest_is_not_measured(make_program: MakeProgram) -> None:
    quick = Contestant(REFERENCE, (str(make_program("quick")),), {}, beside=("sleep", "2"))
    found = result(ours(make_program(rest=WRITE_TIMINGS)), quick, repeats=1, bars=(Bar("kernel", 2.0),))
    assert found["programs"][REFERENCE]["kernel_seconds"] is None
    assert found["bars"][0]["verdict"] == "not measured"


@pytest.mark.parametrize(
    ("bar", "verdict"),
    [
        (Bar("kernel", 2.0), "met"),
        (Bar("kernel", 1e6), "missed"),
        (Bar("memory", 1e12, at_least=False, against=None), "met"),
        (Bar("memory", 1.0, at_least=False, against=None), "missed"),
        (Bar("whole", 1e6, at_least=False), "met"),
        (Bar("whole", 1e-6, at_least=False), "missed"),
        (Bar("kernel", 2.0, against=FULL_SUM), "not measured"),
    ],
)
def test_a_bar_is_judged_and_printed(make_program: MakeProgram, bar: Bar, verdict: str) -> None:
    programs = ours(make_program(rest=WRITE_TIMINGS)), reference(make_program("other", rest="time.sleep(0.1)"))
    found = result(*programs, repeats=1, bars=(bar,))
    assert found["bars"][0]["verdict"] == verdict
    assert next(line for line in case_lines(found) if line.startswith("  bar ")).endswith(f": {verdict}")


def test_images_that_disagree_have_no_times(make_program: MakeProgram) -> None:
    programs = ours(make_program(off=0.01, rest=WRITE_TIMINGS)), reference(make_program("other"))
    found = result(*programs, bars=(Bar("kernel", 1.0),))
    assert not found["agrees"]
    assert found["agreement"][OURS]["difference"] == pytest.approx(1e-4, rel=1e-3)  # float32
    text = "\n".join(case_lines(found))
    assert "images disagree" in text
    assert not {"programs", "ratios", "bars", "limit"} & set(found)
    assert " s," not in text and "bar" not in text


def test_a_disagreement_within_the_tolerance_is_none(make_program: MakeProgram) -> None:
    programs = ours(make_program(off=0.01, rest=WRITE_TIMINGS)), reference(make_program("other"))
    assert result(*programs, tolerance=2e-4)["agrees"]


def test_an_image_that_goes_wrong_in_a_later_repeat_is_noticed(make_program: MakeProgram, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    spoil = (
        f"{WRITE_TIMINGS}; from pathlib import Path; p = Path({str(counter)!r}); "
        "n = len(p.read_text()) if p.exists() else 0; p.write_text('x' * (n + 1)); pixels[0] += 5.0 * (n == 3); "
        "open('floatimage.bin', 'wb').write(pixels.tobytes())"
    )
    programs = ours(make_program(rest=spoil)), reference(make_program("other"))
    assert result(*programs, repeats=2)["agrees"]
    counter.unlink()
    assert not result(*programs, repeats=3)["agrees"]


def test_order_alternates_and_a_first_run_of_ours_is_not_counted(make_program: MakeProgram, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def told(name: str) -> Path:
        return make_program(name, rest=f"{WRITE_TIMINGS}; print({name[0]!r}, end='', file=open({str(log)!r}, 'a'))")

    result(ours(told("mine")), reference(told("yours")), repeats=3)
    assert log.read_text(encoding="utf-8") == "m" + "my" + "ym" + "my"


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("sys.exit('no')", "exit status 1: no"),
        ("pass", "expected timings"),
        ("import os; os.remove('floatimage.bin')", "wrote no"),
    ],
)
def test_a_program_that_fails_or_writes_nothing_is_an_error(make_program: MakeProgram, rest: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        result(ours(make_program(rest=rest)))
