"""The built-in formats read what they write, and what others write: the shared properties, and known answers."""

import gzip
import io
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabio
import numpy as np
import pytest

from openbragg import Image, InputError, ReadImage, read_image
from openbragg.testing import (
    check_camera_read_back,
    check_image_reader,
    check_mask_read_back,
    check_read_back,
    make_image,
)
from openbragg_plugins.image_formats.minicbf.byte_offset import byte_offsets, from_byte_offsets
from openbragg_plugins.image_formats.minicbf.format import MiniCbf, cbf
from openbragg_plugins.image_formats.minicbf.reading import header_numbers
from openbragg_plugins.image_formats.npy import Npy
from openbragg_plugins.image_formats.nxmx.format import NXmx
from openbragg_plugins.image_formats.pgm import Pgm
from openbragg_plugins.image_formats.png.format import Png
from openbragg_plugins.image_formats.raw import Raw
from openbragg_plugins.image_formats.smv.format import Smv
from openbragg_plugins.image_formats.tiff.format import Tiff

PIXELS = np.random.default_rng(4).integers(0, 60000, (5, 7))


def written(image_format: Any, content: str = "counts") -> bytes:
    """A file of a few pixels."""
    image = make_image(PIXELS.astype(np.float32 if content == "photons" else np.float64), content)
    stream = io.BytesIO()
    image_format.write(stream, image)
    return stream.getvalue()


def npy(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, pixels)
    return stream.getvalue()


READERS = {
    "smv": (Smv(), {"counts": written(Smv()), "photons": written(Smv(), "photons")}),
    "minicbf": (MiniCbf(), {"counts": written(MiniCbf())}),
    "tiff": (Tiff(), {"counts": written(Tiff()), "16 bits": written(Tiff(bits=16)), "p": written(Tiff(), "photons")}),
    "nxmx": (NXmx(), {"counts": written(NXmx()), "photons": written(NXmx(), "photons")}),
    "pgm": (Pgm(), {"grey": written(Pgm(), "photons"), "deep": b"P5 # wide\n2 3 65535\n" + bytes(range(12))}),
    "png": (Png(), {"grey": written(Png(), "photons")}),
    "npy": (Npy(), {"floats": npy(PIXELS.astype(np.float32)), "by columns": npy(np.asfortranarray(PIXELS))}),
}


@pytest.mark.parametrize("name", READERS)
def test_readers_keep_the_contract(name: str) -> None:
    reader, good = READERS[name]
    # HDF5 turns in circles for ever over some spoilt attributes.
    check_image_reader(reader, good, spoilt=name != "nxmx")


def whole(image: Image) -> np.ndarray:
    return np.trunc(image.pixels.astype(np.float64))


@pytest.mark.parametrize(
    ("image_format", "content", "expected"),
    [
        (Raw(), "photons", lambda image: image.pixels),
        (Smv(adc_offset=0.0), "counts", lambda image: np.minimum(whole(image), 65535)),
        (MiniCbf(), "counts", lambda image: np.minimum(whole(image), 1048576)),
        (Tiff(), "counts", whole),
        (Tiff(), "photons", lambda image: image.pixels),
        (NXmx(), "counts", whole),
        (NXmx(compression="gzip"), "photons", lambda image: image.pixels),
        (NXmx(pixel_type="uint16"), "counts", lambda image: np.minimum(whole(image), 65533)),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "write") else "",
)
def test_pixels_come_back(image_format: Any, content: str, expected: Callable[[Image], np.ndarray]) -> None:
    check_read_back(image_format, content, expected=expected)


@pytest.mark.parametrize(
    ("image_format", "content"),
    [(MiniCbf(), "counts"), (Tiff(), "counts"), (Tiff(), "photons"), (NXmx(), "counts"), (NXmx(), "photons")],
    ids=lambda value: type(value).__name__ if hasattr(value, "write") else value,
)
def test_masks_come_back(image_format: Any, content: str) -> None:
    check_mask_read_back(image_format, content)


@pytest.mark.parametrize(
    ("image_format", "tolerance"),
    # SMV has six digits of distance and two-theta, miniCBF nine, TIFF ten, and NXmx has all of them.
    [(Smv(), 2e-5), (MiniCbf(), 2e-8), (Tiff(), 2e-9), (NXmx(), 1e-12)],
    ids=lambda value: type(value).__name__ if hasattr(value, "write") else "",
)
def test_cameras_come_back(image_format: Any, tolerance: float) -> None:
    check_camera_read_back(image_format, "counts", tolerance=tolerance)


