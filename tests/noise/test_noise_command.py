"""``openbragg noise``: the counts of an image that is there already, and what is refused."""

import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import openbragg
from command_line import CRYSTAL, Finished, run
from openbragg.cli.registry import load_registry
from openbragg_noise.command import Noise

ROOT = Path(__file__).parents[2]
CASES = ROOT.parent / "shared" / "reference"
#: A detector of 9 x 7 pixels (fast x slow) away from every default, and a beam, a scan and a seed to go with it.
CAMERA = (
    *("-detpixels_f", "9", "-detpixels_s", "7", "-pixel", "0.3", "-distance", "70", "-Xbeam", "0.7", "-Ybeam", "0.9"),
    *("-lambda", "1.3", "-exposure", "0.5", "-phi", "12", "-seed", "77"),
)
SHAPE = (7, 9)
#: A crystal that fills some pixels with tens of photons or more and leaves others nearly empty.
MODEL = (*CRYSTAL, "-default_F", "100", "-fluence", "3e29", "-oversample", "1")
FILES = {"noisefile": "img", "noisepng": "noise.png", "intfile": "int.img", "pgmfile": "pgm", "pngfile": "png"}

one_folder = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(*words: object) -> Finished:
    finished = run("noise", *words)
    assert finished.status == 0, finished.err
    return finished


def complaint(status: int, *words: object) -> str:
    """The one line with which a command is refused; it prints no other and leaves the folder as it was."""
    before = {path.name: path.stat().st_mtime_ns for path in Path().iterdir()}
    finished = run("noise", *words)
    assert (finished.status, finished.out) == (status, "")
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ")
    assert {path.name: path.stat().st_mtime_ns for path in Path().iterdir()} == before
    return line.removeprefix("openbragg: error: ")


def notices(finished: Finished) -> list[str]:
    assert all(line.startswith("openbragg: notice: ") for line in finished.complaints())
    return [line.removeprefix("openbragg: notice: ") for line in finished.complaints()]


def reported(finished: Finished) -> dict[str, str]:
    """What stdout says, by its first words; files apart."""
    rows = [re.split(r"\s{2,}", line, maxsplit=1) for line in finished.out.splitlines()]
    return {row[0]: row[1] for row in rows if row[0] != "wrote"}


def raw(image: NDArray[Any], name: str = "image.bin") -> str:
    image.astype("<f4").tofile(name)
    return name


def floats(name: str, shape: tuple[int, int] = SHAPE) -> NDArray[np.float32]:
    return np.fromfile(name, "<f4").reshape(shape)


def smv(name: str, pixels: NDArray[Any], **keys: object) -> str:
    slow, fast = pixels.shape
    known = {"HEADER_BYTES": 512, "DIM": 2, "TYPE": "unsigned_short", "SIZE1": fast, "SIZE2": slow, **keys}
    header = "{\n" + "".join(f"{key}={value};\n" for key, value in known.items()) + "}\f"
    Path(name).write_bytes(header.encode("ascii").ljust(512) + pixels.astype("<u2").tobytes())
    return name


def header(name: str) -> dict[str, str]:
    text = Path(name).read_bytes().partition(b"}")[0].decode("ascii")
    return dict(line.rstrip(";").split("=") for line in text.splitlines()[1:])


def pixels(name: str, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint16]:
    content = Path(name).read_bytes()[int(header(name)["HEADER_BYTES"]) :]
    return np.frombuffer(content, "<u2").reshape(shape)


def named(prefix: str) -> list[str]:
    """Flags that write every kind of file."""
    return [word for flag, ending in FILES.items() for word in (f"-{flag}", f"{prefix}.{ending}")]


# --- the same as the programs that rendered the image


