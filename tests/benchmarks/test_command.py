"""``python -m benchmarks``: its arguments, what it writes, and its exit status; with cases of a few pixels."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import benchmarks.__main__ as program
from benchmarks import cases
from benchmarks.cases import NAMES, PROGRAMS, Bar, Case
from benchmarks.programs import OURS, Program, checkout_program
from benchmarks.revisions import ROOT
from stand_in import MakeProgram

TINY = Case(
    "mosaic",
    "a few pixels",
    tuple("-cell 50 -N 3 -default_F 100 -detpixels 8 -oversample 1 -mosaic 1 -mosaic_domains 2".split()),
    (Bar("kernel", 30.0),),
    counted=True,
)


def run(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = program.main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """All cases are a few pixels."""
    monkeypatch.setattr(program, "make_case", lambda name, folder: attrs.evolve(TINY, name=name))


@pytest.mark.usefixtures("tiny")
def test_a_case_is_measured_alone_and_written_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A few pixels are not worth compiling.
    choosing = attrs.evolve((ours := checkout_program(OURS, ROOT)), flags=(ours.flags or frozenset()) - {"--engine"})
    monkeypatch.setattr(program, "checkout_program", lambda name, root: choosing)
    status, out, err = run(
        "--case", "mosaic", "--repeats", 1, "--threads", 1, "--output", tmp_path / "a", capsys=capsys
    )
    assert (status, err) == (0, "")
    results = json.loads((tmp_path / "a" / "results.json").read_text(encoding="utf-8"))
    (case,) = results["cases"]
    assert (case["terms"], case["bars"][0]["verdict"]) == (128, "not measured")
    assert case["programs"][OURS]["stages"]["render"] > 0.0
    assert 0.0 < case["limit"]["reached"] < 1.0
    assert (results["threads"], results["repeats"], results["reference"]) == (1, 1, None)
    assert "bar kernel, reference over openbragg >= 30: not measured" in out


@pytest.mark.parametrize(
    ("off", "rest", "said", "status"),
    [
        (0.0, "pass", "bar kernel, reference over openbragg >= 30", 0),
        (0.01, "pass", "images disagree", 1),
        (0.0, "sys.exit('no')", "mosaic: FAILED", 1),
        (0.0, "open('floatimage.bin', 'wb').write(b'1234')", "different sizes", 1),
    ],
)
def test_a_reference_that_disagrees_or_fails_is_exit_status_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make_program: MakeProgram,
    off: float,
    rest: str,
    said: str,
    status: int,
) -> None:
    ours = Program(OURS, (str(make_program("ours")),), flags=frozenset())
    monkeypatch.setattr(program, "checkout_program", lambda name, root: ours)
    monkeypatch.setattr(program, "make_case", lambda name, folder: attrs.evolve(TINY, counted=False))
    reference = make_program("theirs", off=off, rest=rest)
    words = ("--reference", reference, "--case", "mosaic", "--repeats", 1, "--output", tmp_path / "a")
    got, out, _ = run(*words, capsys=capsys)
    assert got == status
    assert said in out
    assert ("bar" in out) == (status == 0)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--reference", "nosuch"), 1, "--reference: there is no program nosuch"),
        (("--reference", __file__), 1, "is not executable"),
        (("--revision", "nosuch"), 1, "--revision: git knows no commit nosuch"),
        (("--revision", "--help"), 1, "--revision: git knows no commit --help"),
        (("--revision", "HEAD; ls"), 1, "--revision: git knows no commit HEAD; ls"),
        (("--revision", "HEAD:README.md"), 1, "--revision: git knows no commit"),
        (("--case", "nosuch"), 2, "mosaic"),
        (("--repeats", "0"), 2, "--repeats"),
        (("--threads", "x"), 2, "--threads"),
        (("--output", "/dev/null/a"), 1, "cannot make the folder"),
        (("stray",), 2, "stray"),
    ],
)
def test_bad_arguments_are_one_line(
    words: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got, out, err = run(*words, capsys=capsys)
    assert (got, out) == (status, "")
    (line,) = err.splitlines()
    assert line.startswith("benchmarks: error: ") and said in line


def test_help_names_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("--help", capsys=capsys)
    assert status == 0
    for name in (*NAMES, *PROGRAMS):
        assert name in out


def test_cases_run_in_their_order_and_curves_alone_without_them() -> None:
    def chosen(*names: str, curves: bool = False) -> list[str]:
        rest: dict[str, Any] = {
            "reference": None,
            "revision": None,
            "repeats": 1,
            "threads": 1,
            "device": "cpu",
            "timeout": 1.0,
        }
        return program.Settings(output=Path(), cases=names, curves=curves, **rest).chosen()

    assert chosen() == chosen("all") == chosen("all", curves=True) == [*NAMES, *PROGRAMS]
    assert chosen("small", "mosaic") == ["mosaic", "small"]
    assert chosen(curves=True) == []


def test_the_supervisors_case_is_skipped_with_a_reason_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cases, "SHARED", tmp_path / "nowhere")
    status, out, _ = run("--case", "supervisor", "--output", tmp_path / "a", capsys=capsys)
    assert status == 0
    assert "supervisor: skipped: its input" in out


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "benchmarks", "--reference", "nosuch"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr == "benchmarks: error: --reference: there is no program nosuch\n"