def read(path: Path, content: bytes, **how: Any) -> ReadImage:
    path.write_bytes(content)
    return read_image(path, **how)


# SMV


def smv(header: str, pixels: bytes) -> bytes:
    return ("{\nHEADER_BYTES=  512;\n" + header + "}\f").encode("ascii").ljust(512) + pixels


@pytest.mark.parametrize(
    ("name", "kind"), [("unsigned_long", "u4"), ("signed_long", "i4"), ("float", "f4"), ("unsigned_short", "u2")]
)
@pytest.mark.parametrize("order", ["little_endian", "big_endian"])
def test_smv_of_other_numbers_is_read(tmp_path: Path, name: str, kind: str, order: str) -> None:
    pixels = np.arange(6).reshape(2, 3).astype(f"{'<' if order.startswith('l') else '>'}{kind}")
    image = read(tmp_path / "a", smv(f"TYPE={name};\nBYTE_ORDER={order};\nSIZE1=3;\nSIZE2=2;\n", pixels.tobytes()))
    assert image.pixels.tolist() == pixels.tolist()
    assert image.pixels.dtype == kind


def test_an_smv_header_tells_pedestal_and_gain(tmp_path: Path) -> None:
    counts = read(tmp_path / "a", written(Smv(adc_offset=30.0)))
    assert (counts.content, counts.pedestal, counts.gain, counts.overload) == ("", 30.0, None, 65535.0)
    photons = read(tmp_path / "a", written(Smv(scale=0.5), "photons"))
    assert (photons.content, photons.pedestal, photons.gain) == ("photons", 40.0, 0.5)
    assert photons.header["COUNTS_PER_PHOTON"] == "0.5"


# miniCBF


@pytest.mark.parametrize("largest", [100, 127, 128, 40000, 2**31 - 1])
def test_byte_offsets_are_those_that_were_packed(largest: int) -> None:
    random = np.random.default_rng(largest)
    pixels = random.integers(-largest - 1, largest, (31, 17), endpoint=True).astype(np.int32)
    # Differences at the limits of each length.
    pixels[0, :8] = np.clip([0, 127, 0, 128, 0, 32767, 0, 32768], -largest - 1, largest)
    packed = np.frombuffer(byte_offsets(pixels), dtype=np.uint8)
    assert np.array_equal(from_byte_offsets(packed).reshape(31, 17), pixels)


def test_a_cbf_is_read_as_fabio_reads_it(tmp_path: Path) -> None:
    image = read(tmp_path / "a.cbf", written(MiniCbf()))
    assert np.array_equal(image.pixels, fabio.open(tmp_path / "a.cbf").data)
    assert image.overload == 1048576.0


def test_a_cbf_of_fabio_is_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).poisson(40, (20, 30)).astype(np.int32)
    pixels[3:5] = -1
    fabio.cbfimage.CbfImage(data=pixels).write(tmp_path / "f.cbf")
    image = read_image(tmp_path / "f.cbf")
    assert np.array_equal(image.pixels, pixels)
    assert image.geometry is None
    assert image.masked is not None and np.array_equal(image.masked, pixels < 0)


PILATUS = """# Detector: PILATUS 6M, S/N 60-0001
# Pixel_size 172e-6 m x 172e-6 m
# Silicon sensor, thickness 0.000320 m
# Exposure_time 0.0950000 s
{more}
# Detector_distance 0.25 m
# Beam_xy (2.5, 1.5) pixels
# Start_angle 30.0 deg.
# Angle_increment 0.1 deg.
"""


@pytest.mark.parametrize(
    "lines",
    [
        "# Wavelength 1.900 A",
        # Commented out, or of a template.
        "# # Wavelength 0.645 A\n# Wavelength 1.900 A",
        "## Wavelength 0.645 A\n# Wavelength 1.900 A",
        "# Wavelength 1.900 A\n#! Wavelength 0.645 A",
        "# Note: Wavelength 0.645 A is the default\n# Wavelength 1.900 A",
        # What the detector was told at some time, then what the beamline says.
        "# Wavelength 0.645 A\n# Energy 6525 eV\n# Wavelength 1.900 A",
        "# Wavelength 1.900 A\n# Wavelength_placeholder 0.645 A",
    ],
)
def test_a_placeholder_in_a_header_is_not_believed(tmp_path: Path, lines: str) -> None:
    header = PILATUS.format(more=lines).replace("\n", "\r\n")
    image = read(tmp_path / "a.cbf", cbf(np.zeros((3, 5), dtype=np.int32), header))
    assert image.geometry is not None
    assert image.geometry.wavelength == pytest.approx(1.9e-10)
    assert math.degrees(image.geometry.start or 0.0) == pytest.approx(30.0)
    assert image.geometry.exposure == 0.095
    assert image.geometry.sensor_thickness == 0.00032