@pytest.mark.skipif(not (CASES / "cases.json").is_file(), reason="the measured reference cases are absent")
def test_counts_are_the_reference_s_when_started_from_its_float_image() -> None:
    case = next(case for case in json.loads((CASES / "cases.json").read_text()) if case["name"] == "noise_outputs")
    expected = np.load(CASES / "expected" / "noise_outputs.npz")
    words = case["args"]
    values = {flag: words[words.index(flag) + 1] for flag in ("-lambda", "-detpixels", "-pixel", "-seed", "-adc")}
    flags = ["-noise", "reference-poisson", *(word for pair in values.items() for word in pair)]
    image = raw(expected["float"])
    finished = done(image, *flags, "-noisefile", "plain.img")
    np.testing.assert_array_equal(pixels("plain.img", case["shape"]), expected["noise"])
    total, overloads = case["facts"]["noise_photons_overloads"]
    assert reported(finished)["counts"].startswith(f"{total:.0f}, ")
    assert reported(finished)["overloads"] == f"{overloads:.0f} pixels of plain.img"
    done(image, *flags, "--compat", "nanobragg", "-noisefile", "same.img")
    assert Path("same.img").read_bytes() == expected["smv_header"].tobytes() + expected["noise"].tobytes()


@pytest.mark.parametrize("noise", ["poisson", "reference-poisson"])
@pytest.mark.parametrize(
    "flags",
    [
        "-osc 0.5",
        "-phistep 0.25",
        "-roi 2 6 1 4",
        "-mask mask.img",
        "-mask mask.img -roi 2 6 1 4",
        "-xds -twotheta 10 -detector_rotx 3",
        "-twotheta_axis 5 0 1 --compat nanobragg",
        "-adc 3.5 -pgmscale 3 -png_black",
    ],
)
def test_files_are_those_that_the_simulation_wrote_itself(noise: str, flags: str) -> None:
    smv("mask.img", np.arange(63).reshape(SHAPE) % 5, PIXEL_SIZE=0.3, DISTANCE=70)
    words = [*CAMERA, "-noise", noise, *flags.split()]
    assert run("simulate", *MODEL, *words, "-floatfile", "sim.bin", *named("sim")).status == 0
    done("sim.bin", *words, "-floatfile", "own.bin", *named("own"))
    # Few photons and many are drawn in different ways.
    assert floats("sim.bin").min() < 1.0 and floats("sim.bin").max() > 20.0
    for ending in ("bin", *FILES.values()):
        assert Path(f"own.{ending}").read_bytes() == Path(f"sim.{ending}").read_bytes(), ending


@pytest.mark.parametrize("noise", ["poisson", "reference-poisson"])
def test_a_scale_multiplies_the_image_as_in_noisify(noise: str) -> None:
    words = [*CAMERA, "-noise", noise]
    written = ("-floatfile", "sim.bin", "-intfile", "sim.int.img")
    assert run("simulate", *MODEL, *words, "-scale", "2", *written).status == 0
    done("sim.bin", *words, "-scale", "2", "-floatfile", "own.bin", *named("own"))
    np.testing.assert_array_equal(floats("own.bin"), 2 * floats("sim.bin"))
    # A file of photons has a count for each of those: the counts of a simulation that has two for each of its own.
    np.testing.assert_array_equal(pixels("own.int.img"), pixels("sim.int.img"))
    assert [header(f"{name}.int.img")["COUNTS_PER_PHOTON"] for name in ("own", "sim")] == ["1", "2"]
    # The other files are those of an image that is as bright from the beginning.
    raw(2 * floats("sim.bin"), "bright.bin")
    done("bright.bin", *words, "-floatfile", "same.bin", *named("same"))
    for ending in ("bin", "img", "noise.png", "pgm", "png"):
        assert Path(f"own.{ending}").read_bytes() == Path(f"same.{ending}").read_bytes(), ending


@pytest.mark.parametrize(
    "flags",
    ["-detsize_f 2.7 -detsize_s 2.1 -pixel 0.3 -seed 77", "-img head.img -seed 77", "-mask head.img -seed 77"],
)
def test_the_shape_of_a_raw_image_is_that_of_the_detector(flags: str) -> None:
    image = raw(np.arange(63.0).reshape(SHAPE))
    smv("head.img", np.ones(SHAPE), PIXEL_SIZE=0.3)
    done(image, *flags.split(), "-noisefile", "a.img")
    done(image, "-detpixels_f", "9", "-detpixels_s", "7", "-pixel", "0.3", "-seed", "77", "-noisefile", "b.img")
    assert (header("a.img")["SIZE1"], header("a.img")["SIZE2"]) == ("9", "7")
    np.testing.assert_array_equal(pixels("a.img"), pixels("b.img"))


