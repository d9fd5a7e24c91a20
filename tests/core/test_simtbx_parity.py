"""The measured cases of simtbx, where they are at hand; they lie outside the project, in ``../shared/simtbx``."""

import subprocess
import sys
from pathlib import Path

import pytest

import simtbx_parity

pytestmark = pytest.mark.skipif(
    not (simtbx_parity.CASES / "cases.json").is_file(), reason="the measured cases of simtbx are absent"
)


def test_all_cases_are_the_peer_s(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["simtbx_parity.py"])
    status = simtbx_parity.main()
    *lines, last = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if not line.startswith("ok")]
    assert status == 0, failed
    assert last == f"{len(lines)} of {len(lines)} within 1e-05"


def test_a_case_that_differs_is_said_and_fails(tmp_path: Path) -> None:
    script = Path(simtbx_parity.__file__)
    finished = subprocess.run(
        [sys.executable, script, "--only", "c2_square", "--limit", "1e-20"], capture_output=True, text=True, check=False
    )
    line, last = finished.stdout.splitlines()
    assert line.startswith("FAIL c2_square")
    assert (finished.returncode, last) == (1, "0 of 1 within 1e-20")
