"""`-hkl` with files of every kind, `openbragg convert`, and what a plugin of another package takes part in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
import torch

from command_line import CRYSTAL, run
from crystal_files import CELL, indices, model_cif, mtz, pdb, reflection_cif, small_cif
from openbragg import Crystal, Detector, Experiment, KnownCrystal, Simulation, UsageError, option, structure_factors_of
from openbragg.orchestrator.finding.recognition import recognised
from openbragg.orchestrator.finding.registry import load
from openbragg.roles import Registry
from openbragg_plugins.structure_factors.file_table import FileTable

CAMERA = (*"-distance 60 -detpixels 24 -pixel 2 -N 3 -oversample 1 -engine eager -floatfile".split(),)
F = np.linspace(1.0, 200.0, len(indices())).astype(np.float32)


def made(folder: Path, kind: str) -> Path:
    write: dict[str, Callable[[Path], Path]] = {
        "a.mtz": lambda path: mtz(path, {"FP": ("F", F)}),
        "a-sf.cif": lambda path: reflection_cif(path, {"F_meas_au": [f"{value:.3f}" for value in F]}),
        "a.pdb": pdb,
        "a.cif": model_cif,
        "small.cif": small_cif,
    }
    return write[kind](folder / kind)


KINDS = ("a.mtz", "a-sf.cif", "a.pdb", "a.cif", "small.cif")


@pytest.mark.parametrize("kind", KINDS)
def test_one_flag_is_enough_and_a_converted_table_gives_the_same_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = made(tmp_path, kind)
    # The name of a file does not matter.
    file = file.rename(tmp_path / "factors")
    resolution = () if "mtz" in kind or "sf" in kind else ("-resolution", "2.5")
    first = run("simulate", "-hkl", file, "-lambda", "1", *resolution, *CAMERA, "first.bin", "-default_F", "3")
    assert (first.status, [line for line in first.complaints() if "error" in line]) == (0, [])
    assert "space group     P 1 21 1" in first.out
    converted = run("convert", file, "-o", "table.hkl", *resolution)
    assert converted.status == 0
    assert "reflections of the P1 cell" in converted.out and "100.0% of all to there" in converted.out
    cell = ("-cell", "12", "15", "18", "90", "103", "90")
    second = run("simulate", "-hkl", "table.hkl", *cell, "-lambda", "1", *CAMERA, "second.bin", "-default_F", "3")
    assert second.status == 0
    images = [np.fromfile(name, dtype="<f4") for name in ("first.bin", "second.bin")]
    assert images[0].max() > 0.0
    # The table has nine digits, the image seven.
    np.testing.assert_allclose(images[0], images[1], rtol=3e-6, atol=1e-6 * images[0].max())


def test_the_record_has_the_file_and_repeats_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = made(tmp_path, "a.pdb")
    words = ("-hkl", file, "-k_sol", "0.3", *CAMERA, "first.bin", "-record", "run.json")
    assert run("simulate", *words).status == 0
    record = json.loads(Path("run.json").read_text(encoding="ascii"))
    assert [(entry["flag"], entry["path"]) for entry in record["inputs"]] == [("-hkl", str(file))]
    assert run("simulate", "-from", "run.json", "-floatfile", "second.bin").status == 0
    assert Path("first.bin").read_bytes() == Path("second.bin").read_bytes()


def test_a_cell_that_contradicts_the_file_is_refused_with_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = made(tmp_path, "a.mtz")
    near = run("simulate", "-hkl", file, *"-cell 12.1 15.1 18 90 103.5 90".split(), *CAMERA, "a.bin")
    assert near.status == 0
    far = run("simulate", "-hkl", file, *"-cell 12.2 15 18 90 103 90".split(), *CAMERA, "b.bin")
    (line,) = (line for line in far.complaints() if "error" in line)
    assert far.status == 1
    assert "12.2 15 18 90 103 90 (-cell) is not 12 15 18 90 103 90 of" in line and "more than 1%" in line
    assert not Path("b.bin").exists()


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (("-hkl", "a.mtz", "-k_sol", "1"), 1, "not a model"),
        (("-hkl", "a.mtz", "-structure_factors", "model"), 1, "not a model"),
        (("-hkl", "a.mtz", "-structure_factors", "hkl", *CRYSTAL), 1, "expected h k l F"),
        (("-hkl", "a.mtz", "-dump", "a.dump"), 2, "-dump belongs to the structure factors hkl, not reflections"),
        (("-hkl", "a.mtz", "-F_label", "FX"), 1, "there is no column 'FX'"),
        (("-hkl", "a.mtz", "-F_label", "FP", "-k_sol", "1"), 2, "two structure factors at once"),
    ],
)
def test_flags_that_do_not_go_with_the_file_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], status: int, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    made(tmp_path, "a.mtz")
    finished = run("simulate", *words, *CAMERA, "a.bin")
    assert finished.status == status
    assert expected in finished.complaints()[-1]


@attrs.frozen(eq=False)
class Theirs(FileTable):
    """Structure factors of another package."""

    name: ClassVar[str] = "theirs"
    summary: ClassVar[str] = "a file that begins with THEIRS"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".theirs",)
    more: float | None = option("-more", help="Something else.")

    @classmethod
    def recognises(cls, beginning: bytes) -> bool:
        return beginning.startswith(b"THEIRS")

    def crystal(self) -> KnownCrystal:
        return KnownCrystal(source=str(self.file))


def with_theirs(*classes: Any) -> Registry:
    registry = load()
    model = next(found for found in registry.found if found.name == "model")
    more = tuple(attrs.evolve(model, cls=cls, distribution="theirs") for cls in classes)
    return attrs.evolve(registry, found=(*registry.found, *more))


def test_a_plugin_of_another_package_says_which_files_it_reads(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"THEIRS 1 2 3")
    (tmp_path / "b.theirs").write_bytes(b"")
    (tmp_path / "c").write_bytes(b"1 2 3 4")
    registry = with_theirs(Theirs)
    names = [recognised(registry, "structure_factors", tmp_path / name) for name in ("a", "b.theirs", "c", "absent")]
    assert [found and found.name for found in names] == ["theirs", "theirs", None, None]

    twin = attrs.make_class("Twin", [], bases=(Theirs,), frozen=True, eq=False)
    twin.name = "twin"
    with pytest.raises(UsageError, match="is recognised by theirs and twin: choose one with -structure_factors"):
        recognised(with_theirs(Theirs, twin), "structure_factors", tmp_path / "a")


def test_python_finds_the_plugin_too(tmp_path: Path) -> None:
    assert structure_factors_of(made(tmp_path, "a.pdb"), resolution=3e-10).name == "model"
    assert structure_factors_of(made(tmp_path, "a.mtz")).name == "reflections"
    (tmp_path / "table.hkl").write_text("1 2 3 4\n", encoding="ascii")
    assert structure_factors_of(tmp_path / "table.hkl").name == "hkl"
    by_flag = structure_factors_of(made(tmp_path, "a.mtz"), F_label="F")
    assert attrs.asdict(by_flag)["amplitudes"] == "F"  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no option 'lable'; did you mean"):
        structure_factors_of(made(tmp_path, "a.mtz"), lable="F")


def crystal_of(scale: float, **changes: Any) -> Crystal:
    """A crystal of the file's cell, its axes so many times longer."""
    cell = (*(length * scale * 1e-10 for length in CELL[:3]), *np.radians(CELL[3:]).tolist())
    return Crystal(**{"cell": cell, "cells": (3, 3, 3), "misset": (0.1, 0.2, 0.3), **changes})