def test_a_raw_image_of_which_nothing_is_said_is_square() -> None:
    assert reported(done(raw(np.ones((5, 5))), "-pixel", "0.2"))["image"] == "image.bin, 5 x 5 pixels (fast x slow)"
    assert header("noiseimage.img")["XBEAM"] == "0.6"  # mosflm's: half of 5 x 0.2 mm, and half a pixel more


# --- what the counts are


@one_folder
@given(st.floats(0.3, 3000.0), st.integers(0, 2**40), st.sampled_from(["poisson", "reference-poisson"]))
def test_counts_have_the_mean_and_the_variance_of_the_photons(expected: float, seed: int, noise: str) -> None:
    image = raw(np.full((64, 64), expected))
    done(image, "-noise", noise, "-seed", seed % (2**31 - 2), "-adc", "0", "-noisefile", "n.img")
    counts = pixels("n.img", (64, 64)).astype(float)
    # Six standard deviations of the mean, and of the variance, of 4096 Poisson deviates.
    assert abs(counts.mean() - expected) < 6.0 * math.sqrt(expected / counts.size)
    assert abs(counts.var() - expected) < 6.0 * math.sqrt((expected + 2.0 * expected**2) / counts.size)


def test_equal_seeds_give_equal_counts_and_others_other_ones() -> None:
    image = raw(np.full((8, 8), 50.0))
    for name, seed in (("a.img", 5), ("b.img", 5), ("c.img", 6)):
        done(image, "-seed", seed, "-noisefile", name)
    assert Path("a.img").read_bytes() == Path("b.img").read_bytes() != Path("c.img").read_bytes()


def test_a_seed_from_the_clock_is_reported_and_repeats_the_counts() -> None:
    image = raw(np.full((8, 8), 50.0))
    seed = reported(done(image, "-noisefile", "first.img"))["noise seed"]
    done(image, "-noisefile", "second.img", "-seed", seed)
    assert Path("first.img").read_bytes() == Path("second.img").read_bytes()


def test_the_report_says_what_went_in_and_what_came_out() -> None:
    image = np.arange(63.0).reshape(SHAPE)
    finished = done(raw(image), *CAMERA, "-adc", "0", "-noisefile", "n.img")
    report, counts = reported(finished), pixels("n.img")
    slow, fast = np.unravel_index(counts.argmax(), SHAPE)
    assert report == {
        "image": "image.bin, 9 x 7 pixels (fast x slow)",
        "convention": "mosflm",
        "pivot": "beam",
        "photons": "1953, largest 62 at slow 6, fast 8",
        "noise model": "poisson",
        "noise seed": "77",
        "counts": f"{counts.sum()}, largest {counts.max()} at slow {slow}, fast {fast}",
        "overloads": "0 pixels of n.img",
    }
    assert finished.out.endswith("wrote           n.img (smv, counts)\n")


def test_pixels_beyond_16_bits_are_overloads() -> None:
    image = np.ones((6, 6))
    image[2, 1:5] = 1e5
    image[4, 4] = 65535.0 - 40.0 - 2000.0  # with the pedestal, seven standard deviations below the ceiling
    finished = done(raw(image), "-seed", "1", "-noisefile", "n.img")
    assert reported(finished)["overloads"] == "4 pixels of n.img"
    assert (pixels("n.img", (6, 6)) == 65535).sum() == 4


def test_the_largest_count_itself_is_no_overload() -> None:
    image = raw(np.array([[65535.0, 65536.0], [0.0, 1.0]]))
    finished = done(image, "-nonoise", "-scale", "1", "-adc", "0", "-intfile", "i.img")
    assert reported(finished)["overloads"] == "1 pixels of i.img"


# --- images of other kinds


def test_an_integer_image_gives_its_photons_back_to_the_rounding() -> None:
    assert run("simulate", *MODEL, *CAMERA, "-floatfile", "a.bin", "-intfile", "a.img", "-adc", "12").status == 0
    finished = done("a.img", "-nonoise", "-floatfile", "b.bin", "-intfile", "b.img")
    assert notices(finished) == []
    scale = float(header("a.img")["COUNTS_PER_PHOTON"])
    # Half a count, and the rounding of the photons themselves, which are below 1e4, to single precision.
    assert np.abs(floats("b.bin") - floats("a.bin")).max() <= 0.5 / scale + 1e-3
    pixels = ("TIME", "ADC_OFFSET", "IMAGE_PEDESTAL", "GAIN", "COUNTS_PER_PHOTON")
    geometry = [key for key in header("a.img") if key not in pixels]
    assert {key: header("b.img")[key] for key in geometry} == {key: header("a.img")[key] for key in geometry}


