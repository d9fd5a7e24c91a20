"""Files whose names end as those of another image format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_line import SMALL, run
from openbragg import read_image

SAME = ("simulate", *SMALL, "-seed", "1")


def written(folder: Path, *words: object) -> list[str]:
    finished = run(*SAME, *words)
    assert finished.status == 0, finished
    lines = [line.split() for line in finished.out.splitlines() if line.startswith("wrote ")]
    return [f"{Path(name).name} {kind.strip('(,')}" for _, name, kind, *_ in lines]


@pytest.mark.parametrize(("end", "kind"), [("cbf", "minicbf"), ("CBF", "minicbf"), ("tif", "tiff"), ("nxs", "nxmx")])
def test_a_name_s_end_tells_the_format(tmp_path: Path, end: str, kind: str) -> None:
    file = tmp_path / f"a.{end}"
    assert written(tmp_path, "-noisefile", file) == [f"a.{end} {kind}"]
    written(tmp_path, "-noisefile", tmp_path / "b.img", "-adc", "0")
    counts, smv = (read_image(name).pixels for name in (file, tmp_path / "b.img"))
    np.testing.assert_array_equal(counts, smv)


def test_it_is_said_and_the_reference_s_habit_can_be_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "a.cbf"
    (line,) = (line for line in run(*SAME, "-intfile", file).err.splitlines() if "written as" in line)
    assert "is written as minicbf" in line and line.endswith("to do the same: --compat smv-header")
    assert written(tmp_path, "-intfile", file, "--compat", "smv-header") == ["a.cbf smv"]


def test_other_names_and_raw_floats_are_what_their_flag_says(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.dat", "b.cbf")]
    assert sorted(written(tmp_path, "-noisefile", files[0], "-floatfile", files[1])) == ["a.dat smv", "b.cbf raw"]


def test_the_last_name_counts_and_two_of_a_kind_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "a.cbf", tmp_path / "b.img"
    assert written(tmp_path, "-noisefile", one, "-noisefile", other) == ["b.img smv"]
    assert written(tmp_path, "-noisefile", other, "-noisefile", one) == ["a.cbf minicbf"]
    (line,) = run(*SAME, "-noisefile", one, "-cbf", tmp_path / "c.cbf").complaints()
    assert line.endswith("a.cbf and -cbf are the same kind of file: one is written")


def test_a_record_repeats_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "-noisefile", "a.cbf", "-record", "run.json")
    first = Path("a.cbf").read_bytes()
    Path("a.cbf").unlink()
    assert run("simulate", "--from", "run.json").status == 0
    assert Path("a.cbf").read_bytes() == first
