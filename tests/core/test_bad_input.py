"""Bad input: one line that names the flag or the file, an exit status, and nothing else happened."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from command_line import SMALL, Finished, run, simulate_command
from openbragg import Beam, Crystal, Detector, Experiment, InputError, plugin, simulate
from openbragg.cli.compose import Flag, FlagOption
from openbragg.cli.registry import load_registry
from openbragg.errors import UsageError

OLD = b"an image that someone needs\n"
MATRIX = "0.02 0 0\n0 0.02 0\n0 0 0.02\n"
TABLE = "0 0 1 10\n1 0 0 20\n"

#: What a run says of its choices before it renders.
CHOICES = """\
oversampling    1 x 1 subpixels
convention      mosflm
pivot           beam
wavelength      1 A, as none was given
distance        100 mm, as none was given
mosaic domains  1
lattice shape   square
expected time   less than a second
"""

Refuse = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an existing output file."""
    monkeypatch.chdir(tmp_path)
    Path("out.bin").write_bytes(OLD)
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes | None]:
    """Everything below a folder, with what is in the files that may be read."""
    return {
        path: path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None for path in folder.rglob("*")
    }


@pytest.fixture
def refuse(folder: Path) -> Refuse:
    """Run a simulation that must be refused, and hand back its line."""

    def check(*words: object, status: int | None = None, small: tuple[str, ...] = SMALL, said: str = "") -> str:
        before = contents(folder)
        line = the_line(run("simulate", *small, "-floatfile", "out.bin", *words), status, said)
        assert contents(folder) == before
        return line

    return check


def the_line(finished: Finished, status: int | None = None, said: str = "") -> str:
    """The one line of a run that was refused, before it said anything or, once it rendered, after what it had said."""
    assert finished.status in ((1, 2) if status is None else (status,))
    assert finished.out == said
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ")
    return line


def flags(test: Callable[[Flag], bool]) -> list[Any]:
    """The flags of the command that pass a test, for parametrize."""
    there = [
        option.flag
        for section in simulate_command().sections
        for option in section.options
        if isinstance(option, FlagOption) and test(option.flag)
    ]
    return [pytest.param(flag, id=flag.spellings[0]) for flag in there]


def harmless(flag: Flag) -> list[str]:
    """As many values as a flag can take at most, all of them fine; no flag takes more than six."""
    return ["60"] * flag.length[1] if flag.field != "region" else ["0", "1", "0", "1"]


NUMERIC = flags(lambda flag: flag.constant is None and flag.spec.type in (float, int))
VALUED = flags(lambda flag: flag.constant is None)


@pytest.mark.parametrize("flag", NUMERIC)
@pytest.mark.parametrize("word", ["nan", "-1e999"])
def test_a_value_that_is_not_finite_is_refused_where_it_enters(refuse: Refuse, flag: Flag, word: str) -> None:
    name = flag.spellings[0]
    line = refuse(name, *harmless(flag)[:-1], word, status=2)
    assert f"{name}: expected " in line
    assert repr(word) in line


@pytest.mark.parametrize("flag", NUMERIC)
def test_a_word_in_place_of_a_number_is_refused(refuse: Refuse, flag: Flag) -> None:
    name = flag.spellings[0]
    line = refuse(name, "many", *harmless(flag)[1 : flag.length[0]], status=2)
    assert f"{name}: expected " in line
    assert "'many'" in line


@given(
    st.sampled_from(["nan", "-NaN", "inf", "-Infinity", "1e999", "1,5", "0x10", "1.5.2", "1 2", ""])
    | st.text().filter(lambda text: not is_number(text)),
    st.data(),
)
def test_nothing_but_a_finite_number_passes_for_one(word: str, data: st.DataObject) -> None:
    flag = data.draw(st.sampled_from([parameter.values[0] for parameter in NUMERIC]))
    assume(word not in flag.spec.words)
    with pytest.raises(UsageError, match=f"^{flag.spellings[0]}: expected "):
        flag.value([word])


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("flag", VALUED)
def test_a_missing_value_at_the_end_is_refused(refuse: Refuse, flag: Flag) -> None:
    name = flag.spellings[0]
    assert name in refuse(name, *harmless(flag)[: flag.length[0] - 1], status=2)


