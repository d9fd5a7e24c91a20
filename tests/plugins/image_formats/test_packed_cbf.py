"""Packed CBF images: what the library of the format has written is read, and what is spoilt is one line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from openbragg import InputError, read_image

pycbf = pytest.importorskip("pycbf")

#: Small and large steps, and a pixel that was not measured.
PIXELS = np.random.default_rng(2).poisson(40, (50, 70)).astype(np.int32)
PIXELS[3, 4], PIXELS[5, 6] = 1 << 20, -1
HEADER = b"""
# Detector: MAR 345
# Pixel_size 100e-6 m x 100e-6 m
# Wavelength 1.2 A
# Detector_distance 0.2 m
# Beam_xy (35.0, 25.0) pixels
"""


def written(path: Path, compression: int) -> bytes:
    slow, fast = PIXELS.shape
    handle = pycbf.cbf_handle_struct()
    handle.new_datablock(b"image_1")
    handle.new_category(b"array_data")
    handle.new_column(b"header_contents")
    handle.set_value(HEADER)
    handle.new_column(b"data")
    handle.set_integerarray_wdims(
        compression, 1, PIXELS.astype("<i4").tobytes(), 4, 1, slow * fast, b"little_endian", fast, slow, 1, 0
    )
    handle.write_widefile(str(path).encode(), pycbf.CBF, pycbf.MIME_HEADERS | pycbf.MSG_DIGEST, 0)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["CBF_PACKED", "CBF_PACKED_V2", "CBF_BYTE_OFFSET"])
def test_what_the_library_has_written_is_read(tmp_path: Path, name: str) -> None:
    content = written(tmp_path / "a.cbf", getattr(pycbf, name))
    (tmp_path / "b.cbf.gz").write_bytes(gzip.compress(content))
    for path in (tmp_path / "a.cbf", tmp_path / "b.cbf.gz"):
        image = read_image(path)
        assert np.array_equal(image.pixels, PIXELS)
        assert image.masked is not None and image.masked.sum() == 1 and image.masked[5, 6]
        assert image.geometry is not None and image.geometry.wavelength == pytest.approx(1.2e-10)


def test_spoilt_packed_pixels_are_one_line(tmp_path: Path) -> None:
    content = written(tmp_path / "a.cbf", pycbf.CBF_PACKED)
    begin = content.index(b"\x0c\x1a\x04\xd5") + 4
    for spoilt in (content[: begin + 40], content[: begin + 30] + b"\xff" * 20 + content[begin + 50 :]):
        (tmp_path / "b.cbf").write_bytes(spoilt)
        with pytest.raises(InputError) as refused:
            read_image(tmp_path / "b.cbf")
        assert str(refused.value).startswith(str(tmp_path / "b.cbf")) and "\n" not in str(refused.value)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a.cbf", pycbf.CBF_PACKED)
    monkeypatch.setattr("openbragg_plugins.image_formats.minicbf.packed.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'openbragg\[images\]'"):
        read_image(tmp_path / "a.cbf")
