"""PGM: the shared properties, read back by Pillow; its scale and its clipping."""

import io

import numpy as np
import pytest
from PIL import Image as Picture

from openbragg import Image, InputError
from openbragg.testing import check_image_format, make_image
from openbragg_plugins.image_formats.pgm import Pgm


def written(pgm: Pgm, pixels: np.ndarray, region: tuple[int, int, int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    pgm.write(stream, make_image(pixels.astype(np.float32), region=region))
    return stream.getvalue()


def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    with Picture.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("PPM", "L")
        return np.array(picture)


@pytest.mark.parametrize("scale", [0.0, 0.5, 100.0])
def test_pgm_keeps_the_contract_of_an_image_format(scale: float) -> None:
    def expected(image: Image) -> np.ndarray:
        values = image.pixels.astype(np.float64)
        rendered = values[image.rendered()]
        deviation = rendered.std(ddof=1) if rendered.size > 1 else 0.0
        factor = scale or (50.0 / deviation if deviation > 0 else 1.0)
        return np.floor(np.minimum(values * factor, 255.0))

    # The truncation may fall to the other side where the two orders of arithmetic round apart.
    check_image_format(Pgm(scale=scale), read, expected=expected, tolerance=1.0)


def test_values_are_truncated_and_clipped() -> None:
    pixels = np.array([[0.0, 0.99, 1.0, 1.99], [254.9, 255.0, 256.0, 1e9]])
    found = read(written(Pgm(scale=1.0), pixels), pixels.shape)
    assert found.tolist() == [[0, 0, 1, 1], [254, 255, 255, 255]]


def test_five_standard_deviations_become_250() -> None:
    # A hundred pixels of which one has 10 photons have a deviation of 1, over 99 degrees of freedom.
    pixels = np.zeros((10, 10))
    pixels[3, 4] = 10.0
    pixels[5, 6] = 3.2
    deviation = pixels.std(ddof=1)
    found = read(written(Pgm(), pixels), pixels.shape)
    assert found[5, 6] == int(3.2 * 250.0 / (5.0 * deviation))


def test_a_flat_image_is_drawn_as_it_is() -> None:
    assert read(written(Pgm(), np.full((2, 3), 7.0)), (2, 3)).tolist() == [[7, 7, 7], [7, 7, 7]]


def test_the_file_says_its_scale() -> None:
    assert written(Pgm(scale=0.25), np.ones((2, 3))).startswith(b"P5\n3 2\n# pixels scaled by 0.25\n255\n")


def test_it_is_written_without_output_flags_unless_switched_off() -> None:
    assert Pgm().default_file("photons") == "image.pgm"
    assert Pgm().default_file("counts") is None
    assert Pgm(pgmfile=False).default_file("photons") is None


def test_a_negative_scale_is_refused() -> None:
    with pytest.raises(InputError, match=r"Pgm\.scale: expected a number of 0 or more, got -2"):
        Pgm(scale=-2.0)