@pytest.mark.parametrize("flag", NUMERIC)
def test_a_missing_value_before_another_flag_is_refused(refuse: Refuse, flag: Flag) -> None:
    name = flag.spellings[0]
    line = refuse(name, *harmless(flag)[: flag.length[0] - 1], "-nopolar", status=2)
    assert name in line
    assert "-nopolar" in line


@pytest.mark.parametrize("flag", VALUED)
def test_an_empty_value_after_an_equals_sign_is_refused(refuse: Refuse, flag: Flag) -> None:
    spelling = "--" + flag.spellings[0].removeprefix("-").replace("_", "-").lower()
    if flag.field == "compat":
        pytest.skip("no quirks at all are fine")
    line = refuse(f"{spelling}=")
    if flag.spec.type in (float, int):
        assert flag.spellings[0] in line or spelling in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-cell 0", "-cell: expected a number above 0"),
        ("-cell 50 -60 70", "-cell: expected a number above 0"),
        ("-cell 50 60 70 0", "-cell: expected an angle above 0 and below 180"),
        ("-cell 50 60 70 90 180 90", "-cell: expected an angle above 0 and below 180"),
        ("-cell 50 60 70 90 90 -90", "-cell: expected an angle above 0 and below 180"),
        ("-N 0.5", "-N: expected a whole number above 0"),
        ("-N -3", "-N: expected"),
        ("-Na 2.5", "-Na: expected a whole number above 0"),
        ("-Nb -0.5", "-Nb: expected a whole number above 0"),
        ("-Nc -1", "-Nc: expected"),
        ("-detpixels 0", "-detpixels: expected a whole number above 0"),
        ("-detpixels_x -4", "-detpixels_f: expected a whole number above 0"),
        ("-detpixels_y 4.5", "-detpixels_s: expected a whole number above 0"),
        ("-detsize 0", "-detsize: expected a number above 0"),
        ("-detsize_f -1", "-detsize_f: expected a number above 0"),
        ("-pixel 0", "-pixel: expected a number above 0"),
        ("-pixel -0.1", "-pixel: expected a number above 0"),
        ("-distance 0", "-distance: expected a number above 0"),
        ("-distance -100", "-distance: expected a number above 0"),
        ("-close_distance -0", "-close_distance: expected a number above 0"),
        ("-lambda 0", "-lambda: expected a number above 0"),
        ("-lambda -1", "-lambda: expected a number above 0"),
        ("-energy 0", "-energy: expected a number above 0"),
        ("-energy -12398", "-energy: expected a number above 0"),
        ("-fluence -1", "-fluence: expected a number of 0 or more"),
        ("-flux -1", "-flux: expected a number of 0 or more"),
        ("-exposure 0", "-exposure: expected a number above 0"),
        ("-beamsize 0", "-beamsize: expected a number above 0"),
        ("-polar 1.01", "-polar: expected a number from -1 to 1"),
        ("-xtalsize -1", "-xtalsize: expected a number of 0 or more"),
        ("-height -1", "-xtal_z: expected a number of 0 or more"),
        ("-fudge -1", "-fudge: expected a number of 0 or more"),
        ("-mosaic -1", "-mosaic: expected a number of 0 or more"),
        ("-mosaic_domains -1", "-mosaic_domains: expected a whole number of 0 or more"),
        ("-mosaic_domains 1.5", "-mosaic_domains: expected a whole number of 0 or more"),
        ("-mosaic_seed 1.5", "-mosaic_seed: expected a whole number"),
        ("-misset 1 2", "-misset: expected three angles or 'random'"),
        ("-misset 1", "-misset: expected three angles or 'random'"),
        ("-misset Random", "-misset: expected"),
        ("-osc -1", "-osc: expected a number of 0 or more"),
        ("-phistep -1", "-phistep: expected a number of 0 or more"),
        ("-phisteps -1", "-phisteps: expected a whole number of 0 or more"),
        ("-phisteps 1.5", "-phisteps: expected a whole number of 0 or more"),
        ("-oversample -1", "-oversample: expected a whole number of 0 or more"),
        ("-dmin -1", "-dmin: expected a number of 0 or more"),
        ("-roi 0 1.5 0 1", "-roi: expected a whole number"),
        ("-seed 1.5", "-seed: expected a whole number"),
        ("-pivot crystal", "-pivot: expected one of beam, sample"),
        ("-precision half", "-precision: expected one of auto, mixed, double"),
        ("-pgmscale -1", "-pgmscale: expected a number of 0 or more"),
        ("-scale -1", "-scale: expected a number of 0 or more"),
        ("-png_percentile 0", "-png_percentile: expected a number above 0"),
        ("-png_percentile 101", "-png_percentile: expected a number above 0"),
        ("-png_gamma 0", "-png_gamma: expected a number above 0"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused_with_flag_rule_and_value(
    refuse: Refuse, words: str, expected: str
) -> None:
    line = refuse(*words.split(), status=2)
    assert expected in line
    assert "got " in line


def test_seven_numbers_are_no_cell(refuse: Refuse) -> None:
    assert "cell" in refuse("--cell=50 60 70 90 90 90 91")
    assert "'90'" in refuse(*"-cell 50 60 70 90 90 90 90".split(), status=2)


@pytest.mark.parametrize("angles", ["60 60 120", "120 120 120", "30 30 90", "170 170 170", "10 20 40", "90 45 135"])
def test_angles_that_enclose_no_volume_are_refused(refuse: Refuse, angles: str) -> None:
    line = refuse("-cell", "50", "60", "70", *angles.split())
    assert "cell" in line
    assert angles in line


def test_a_pixel_wider_than_the_detector_is_refused(refuse: Refuse) -> None:
    without_pixels = tuple(word for word in SMALL if word not in ("-detpixels", "4"))
    assert "detector" in refuse("-detsize", "0.01", "-pixel", "1", small=without_pixels)


@pytest.mark.parametrize(
    "flag", ["-fdet_vector", "-sdet_vector", "-beam_vector", "-polar_vector", "-spindle_axis", "-twotheta_axis"]
)
def test_a_direction_of_no_length_is_refused(refuse: Refuse, flag: str) -> None:
    assert flag in refuse(flag, 0, 0, 0)


@pytest.mark.parametrize(
    "limits", ["4 5 0 3", "0 3 4 5", "-3 -1 0 3", "0 3 -3 -1", "2 1 0 3", "0 3 2 1", "100 200 100 200"]
)
def test_a_region_without_pixels_is_refused(refuse: Refuse, limits: str) -> None:
    line = refuse("-roi", *limits.split(), status=2)
    assert f"-roi {limits}" in line
    assert "4 x 4" in line


def test_a_region_of_three_numbers_is_refused(refuse: Refuse) -> None:
    assert "-roi" in refuse("-roi", 0, 1, 2, status=2)


@pytest.mark.parametrize("flag", ["-hkl", "-mat"])
@pytest.mark.parametrize("name", ["missing.txt", "missing/file.txt", "."])
def test_a_file_that_cannot_be_read_is_refused(refuse: Refuse, flag: str, name: str) -> None:
    line = refuse(flag, name, status=1)
    assert f"cannot read {name}: " in line


def test_a_closed_file_is_refused(refuse: Refuse, folder: Path) -> None:
    closed = folder / "closed.hkl"
    closed.write_text(TABLE)
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user may read every file")
    try:
        assert "cannot read closed.hkl: " in refuse("-hkl", "closed.hkl", status=1)
    finally:
        closed.chmod(0o600)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.02 0 0\n0 0.02 0\n0 0\n", "line 3: expected three numbers"),
        ("0.02 0 0\n\n0 0.02 0\n\n0 0.02\n", "line 5: expected three numbers"),
        ("0.02 0 0 0 0.02 0 0 0\n", "line 1: expected three numbers"),
        ("0.02 0 0 1\n0 0.02 0\n0 0 0.02\n", "line 1: expected three numbers"),
        ("0.02 0 0\n0 0.02 0\n", "expected three lines of three numbers, got 2"),
        ("", "expected three lines of three numbers, got 0"),
        ("0.02 0 0\n0 nan 0\n0 0 0.02\n", "line 2: expected three numbers of an orientation matrix, got '0 nan 0'"),
        ("0.02 0 0\n0 0.02 0\n0 0 inf\n", "line 3: expected three numbers"),
        ("0.02 0 0\n0 0.02 zero\n0 0 0.02\n", "line 2: expected three numbers"),
        ("\x00\x01\x02 \xff", "line 1: expected three numbers"),
        ("0 " * (1 << 20), "too large for an orientation matrix"),
    ],
)
def test_a_matrix_file_without_nine_numbers_is_refused_with_its_line(
    refuse: Refuse, folder: Path, text: str, expected: str
) -> None:
    (folder / "bad.mat").write_text(text, encoding="latin-1")
    line = refuse("-mat", "bad.mat", status=1)
    assert "bad.mat" in line
    assert expected in line
    assert len(line) < 200


