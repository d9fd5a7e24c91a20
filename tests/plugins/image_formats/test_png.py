"""PNG: the shared properties, read back by Pillow; its grey scale."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from openbragg import Image, InputError
from openbragg.testing import check_image_format, make_image
from openbragg_plugins.image_formats.png.format import Png


def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    with Picture.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "L")
        return np.array(picture)


def drawn(png: Png, pixels: list[list[float]], region: tuple[int, int, int, int] | None = None) -> list[list[int]]:
    array = np.array(pixels, dtype=np.float32)
    stream = io.BytesIO()
    png.write(stream, make_image(array, region=region))
    return [[int(value) for value in row] for row in read(stream.getvalue(), array.shape)]


@pytest.mark.parametrize("black", [False, True])
def test_png_keeps_the_contract_of_an_image_format(black: bool) -> None:
    def expected(image: Image) -> np.ndarray:
        values = image.pixels.astype(np.float64)
        rendered = values[image.rendered()]
        lit = rendered[rendered > 0.0]
        top = np.percentile(rendered, 99.5) or (np.percentile(lit, 99.5) if lit.size else 1.0)
        grey = np.sqrt(np.minimum(values / top, 1.0))
        return np.rint(255.0 * (grey if black else 1.0 - grey))

    # Pixels without photons are white, or black with -png_black; so are those that were not rendered.
    png = Png(black=black, gamma=0.5)
    check_image_format(png, read, expected=expected, blank=0.0 if black else 255.0, tolerance=1.0)


def test_spots_are_black_on_white_or_the_other_way() -> None:
    pixels = [[0.0, 5.0, 10.0]]
    assert drawn(Png(percentile=100.0), pixels) == [[255, 128, 0]]
    assert drawn(Png(percentile=100.0, black=True), pixels) == [[0, 128, 255]]


def test_everything_from_the_percentile_up_is_drawn_alike() -> None:
    pixels = [[float(value) for value in range(101)]]
    found = drawn(Png(percentile=50.0, black=True), pixels)[0]
    assert found[50:] == [255] * 51
    assert found[25] == 128


def test_an_image_mostly_without_photons_is_scaled_to_the_pixels_that_have_some() -> None:
    pixels = [[0.0] * 300 + [2.0, 4.0]]
    # The median of the two is 3, and 2 is two thirds of it.
    assert drawn(Png(percentile=50.0, black=True), pixels)[0][-2:] == [170, 255]


def test_an_empty_image_is_blank() -> None:
    assert drawn(Png(), [[0.0, 0.0]]) == [[255, 255]]


def test_only_rendered_pixels_decide_the_scale() -> None:
    assert drawn(Png(percentile=100.0, black=True), [[9.0, 1.0, 2.0]], region=(1, 2, 0, 0)) == [[0, 128, 255]]


@settings(max_examples=25, deadline=None)
@given(
    photons=st.lists(st.floats(0.0, 1e6, width=32), min_size=2, max_size=30),
    percentile=st.floats(1.0, 100.0),
    gamma=st.floats(0.1, 4.0),
)
def test_more_photons_are_never_drawn_brighter(photons: list[float], percentile: float, gamma: float) -> None:
    photons = sorted(photons)
    found = drawn(Png(percentile=percentile, gamma=gamma), [photons])[0]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"percentile": 0.0}, "expected a number above 0 and up to 100"),
        ({"percentile": 101.0}, "expected a number above 0 and up to 100"),
        ({"gamma": 0.0}, "expected a number above 0"),
    ],
)
def test_scales_that_draw_nothing_are_refused(options: dict[str, float], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Png(**options)


def test_no_picture_is_drawn_unless_asked_for() -> None:
    assert Png().default_file("photons") is None
    assert Png().default_file("counts") is None
