"""``openbragg convert``: what it writes, says and refuses; `-hkl` is tested to read the same from its table."""

from pathlib import Path

import numpy as np
import pytest

from command_line import run
from crystal_files import indices, mtz

F = np.linspace(1.0, 200.0, len(indices())).astype(np.float32)


def test_convert_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mtz(tmp_path / "a.mtz", {"FP": ("F", F)})
    Path("table.hkl").write_text("1 2 3 4\n", encoding="ascii")
    for words, status, expected in (
        (("a.mtz",), 2, "no table to write: name it with -o FILE"),
        (("table.hkl", "-o", "b.hkl"), 2, "may be a table already"),
        (("absent.mtz", "-o", "b.hkl"), 2, "may be a table already"),
        (("a.mtz", "-o", "no/folder.hkl"), 1, "there is no folder"),
        (("a.mtz", "-hkl", "a.mtz", "-o", "b.hkl"), 2, "the file stands without a flag here"),
    ):
        finished = run("convert", *words)
        assert finished.status == status, (words, finished)
        assert expected in finished.complaints()[-1]


def test_the_table_has_every_mate_and_the_report_says_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mtz(tmp_path / "a.mtz", {"FP": ("F", F)})
    finished = run("convert", "a.mtz", "--output", "b.hkl")
    assert finished.status == 0
    said = {line[:16].strip(): line[16:] for line in finished.out.splitlines()}
    table = np.loadtxt("b.hkl")
    assert said["wrote"] == f"b.hkl ({len(table)} reflections of the P1 cell)"
    assert said["space group"] == "P 1 21 1"
    assert said["unit cell"] == "12 15 18 90 103 90"
    found = {tuple(row[:3]): row[3] for row in table.astype(float).tolist()}
    for (h, k, l), amplitude in zip(indices().tolist(), F.tolist(), strict=True):
        # The twofold axis along b, and Friedel's law.
        for mate in ((h, k, l), (-h, k, -l), (h, -k, l), (-h, -k, -l)):
            assert found[mate] == pytest.approx(amplitude, rel=1e-7)