@pytest.mark.parametrize(
    "text", ["0 0 0\n" * 3, "1 2 3\n2 4 6\n1 0 0\n", "0.02 0.02 0\n0 0 0\n0 0 0.02\n", "1 1 2\n1 2 3\n2 1 3\n"]
)
def test_a_singular_matrix_is_refused_with_its_file(refuse: Refuse, folder: Path, text: str) -> None:
    (folder / "bad.mat").write_text(text)
    line = refuse("-mat", "bad.mat", status=1)
    assert "singular" in line
    assert "bad.mat" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 1 10\n0 0 2\n", "line 2: expected h k l F"),
        ("0 0 1\n0 0 2\n", "line 1: expected h k l F"),
        ("0 0 1 10 1\n", "a table of 5 columns: leave h k l F alone"),
        ("0 0 1 10\n0 0 2 10 1\n", "line 2: expected h k l F"),
        ("0 0 1 10\n\n0 0 two 10\n", "line 3: expected h k l F"),
        ("h k l F\n0 0 1 10\n", "line 1: expected h k l F"),
        ("0 0 1 nan\n", "line 1: expected h k l F"),
        ("0 0 1 10\n0 0 2 inf\n", "line 2: expected h k l F"),
        ("0 0 1.5 10\n", "line 1: expected h k l F"),
        ("0 0 1e9 10\n", "line 1: expected h k l F"),
        ("0 0 1 10\n\xff\xfe\n", "line 2: expected h k l F"),
        ("", "no reflections"),
        ("\n  \n", "no reflections"),
        ("1000000 0 0 1\n0 1000000 0 1\n0 0 1000000 1\n", "3 reflections spread"),
    ],
)
def test_a_table_with_a_bad_line_is_refused_with_that_line(
    refuse: Refuse, folder: Path, text: str, expected: str
) -> None:
    (folder / "bad.hkl").write_text(text, encoding="latin-1")
    line = refuse("-hkl", "bad.hkl", status=1)
    assert "bad.hkl" in line
    assert expected in line