def test_flags_override_the_header_of_an_smv_image() -> None:
    counts = np.arange(63).reshape(SHAPE) + 20
    smv("a.img", counts, ADC_OFFSET=20, COUNTS_PER_PHOTON=2, DISTANCE=60, WAVELENGTH=1.5, PIXEL_SIZE=0.2)
    smv("other.img", counts, DISTANCE=80)
    done("a.img", "-floatfile", "a.bin", "-intfile", "b.img")
    np.testing.assert_array_equal(floats("a.bin"), (counts - 20) / 2)
    keys = [header("b.img")[key] for key in ("DISTANCE", "WAVELENGTH", "PIXEL_SIZE")]
    assert keys == ["60", "1.5", "0.2"]
    done("a.img", "-input_offset", "10", "-input_scale", "4", "-distance", "90", "-floatfile", "a.bin", *named("c"))
    np.testing.assert_array_equal(floats("a.bin"), (counts - 10) / 4)
    assert [header("c.int.img")[key] for key in ("DISTANCE", "WAVELENGTH")] == ["90", "1.5"]
    done("a.img", "-img", "other.img", "-intfile", "d.img")
    assert [header("d.img")[key] for key in ("DISTANCE", "WAVELENGTH")] == ["80", "1"]


@pytest.mark.parametrize(
    ("keys", "flags", "said"),
    [
        ({}, "", "ADC_OFFSET (taken as 0) and COUNTS_PER_PHOTON (taken as 1)"),
        ({"ADC_OFFSET": 40}, "", " have COUNTS_PER_PHOTON (taken as 1)"),
        ({}, "-input_offset 40", " have COUNTS_PER_PHOTON (taken as 1)"),
        ({}, "-input_scale 1", " have ADC_OFFSET (taken as 0)"),
        ({"ADC_OFFSET": 40}, "-input_scale 1", None),
        ({}, "-input_offset 40 -input_scale 1", None),
    ],
)
def test_what_a_header_does_not_say_is_noticed(keys: dict[str, object], flags: str, said: str | None) -> None:
    image = smv("a.img", np.full((4, 4), 60), **keys)
    lines = notices(done(image, *flags.split(), "-floatfile", "a.bin"))
    assert len(lines) == (said is not None)
    assert said is None or said in lines[0]
    assert floats("a.bin", (4, 4))[0, 0] == (20.0 if "40" in f"{keys} {flags}" else 60.0)


@pytest.mark.parametrize("ending", ["npy", "pgm", "png"])
def test_other_kinds_have_their_shape_with_them_and_are_photons(ending: str) -> None:
    from PIL import Image

    values = np.arange(63, dtype=np.uint8).reshape(SHAPE)
    if ending == "npy":
        np.save("a.npy", values.astype(float))
    else:
        Image.fromarray(values).save(f"a.{ending}")
    assert notices(done(f"a.{ending}", "-floatfile", "a.bin")) == []
    np.testing.assert_array_equal(floats("a.bin"), values)
    done(f"a.{ending}", "-input_offset", "-1", "-input_scale", "2", "-floatfile", "a.bin")
    np.testing.assert_array_equal(floats("a.bin"), (values + 1) / 2)


def test_negative_photons_are_taken_as_none_and_counted_where_they_are_kept() -> None:
    image = np.ones((5, 5))
    image[0, :] = -1.5
    image[1, 1] = -2.25
    lines = notices(done(raw(image), "-floatfile", "a.bin"))
    assert lines == ["6 pixels of image.bin are below 0 photons and taken as 0, the lowest is at -2.25"]
    np.testing.assert_array_equal(floats("a.bin", (5, 5)), image.clip(min=0.0))
    assert notices(done("image.bin", "-roi", 0, 4, 1, 4, "-floatfile", "a.bin"))[0].startswith("1 pixels of")
    assert notices(done("image.bin", "-roi", 0, 4, 2, 4, "-floatfile", "a.bin")) == []


