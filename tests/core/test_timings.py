"""``--timings``: what is written of a run's time and memory. How long things take is no matter of these tests."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from command_line import SMALL, run
from openbragg.orchestrator.stopwatch import STAGES, Stopwatch, process_age


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def timings(*words: object) -> dict[str, Any]:
    """The timings of a small run that succeeded."""
    finished = run("simulate", *SMALL, "-floatfile", "out.bin", "-oversample", 2, "--timings", "a.json", *words)
    assert finished.status == 0, finished.err
    assert "a.json (timings)" in finished.out
    content: dict[str, Any] = json.loads(Path("a.json").read_text(encoding="utf-8"))
    return content


def test_timings_say_what_was_run() -> None:
    content = timings("-phisteps", 3, "-osc", 1, "-precision", "double")
    assert set(content) == {
        *("openbragg", "engine", "threads", "precision", "device", "pixels", "terms", "seconds"),
        *("peak_memory_bytes", "peak_device_memory_bytes"),
    }
    assert (content["precision"], content["device"]) == ("double", "cpu")
    assert content["threads"] >= 1
    assert timings("-threads", 3)["threads"] == 3
    assert (content["pixels"], content["terms"]) == (16, 16 * 4 * 3)


def test_only_rendered_pixels_count() -> None:
    assert timings("-roi", 1, 2, 0, 2)["pixels"] == 6


def test_stages_add_up_to_no_more_than_the_whole() -> None:
    seconds = timings()["seconds"]
    assert set(seconds) == {"start", *STAGES, "total"}
    parts = [value for name, value in seconds.items() if name != "total" and value is not None]
    assert min(parts) >= 0.0 and 0.0 < sum(parts) <= seconds["total"]
    assert seconds["render"] > 0.0


def test_peak_memory_is_that_of_a_process_with_torch_loaded() -> None:
    assert 50e6 < timings()["peak_memory_bytes"] < 1e11


def test_a_stage_that_comes_again_is_added_up_also_after_an_error() -> None:
    stopwatch = Stopwatch()

    def nap() -> None:
        with stopwatch.stage("render"):
            time.sleep(0.01)
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            nap()
    seconds = stopwatch.seconds()
    assert seconds["render"] is not None and seconds["render"] >= 0.02
    assert seconds["start"] is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux says when a process was started")
def test_age_of_a_process_counts_from_its_start() -> None:
    code = (
        "import time; time.sleep(0.3); from openbragg.orchestrator.stopwatch import process_age; print(process_age())"
    )
    begin = time.perf_counter()
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    around = time.perf_counter() - begin
    # The system counts in hundredths of a second.
    assert 0.3 - 0.02 <= float(finished.stdout) <= around + 0.02
    age = process_age()
    assert age is not None and age > 0.0


def test_timings_are_checked_before_the_work_and_replace_a_file_whole() -> None:
    refused = run("simulate", *SMALL, "-floatfile", "out.bin", "--timings", "missing/a.json")
    assert refused.status == 1
    assert refused.err.splitlines()[-1].startswith("openbragg: error: cannot write missing/a.json")
    assert not Path("out.bin").exists()
    assert run("simulate", *SMALL, "-floatfile", "a.json", "--timings", "a.json").status == 2
    Path("a.json").write_text("old", encoding="utf-8")
    timings()
    assert {path.name for path in Path().iterdir()} == {"a.json", "out.bin"}


def test_the_usual_files_are_written_beside_the_timings() -> None:
    assert run("simulate", *SMALL, "-nonoise", "--timings", "a.json").status == 0
    assert {path.name for path in Path().iterdir()} == {"a.json", "floatimage.bin", "intimage.img", "image.pgm"}


def test_a_trace_says_that_it_writes_none() -> None:
    finished = run("trace", *SMALL, "--pixel", 1, 1, "--timings", "a.json")
    assert finished.status == 0
    assert "-timings a.json is not written by openbragg trace" in finished.err
    assert not Path("a.json").exists()