def test_without_a_crystal_there_is_nothing_to_render(refuse: Refuse) -> None:
    line = refuse(small=("-default_F", "100", "-detpixels", "4"), status=2)
    assert "-mat" in line
    assert "-cell" in line


@pytest.mark.parametrize("words", ["", "-default_F 0", "-nointerpolate"])
def test_without_structure_factors_there_is_nothing_to_render(refuse: Refuse, words: str) -> None:
    line = refuse(*words.split(), small=("-cell", "50", "-detpixels", "4"))
    assert "-hkl" in line
    assert "-default_F" in line


@pytest.mark.parametrize("output", ["-floatfile", "-intfile", "-pgmfile", "-pngfile", "-noisefile", "-noisepng"])
def test_an_output_in_a_missing_folder_is_refused(refuse: Refuse, output: str) -> None:
    assert "no/such/file.img" in refuse(output, "no/such/file.img", status=1)


@pytest.mark.parametrize("name", [".", "..", "inner", "inner/"])
def test_an_output_that_is_a_folder_is_refused(refuse: Refuse, folder: Path, name: str) -> None:
    (folder / "inner").mkdir()
    line = refuse("-intfile", name, status=1)
    assert "it is a folder" in line
    assert name.rstrip("/") in line


def test_an_output_below_a_file_is_refused(refuse: Refuse) -> None:
    assert "out.bin/inner.img" in refuse("-intfile", "out.bin/inner.img", status=1)


