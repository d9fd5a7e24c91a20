"""Children: what is measured of them, and what is said when they fail."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.processes import run
from openbragg.errors import InputError


def python(code: str, folder: Path, timeout: float | None = None, **environment: str) -> tuple[float, int]:
    finished = run((sys.executable, "-c", code), folder, environment, timeout=timeout)
    return finished.seconds, finished.peak_memory


def test_time_is_at_least_what_the_child_slept_and_memory_what_it_held(tmp_path: Path) -> None:
    seconds, memory = python("import time; time.sleep(0.2); held = b'x' * 300_000_000", tmp_path)
    assert seconds >= 0.2
    assert memory > 300e6


def test_a_child_runs_in_its_folder_with_its_variables(tmp_path: Path) -> None:
    python("import os; open(os.environ['NAME'], 'w').close()", tmp_path, NAME="made")
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('why', file=sys.stderr); sys.exit(3)", "exit status 3: why"),
        ("import sys; print('why'); sys.exit(3)", "exit status 3: why"),
        ("import sys; sys.exit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
    ],
)
def test_a_failure_is_one_line_with_the_childs_last(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        python(code, tmp_path)
    assert str(caught.value).endswith(said)
    assert "\n" not in str(caught.value)


def test_a_child_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    begin = time.perf_counter()
    with pytest.raises(InputError, match="stopped after 1 s"):
        python(code, tmp_path, timeout=1.0)
    assert time.perf_counter() - begin < 30.0
    grandchild = int((tmp_path / "stdout.txt").read_text(encoding="utf-8"))
    for _ in range(100):
        if not Path(f"/proc/{grandchild}/cmdline").exists() or not Path(f"/proc/{grandchild}/cmdline").read_bytes():
            break
        time.sleep(0.05)
    else:
        os.kill(grandchild, 9)
        pytest.fail("the grandchild lives on")


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot run nosuch"):
        run(("nosuch",), tmp_path, {})
