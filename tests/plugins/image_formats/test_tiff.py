"""TIFF: the shared properties, read back by fabio and Pillow; its types, marks and description."""

import io
import json
import tempfile
from pathlib import Path

import fabio
import numpy as np
import PIL.Image
import pytest

from openbragg import Detector, Image, InputError
from openbragg.testing import check_image_format, make_image
from openbragg_plugins.image_formats.tiff.format import Tiff


def written(tiff: Tiff, image: Image) -> bytes:
    stream = io.BytesIO()
    tiff.write(stream, image)
    return stream.getvalue()


def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    """As fabio, a program of its own, reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.tif"
        path.write_bytes(data)
        return np.array(fabio.open(path).data)


@pytest.mark.parametrize("bits", [16, 32])
def test_tiff_keeps_the_contract_of_an_image_format(bits: int) -> None:
    def expected(image: Image) -> np.ndarray:
        return image.pixels if image.content == "photons" else np.clip(np.trunc(image.pixels), 0, 2**bits - 1)

    check_image_format(Tiff(bits=bits), read, expected=expected)


@pytest.mark.parametrize(("bits", "dtype"), [(16, np.uint16), (32, np.uint32)])
def test_counts_have_the_type_that_is_asked_for_and_do_not_wrap(bits: int, dtype: type) -> None:
    largest = 2**bits - 1
    image = make_image(np.array([[-3.0, 0.0, 7.9, largest, largest + 1.0, 1e15]]), "counts")
    found = read(written(Tiff(bits=bits), image), (1, 6))
    assert found.dtype == dtype
    assert found.tolist() == [[0, 0, 7, largest, largest, largest]]
    assert Tiff(bits=bits).overloads(image) == 2


def test_masked_pixels_have_marks_that_nothing_else_has() -> None:
    detector = Detector(pixels=(1, 3), mask=np.array([[True, False, True]]))
    counts = make_image(np.array([[5.0, 5.0, 1e9]]), "counts", detector=detector)
    assert read(written(Tiff(bits=16), counts), (1, 3)).tolist() == [[5, 65535, 65534]]
    photons = make_image(np.array([[5.0, 5.0, 1e9]], dtype=np.float32), detector=detector)
    assert read(written(Tiff(), photons), (1, 3)).tolist() == [[5.0, -1.0, 1e9]]


def test_the_description_says_where_the_detector_stands() -> None:
    detector = Detector(pixels=(20, 30), pixel_size=0.2e-3, distance=0.15)
    image = make_image(np.zeros((20, 30)), "counts", detector=detector)
    with PIL.Image.open(io.BytesIO(written(Tiff(), image))) as tif:
        said = json.loads(tif.tag_v2[270])
    wanted = {"pixel_size_mm": 0.2, "distance_mm": 150, "wavelength_A": 1, "beam_fast_px": 15, "beam_slow_px": 10}
    assert {key: said[key] for key in wanted} == wanted


def test_other_widths_of_a_count_are_refused() -> None:
    with pytest.raises(InputError, match=r"Tiff\.bits: expected 16 or 32, got 8"):
        Tiff(bits=8)