def test_an_output_in_a_closed_folder_is_refused(refuse: Refuse, folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    line = refuse("-intfile", "closed/inner.img", status=1)
    assert "closed/inner.img" in line
    assert "permission denied" in line


def test_a_closed_output_file_is_refused(refuse: Refuse, folder: Path) -> None:
    closed = folder / "closed.img"
    closed.write_bytes(OLD)
    closed.chmod(0o400)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert "closed.img: permission denied" in refuse("-intfile", "closed.img", status=1)


@pytest.mark.parametrize("same", ["out.bin", "./out.bin", "inner/../out.bin", "link.bin"])
def test_two_outputs_of_one_name_are_refused(refuse: Refuse, folder: Path, same: str) -> None:
    (folder / "inner").mkdir()
    (folder / "link.bin").symlink_to(folder / "out.bin")
    assert "out" in refuse("-intfile", same, status=2)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("-round_xtal -gauss_xtal", ("-round_xtal", "-gauss_xtal")),
        ("-square_xtal -tophat_spots", ("-square_xtal", "-tophat_spots")),
        ("-lattice_shape round -gauss_xtal", ("-lattice_shape round", "-gauss_xtal")),
        ("-lattice_shape round -lattice_shape gauss", ("-lattice_shape round", "-lattice_shape gauss")),
    ],
)
def test_two_shapes_at_once_are_refused(refuse: Refuse, words: str, named: tuple[str, str]) -> None:
    line = refuse(*words.split(), status=2)
    assert all(name in line for name in named)


@pytest.mark.parametrize("words", ["-nonoise -noise poisson", "-noise poisson -nonoise"])
def test_two_noise_models_at_once_are_refused(refuse: Refuse, words: str) -> None:
    line = refuse(*words.split(), status=2)
    assert "-nonoise" in line
    assert "-noise poisson" in line


def test_a_file_that_would_not_be_written_is_said(folder: Path) -> None:
    """Asking for noise files and for no noise is a contradiction; it may be settled, but not without a word."""
    finished = run("simulate", *SMALL, "-noisefile", "noise.img", "-nonoise")
    assert "-noisefile" in finished.err
    assert list(folder.iterdir()) == [folder / "out.bin"]


def test_a_greymap_that_would_not_be_written_is_said(folder: Path) -> None:
    """The same for the greymap: the reference obeys whichever flag stands last."""
    finished = run("simulate", *SMALL, "-pgmfile", "grey.pgm", "-floatfile", "new.bin", "-nopgm")
    assert not (folder / "grey.pgm").exists()
    assert finished.status == 0 or "-nopgm" in finished.err


@pytest.mark.parametrize("flag", ["-convention", "-structure_factors", "-lattice_shape", "-noise"])
def test_an_unknown_plugin_is_refused_with_those_there_are(refuse: Refuse, flag: str) -> None:
    line = refuse(flag, "nosuch")
    assert "'nosuch'" in line
    (hook,) = {found.role.hook for found in load_registry(()).found if found.role.flag == flag}
    for found in load_registry(()).of_role(hook):
        assert found.name in line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-distnace", "-distance"),
        ("--detector-rotX", "--detector-rotx"),
        ("-N5", "-N"),
        ("-xbeam", "-Xbeam"),
        ("-roundxtal", "-round_xtal"),
        ("-mosaicspread", "-mosaic_spread"),
    ],
)
def test_an_unknown_flag_is_refused_with_what_was_meant(refuse: Refuse, typed: str, meant: str) -> None:
    line = refuse(typed, "1", status=2)
    assert f"no such flag: {typed}" in line
    assert meant in line.split("did you mean")[1]


def test_a_flag_like_no_other_is_refused_without_a_guess(refuse: Refuse) -> None:
    line = refuse("-qqqqqqqqqq", status=2)
    assert "-qqqqqqqqqq" in line
    assert "did you mean" not in line


@pytest.mark.parametrize("word", ["image.img", "5", "-5", "", "--", "-"])
@pytest.mark.parametrize("position", ["first", "last"])
def test_a_stray_argument_is_refused(folder: Path, word: str, position: str) -> None:
    words = [*SMALL, "-floatfile", "out.bin"]
    words.insert(0 if position == "first" else len(words), word)
    assert word in the_line(run("simulate", *words), 2)
    assert contents(folder) == {folder / "out.bin": OLD}


def test_a_value_for_a_bare_flag_is_refused(refuse: Refuse) -> None:
    assert "--nopolar" in refuse("--nopolar=1", status=2)


