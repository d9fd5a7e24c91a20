"""``openbragg trace`` and ``-trace_pixel``: the same trace, on its own and during a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command_line import run

CRYSTAL = "-cell 40 45 50 85 95 100 -N 4 -default_F 100 -phi 0 -osc 2 -phisteps 4 -mosaic 1 -mosaic_dom 3".split()
CAMERA = "-detpixels_x 9 -detpixels_y 7 -pixel 3 -oversample 2".split()
LINE = [*CRYSTAL, *CAMERA]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def traced(*words: object) -> str:
    finished = run("trace", *LINE, *words)
    assert finished.status == 0, finished.err
    return finished.out


def values(log: str, name: str) -> list[list[float]]:
    lines = [line.split() for line in log.splitlines()]
    return [[float(word) for word in words[2:]] for words in lines if words[:2] == ["TRACE_PY:", name]]


def test_the_log_has_the_reference_s_layout() -> None:
    lines = traced("--pixel", 3, 5).splitlines()
    assert lines[0] == "TRACE_CONFIG: tracing pixel (spixel=3, fpixel=5)"
    steps = [line for line in lines if line.startswith("TRACE_PY_PHI")]
    assert [line.split()[1] for line in steps] == [f"phi_tic={step}" for step in range(4)]
    keys = [word.partition("=")[0] for word in steps[0].split()[1:]]
    assert keys == ["phi_tic", "phi_deg", "k_frac", "F_latt_b", "F_latt"]
    assert [word.partition("=")[2] for word in (line.split()[2] for line in steps)] == ["0", "0.5", "1", "1.5"]


def test_a_trace_is_the_image_s_pixel() -> None:
    assert run("simulate", *LINE, "-floatfile", "a.bin").status == 0
    image = np.fromfile("a.bin", "<f4").reshape(7, 9)
    traced("--pixel", 3, 5, "--pixel", 0, 8, "--json", "a.json")
    pixels = json.loads(Path("a.json").read_text())["pixels"]
    assert [(pixel["slow"], pixel["fast"]) for pixel in pixels] == [(3, 5), (0, 8)]
    for pixel in pixels:
        assert pixel["values"]["floatimage_accumulated"] == float(image[pixel["slow"], pixel["fast"]])


def test_a_run_traces_the_same_as_a_trace() -> None:
    alone = traced("--pixel", 3, 5, "--pixel", 6, 0)
    finished = run("simulate", *LINE, "-trace_pixel", 3, 5, "--trace-pixel", 6, 0, "-floatfile", "a.bin")
    assert finished.status == 0
    assert alone in finished.out
    run("simulate", *LINE, "-trace_pixel", 3, 5, "-trace_pixel", 6, 0, "-trace_log", "a.log", "-floatfile", "a.bin")
    assert Path("a.log").read_text() == alone


def test_the_brightest_pixels_are_found() -> None:
    run("simulate", *LINE, "-floatfile", "a.bin")
    image = np.fromfile("a.bin", "<f4").reshape(7, 9)
    log = traced("--brightest", 3)
    assert [value for (value,) in values(log, "floatimage_accumulated")] == pytest.approx(
        sorted(image.reshape(-1).tolist(), reverse=True)[:3], rel=1e-6
    )


def test_a_selection_shows_other_terms_and_where_they_are() -> None:
    steps = [line for line in traced("--pixel", 3, 5, "--select", "phi=1,mosaic=all").splitlines() if "_PHI" in line]
    assert [line.split()[-1] for line in steps] == [steps[0].split()[-1], "mosaic=1", "mosaic=2"]
    traced("--pixel", 3, 5, "--select", "subpixel=all,mosaic=all", "--json", "a.json")
    rows = json.loads(Path("a.json").read_text())["pixels"][0]["steps"]
    assert len(rows) == 4 * 4 * 3
    total = sum(row["intensity"] for row in rows)
    assert total == pytest.approx(
        json.loads(Path("a.json").read_text())["pixels"][0]["values"]["I_before_scaling"], rel=1e-6
    )


def test_one_tracer_alone() -> None:
    assert "TRACE_PY_PHI" not in traced("--pixel", 3, 5, "--tracer", "scaling")
    log = traced("--pixel", 3, 5, "--tracer", "per-phi")
    assert "TRACE_PY:" not in log and "TRACE_PY_PHI" in log


def test_log_and_json_tell_the_same() -> None:
    traced("--pixel", 3, 5, "--log", "a.log", "--json", "a.json")
    (pixel,) = json.loads(Path("a.json").read_text())["pixels"]
    log = Path("a.log").read_text()
    for name, value in pixel["values"].items():
        np.testing.assert_allclose(values(log, name)[0], np.atleast_1d(value), rtol=1e-14)


def test_single_and_double_dash_of_pixel_are_two_things() -> None:
    """-pixel is the size of a pixel, --pixel the one that is traced; in simulate both are the size."""
    log = traced("-pixel", 2.5, "--pixel", 3, 5)
    origin = np.array(values(log, "pix0_vector_meters")[0])
    centre = np.array(values(log, "pixel_pos_meters")[0])
    # Of the first of 2 x 2 subpixels.
    np.testing.assert_allclose(centre - origin, [0.0, -3.25 * 2.5e-3, 5.25 * 2.5e-3], atol=1e-12)


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ((), 2, "nothing to trace: give --pixel SLOW FAST, or --brightest N"),
        (("--pixel", 7, 0), 2, "pixel 7 0 (slow, fast) is not rendered"),
        (("--pixel", 0, 9), 2, "pixel 0 9 (slow, fast) is not rendered"),
        (("--pixel", 3, 5, "-roi", 0, 3, 0, 3), 2, "pixel 3 5 (slow, fast) is not rendered"),
        (("--pixel", -1, 5), 2, "--pixel: expected a whole number of 0 or more (pixels), got '-1'"),
        (("--pixel", 3, 5, "--tracer", "nobody"), 1, "nobody"),
        (("--pixel", 3, 5, "--select", "phi=9"), 2, "--select phi=9: the sum has 4 of that axis"),
        (("--pixel", 3, 5, "--select", "moon=9"), 2, "--select: expected AXIS=NUMBER or AXIS=all"),
        (("--pixel", 3, 5, "--log", "missing/a.log"), 1, "cannot write missing/a.log: there is no folder"),
        (("--pixel", 3, 5, "--log", "-", "--json", "-"), 2, "cannot both go to standard output"),
        (("--brightest", 0), 2, "-brightest: expected a whole number above 0"),
    ],
)
def test_what_makes_no_sense_is_one_line(words: tuple[object, ...], status: int, expected: str) -> None:
    finished = run("trace", *LINE, *words)
    assert (finished.status, finished.out) == (status, "")
    (line,) = [line for line in finished.complaints() if "error" in line]
    assert line.startswith("openbragg: error: ")
    assert expected in line


def test_files_of_images_are_not_written_and_that_is_said() -> None:
    finished = run("trace", *LINE, "--pixel", 3, 5, "-floatfile", "a.bin")
    assert finished.status == 0
    assert "openbragg: notice: -floatfile a.bin is not written by openbragg trace" in finished.complaints()
    assert not Path("a.bin").exists()


def test_a_recorded_run_can_be_traced() -> None:
    assert run("simulate", *LINE, "-floatfile", "a.bin", "--record", "run.json").status == 0
    finished = run("trace", "--from", "run.json", "--pixel", 3, 5)
    assert finished.status == 0, finished.err
    assert finished.out == traced("--pixel", 3, 5)


def test_tracing_a_pixel_of_a_large_frame_takes_little_memory() -> None:
    """Less than 10 MB beyond the experiment laid out: no array of the frame's size, 24 MB, is ever made."""
    program = """
import resource
from math import pi
import openbragg
from openbragg import Beam, Crystal, Detector, Experiment, Scan
from openbragg import Simulation
from openbragg.orchestrator.tracing import trace_of
from openbragg_tracers.traces.selection import Selection
from openbragg_tracers.traces.tracing import traced_pixel
from openbragg.orchestrator.finding.registry import default_registry
def experiment(pixels):
    return Experiment(
        crystal=Crystal(cell=(30e-10, 40e-10, 50e-10, pi / 2, pi / 2, pi / 2), cells=(30, 40, 20)),
        detector=Detector(pixels=pixels, pixel_size=172e-6, distance=0.23),
        scan=Scan(range=0.1, steps=10),
    )
factors = openbragg.plugin("structure_factors", "hkl", default_F=10.0)
tracers = [(default_registry().get("tracers", name).cls(), "openbragg") for name in ("per-phi", "scaling")]
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
layout = Simulation(experiment((2527, 2463)), structure_factors=factors, precision="double").layout()
before = peak()
made = trace_of(layout, 1039, 685)
traced = traced_pixel(made, (1039, 685), tracers, Selection())
assert len(traced.steps) == 10
print(peak() - before)
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(printed) < 10 * 1024  # kilobytes
