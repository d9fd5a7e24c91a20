"""Tracers and diagnoses of third parties: used like the built-in ones, and contained when they break their contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from command_line import SMALL, run
from openbragg_tracers.traces.writing import to_json
from traced_model import GOOD

Install = Callable[..., None]

TRACER = """
from typing import ClassVar
import attrs
import torch
from openbragg import hookimpl, option

@attrs.frozen
class Brightness:
    name: ClassVar[str] = "brightness"
    summary: ClassVar[str] = "a number of a third party"
    flags: ClassVar[tuple[str, ...]] = ()
    scale: float = option("-brightness_scale", default=1.0, help="Times so much.")

    def values(self, trace):
        return {values}

    def steps(self, trace):
        return {steps}

@hookimpl
def tracers():
    return [Brightness]
"""
VALUES, STEPS = '{"brightness": self.scale * trace.photons}', '{"half": trace.terms.intensity / 2}'

DIAGNOSIS = """
from typing import ClassVar
import attrs
from openbragg import hookimpl, option

@attrs.frozen
class Fluence:
    name: ClassVar[str] = "other-fluence"
    summary: ClassVar[str] = "another fluence"
    flags: ClassVar[tuple[str, ...]] = ()
    explanation: ClassVar[str] = "The beams are of different fluence."
    phase: ClassVar[str] = "scaling"
    least: float = option("-least_ratio", default=1.5, help="A smaller ratio is nothing.")

    def evidence(self, pixels):
        {body}

@hookimpl
def diagnoses():
    return [Fluence]
"""
BODY = """
        found = pixels[0].value("fluence_photons_per_m2")
        ratio = found.second / found.first
        return f"the fluence of B is {ratio:g} times A's" if ratio > self.least else None
