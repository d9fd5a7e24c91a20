"""``openbragg simulate``: the files it writes, what it reports, and what it warns of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from command_line import CRYSTAL, SMALL, Finished, run
from openbragg import read_image

PROGRAM = (sys.executable, "-c", "import sys; from openbragg.cli.main import main; sys.exit(main(sys.argv[1:]))")
MATRIX = "0.02 0 0\n0 0.02 0\n0 0 0.02\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(*words: object) -> Finished:
    """A simulation of the small model that succeeded."""
    finished = run("simulate", *SMALL, *words)
    assert finished.status == 0, finished.err
    return finished


def reported(finished: Finished) -> dict[str, str]:
    """What stdout says, by its first words; files apart."""
    rows = [re.split(r"\s{2,}", line, maxsplit=1) for line in finished.out.splitlines()]
    return {row[0]: row[1] for row in rows if row[0] != "wrote"}


def photons(name: str = "out.bin", shape: tuple[int, int] = (4, 4)) -> NDArray[np.float32]:
    return np.fromfile(name, dtype="<f4").reshape(shape)


def notices(*words: object) -> list[str]:
    """Names of the notices of a run, each of which is one line."""
    lines = done("-floatfile", "out.bin", *words).complaints()
    assert all(line.startswith("openbragg: notice: ") for line in lines)
    return [line.removeprefix("openbragg: notice: ").split(":")[0] for line in lines]


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("", {"floatimage.bin", "intimage.img", "image.pgm", "noiseimage.img"}),
        ("-nonoise", {"floatimage.bin", "intimage.img", "image.pgm"}),
        ("-noise nonoise", {"floatimage.bin", "intimage.img", "image.pgm"}),
        ("-nopgm", {"floatimage.bin", "intimage.img", "noiseimage.img"}),
        ("-nopgm -nonoise", {"floatimage.bin", "intimage.img"}),
        ("-floatfile a", {"a"}),
        ("-intfile a", {"a"}),
        ("-pgmfile a", {"a"}),
        ("-noisefile a", {"a"}),
        ("-pngfile a", {"a"}),
        ("-noisepng a", {"a"}),
        ("-nonoise -floatfile a", {"a"}),
        ("-floatfile a -intfile b -pgmfile c -noisefile d -pngfile e -noisepng f", set("abcdef")),
        ("-floatfile a -floatimage b", {"b"}),
    ],
)
def test_the_files_asked_for_are_written_or_else_those_of_the_reference(
    folder: Path, words: str, files: set[str]
) -> None:
    finished = done("-seed", "1", *words.split())
    assert {path.name for path in folder.iterdir()} == files
    wrote = [line.split()[1] for line in finished.out.splitlines() if line.startswith("wrote")]
    assert sorted(wrote) == sorted(files)


def test_a_file_may_lie_in_another_folder(folder: Path) -> None:
    (folder / "inner").mkdir()
    done("-floatfile", "inner/a.bin")
    done("-floatfile", folder / "inner" / "b.bin")
    assert Path("inner/a.bin").read_bytes() == Path("inner/b.bin").read_bytes()
    assert {path.name for path in folder.iterdir()} == {"inner"}


def test_the_report_says_what_was_chosen_and_what_came_out() -> None:
    finished = done("-nonoise")
    report = reported(finished)
    image = photons("floatimage.bin").astype(float)
    assert report["convention"] == "mosflm"
    assert report["pivot"] == "beam"
    assert report["oversampling"] == "1 x 1 subpixels"
    assert report["mosaic domains"] == "1"
    assert report["lattice shape"] == "square"
    words = report["largest"].split()
    slow, fast = int(words[4].rstrip(",")), int(words[6])
    assert float(words[0]) == pytest.approx(image.max(), rel=1e-5)
    assert image[slow, fast] == image.max()
    assert float(report["mean"]) == pytest.approx(image.mean(), rel=1e-5)
    rms, rmsd = (float(word) for word in report["rms"].split(", rmsd "))
    # Six digits are printed.
    assert rms == pytest.approx(np.sqrt((image**2).sum() / 15), rel=1e-5)
    assert rmsd == pytest.approx(image.std(ddof=1), rel=1e-5)
    assert "wrote           floatimage.bin (raw, photons)" in finished.out.splitlines()


@pytest.mark.parametrize(
    ("words", "word", "said"),
    [
        ("-fdet_vector 0 0 1", "convention", "custom"),
        ("-twotheta 5 -spindle_axis 0 0 1", "pivot", "sample"),
        ("-oversample 3", "oversampling", "3 x 3 subpixels"),
        ("-pixel 1", "oversampling", "5 x 5 subpixels"),
        ("-mosaic 1", "mosaic domains", "10"),
        ("-mosaic 1 -mosaic_domains 3", "mosaic domains", "3"),
        ("-gauss_xtal", "lattice shape", "gauss"),
        ("-xtal_x 0.0001", "cells", "20 x 3 x 3"),
        ("-misset random -misset_seed 12345", "misset", "105.721 -34.9513 -97.8236 degrees, random with seed 12345"),
    ],
)
def test_the_report_says_each_choice(words: str, word: str, said: str) -> None:
    assert reported(done("-floatfile", "a", *words.split()))[word] == said


def test_a_seed_from_the_clock_is_reported_and_repeats_the_run() -> None:
    first = reported(done("-misset", "random", "-noisefile", "first.img"))
    crystal, noise = first["misset"].split()[-1], first["noise seed"]
    done("-misset", "random", "-misset_seed", crystal, "-seed", noise, "-noisefile", "second.img")
    assert Path("first.img").read_bytes() == Path("second.img").read_bytes()


def test_one_seed_is_one_noise_image_and_another_is_another() -> None:
    for name, seed in (("a.img", 5), ("b.img", 5), ("c.img", 6)):
        done("-seed", seed, "-noisefile", name)
    first, again, other = (Path(name).read_bytes() for name in ("a.img", "b.img", "c.img"))
    assert first == again
    assert first[:512] == other[:512]
    assert first != other


def test_noise_changes_no_other_file() -> None:
    done("-seed", "1", "-floatfile", "a.bin", "-noisefile", "a.img")
    done("-nonoise", "-floatfile", "b.bin")
    assert Path("a.bin").read_bytes() == Path("b.bin").read_bytes()


def test_a_region_leaves_the_rest_zero_and_the_inside_as_it_was() -> None:
    done("-nonoise", "-floatfile", "whole.bin", "-intfile", "whole.img", "-scale", "5")
    done("-nonoise", "-floatfile", "part.bin", "-intfile", "part.img", "-scale", "5", "-roi", 1, 2, 0, 2)
    inside = np.zeros((4, 4), dtype=bool)
    inside[0:3, 1:3] = True
    whole, part = photons("whole.bin"), photons("part.bin")
    assert (part[~inside] == 0).all()
    assert (part[inside] == whole[inside]).all()
    counts = [read_image(name).pixels for name in ("whole.img", "part.img")]
    assert (counts[1][~inside] == 0).all()
    assert (counts[1][inside] == counts[0][inside]).all()


def test_the_statistics_are_those_of_the_region() -> None:
    report = reported(done("-floatfile", "out.bin", "-roi", 1, 2, 2, 3))
    part = photons()[2:4, 1:3].astype(float)
    assert float(report["mean"]) == pytest.approx(part.mean(), rel=1e-5)
    words = report["largest"].split()
    assert photons()[int(words[4].rstrip(",")), int(words[6])] == part.max()


def test_a_region_that_reaches_beyond_the_detector_is_cut_with_a_notice() -> None:
    finished = done("-floatfile", "out.bin", "-roi", -1, 2, 3, 10)
    (line,) = finished.complaints()
    assert "-roi -1 2 3 10" in line
    assert "0 2 3 3" in line
    assert (photons()[:3] == 0).all()
    assert (photons()[3, :3] > 0).all()


@pytest.mark.parametrize("words", [(), ("-noprogress",)], ids=str)
def test_stderr_is_quiet_in_a_pipe(words: tuple[str, ...]) -> None:
    line = [*PROGRAM, "simulate", *SMALL, "-floatfile", "out.bin", *words]
    finished = subprocess.run(line, capture_output=True, text=True, check=True)
    assert finished.stderr == ""
    assert "wrote" in finished.stdout


def test_progress_shows_a_bar_even_in_a_pipe() -> None:
    assert "rendering" in done("-floatfile", "out.bin", "-progress").err


def test_a_terminal_gets_a_bar_unless_told_not_to() -> None:
    pty = pytest.importorskip("pty")
    shown = {}
    for words in ((), ("-noprogress",)):
        reader, writer = pty.openpty()
        line = [*PROGRAM, "simulate", *SMALL, "-floatfile", "out.bin", *words]
        subprocess.run(line, stderr=writer, stdout=subprocess.DEVNULL, check=True)
        os.write(writer, b"end")
        os.close(writer)
        shown[words] = os.read(reader, 100_000)
        os.close(reader)
    assert b"rendering" in shown[()]
    assert shown[("-noprogress",)] == b"end"


@pytest.mark.parametrize(
    ("words", "carried"),
    [
        ("", False),
        ("-osc 1", True),
        ("-phi 0 -osc 1 -phisteps 5", True),
        ("-phi -1 -osc 2 -phisteps 2", True),
        ("-phi -2 -osc 2 -phisteps 2", False),
        ("-phi 5 -osc 1", False),
        ("-phi -0.5 -osc 1 -phisteps 1", False),
        ("-osc 1 -phisteps 1", False),
        ("-osc 0 -phisteps 5", False),
        ("-phistep 0.1", True),
        ("-phi -1 -osc 1.5 -phisteps 2", False),
    ],
)
def test_phi_carryover_is_noticed_exactly_when_a_turning_scan_is_at_zero(words: str, carried: bool) -> None:
    assert ("phi-carryover" in notices(*words.split())) == carried
    assert "phi-carryover" not in notices("--compat", "nanobragg", *words.split())
    assert "phi-carryover" not in notices("--compat", "phi-carryover", *words.split())


@pytest.mark.parametrize(
    ("words", "ignored"),
    [
        ("-pix0_vector 0.09 0.02 -0.018", True),
        ("-pix0_vector_mm 90 20 -18", True),
        ("-pix0_vector 0.1 0.0002 -0.0002", False),
        ("-pix0_vector_mm 100 0.2 -0.2", False),
        ("-fdet_vector 0 0 1", False),
        ("-pix0_vector 0.09 0.02 -0.018 -mosflm", False),
    ],
)
def test_a_first_corner_is_noticed_exactly_when_it_is_somewhere_else(words: str, ignored: bool) -> None:
    assert ("pix0-ignored" in notices(*words.split())) == ignored
    assert "pix0-ignored" not in notices("--compat", "nanobragg", *words.split())


@pytest.mark.parametrize(
    ("words", "oblique"),
    [
        ("-cell 50 60 70 75 85 95", True),
        ("-cell 50 60 70 90 85 95", True),
        ("-cell 50 60 70 90 95 90", False),
        ("-cell 50 60 70 90 90 120", False),
        ("-cell 50", False),
        ("-cell 50 60 70 75 85 95 -mat good.mat", False),
    ],
)
def test_an_oblique_cell_is_noticed_exactly_when_the_reference_builds_another(words: str, oblique: bool) -> None:
    Path("good.mat").write_text(MATRIX)
    assert ("oblique-cell" in notices(*words.split())) == oblique
    assert "oblique-cell" not in notices("--compat", "nanobragg", *words.split())


@pytest.mark.parametrize(
    ("words", "ignored"),
    [
        ("-pivot sample -twotheta 5", True),
        ("-pivot sample -detector_roty 5", True),
        ("-pivot beam -twotheta 5", False),
        ("-twotheta 5", False),
        ("-pivot sample -twotheta 5 -spindle_axis 0 0 1", False),
    ],
)
def test_a_pivot_is_noticed_exactly_when_the_reference_pivots_elsewhere(words: str, ignored: bool) -> None:
    assert ("pivot-ignored" in notices(*words.split())) == ignored
    assert "pivot-ignored" not in notices("--compat", "nanobragg", *words.split())


def test_a_notice_names_the_quirk_and_the_flag_that_brings_it_back() -> None:
    (line,) = done("-osc", "1", "-floatfile", "out.bin").complaints()
    assert line.endswith("--compat phi-carryover")


@pytest.mark.parametrize(
    "words",
    [
        "-osc 1",
        "-pix0_vector 0.09 0.02 -0.018",
        "-cell 50 60 70 75 85 95",
        "-pivot sample -detector_roty 5",
    ],
)
def test_what_is_noticed_changes_the_image(words: str) -> None:
    # So many photons that the crystal is seen wherever the detector stands.
    bright = (*words.split(), "-fluence", "1e31")
    (name,) = notices(*bright)
    default = photons()
    assert notices("--compat", name, *bright) == []
    assert not np.allclose(photons(), default, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "words", ["", "-phi 5 -osc 1", "-cell 50 60 70 90 95 90", "-pivot beam -detector_roty 5", "-mosaic 1 -misset 1 2 3"]
)
def test_without_a_notice_the_image_is_the_same_in_both_modes(words: str) -> None:
    assert notices("-precision", "double", *words.split()) == []
    default = photons()
    assert notices("--compat", "nanobragg", *words.split()) == []
    assert (photons() == default).all()


@pytest.mark.parametrize(
    ("words", "pivot"),
    [
        ("-pivot sample -distance 100", "beam"),
        ("-distance 100 -pivot sample", "sample"),
        ("-pivot beam -twotheta 5", "sample"),
    ],
)
def test_in_compat_mode_the_last_flag_that_touches_the_custom_pivot_wins(words: str, pivot: str) -> None:
    line = ["-floatfile", "a", "--compat", "nanobragg", "-fdet_vector", "0", "0", "1", *words.split()]
    assert reported(done(*line))["pivot"] == pivot


def test_too_few_subpixels_are_noticed() -> None:
    finished = done("-floatfile", "a", "-pixel", "1", "-oversample", "2")
    (line,) = finished.complaints()
    assert "-oversample 2" in line
    assert "5" in line


def test_a_crystal_wider_than_the_beam_is_noticed() -> None:
    lines = done("-floatfile", "a", "-xtalsize", "0.0002", "-beamsize", "0.0001", "-oversample", "9").complaints()
    assert len(lines) == 2
    assert all("clipped to the beam" in line for line in lines)


def test_double_precision_agrees_with_mixed() -> None:
    done("-nonoise", "-floatfile", "mixed.bin")
    done("-nonoise", "-floatfile", "double.bin", "-precision", "double")
    mixed, double = photons("mixed.bin"), photons("double.bin")
    # The design allows 1e-6 of the peak; this crystal is small.
    assert np.abs(mixed - double).max() < 1e-6 * double.max()


def test_a_table_and_a_matrix_are_read_from_the_working_folder() -> None:
    Path("a.mat").write_text(MATRIX)
    Path("a.hkl").write_text(
        "".join(f"{h} {k} {l} 100\n" for h in range(-2, 3) for k in (-1, 0, 1) for l in (-1, 0, 1))
    )
    done("-floatfile", "a.bin", "-mat", "a.mat", "-hkl", "a.hkl", "-default_F", 0, "-nointerpolate")
    done("-floatfile", "b.bin")
    # The same cell and the same amplitudes; the wavelength in the matrix costs its last bit.
    assert np.allclose(photons("a.bin"), photons("b.bin"), rtol=1e-5)


def test_the_crystal_alone_is_enough_with_an_amplitude() -> None:
    finished = run("simulate", *CRYSTAL, "-default_F", 1, "-detpixels", 2, "-floatfile", "a")
    assert finished.status == 0
    assert Path("a").stat().st_size == 16
