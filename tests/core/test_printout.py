"""What -printout shows of a pixel is what the image was made of."""

import re
from pathlib import Path

import numpy as np
import pytest

import oracle
from command_line import run

FLAGS = {"cell": (40.0, 45.0, 50.0, 90.0, 90.0, 90.0), "N": 4, "default_F": 100.0, "detpixels": 4, "pixel": 5.0}
LINE = "-cell 40 45 50 90 90 90 -N 4 -default_F 100 -detpixels 4 -pixel 5 -oversample 1".split()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(*words: str) -> list[dict[str, list[float]]]:
    """The numbers of each printed pixel by the word before them."""
    finished = run("simulate", *LINE, "-floatfile", "a.bin", "-precision", "double", *words)
    assert finished.status == 0, finished.err
    blocks = re.split(r"(?m)^(?= *\d+ +\d+ : stol)", finished.out.partition("oversampling")[0])
    found = []
    for block in blocks:
        if "stol" not in block:
            continue
        numbers = {"place": [float(word) for word in block.partition(":")[0].split()]}
        for name in (
            "at",
            "hkl=",
            "hkl0=",
            "F_cell=",
            "F_latt=",
            "I =",
            "I/steps",
            "polar",
            "omega",
            "capfrac",
            "pixel",
        ):
            after = block.partition(name)[2].partition("\n")[0]
            numbers[name] = [float(word) for word in re.match(r"[-+.e\d ]*", after)[0].split()]
        found.append(numbers)
    return found


def test_the_factors_of_a_pixel_make_its_photons() -> None:
    (pixel,) = printed("-printout_pixel", "3", "1", "-polar", "0.7")
    assert pixel["place"] == [3.0, 1.0]
    expected = oracle.simulate({**FLAGS, "oversample": 1, "polar": 0.7})[1][3]
    assert pixel["pixel"][0] == pytest.approx(expected, rel=1e-6)
    product = pixel["I/steps"][0] * pixel["polar"][0] * pixel["omega"][0] * pixel["capfrac"][0]
    # The fluence by default makes r_e^2 fluence 1.
    assert product == pytest.approx(expected, rel=1e-6)
    assert pixel["I ="][0] == pytest.approx((100.0 * pixel["F_latt="][0]) ** 2, rel=1e-4)


def test_the_index_of_a_pixel_follows_from_its_place() -> None:
    (pixel,) = printed("-printout_pixel", "0", "2")
    place = np.array(pixel["at"])
    q = place / np.linalg.norm(place) - [1.0, 0.0, 0.0]
    np.testing.assert_allclose(pixel["hkl="], q * [40.0, 45.0, 50.0], atol=1e-4)
    np.testing.assert_array_equal(pixel["hkl0="], np.ceil(np.array(pixel["hkl="]) - 0.5))


def test_every_rendered_pixel_is_printed_in_order() -> None:
    pixels = printed("-printout", "-roi", "1", "2", "0", "3")
    assert [pixel["place"] for pixel in pixels] == [[fast, slow] for slow in range(4) for fast in (1.0, 2.0)]
    image = np.fromfile("a.bin", "<f4").reshape(4, 4)
    np.testing.assert_allclose([pixel["pixel"][0] for pixel in pixels], image[:, 1:3].reshape(-1), rtol=1e-6)


@pytest.mark.parametrize("place", [("4", "0"), ("0", "4"), ("0", "0")])
def test_a_pixel_that_is_not_rendered_is_refused(place: tuple[str, str]) -> None:
    finished = run("simulate", *LINE, "-floatfile", "a.bin", "-roi", "1", "3", "0", "3", "-printout_pixel", *place)
    assert finished.status == 2
    assert f"-printout_pixel {' '.join(place)}: the pixel is not rendered" in finished.err