def test_an_option_of_a_plugin_that_is_not_in_use_is_refused(refuse: Refuse, folder: Path) -> None:
    """So that a flag is never lost without a word."""
    source = (folder / "acme_shape.py", folder / "acme-1.0.dist-info")
    source[1].mkdir()
    (source[1] / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (source[1] / "entry_points.txt").write_text("[openbragg]\nacme = acme_shape\n")
    source[0].write_text(
        "import attrs\nfrom openbragg import hookimpl, option\n\n\n@attrs.frozen\nclass Acme:\n"
        "    name = 'acme'\n    summary = 'a shape'\n    flags = ()\n"
        "    width: float = option('-acme_width', default=1.0, help='Width.')\n"
        "    def factors(self, offset, nearest, lattice):\n        return offset\n\n\n"
        "@hookimpl\ndef lattice_shapes():\n    return [Acme]\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.dont_write_bytecode", True)
        patch.syspath_prepend(folder)
        line = refuse("-round_xtal", "-acme_width", "2", status=2)
    assert "-acme_width" in line
    assert "acme" in line
    assert "round" in line


@pytest.mark.parametrize("words", ["nosuch", "phi-carryover,nosuch", "nanobragg nosuch", "NANOBRAGG"])
def test_an_unknown_quirk_is_refused_with_those_there_are(refuse: Refuse, words: str) -> None:
    line = refuse("--compat", words, status=2)
    assert "--compat" in line
    assert "phi-carryover" in line
    assert "nanobragg" in line


@pytest.mark.parametrize("device", ["nosuch", "cuda:99", "cpu:x", "meta", ""])
def test_an_unusable_device_is_refused(refuse: Refuse, device: str) -> None:
    line = refuse("-device", device)
    assert f"device {device!r}" in line or "-device" in line


def test_cuda_without_a_graphics_card_is_refused(refuse: Refuse) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a graphics card")
    assert "device 'cuda' cannot be used: " in refuse("-device", "cuda", status=2)


@pytest.mark.parametrize("seed", ["1e20", "-1e20", "99999999999999999999"])
def test_a_seed_beyond_the_generator_is_refused(refuse: Refuse, seed: str) -> None:
    assert "seed" in refuse("-seed", seed, "-noisefile", "noise.img")


@pytest.mark.parametrize(
    "words",
    [
        "-detpixels 10000000",
        "-detpixels_x 1e18",
        "-detsize 1e12",
        "-phisteps 1e15",
        "-osc 360 -phistep 1e-12",
        "-phisteps 2000 -mosaic 1 -mosaic_domains 1000",
        "-divergence 1 -divsteps 1000",
        "-dispersion 1 -dispsteps 1e6",
        "-detector_thick 100 -thicksteps 1e6",
        "-oversample 100000",
        "-oversample 1e300",
        "-oversample 30000 -hdivrange 1 -hdivsteps 3",
    ],
)
def test_a_run_that_no_memory_can_hold_is_refused(refuse: Refuse, words: str) -> None:
    small = tuple(word for word in SMALL if word not in ("-detpixels", "4")) if "detsize" in words else SMALL
    assert "too " in refuse(*words.split(), small=small, status=1)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("nosuch",), "nosuch"),
        (("simulat", "-cell", "50"), "simulat"),
        (("--nosuch",), "--nosuch"),
        (("plugins", "--nosuch"), "--nosuch"),
        (("plugins", "stray"), "stray"),
        (("--no-plugin",), "--no-plugin"),
        (("simulate", "--no-plugin"), "--no-plugin"),
    ],
    ids=str,
)
def test_a_command_line_that_makes_no_sense_is_one_short_line(words: tuple[str, ...], named: str) -> None:
    line = the_line(run(*words), 2)
    assert named in line
    assert len(line) < 200


def test_without_a_command_the_overview_is_shown() -> None:
    finished = run()
    shown = finished.out + finished.err
    assert "simulate" in shown
    assert len(shown.splitlines()) > 5


def format_class(name: str) -> Any:
    return load_registry(()).get("image_formats", name).cls


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (OSError(28, "No space left on device"), 1, ("out.bin", "No space left on device")),
        (MemoryError(), 1, ("memory",)),
        (KeyboardInterrupt(), 130, ("interrupted",)),
    ],
    ids=repr,
)
def test_a_format_that_fails_halfway_leaves_the_old_file(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch, fault: BaseException, status: int, words: tuple[str, ...]
) -> None:
    def write(self: Any, stream: Any, image: Any) -> None:
        stream.write(b"half an image")
        raise fault

    monkeypatch.setattr(format_class("raw"), "write", write)
    line = refuse(status=status, said=CHOICES)
    assert all(word in line for word in words)