def test_a_fit_may_leave_the_cell_of_the_model_and_python_is_told(tmp_path: Path) -> None:
    factors = structure_factors_of(made(tmp_path, "a.pdb"), resolution=3e-10)
    camera = Detector(pixels=(8, 8), pixel_size=4e-3, distance=0.06)
    simulation = Simulation(Experiment(crystal=crystal_of(1.0), detector=camera), structure_factors=factors)
    assert not any("unit cell" in line for line in simulation.notices)
    # An optimiser's step: the cell carries a gradient, and the image follows it.
    cell = torch.tensor(crystal_of(1.03).cell, dtype=torch.float64, requires_grad=True)
    moved = simulation.evolve(crystal=crystal_of(1.0, cell=tuple(cell.unbind())))
    moved.photons().sum().backward()
    assert cell.grad is not None and bool(cell.grad.abs().max() > 0.0)
    assert not any("unit cell" in line for line in moved.notices)
    # A cell that is drawn: plain numbers, from Python.
    drawn = simulation.evolve(crystal=crystal_of(1.03))
    torch.testing.assert_close(drawn.photons(), moved.photons().detach())
    assert sum("differ by more than 1%" in line for line in drawn.notices) == 1


def test_reflections_without_a_cell_take_that_of_the_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(
        f"{h:4d}{k:4d}{l:4d}  {50 + 3 * h + 2 * k - l:10.2f}  -  1.00  4\n" for h, k, l in indices().tolist()
    )
    header = "   h    k    l          I    phase   sigma(I)   nmeas\n"
    text = f"CrystFEL reflection list version 2.0\nSymmetry: 2/m_uab\n{header}{rows}End of reflections\n"
    Path("list.hkl").write_text(text, encoding="ascii")
    cell = ("-cell", "12", "15", "18", "90", "103", "90")
    assert run("simulate", "-hkl", "list.hkl", *cell, *CAMERA, "a.bin").status == 0
    assert run("convert", "list.hkl", "-o", "table.hkl").status == 0
    assert run("simulate", "-hkl", "table.hkl", *cell, *CAMERA, "b.bin").status == 0
    images = [np.fromfile(name, dtype="<f4") for name in ("a.bin", "b.bin")]
    assert images[0].max() > 0.0
    np.testing.assert_allclose(images[0], images[1], rtol=3e-6, atol=1e-6 * images[0].max())  # nine and seven digits
    lacking = run("simulate", "-hkl", "list.hkl", *CAMERA, "c.bin")
    assert lacking.status == 2 and "no crystal" in lacking.complaints()[-1]
    wrong = run("simulate", "-hkl", "list.hkl", "-cell", "12", "15", "18", "90", "103", "95", *CAMERA, "c.bin")
    assert wrong.status == 1 and "impossible in the space group" in wrong.complaints()[-1]
    assert not Path("c.bin").exists()
