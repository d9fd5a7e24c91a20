"""``-img`` and ``-mask`` take what any image says: the same photons again, and the same pixels hidden."""

from pathlib import Path

import numpy as np
import pytest

from command_line import run

MATRIX = "0.021 0.003 -0.002\n-0.004 0.017 0.005\n0.001 -0.006 0.024\n"
CRYSTAL = ("-mat", "a.mat", "-default_F", "100", "-N", "3", "-oversample", "1", "-phisteps", "3", "-nopgm")
CAMERA = (
    *("-detpixels_f", "30", "-detpixels_s", "20", "-pixel", "1.5", "-distance", "40", "-lambda", "1.1"),
    *("-twotheta", "8", "-phi", "15", "-osc", "2", "-Xbeam", "14", "-Ybeam", "20"),
)
#: SMV speaks of conventions, and has its own tests, among those of the quirks.
FILES = {"-cbf": "a.cbf", "-tiff": "a.tif", "-nxmx": "a.h5"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one image in every format that says how it was recorded."""
    monkeypatch.chdir(tmp_path)
    Path("a.mat").write_text(MATRIX, encoding="ascii")
    photons(*CAMERA, *(word for pair in FILES.items() for word in pair))
    return tmp_path


def photons(*words: str) -> np.ndarray:
    finished = run("simulate", *CRYSTAL, *words, "-floatfile", "photons.bin")
    assert finished.status == 0, finished.err
    return np.fromfile("photons.bin", dtype="<f4")


@pytest.mark.parametrize("name", FILES.values())
def test_the_camera_of_an_image_gives_the_same_photons(folder: Path, name: str) -> None:
    expected = photons(*CAMERA)
    # Headers of text have nine digits.
    np.testing.assert_allclose(photons("-img", name), expected, rtol=0.0, atol=1e-6 * float(expected.max()))


def test_flags_come_after_the_camera_of_an_image(folder: Path) -> None:
    expected = photons(*CAMERA, "-lambda", "1.3")
    np.testing.assert_allclose(photons("-img", "a.h5", "-lambda", "1.3"), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("-img photons.npy", "photons.npy: the image does not say where it was recorded"),
        ("-img a.cbf -mosflm", "-mosflm and -img: the file places the detector; leave one out"),
        ("-img a.cbf -convention xds", "-convention xds and -img: the file places the detector; leave one out"),
        ("-img a.h5 -detector pilatus-6m", "-detector and -img: both describe the detector; leave one out"),
        ("-img none.cbf", "cannot read none.cbf: No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(folder: Path, words: str, reason: str) -> None:
    np.save("photons.npy", np.ones((2, 3)))
    finished = run("simulate", *CRYSTAL, *words.split())
    assert finished.status != 0
    assert finished.err == f"openbragg: error: {reason}\n"


@pytest.mark.parametrize("name", ["mask.npy", "mask.tif", "mask.png"])
def test_a_mask_may_be_an_image_of_any_format(folder: Path, name: str) -> None:
    import tifffile
    from PIL import Image

    seen = np.ones((20, 30), dtype=np.uint8)
    seen[4:9, 7:20] = 0
    if name.endswith("npy"):
        np.save(name, seen)
    elif name.endswith("tif"):
        tifffile.imwrite(name, seen)
    else:
        Image.fromarray(seen).save(name)
    found, whole = photons(*CAMERA, "-mask", name).reshape(20, 30), photons(*CAMERA).reshape(20, 30)
    assert np.array_equal(found, np.where(seen, whole, 0.0))
    assert whole[seen == 0].max() > 0.0


def test_masked_pixels_of_an_image_are_hidden_by_it(folder: Path) -> None:
    np.save("mask.npy", np.arange(600).reshape(20, 30) % 7)
    photons(*CAMERA, "-mask", "mask.npy", "-cbf", "masked.cbf", "-noise", "nonoise", "-cbf_photons", "ones.cbf")
    found = photons(*CAMERA, "-mask", "ones.cbf").reshape(20, 30)
    assert not found[np.load("mask.npy") == 0].any()