def test_a_fault_in_a_format_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Any, stream: Any, image: Any) -> None:
        stream.write(b"half an image")
        raise ZeroDivisionError

    monkeypatch.setattr(format_class("raw"), "write", write)
    with pytest.raises(ZeroDivisionError):
        run("simulate", *SMALL, "-floatfile", "out.bin", "--debug")
    assert contents(folder) == {folder / "out.bin": OLD}


def test_a_full_disk_is_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    assert "/dev/full" in the_line(run("simulate", *SMALL, "-floatfile", "/dev/full"), 1)


def test_debug_raises_the_error_in_place_of_the_line(folder: Path) -> None:
    with pytest.raises(UsageError, match="-distance: expected"):
        run("simulate", *SMALL, "-floatfile", "out.bin", "-distance", "0", "--debug")
    with pytest.raises(UsageError, match="-distance: expected"):
        run("--debug", "simulate", *SMALL, "-distance", "0")
    assert contents(folder) == {folder / "out.bin": OLD}


@pytest.mark.parametrize("text", ["", " \n\n", "-10 0 x\n", "-10 0 0 1 1e-10 7\n", "-10 0 nan\n", "0 0 0\n"])
def test_a_bad_source_file_is_refused(refuse: Refuse, folder: Path, text: str) -> None:
    (folder / "bad.txt").write_text(text)
    assert "source" in refuse("-sourcefile", "bad.txt")


@pytest.mark.parametrize("row", ["-10 0 0 -1\n", "-10 0 0 0\n", "-10 0 0 1 0\n", "-10 0 0 1 -1e-10\n"])
def test_sources_without_light_are_refused(refuse: Refuse, folder: Path, row: str) -> None:
    (folder / "bad.txt").write_text(row)
    assert "weights" in refuse("-sourcefile", "bad.txt")


def test_a_missing_source_file_is_refused_with_its_name(refuse: Refuse) -> None:
    assert "nosuch.txt" in refuse("-sourcefile", "nosuch.txt")


def test_a_divergence_of_which_nothing_is_left_is_refused(refuse: Refuse) -> None:
    assert "-round_div" in refuse("-hdivsteps", 1, "-vdivsteps", 1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("-beam_vector 1 0 0 -polar_vector 2 0 0", "polarization"),
        ("-fdet_vector 0 0 1 -sdet_vector 0 0 -3", "parallel"),
        ("-pix0_vector -0.1 0.0002 -0.0002 -oversample 1", "back to the crystal"),
        ("-beam_vector 0 1 0", "-oversample"),
        ("-pix0_vector 0 0 0", "-oversample"),
        ("-distance 1e-300", "-oversample"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(refuse: Refuse, words: str, reason: str) -> None:
    assert reason in refuse(*words.split())


@pytest.mark.parametrize("words", ["-fluence 1e300", "-default_F 1e30"])
def test_pixels_beyond_single_precision_leave_no_file(refuse: Refuse, words: str) -> None:
    """Which is known once they are rendered."""
    assert "pixels beyond single precision" in refuse(*words.split(), status=1, said=CHOICES)


def test_an_empty_image_is_said_to_be_empty() -> None:
    finished = run("simulate", *SMALL, "-fluence", "0", "-nonoise")
    assert finished.status == 0
    assert "the image is empty" in finished.err


def test_a_beam_centre_that_places_nothing_is_said() -> None:
    """The detector of XDS stands by its near point."""
    said = run("simulate", *SMALL, "-xds", "-Xbeam", "0.05", "-Ybeam", "0.25", "-nonoise").err
    assert "the beam centre given does not place this detector" in said
    silent = run("simulate", *SMALL, "-xds", "-nonoise").err
    assert "the beam centre given" not in silent


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("-osc 1e300 -phistep 1e-300", "rotation steps"),
        ("-xtalsize 1e308 -beamsize 1e308", "cells along a"),
        ("-xtal_y 1e308 -beamsize 1e308", "cells along b"),
        ("-divergence 1e300 -hdivstep 1e-300", "sources"),
    ],
)
def test_a_quotient_beyond_all_numbers_is_refused(refuse: Refuse, words: str, what: str) -> None:
    assert refuse(*words.split(), status=1).endswith(f" {what}: more than can be counted")