@pytest.mark.parametrize(
    "items",
    [
        "_diffrn_radiation_wavelength.wavelength 1.900\r\n",
        "loop_\r\n_diffrn_radiation_wavelength.id\r\n_diffrn_radiation_wavelength.wavelength\r\n"
        "_diffrn_radiation_wavelength.wt\r\n WAVELENGTH1 1.900 1.0\r\n",
    ],
    ids=["an item", "a table"],
)
def test_the_wavelength_of_a_full_cbf_is_above_that_of_the_detector(tmp_path: Path, items: str) -> None:
    content = cbf(np.zeros((3, 5), dtype=np.int32), PILATUS.format(more="# Wavelength 0.645 A").replace("\n", "\r\n"))
    place = content.index(b"_array_data.header_convention")
    image = read(tmp_path / "a.cbf", content[:place] + items.encode("ascii") + content[place:])
    assert image.geometry is not None and image.geometry.wavelength == pytest.approx(1.9e-10)


def test_a_wavelength_that_nobody_filled_in_places_nothing(tmp_path: Path) -> None:
    header = PILATUS.format(more="# Wavelength 0.0 A").replace("\n", "\r\n")
    assert read(tmp_path / "a.cbf", cbf(np.zeros((3, 5), dtype=np.int32), header)).geometry is None


def test_words_before_the_contents_are_no_header() -> None:
    assert header_numbers("Wavelength 3 A\n_array_data.header_contents\n;\n# Wavelength 2 A\n;\n") == {
        "wavelength": (2.0,)
    }


# TIFF


def marccd(pixels: np.ndarray, numbers: dict[int, int]) -> bytes:
    """A TIFF of 16-bit counts with the header of a MarCCD: the page first, the header at 1024, the pixels at 4096."""
    slow, fast = pixels.shape
    tags = {256: fast, 257: slow, 258: 16, 259: 1, 262: 1, 273: 4096, 277: 1, 278: slow, 279: pixels.nbytes}
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    header = bytearray(3072)
    header[4:7] = b"MMX"
    for where, value in numbers.items():
        struct.pack_into("<i", header, where, value)
    start = (b"II*\0" + struct.pack("<I", 8) + page + bytes(4)).ljust(1024, b"\0")
    return start + header + pixels.astype("<u2").tobytes()


def test_the_header_of_a_marccd_places_its_image(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    numbers = {104: 65535, 640: 120000, 644: 2500, 648: 1500, 656: 4000, 684: 30000, 716: 30500, 772: 79000, 908: 97900}
    image = read(tmp_path / "a.mccd", marccd(pixels, numbers))
    assert np.array_equal(image.pixels, pixels)
    geometry = image.geometry
    assert geometry is not None and geometry.wavelength == pytest.approx(0.979e-10)
    (panel,) = geometry.panels
    assert panel.pixel_size == pytest.approx(79e-6)
    # The beam, along x, meets it at 2.5 and 1.5 pixels from the first corner.
    assert panel.position(2.5, 1.5) == pytest.approx((0.12, 0.0, 0.0), abs=1e-12)
    assert [math.degrees(value or 0.0) for value in (geometry.start, geometry.oscillation)] == pytest.approx([30, 0.5])
    assert (geometry.exposure, image.overload) == (4.0, 65535.0)


def test_a_marccd_header_that_nobody_filled_in_places_nothing(tmp_path: Path) -> None:
    image = read(tmp_path / "a.mccd", marccd(np.ones((3, 4), dtype=np.uint16), {}))
    assert image.geometry is None and image.pixels.sum() == 12


# Packed


def test_hdf5_is_not_read_packed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.h5\.gz: HDF5 is read where it lies, so unpack it first"):
        read(tmp_path / "a.h5.gz", gzip.compress(written(NXmx())))