"""

#: What a tracer does, what the line about it has, and the method.
BREACHES = {
    "an exception": ('{"x": 1 / 0}', "ZeroDivisionError: division by zero", "values"),
    "an exception of many lines": ("(_ for _ in ()).throw(KeyError('a\\n b'))", "KeyError", "steps"),
    "no mapping": ("[1.0]", "AttributeError", "values"),
    "nothing": ("None", "AttributeError", "steps"),
    "a number that is no tensor": (
        '{"x": 1.0}',
        "x: TypeError: expected a tensor, got an object of type float",
        "values",
    ),
    "a matrix of a pixel": ('{"x": torch.zeros(2, 2)}', "x: ValueError: expected a number or a vector", "values"),
    "a column of another shape": ('{"x": torch.zeros(7, 1)}', "x: ValueError: the shape (7, 1) does not fit", "steps"),
    "NaN": ('{"x": trace.photons * float("nan")}', "x: ValueError: expected a number, got nan", "values"),
    "NaN in a column": ('{"x": trace.terms.intensity * float("nan")}', "x: ValueError: expected a number", "steps"),
    "NaN in a vector": ('{"x": torch.tensor([0.0, float("nan")])}', "x: ValueError: expected a number", "values"),
    "complex numbers": (
        '{"x": torch.zeros((), dtype=torch.complex64)}',
        "x: TypeError: expected real numbers",
        "values",
    ),
    "a name that is none": ("{3: trace.photons}", "ValueError: expected a name without spaces, got 3", "values"),
    "a name of two words": ('{"a b": trace.photons}', "ValueError: expected a name without spaces", "steps"),
}
COMMANDS = {
    "simulate": (
        "simulate",
        *SMALL,
        "-floatfile",
        "a.bin",
        "-trace_pixel",
        1,
        2,
        "-trace_log",
        "a.log",
        "-expt",
        "a.expt",
    ),
    "trace": ("trace", *SMALL, "--pixel", 1, 2, "--log", "a.log", "--json", "a.json"),
}


def tracer(values: str = VALUES, steps: str = STEPS) -> str:
    return TRACER.replace("{values}", values).replace("{steps}", steps)


def diagnosis(body: str = BODY) -> str:
    return DIAGNOSIS.replace("{body}", body.strip())


@pytest.fixture
def traces(tmp_path: Path) -> tuple[Path, Path]:
    """Two traces that differ by the fluence alone."""
    paths = tmp_path / "one.json", tmp_path / "two.json"
    for path, simulator in zip(paths, (GOOD, attrs.evolve(GOOD, fluence=2.0 * GOOD.fluence)), strict=True):
        path.write_text(to_json([simulator.trace()]))
    return paths


def test_a_third_party_s_tracer_speaks_in_every_trace(install: Install) -> None:
    install("acme", "2.0", bright=tracer())
    assert run(*COMMANDS["trace"], "-brightness_scale", 3).status == 0
    (pixel,) = json.loads(Path("a.json").read_text())["pixels"]
    assert pixel["values"]["brightness"] == 3.0 * pixel["values"]["I_pixel_final"]
    assert [step["half"] for step in pixel["steps"]] == [step["intensity"] / 2 for step in pixel["steps"]]
    finished = run("simulate", *SMALL, "-nonoise", "-trace_pixel", 1, 2, "--tracer", "brightness")
    assert finished.status == 0
    assert finished.out.splitlines()[1].startswith("TRACE_PY: brightness ")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", BREACHES)
def test_a_tracer_that_breaks_its_contract_is_one_line_and_no_file(install: Install, what: str, command: str) -> None:
    said, reason, method = BREACHES[what]
    install("acme", "2.0", bright=tracer(**{method: said}))
    before = sorted(Path().iterdir())
    finished = run(*COMMANDS[command])
    # The choices of an image are said before it is rendered.
    said_before = finished.out.splitlines()[-1:]
    assert finished.status == 1
    assert said_before == [] if command == "trace" else said_before[0].startswith("expected time")
    (line,) = (line for line in finished.complaints() if "notice" not in line)
    assert line.startswith(f"openbragg: error: the tracer brightness of acme 2.0: {method}(): ")
    assert reason in line
    assert sorted(Path().iterdir()) == before
    assert run(*COMMANDS[command], "--tracer", "scaling").status == 0


def test_nan_of_a_pixel_that_is_nan_is_shown(install: Install) -> None:
    """Then it is no fault of the tracer, and where it came from is what one wants to see."""
    from openbragg import plugin
    from openbragg.testing import make_trace
    from openbragg_tracers.traces.selection import Selection
    from openbragg_tracers.traces.tracing import traced_pixel

    made = make_trace()
    lost = attrs.evolve(made, photons=made.photons * float("nan"))
    pixel = traced_pixel(lost, (1, 3), [(plugin("tracers", "scaling"), "openbragg")], Selection())
    assert str(pixel.values["I_pixel_final"]) == "nan"


def test_a_third_party_s_diagnosis_is_asked_and_has_flags(install: Install, traces: tuple[Path, Path]) -> None:
    install("acme", "2.0", fluence=diagnosis())
    finished = run("compare-traces", *traces)
    assert finished.status == 3
    assert "other-fluence: the fluence of B is 2 times A's" in finished.out
    assert "The beams are of different fluence." in finished.out
    assert finished.out.index("constant-factor") < finished.out.index("other-fluence") or "constant" not in finished.out
    assert "other-fluence" not in run("compare-traces", *traces, "-least_ratio", "3").out
    assert "other-fluence" not in run("compare-traces", *traces, "--no-plugin", "fluence").out
    assert "--least-ratio" in run("compare-traces", "--help").out
    assert "-least_ratio: expected a finite number" in run("compare-traces", *traces, "--least-ratio", "much").err


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no\\n luck')", "ValueError: no luck"),
        ("return 3", "TypeError: expected a sentence or None, got 3"),
    ],
)
def test_a_broken_diagnosis_is_left_out_with_a_notice(
    install: Install, traces: tuple[Path, Path], body: str, reason: str
) -> None:
    install("acme", "2.0", fluence=diagnosis(body))
    finished = run("compare-traces", *traces)
    assert finished.status == 3
    assert "constant-factor" in finished.out
    assert finished.complaints() == [
        f"openbragg: notice: the diagnosis other-fluence of acme 2.0 is left out: evidence(): {reason}"
    ]


def test_a_diagnosis_may_not_claim_a_flag_of_the_command(install: Install, traces: tuple[Path, Path]) -> None:
    install("acme", "2.0", fluence=diagnosis().replace("-least_ratio", "--tolerance"))
    finished = run("compare-traces", *traces)
    assert finished.status == 1
    assert "the diagnosis other-fluence of acme 2.0 claims --tolerance" in finished.err


def test_built_in_diagnoses_can_be_taken_away(traces: tuple[Path, Path]) -> None:
    assert "constant-factor" in run("compare-traces", *traces).out
    assert "none of the known patterns fits" in run("compare-traces", *traces, "--no-plugin", "constant-factor").out


def test_diagnoses_stand_in_the_list_of_plugins() -> None:
    listed: list[dict[str, Any]] = json.loads(run("plugins", "--json").out)
    assert {each["name"] for each in listed if each["role"] == "diagnoses"} >= {"constant-factor", "phi-carryover"}
