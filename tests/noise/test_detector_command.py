"""The noise of a detector on the command line: single images, series, regions and masks."""

import math
from pathlib import Path

import numpy as np
import pytest

from command_line import CRYSTAL, run

SHAPE = (24, 30)
CAMERA = ("-detpixels_s", SHAPE[0], "-detpixels_f", SHAPE[1], "-pixel", "0.1")
MODEL = (*CRYSTAL, *CAMERA, "-default_F", "100", "-fluence", "1e26", "-oversample", "1")
DETECTOR = tuple(
    "-noise detector -gain 20 -calibration 3 -module_calibration 5 -module_pixels 8 10 -dead_pixels 5 -hot_pixels 5 "
    "-hot_current 3000 -readout_noise 2 -flicker 4".split()
)

pytestmark = pytest.mark.usefixtures("_folder")


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def done(*words: object) -> None:
    finished = run(*words)
    assert finished.status == 0, finished.err


def counts(name: str) -> np.ndarray:
    return np.frombuffer(Path(name).read_bytes()[-2 * SHAPE[0] * SHAPE[1] :], "<u2").reshape(SHAPE).astype(float)


def flat(level: float) -> str:
    np.full(SHAPE, level, "<f4").tofile("flat.bin")
    return "flat.bin"


def test_the_command_draws_what_simulate_draws_from_the_same_photons() -> None:
    words = (*DETECTOR, "-psf", "fibre", "-psf_fwhm", "150", "-exposure", "0.5", "-dark_current", "8", "-seed", "5")
    done("simulate", *MODEL, *words, "-floatfile", "a.bin", "-noisefile", "a.img")
    done("noise", "a.bin", *CAMERA, *words, "-noisefile", "b.img")
    assert (counts("a.img") == counts("b.img")).all()
    assert counts("a.img").std() > 0


def test_the_size_of_a_pixel_and_the_exposure_are_those_of_the_experiment() -> None:
    np.pad(np.full((1, 1), 4e4, "<f4"), ((12, 11), (15, 14))).astype("<f4").tofile("spot.bin")
    for pixel, wanted in ((0.1, 2.0), (0.2, 1.0)):
        camera = (*CAMERA[:-1], pixel)
        spread = ("-noise", "detector", "-psf", "gauss", "-psf_fwhm", "200", "-seed", "1", "-adc", "0")
        done("noise", "spot.bin", *camera, *spread, "-noisefile", "a.img")
        found = counts("a.img")
        # The second moment of a Gaussian's integrals over pixels; 4e4 photons tell it to 1e-2.
        scale = wanted / 2.354820045 * math.sqrt(2)
        second = sum(k * k * (math.erf((k + 0.5) / scale) - math.erf((k - 0.5) / scale)) / 2 for k in range(-11, 12))
        rows = np.arange(SHAPE[0]) - 12
        moment = (found.sum(axis=1) * rows**2).sum() / found.sum()
        assert moment == pytest.approx(second, rel=0.03)
    done("noise", flat(0), *CAMERA, "-noise", "detector", "-dark_current", "100", "-exposure", "4", "-adc", "0")
    assert counts("noiseimage.img").mean() == pytest.approx(400, abs=5 * 20 / np.sqrt(720))


def test_images_of_a_series_differ_by_photons_and_flicker_and_have_the_same_detector() -> None:
    words = (*MODEL, "-osc", "1", "-phisteps", "1", *DETECTOR, "-pedestal", "50", "-seed", "2", "-adc", "100")
    done("simulate", *words, "--images", "3", "-noisefile", "a.img")
    images = [counts(f"a_{number:04d}.img") - 100 for number in (1, 2, 3)]
    dead = [image == 0 for image in images]
    assert 5 < dead[0].sum() < 90
    assert all((one == dead[0]).all() for one in dead)
    hot = [image > 2000 for image in images]
    assert images[0].mean() > 10
    assert 5 < hot[0].sum() < 90
    assert all((one == hot[0]).all() for one in hot)
    assert all((one != other).mean() > 0.5 for one, other in ((images[0], images[1]), (images[1], images[2])))


def test_a_bright_series_shows_one_calibration_and_a_flicker_of_its_own_each_time() -> None:
    image = flat(30000)
    for seed in (1, 2, 3):
        done(
            "noise", image, *CAMERA, "-noise", "detector", "-calibration", "5", "-flicker", "10", "-seed", seed,
            "-adc", "0", "-noisefile", f"{seed}.img",
        )  # fmt: skip
    images = [counts(f"{seed}.img") for seed in (1, 2, 3)]
    means = [image.mean() for image in images]
    assert len({round(mean / 30000, 2) for mean in means}) > 1
    # Photons stray 0.6 %, against the calibration's 5.
    assert np.corrcoef([image.reshape(-1) for image in images]).min() > 0.95


