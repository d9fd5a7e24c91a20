"""Backgrounds on the command line and from Python: chosen, added up, recorded, repeated, in a series."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import openbragg
from command_line import SMALL, run

MODEL = (*SMALL, "-fluence", "1e22", "-oversample", "1")
TABLE = "# stol F\n0 2.57\n0.1 5\n0.3 4\n"

pytestmark = pytest.mark.usefixtures("_folder")


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.stol").write_text(TABLE)


def photons(*words: object, name: str = "a.bin") -> np.ndarray[Any, Any]:
    finished = run("simulate", *MODEL, *words, "-nonoise", "-floatfile", name)
    assert finished.status == 0, finished.err
    return np.fromfile(name, "<f4").astype(float)


def test_backgrounds_are_chosen_by_name_or_by_an_option_and_add_up() -> None:
    none = photons()
    parts = {
        word: photons(*word.split()) - none
        for word in ("-background water", "-background air", "-ice_width 0.5", "-uniform_photons 7", "-stol a.stol")
    }
    for word, part in parts.items():
        assert part.min() > 0.0, word
    together = photons(*(word for words in parts for word in words.split()))
    np.testing.assert_allclose(together - none, sum(parts.values()), rtol=1e-4)
    twice = photons("-background", "water", "-background", "water", "-solvent_thick", "0.1")
    np.testing.assert_allclose(twice - none, parts["-background water"], rtol=1e-6)


def test_the_run_says_which_backgrounds_it_has() -> None:
    finished = run("simulate", *MODEL, "-ice_width", "0.02", "-background", "water", "-nonoise", "-floatfile", "a.bin")
    assert "\nbackgrounds     ice, water\n" in finished.out
    assert "backgrounds" not in run("simulate", *MODEL, "-nonoise", "-floatfile", "a.bin").out


def test_a_mask_and_a_region_keep_backgrounds_out() -> None:
    found = photons("-background", "water", "-roi", 1, 2, 0, 3).reshape(4, 4)
    assert (found[:, 1:3] > 0).all()
    assert (found[:, [0, 3]] == 0).all()
    mask = np.ones((4, 4), "<u2")
    mask[2, 1] = 0
    head = "{\nHEADER_BYTES=512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1=4;\nSIZE2=4;\n}\n"
    Path("m.img").write_bytes(head.encode().ljust(512) + mask.tobytes())
    found = photons("-uniform_photons", 5, "-mask", "m.img").reshape(4, 4)
    assert found[2, 1] == 0 and (found > 0).sum() == 15


def test_water_of_the_reference_is_what_it_was_beside_other_backgrounds() -> None:
    none, water, both = photons(), photons("-water", 50), photons("-water", 50, "-uniform_photons", 5)
    assert (water > none).all()
    # Of single precision, at a few thousand photons.
    np.testing.assert_allclose(both - water, 5.0, atol=1e-6 * both.max())


def test_a_record_has_the_backgrounds_and_repeats_them() -> None:
    words = (*MODEL, "-stol", "a.stol", "-thick", "0.3", "-background", "ice", "-seed", "1")
    finished = run("simulate", *words, "-floatfile", "a.bin", "-record", "a.json")
    assert finished.status == 0
    used = [each for each in json.loads(Path("a.json").read_text())["plugins"] if each["role"] == "backgrounds"]
    assert [each["name"] for each in used] == ["table", "ice"]
    assert used[0]["options"]["thickness"] == 0.3 / 1000
    assert "a.stol" in [each["path"] for each in json.loads(Path("a.json").read_text())["inputs"]]
    finished = run("simulate", "--from", "a.json", "-floatfile", "b.bin")
    assert finished.status == 0 and "is not what the run" not in finished.err
    assert Path("b.bin").read_bytes() == Path("a.bin").read_bytes()
    loaded = openbragg.load_run("a.json")
    assert [background.name for background in loaded.simulation.backgrounds] == ["table", "ice"]
    np.testing.assert_allclose(
        loaded.simulation.rendering().images[0].numpy().reshape(-1), np.fromfile("a.bin", "<f4"), rtol=1e-6
    )
    Path("a.stol").write_text(TABLE + "0.5 1\n")
    assert "a.stol" in run("simulate", "--from", "a.json", "-floatfile", "b.bin").err


def test_every_image_of_a_series_has_the_background_and_another_one_is_another_series() -> None:
    words = (*MODEL, "-osc", "1", "-phisteps", "1", "-nonoise", "--images", "3", "-floatfile", "s.bin")
    assert run("simulate", *words).status == 0
    bare = [np.fromfile(f"s_{number:04d}.bin", "<f4") for number in (1, 2, 3)]
    other = run("simulate", *words, "-uniform_photons", "4")
    assert other.status == 1 and "backgrounds" in other.err
    assert run("simulate", *words, "-uniform_photons", "4", "-restart").status == 0
    for number, image in enumerate(bare, start=1):
        np.testing.assert_allclose(np.fromfile(f"s_{number:04d}.bin", "<f4") - image, 4.0, rtol=1e-5)


def test_counts_are_drawn_around_crystal_and_background() -> None:
    words = (*SMALL, "-detpixels", 60, "-default_F", 1e-3, "-uniform_photons", 100, "-seed", 1, "-adc", 0)
    assert run("simulate", *words, "-noisefile", "a.img").status == 0
    counts = np.frombuffer(Path("a.img").read_bytes()[-7200:], "<u2").astype(float)
    # Five standard errors of 3600 deviates.
    assert counts.mean() == pytest.approx(100, abs=5 * 10 / 60)
    assert counts.var() == pytest.approx(100, rel=5 * (2 / 3600) ** 0.5)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("-background nosuch", 1, "unknown background 'nosuch'; installed: air, ice, table, uniform, water"),
        ("-background uniform", 2, "the background uniform: expected one of -uniform_photons and -uniform_density"),
        ("-background table", 2, "the background table: expected one file with -stol, -4stol or -Q, got 0"),
        ("-stol a.stol -Q a.stol", 2, "the background table: expected one file with -stol, -4stol or -Q, got 2"),
        ("-stol nosuch.stol", 1, "cannot read nosuch.stol: No such file or directory"),
        ("-thick -1 -stol a.stol", 2, "-thick: expected a number of 0 or more (mm), got '-1'"),
        ("-MW 0 -stol a.stol", 2, "-MW: expected a number above 0 (g/mol), got '0'"),
        ("-ice_width 0", 2, "-ice_width: expected a number above 0 (1/A), got '0'"),
        ("-solvent_thick nan", 2, "-solvent_thick: expected a number of 0 or more (mm), got 'nan'"),
    ],
)
def test_what_cannot_be_is_one_line(words: str, status: int, text: str) -> None:
    finished = run("simulate", *MODEL, "-nonoise", "-floatfile", "a.bin", *words.split())
    assert finished.status == status
    complaints = [line for line in finished.complaints() if "notice" not in line]
    assert len(complaints) == 1 and text in complaints[0]
    assert not Path("a.bin").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no amplitudes in the file"),
        ("# nothing\n\n", "no amplitudes in the file"),
        ("0\n", "line 1: expected two numbers, stol and F, got '0'"),
        ("0 2.57\n0.1\n", "line 2: expected two numbers"),
        ("0 2.57\n\n# so\n0.1 x\n", "line 4: expected two numbers, stol and F, got '0.1 x'"),
        ("stol F\n0 2.57\n", "line 1: expected two numbers, stol and F, got 'stol F'"),
        ("0 2.57 1 2 3\n", "line 1: expected two numbers"),
        ("0,2.57\n", "line 1: expected two numbers"),
        ("0 nan\n", "line 1: expected two numbers"),
        ("0 inf\n", "line 1: expected two numbers"),
        ("0 1e999\n", "line 1: expected two numbers"),
        ("0 1e13\n", "line 1: expected stol and F from 0 to 1e+12, got '0 1e13'"),
        ("-0.1 2.57\n", "line 1: expected stol and F from 0 to 1e+12"),
        ("0 -2.57\n", "line 1: expected stol and F from 0 to 1e+12"),
        ("0.1 2\n0.1 3\n", "line 2: expected a stol above the 0.1 before, got '0.1 3'"),
        ("0.2 2\n0.1 3\n", "line 2: expected a stol above the 0.2 before"),
        ("0 1\n0.3 2\n0.2 1\n", "line 3: expected a stol above the 0.3 before"),
        ("0 1\n" + "1" * 9000 + "\n", "line 2: too long for a table of amplitudes"),
        ("0 2.57 # forward\n", "line 1: expected two numbers"),
        ("\0\0\0\0", "line 1: expected two numbers"),
        ("{\nHEADER_BYTES=512;\n}", "line 1: expected two numbers"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_its_own(text: str, line: str) -> None:
    Path("a.stol").write_text(text)
    finished = run("simulate", *MODEL, "-nonoise", "-floatfile", "a.bin", "-stol", "a.stol")
    assert finished.status == 1
    (complaint,) = [each for each in finished.complaints() if "notice" not in each]
    assert complaint.startswith("openbragg: error: a.stol")
    assert line in complaint and complaint.isprintable()


def test_python_takes_objects_and_names_and_refuses_what_is_no_background() -> None:
    def background_of(chosen: Any) -> openbragg.Background:
        (made,) = openbragg.Simulation(
            openbragg.Experiment(crystal=openbragg.Crystal(cell=(5e-9, 5e-9, 5e-9, 1.5, 1.5, 1.5))),
            backgrounds=[chosen],
        ).backgrounds
        return made

    assert background_of("water").name == "water"
    for wrong in (openbragg.plugin("noise_models", "poisson"), type(background_of("ice")), 3):
        with pytest.raises(openbragg.UsageError, match="expected a background or the name of one"):
            background_of(wrong)
    with pytest.raises(openbragg.PluginError, match="unknown background 'nosuch'"):
        background_of("nosuch")
