"""The raw float image: the shared properties, read back with numpy."""

import io

import numpy as np

from openbragg.testing import check_image_format, make_image
from openbragg_plugins.image_formats.raw import Raw


def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(data, dtype="<f4").reshape(shape)


def test_raw_keeps_the_contract_of_an_image_format() -> None:
    check_image_format(Raw(), read, expected=lambda image: image.pixels)


def test_the_fast_axis_comes_first_in_little_endian_floats() -> None:
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    stream = io.BytesIO()
    Raw().write(stream, make_image(pixels))
    assert stream.getvalue() == np.array([0, 1, 2, 3, 4, 5], dtype="<f4").tobytes()


def test_double_precision_and_other_memory_orders_are_written_alike() -> None:
    pixels = np.random.default_rng(1).uniform(size=(5, 4))
    written = []
    for array in (pixels, np.asfortranarray(pixels), pixels.astype(">f4"), pixels.astype(np.float32)):
        stream = io.BytesIO()
        Raw().write(stream, make_image(array))
        written.append(stream.getvalue())
    assert len(set(written)) == 1


def test_without_output_flags_photons_go_to_the_reference_programs_file() -> None:
    assert Raw().default_file("photons") == "floatimage.bin"
    assert Raw().default_file("counts") is None