def test_a_region_has_the_detector_of_the_whole_image() -> None:
    words = (flat(3000), *CAMERA, "-noise", "detector", "-dead_pixels", "20", "-adc", "10", "-seed", "1")
    done("noise", *words, "-noisefile", "whole.img")
    done("noise", *words, "-roi", 5, 20, 3, 17, "-noisefile", "part.img")
    part = np.s_[3:18, 5:21]
    assert ((counts("part.img") == 10)[part] == (counts("whole.img") == 10)[part]).all()
    outside = counts("part.img").copy()
    outside[part] = 0
    assert outside.max() == 0


def test_masked_pixels_have_no_counts_however_noisy_the_detector_is() -> None:
    mask = np.ones(SHAPE, "<u2")
    mask[4:9] = 0
    head = f"{{\nHEADER_BYTES=512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1={SHAPE[1]};\n"
    Path("m.img").write_bytes(f"{head}SIZE2={SHAPE[0]};\nPIXEL_SIZE=0.1;\n}}\n".encode().ljust(512) + mask.tobytes())
    noisy = ("-noise", "detector", "-dark_current", "500", "-readout_noise", "9", "-pedestal", "50")
    done("noise", flat(40), "-mask", "m.img", *noisy, "-seed", "1", "-adc", "7", "-noisefile", "a.img")
    found = counts("a.img")
    assert (found[4:9] == 7).all()
    assert found[:4].min() > 300


def test_saturation_is_before_the_offset_of_the_file() -> None:
    done("noise", flat(3000), *CAMERA, "-noise", "detector", "-saturation", "1500", "-adc", "40", "-noisefile", "a.img")
    assert (counts("a.img") == 1540).all()


def test_a_flag_of_the_detector_chooses_it_and_a_preset_can_be_overridden() -> None:
    done(
        "noise",
        flat(1000),
        *CAMERA,
        "-detector_preset",
        "ccd-taper",
        "-psf",
        "none",
        "-seed",
        "1",
        "-noisefile",
        "a.img",
    )
    assert counts("a.img").mean() == pytest.approx(40 + 1800, rel=0.02)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("-gain 0", "-gain: expected a number above 0 (ADU/photon), got '0'"),
        ("-detector_preset pilates", "-detector_preset: expected one of ideal, pilatus, eiger"),
        ("-psf_fwhm 150", "point spread width is of no use without -psf gauss or -psf fibre"),
        ("-readout_noise 3 -readout_electrons 5", "-readout_noise and -readout_electrons are the same thing"),
        ("-noise poisson -gain 2", "-gain belongs to the noise model detector, not poisson"),
        ("-nonoise -gain 2", "-gain belongs to the noise model detector, not nonoise"),
        ("-dead_time 1e6 -exposure 0.01", "an exposure of 0.01 s is too short for a dead time of 1e+06 ns"),
    ],
)
def test_what_cannot_be_is_one_line(words: str, text: str) -> None:
    finished = run("noise", flat(1), *CAMERA, *words.split())
    assert finished.status == (1 if "too short" in text else 2)
    assert len(finished.complaints()) == 1 and text in finished.err


@pytest.mark.parametrize(("words", "profile"), [("-psf gauss", "gauss"), ("-psf fiber -psf_radius 3", "fibre")])
def test_a_point_spread_alone_is_as_wide_as_noisify_s(words: str, profile: str) -> None:
    image = flat(1000)
    files = []
    for name, flags in (("a", words), ("b", f"-psf {profile} -psf_fwhm 46"), ("c", f"-psf {profile} -psf_fwhm 60")):
        done("noise", image, *CAMERA, *flags.split(), "-seed", "1", "-noisefile", f"{name}.img")
        files.append(Path(f"{name}.img").read_bytes())
    assert files[0] == files[1] != files[2]


def test_a_record_repeats_the_counts() -> None:
    preset = ("-detector_preset", "ccd-lens", "-calibration", "4")
    done("simulate", *MODEL, *preset, "-noisefile", "a.img", "-record", "a.json")
    first = Path("a.img").read_bytes()
    done("simulate", "--from", "a.json", "-noisefile", "b.img")
    assert Path("b.img").read_bytes() == first