@pytest.mark.parametrize("flag", ["-floatfile", "-record", "-dump"])
def test_a_name_too_long_for_a_file_is_refused(refuse: Refuse, flag: str) -> None:
    line = refuse(flag, "a" * 300, small=("-cell", "50", "-detpixels", "4", "-hkl", "missing"), status=1)
    assert "cannot " in line


def test_links_in_a_circle_are_refused(refuse: Refuse, folder: Path) -> None:
    (folder / "circle").symlink_to("circle")
    for flag in ("-intfile", "-record", "-hkl", "-mat"):
        assert "circle: " in refuse(flag, "circle", status=1)


def test_a_trace_and_an_image_in_one_file_are_refused(refuse: Refuse) -> None:
    assert "two outputs" in refuse("-trace_pixel", 0, 0, "-trace_log", "out.bin", status=2)
    assert "two outputs" in refuse("-trace_pixel", 0, 0, "-trace_json", "t", "-record", "t", status=2)


@pytest.mark.parametrize("words", ["-tracer nosuch", "-trace_select moon=1", f"-trace_select phi={'9' * 5000}"])
def test_a_trace_that_cannot_be_is_refused_before_the_work_begins(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr("openbragg.orchestrator.rendering.render_panel", None)
    assert len(refuse("-trace_pixel", 0, 0, *words.split())) < 250


@pytest.mark.parametrize(
    "words", ["-divergence 1e-320", "-divergence 1e-300 -divsteps 3", "-hdivrange 1 -vdivrange 1e-320"]
)
def test_a_divergence_too_small_to_square_is_none(folder: Path, words: str) -> None:
    assert run("simulate", *SMALL, "-floatfile", "new.bin", *words.split()).status == 0


def test_a_file_name_that_is_no_text_can_be_reported(folder: Path) -> None:
    """Such as one in another encoding, where standard output takes text only."""
    finished = run("simulate", *SMALL, "-floatfile", "\udcff.bin")
    assert finished.status == 0
    assert Path("\udcff.bin").exists()
    assert r"\udcff.bin (raw, photons)" in finished.out


def test_sources_may_be_an_array_a_tensor_or_short_rows() -> None:
    rows = [[-10.0, 0.1, 0.2, 1.0, 1e-10], [-10.0, -0.3, 0.1, 3.0, 1.1e-10]]
    made = [Beam(sources=sources) for sources in (rows, np.array(rows), torch.tensor(rows, dtype=torch.float64))]
    assert made[0] == made[1] == made[2]
    assert Beam(sources=np.array(rows)[:, :3]).sources == (
        (-10.0, 0.1, 0.2, None, None),
        (-10.0, -0.3, 0.1, None, None),
    )
    gradient = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    assert Beam(sources=gradient).sources[1][4].requires_grad
    crystal = Crystal(cell=(5e-9, 5e-9, 5e-9, 1.57, 1.57, 1.57), cells=(3, 3, 3))
    factors = plugin("structure_factors", "hkl", default_F=10.0)
    images = [
        simulate(Experiment(beam=beam, crystal=crystal, detector=Detector(pixels=(4, 4))), structure_factors=factors)
        for beam in made
    ]
    assert images[0].max() > 0.0 and torch.equal(images[0], images[1]) and torch.equal(images[0], images[2])
    for wrong in (np.zeros(3), np.zeros((2, 6)), np.full((1, 3), np.nan)):
        with pytest.raises(InputError, match=r"Beam\.sources: expected rows of x, y, z, weight and wavelength"):
            Beam(sources=wrong)


@pytest.mark.parametrize(
    "several", [[0.1, 0.2, 0.3], (0.1, 0.2, 0.3), np.array([0.1, 0.2]), torch.tensor([0.1, 0.2]), []]
)
def test_several_numbers_for_one_are_refused_in_one_line(several: object) -> None:
    with pytest.raises(InputError, match=r"Crystal\.mosaic_spread: expected one number, got ") as caught:
        Crystal(cell=(5e-9, 5e-9, 5e-9, 1.57, 1.57, 1.57), mosaic_spread=several)
    assert "\n" not in str(caught.value)