def test_an_smv_image_of_a_region_is_nowhere_negative_in_that_region() -> None:
    region = ("-roi", 2, 6, 1, 4)
    assert run("simulate", *MODEL, *CAMERA, *region, "-intfile", "a.img").status == 0
    assert "43 pixels of a.img are below 0" in notices(done("a.img", "-floatfile", "a.bin"))[0]
    assert notices(done("a.img", *region, "-floatfile", "a.bin")) == []


def test_what_a_mask_or_a_region_hides_has_no_photons() -> None:
    mask, part = np.arange(63).reshape(SHAPE) % 5, (slice(1, 5), slice(2, 7))
    image, hidden = np.full(SHAPE, 50.0), np.zeros(SHAPE)
    hidden[part] = np.where(mask, image, 0.0)[part]
    smv("mask.img", mask)
    words = ("-seed", "1", "-roi", 2, 6, 1, 4, "-adc", "0")
    done(raw(image), *words, "-mask", "mask.img", "-floatfile", "a.bin", "-noisefile", "a.img")
    done(raw(hidden, "hidden.bin"), *words, "-img", "mask.img", "-noisefile", "b.img")
    np.testing.assert_array_equal(floats("a.bin"), hidden)
    np.testing.assert_array_equal(pixels("a.img"), pixels("b.img"))
    assert (pixels("a.img")[hidden > 0] > 20).all() and not pixels("a.img")[hidden == 0].any()


# --- which files


@pytest.mark.parametrize(
    ("words", "files", "said"),
    [
        ("", {"noiseimage.img"}, []),
        ("-nopgm", {"noiseimage.img"}, []),
        ("-noisepng a", {"a"}, []),
        ("-floatfile a -intfile b -pgmfile c -noisefile d -pngfile e -noisepng f", set("abcdef"), []),
        ("-nonoise -noisefile a", {"a"}, []),
        (
            "-noisefile a -floatfile b -nonoise",
            {"b"},
            ["-noisefile a is not written: the noise model is nonoise"],
        ),
    ],
)
def test_the_files_asked_for_are_written_or_else_the_counts(
    folder: Path, words: str, files: set[str], said: list[str]
) -> None:
    finished = done(raw(np.ones((4, 4))), "-seed", "1", *words.split())
    assert {path.name for path in folder.iterdir()} == files | {"image.bin"}
    assert notices(finished) == said


def test_noise_asks_for_no_plugin_that_only_renders() -> None:
    done(raw(np.ones((4, 4))), "--no-plugin", "hkl", "--no-plugin", "square")


def test_a_flag_that_is_only_begun_like_is_read_as_in_simulate() -> None:
    finished = done(raw(np.ones((4, 4))), "-detpixels_xy", "4", "-detpixels_yx", "4")
    assert notices(finished)[0] == "-detpixels_xy is read as -detpixels_x, as the reference reads it"


def test_flags_are_misread_as_by_the_reference_on_request_only() -> None:
    words = (raw(np.ones((4, 4))), "-twotheta_axis", "5", "0", "1", "-intfile", "a.img")
    (line,) = notices(done(*words))
    assert line.startswith("flag-matching: ")
    assert header("a.img")["TWOTHETA"] == "0"
    assert notices(done(*words, "--compat", "nanobragg")) == []
    assert header("a.img")["TWOTHETA"] == "5"


def test_what_the_reference_writes_otherwise_is_noticed() -> None:
    words = (raw(np.ones(SHAPE)), *CAMERA, "-twotheta", "10", "-noisefile", "a.img")
    line, other = notices(done(*words))
    assert line.startswith("smv-header: ") and "a.img: " in line
    # Nor does the better header tell readers that the detector is not across the beam.
    assert other.startswith("a.img cannot say how the detector stands: readers are up to ")
    before = Path("a.img").read_bytes()
    assert notices(done(*words, "--compat", "nanobragg")) == []
    assert Path("a.img").read_bytes() != before


FORMAT = """
import json
from pathlib import Path
from typing import ClassVar
import attrs
from openbragg import hookimpl, option

@attrs.frozen
class Told:
    name: ClassVar[str] = "told"
    summary: ClassVar[str] = "what a format is told"
    flags: ClassVar[tuple[str, ...]] = ()
    file: Path | None = option("-told", type=Path, output="counts", help="Write it.")

    def write(self, stream, image):
        experiment = image.experiment
        told = [experiment.detector.pixels, experiment.sampling.region, image.region, experiment.scan.steps]
        stream.write(json.dumps([*told, experiment.beam.fluence, sorted(image.quirks)]).encode())

    def default_file(self, content):
        return None

@hookimpl
def image_formats():
    return [Told]
"""


