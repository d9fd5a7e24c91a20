"""``simulate -trace_pixel``: what a run says of its pixels, as one of the files of what is known of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from command_line import SMALL, run
from openbragg.testing import check_truth_format
from openbragg_tracers.traces.reading import read_traces
from openbragg_tracers.traces.truth import Traces

IMAGE = (*SMALL, "-floatfile", "a.bin")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("options", [{"log": "a.log"}, {"json": "a.json"}])
def test_traces_keep_the_contract_of_a_truth_format(options: dict[str, str]) -> None:
    (name,) = options.values()
    check_truth_format(Traces(pixel=((1, 3), (0, 2)), **options), name)


def test_log_and_json_are_written_together_and_said_to_be() -> None:
    finished = run("simulate", *IMAGE, "-trace_pixel", 1, 2, "-trace_log", "a.log", "-trace_json", "a.json")
    assert finished.status == 0, finished.err
    image = np.fromfile("a.bin", "<f4").reshape(4, 4)
    log, document = read_traces(Path("a.log")), read_traces(Path("a.json"))
    assert (log.kind, document.kind) == ("log", "JSON")
    for traces in (log, document):
        (pixel,) = traces.pixels
        assert pixel.values["floatimage_accumulated"] == pytest.approx(float(image[1, 2]), rel=1e-14)
    assert [line for line in finished.out.splitlines() if line.startswith("wrote")] == [
        f"{'wrote':<16}a.bin (raw, photons)",
        f"{'wrote':<16}a.log (traces, trace)",
        f"{'wrote':<16}a.json (traces, trace)",
    ]


def test_the_log_goes_to_standard_output_before_the_report_unless_a_file_is_named() -> None:
    alone = run("trace", *SMALL, "--pixel", 1, 2)
    finished = run("simulate", *IMAGE, "-trace_pixel", 1, 2)
    assert finished.out.startswith(alone.out)
    assert [line for line in finished.out.splitlines() if line.startswith("wrote")] == [
        f"{'wrote':<16}a.bin (raw, photons)"
    ]
    assert run("simulate", *IMAGE, "-trace_pixel", 1, 2, "-trace_log", "-").out == finished.out
    assert "TRACE" not in run("simulate", *IMAGE, "-trace_pixel", 1, 2, "-trace_json", "a.json").out


def test_json_goes_to_standard_output_beside_a_log_in_a_file() -> None:
    finished = run("simulate", *IMAGE, "-trace_pixel", 1, 2, "-trace_json", "-", "-trace_log", "a.log")
    document, end = json.JSONDecoder().raw_decode(finished.out)
    assert document["format"] == "openbragg-trace"
    assert finished.out[end:].startswith("\noversampling ")
    assert Path("a.log").read_text().startswith("TRACE_CONFIG")


def test_a_pixel_that_is_given_twice_is_traced_once() -> None:
    run("simulate", *IMAGE, "-trace_pixel", 1, 2, "-trace_pixel", 0, 3, "-trace_pixel", 1, 2, "-trace_json", "a.json")
    pixels = read_traces(Path("a.json")).pixels
    assert [(pixel.slow, pixel.fast) for pixel in pixels] == [(1, 2), (0, 3)]


def test_a_recorded_run_with_traces_traces_again() -> None:
    words = ("-trace_pixel", 1, 2, "-trace_pixel", 3, 0, "-trace_json", "a.json", "-tracer", "scaling")
    assert run("simulate", *IMAGE, *words, "-record", "run.json").status == 0
    first = Path("a.json").read_bytes()
    Path("a.json").unlink()
    again = run("simulate", "-from", "run.json")
    assert (again.status, again.err) == (0, "")
    assert Path("a.json").read_bytes() == first
    finished = run("trace", "-from", "run.json", "--pixel", 2, 2, "--json", "b.json")
    assert finished.status == 0
    assert [pixel.slow for pixel in read_traces(Path("b.json")).pixels] == [2, 1, 3]


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("-trace_pixel 4 0", 2, "pixel 4 0 (slow, fast) is not rendered"),
        ("-trace_pixel 1 2 -trace_select phi=9", 2, "--select phi=9: the sum has 1 of that axis, counted from 0"),
        (
            "-trace_pixel 1 2 -trace_select moon=1",
            2,
            "-trace_select: expected AXIS=NUMBER or AXIS=all, AXIS one of",
        ),
        ("-trace_pixel 1 2 -tracer nobody", 1, "unknown tracer 'nobody'; installed: per-phi, scaling"),
        ("-trace_pixel 1 2 -trace_log - -trace_json -", 2, "cannot both go to standard output"),
        ("-trace_pixel 1 2 -trace_log a -trace_json a", 2, "two outputs are to be written to a"),
        ("-trace_pixel 1 2 -trace_log - -trace_json ./-", 2, "two outputs are to be written to -"),
        ("-trace_pixel 1 2.5", 2, "-trace_pixel: expected a whole number of 0 or more (pixels), got '2.5'"),
        ("-tracer scaling", 2, "-tracer: expected with -trace_pixel"),
        ("-trace_log -", 2, "-trace_log: expected with -trace_pixel"),
    ],
)
def test_what_cannot_be_traced_is_one_line_and_no_file(words: str, status: int, expected: str) -> None:
    finished = run("simulate", *IMAGE, *words.split())
    assert (finished.status, finished.out) == (status, "")
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ")
    assert expected in line
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("words", ["-trace_pixel 1 2", "-tracer scaling", "-trace_log a.log", "-trace_select phi=0"])
def test_traces_are_of_one_image(words: str) -> None:
    finished = run("simulate", *IMAGE, "-images", 2, "-osc", 1, *words.split())
    assert finished.status == 2
    assert finished.err == f"openbragg: error: {words.split()[0]}: is about one image; expected without -images\n"


def test_the_core_names_no_trace_file() -> None:
    words = ("-trace_pixel", 1, 2, "--no-plugin", "traces")
    finished = run("simulate", *IMAGE, *words)
    assert finished.status == 2
    assert "no such flag: -trace_pixel" in finished.err
    assert run("simulate", *IMAGE, "--no-plugin", "traces").status == 0