def test_a_format_of_others_is_told_the_experiment(install: Callable[..., None]) -> None:
    install("telling", told=FORMAT)
    words = ("-told", "told.json", "-roi", 1, 9, 2, 3, "-osc", "1", "-fluence", "3", "--compat", "smv-header")
    done(raw(np.ones((5, 5))), *words)
    assert json.loads(Path("told.json").read_text()) == [[5, 5], [1, 4, 2, 3], [1, 4, 2, 3], 2, 3.0, ["smv-header"]]


# --- what is refused


@pytest.mark.parametrize(
    ("image", "flags", "reason"),
    [
        ("none.bin", "", "cannot read none.bin: No such file or directory"),
        ("folder", "", "cannot read folder: it is a folder"),
        ("pipe", "", "cannot read pipe: it is not a regular file"),
        ("empty.bin", "", "empty.bin: the file is empty"),
        ("good.bin", "-detpixels 5", "good.bin: expected 5 x 5 pixels (slow x fast) in 100 bytes, the file has 64"),
        ("good.bin", "-detpixels_x 5", "good.bin: expected 1024 x 5 pixels"),
        ("good.bin", "-detsize 0.3", "good.bin: expected 3 x 3 pixels"),
        ("good.bin", "-mask mask.img", "good.bin: expected 7 x 9 pixels"),
        ("good.bin", "-mask mask.img -detpixels 4", "the mask has 9 x 7 pixels, the detector 4 x 4"),
        ("good.bin", "-img good.bin", "good.bin: the image does not say where it was recorded"),
        ("good.bin", "-input_scale 1e-44", "photons are infinite"),
        ("good.bin", "-device nowhere", "device 'nowhere' cannot be used"),
        ("long.bin", "", "long.bin: no image of a known format, and its 68 bytes are no square of float32 pixels"),
        ("nan.bin", "", "nan.bin: expected finite numbers, got nan at slow 0, fast 1"),
        ("nan.bin", "-roi 2 3 2 3", "nan.bin: expected finite numbers, got nan at slow 0, fast 1"),
        ("inf.bin", "", "inf.bin: expected finite numbers, got -inf"),
        ("cut.img", "", "cut.img: expected 9 x 7 pixels after the header, the file holds 62"),
        ("word.img", "", "word.img: expected a number for ADC_OFFSET in the header, got 'forty'"),
        ("zero.img", "", "COUNTS_PER_PHOTON above 0 in the header, got 0 and 0"),
        ("mask.img", "-detpixels 7", "mask.img: the image has 9 x 7 pixels, the detector 7 x 7"),
        ("good.bin", "-noisefile none/n.img", "cannot write none/n.img: there is no folder"),
    ],
)
def test_a_bad_input_is_refused_in_one_line(image: str, flags: str, reason: str) -> None:
    prepare()
    status = 2 if "-device" in flags else 1
    assert reason in complaint(status, image, *flags.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "Missing argument 'IMAGE'"),
        ("good.bin nan.bin", "unexpected argument 'nan.bin'"),
        ("good.bin -N 3", "-N: a flag of simulate"),
        ("good.bin --oversample=3", "--oversample: a flag of simulate"),
        ("good.bin -hkl good.bin", "-hkl: a flag of simulate"),
        ("good.bin -noize poisson", "no such flag: -noize; did you mean -noise"),
        ("-noize poisson", "no such flag: -noize; did you mean -noise"),
        ("-5", "unexpected argument '-5'"),
        ("good.bin -roi 7 8 0 0", "-roi 7 8 0 0: expected xmin <= xmax"),
        ("good.bin -noise none", "'none'"),
        ("good.bin -input_scale 0", "-input_scale: expected a number above 0 (counts/photon), got '0'"),
        ("good.bin -input_offset nan", "-input_offset: expected a finite number (counts), got 'nan'"),
        ("good.bin -nonoise", "nothing to write: the noise model is nonoise"),
        ("good.bin -noisefile a -nonoise", "nothing to write: the noise model is nonoise"),
        ("good.bin -floatfile good.bin", "good.bin would be overwritten"),
        ("noiseimage.img", "noiseimage.img would be overwritten"),
        ("good.bin -noisefile link", "good.bin would be overwritten"),
        ("good.bin -floatfile a -intfile a", "two outputs are to be written to a"),
        ("good.bin --compat everything", "--compat: expected nanobragg"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(words: str, reason: str) -> None:
    prepare()
    assert reason in complaint(1 if "-noise none" in words else 2, *words.split())


def prepare() -> None:
    """Images of which only the first is good."""
    raw(np.ones((4, 4)), "good.bin")
    Path("link").symlink_to("good.bin")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("empty.bin").touch()
    raw(np.ones((1, 17)), "long.bin")
    bad = np.ones((4, 4))
    bad[0, 1] = np.nan
    raw(bad, "nan.bin")
    bad[0, 1] = -np.inf
    raw(bad, "inf.bin")
    smv("mask.img", np.ones(SHAPE))
    smv("noiseimage.img", np.ones(SHAPE))
    smv("word.img", np.ones(SHAPE), ADC_OFFSET="forty")
    smv("zero.img", np.ones(SHAPE), ADC_OFFSET=0, COUNTS_PER_PHOTON=0)
    Path("cut.img").write_bytes(Path("mask.img").read_bytes()[:-2])


def test_a_file_that_is_there_stays_as_it_is_when_the_image_is_bad() -> None:
    prepare()
    Path("n.img").write_text("kept")
    complaint(1, "nan.bin", "-noisefile", "n.img")
    assert Path("n.img").read_text() == "kept"


# --- help


def test_help_shows_the_image_and_the_flags_that_matter() -> None:
    finished = done("--help")
    assert finished.out.startswith("Usage: openbragg noise [OPTIONS] IMAGE")
    groups = re.findall(r"^(\S.*):$", finished.out, flags=re.MULTILINE)
    assert groups[:5] == ["image", "detector", "beam", "scan", "output"]
    spellings = set(re.findall(r"(?<!\S)(-[\w-]+)", finished.out))
    for flag in ("-input_offset", "-detpixels", "-lambda", "-phi", "-seed", "-roi", "-noise", "-nonoise", "-adc"):
        assert flag in spellings
    assert not {"-N", "-hkl", "-oversample", "-precision", "-round_xtal"} & spellings


def test_the_commands_of_the_document_are_ones_that_it_takes() -> None:
    text = (ROOT / "docs" / "how-to" / "noise.md").read_text(encoding="utf-8").replace("$", "")
    lines = re.findall(r"^ +openbragg noise (.*)$", text, flags=re.MULTILINE)
    assert len(lines) == 9
    for line in lines:
        Noise.command(load_registry(())).make_context("noise", line.replace("-seed seed", "-seed 1").split())


def test_flags_of_noisify_are_what_they_are_there() -> None:
    """-scale makes pixels photons, -header names the camera, fiber is fibre and 46 um wide, 32 bits hold more."""
    np.full((4, 4), 5.0, dtype="<f4").tofile("five.bin")
    done("five.bin", "-scale", "1e5", "-nonoise", "-floatfile", "a.bin", "-intfile", "a.img", "-bits", "32")
    assert (np.fromfile("a.bin", "<f4") == 5e5).all()
    read = openbragg.read_image("a.img")
    assert read.pixels.dtype == np.uint32 and (read.pixels == 500040).all() and read.header["TYPE"] == "unsigned_long"
    done("five.bin", "-scale", "0", "-nonoise", "-floatfile", "z.bin", "-intfile", "z.img")
    assert (np.fromfile("z.bin", "<f4") == 5.0).all()
    assert (openbragg.read_image("z.img").pixels == 55040).all()
    smv("head.img", np.ones((4, 4), dtype=int), DISTANCE=123, PIXEL_SIZE=0.2)
    done("five.bin", "-header", "head.img", "-psf_radius", "3", "-nonoise", "-intfile", "b.img")
    assert header("b.img")["DISTANCE"] == "123"
    wide, given = openbragg.plugin("noise_models", "detector", point_spread="fiber"), {"point_spread_width": 46e-6}
    same = openbragg.plugin("noise_models", "detector", point_spread="fibre", **given)
    assert wide.settings() == same.settings()
