"""Images read back: every kind as it was written, every bad file refused in one line without reserving memory."""

import io
import os
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from openbragg.errors import InputError
from openbragg.orchestrator.reading.pictures import read_picture

Pixels = np.ndarray[Any, Any]

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
#: A test's folder serves all its examples: each one writes its file anew.
one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
#: What reading may reserve beside ten times the file, in bytes: Python's own objects, and a buffer.
OVERHEAD = 5_000_000


def smv(pixels: Pixels, **keys: object) -> bytes:
    slow, fast = pixels.shape
    known = {"HEADER_BYTES": 512, "DIM": 2, "TYPE": "unsigned_short", "SIZE1": fast, "SIZE2": slow, **keys}
    header = "{\n" + "".join(f"{key}={value};\n" for key, value in known.items()) + "}\f"
    return header.encode("ascii").ljust(512) + pixels.astype("<u2").tobytes()


def pgm(pixels: Pixels, header: str = "P5\n{fast} {slow}\n# a remark\n{largest}\n") -> bytes:
    slow, fast = pixels.shape
    largest = 255 if pixels.dtype == np.uint8 else 65535
    raster = pixels.astype(">u2").tobytes() if largest > 255 else pixels.tobytes()
    return header.format(fast=fast, slow=slow, largest=largest).encode("ascii") + raster


def png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def npy(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    np.save(stream, pixels)
    return stream.getvalue()


def npy_header(text: str, version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + length + text.encode("latin-1")


def npy_literal(shape: object, kind: object = "<f4", order: bool = False) -> bytes:
    return npy_header(repr({"descr": kind, "fortran_order": order, "shape": shape}))


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_said_to_be(slow: int, fast: int, bits: int = 8, colour: int = 0, raster: bytes = b"\0" * 20) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", fast, slow, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(raster)) + png_chunk(b"IEND", b"")


def png_with_a_second_header() -> bytes:
    """A PNG over which Pillow raises what is no error of the system's: it says its size again, and leaves it out."""
    whole = png_said_to_be(1, 1)
    place = whole.index(b"IDAT") - 4
    return whole[:place] + png_chunk(b"IHDR", b"") + whole[place:]


def read(folder: Path, content: bytes, shape: tuple[int, int] | None = None) -> Pixels:
    path = folder / "image"
    path.write_bytes(content)
    return read_picture(path, shape).pixels


def refused(folder: Path, content: bytes, shape: tuple[int, int] | None = None) -> str:
    """The line about a bad file, which names it."""
    with pytest.raises(InputError) as caught:
        read(folder, content, shape)
    (line,) = str(caught.value).splitlines()
    assert str(folder / "image") in line
    return line


def read_or_refused(folder: Path, content: bytes) -> None:
    """Read a file that may be bad: no other error comes of it."""
    line = f"{folder / 'image'}: an image"
    try:
        assert read(folder, content).ndim == 2
    except InputError as error:
        line = str(error)
    assert str(folder / "image") in line and len(line.splitlines()) == 1


def assert_same(found: Pixels, expected: Pixels) -> None:
    np.testing.assert_array_equal(found, expected)
    assert (found.dtype.kind, found.dtype.itemsize) == (expected.dtype.kind, expected.dtype.itemsize)


@given(hnp.arrays(np.uint8, SHAPES))
@one_folder
@pytest.mark.parametrize("write", [pgm, png, npy])
def test_eight_bits_come_back_as_written(tmp_path: Path, write: Callable[[Pixels], bytes], pixels: Pixels) -> None:
    assert_same(read(tmp_path, write(pixels)), pixels)


@given(hnp.arrays(np.uint16, SHAPES))
@one_folder
@pytest.mark.parametrize("write", [smv, pgm, png, npy])
def test_sixteen_bits_come_back_as_written(tmp_path: Path, write: Callable[[Pixels], bytes], pixels: Pixels) -> None:
    assert_same(read(tmp_path, write(pixels)), pixels)


@given(hnp.arrays("<f4", SHAPES, elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
@one_folder
def test_raw_floats_come_back_in_the_shape_that_is_given(tmp_path: Path, pixels: Pixels) -> None:
    slow, fast = pixels.shape
    assert_same(read(tmp_path, pixels.tobytes(), (slow, fast)), pixels)


@given(st.sampled_from("u1 i1 <u2 >u2 <i4 >i8 <u8 <f2 <f4 >f4 <f8".split()), SHAPES, st.sampled_from("CF"))
@one_folder
def test_numpy_arrays_come_back_of_any_number_type_and_order(
    tmp_path: Path, kind: str, shape: tuple[int, int], order: Any
) -> None:
    pixels = np.arange(shape[0] * shape[1]).reshape(shape).astype(kind, order=order)
    assert_same(read(tmp_path, npy(pixels)), pixels)


def test_raw_floats_are_square_unless_told_otherwise(tmp_path: Path) -> None:
    pixels = np.arange(16, dtype="<f4").reshape(4, 4)
    assert_same(read(tmp_path, pixels.tobytes()), pixels)
    assert_same(read(tmp_path, pixels.tobytes(), (2, 8)), pixels.reshape(2, 8))


def test_an_smv_image_brings_its_header(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(smv(np.zeros((2, 3), dtype=np.uint16), DISTANCE=150))
    header = read_picture(path).header
    assert (header["SIZE1"], header["SIZE2"], header["DISTANCE"]) == ("3", "2", "150")


@pytest.mark.parametrize(
    "header",
    [
        "P5 {fast} {slow} {largest} ",
        "P5#one\n#two\n{fast}#three\n{slow}\t\t{largest}\t",
        "P5\r\n{fast}\r{slow}\n{largest}\n",
    ],
)
def test_greymap_headers_may_be_spaced_and_commented(tmp_path: Path, header: str) -> None:
    pixels = np.arange(32, 38, dtype=np.uint8).reshape(2, 3)
    assert_same(read(tmp_path, pgm(pixels, header)), pixels)


NOISE = np.random.default_rng(1).integers(0, 65536, size=(40, 30), dtype=np.uint16)
KINDS = {"smv": smv(NOISE), "pgm": pgm(NOISE), "npy": npy(NOISE.astype(np.float64)), "png": png(NOISE)}
#: Bytes at the end of a PNG that hold no pixels: the checksums of the last part, and the chunk that ends it.
PNG_END = 20


@given(st.data())
@one_folder
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_is_refused(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = KINDS[kind]
    # Less than the first 32 may be a whole image of another kind: four bytes are a raw pixel.
    last = len(content) - (PNG_END + 1 if kind == "png" else 1)
    refused(tmp_path, content[: data.draw(st.integers(32, last))])


@given(st.data())
@one_folder
@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_file_is_read_or_refused_and_reserves_little(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(KINDS[kind])
    places = st.integers(0, min(len(content), 600) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        content[place] = value
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_or_refused(tmp_path, bytes(content))
        assert tracemalloc.get_traced_memory()[1] < 10 * len(content) + OVERHEAD
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200))
@example(b"P5")
@example(b"{HEADER_BYTES=512;")
@example(b"\x93NUMPY\x01")
@example(b"\x89PNG\r\n\x1a\n")
@one_folder
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    read_or_refused(tmp_path, content)


LIARS = {
    "smv": smv(np.zeros((2, 2), dtype=np.uint16), SIZE1=999999999, SIZE2=999999999),
    "pgm": b"P5 999999999 999999999 65535\n" + bytes(8),
    "npy": npy_literal((10**9, 10**9)) + bytes(16),
    "npy of negative size": npy_literal((-4, -1)) + bytes(16),
    "npy with too much": npy_literal((2, 2)) + bytes(32),
    "npy with a long header": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    "npy of large elements": npy_literal((1, 1), kind="V1000000000"),
    "npy of many in one": npy_literal((1, 1), kind="(30000,30000)<f4"),
    "png": png_said_to_be(2**31 - 1, 2**31 - 1),
    "png within reason": png_said_to_be(40, 40),
    "pgm with too much": b"P5 2 2 255\n" + bytes(5),
}


@pytest.mark.parametrize("kind", LIARS)
def test_a_size_that_is_not_the_files_reserves_nothing(tmp_path: Path, kind: str) -> None:
    # What a first refusal imports is not counted.
    refused(tmp_path, LIARS[kind])
    tracemalloc.start()
    try:
        refused(tmp_path, LIARS[kind])
        assert tracemalloc.get_traced_memory()[1] < OVERHEAD
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (bytes(12), "12 bytes are no square of float32 pixels"),
        (bytes(5), "5 bytes are no square of float32 pixels"),
        (b"P2 1 1 255 7 ", "only binary greymaps (P5) are read, this is a P2"),
        (b"P5 2 two 255\n" + bytes(4), "expected width, height and largest grey value"),
        (b"P5 0 2 255\n", "above 0"),
        (b"P5 1 1 70000\n" + bytes(2), "1 to 65535"),
        (npy(np.zeros((2, 2, 2))), "expected an array of shape (slow, fast), got (2, 2, 2)"),
        (npy(np.zeros((0, 2))), "expected an array of one number or more"),
        (npy(np.zeros((2, 2), dtype=complex)), "expected whole or floating-point numbers"),
        (npy(np.zeros((2, 2), dtype=np.longdouble)), "expected whole or floating-point numbers"),
        (npy(np.zeros((2, 2), dtype=bool)), "expected whole or floating-point numbers"),
        (npy_header("{[]: 1}"), "header cannot be understood"),
        (npy_header("(" * 900), "header cannot be understood"),
        (npy_header("{}", version=2), "header cannot be understood"),
        (b"\x93NUMPY\x09\x00" + bytes(20), "version 1 to 3"),
        (png(np.zeros((2, 2, 3), dtype=np.uint8)), "expected a grey PNG"),
        (png_said_to_be(2, 2, bits=4), "expected a grey PNG of 8 or 16 bits"),
        (png_said_to_be(0, 2), "does not begin with its size"),
        (png_said_to_be(8000, 8000), "bytes can hold"),
        (png_said_to_be(40, 40), "expected 1600 bytes of pixels in the PNG, it holds 20"),
        (png_with_a_second_header(), "cannot be decoded"),
        (png_said_to_be(10000, 10000, raster=bytes(10001 * 10000)), "expected a PNG of at most"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(tmp_path, content)


def test_arrays_of_objects_are_not_loaded(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([[object]]), allow_pickle=True)
    assert "expected whole or floating-point numbers of up to 64 bits, got object" in refused(
        tmp_path, stream.getvalue()
    )


@given(SHAPES, st.sampled_from((np.nan, np.inf, -np.inf)), st.sampled_from(("<f2", "<f4", ">f8")), st.data())
@one_folder
def test_values_that_are_no_numbers_are_refused_with_their_place(
    tmp_path: Path, shape: tuple[int, int], value: float, kind: str, data: st.DataObject
) -> None:
    pixels = np.ones(shape, dtype=kind)
    slow, fast = (data.draw(st.integers(0, length - 1)) for length in shape)
    pixels[slow, fast] = value
    assert f"at slow {slow}, fast {fast}" in refused(tmp_path, npy(pixels))


@pytest.mark.parametrize("value", [1e39, -1e300])
def test_values_beyond_single_precision_are_refused(tmp_path: Path, value: float) -> None:
    assert "within single precision" in refused(tmp_path, npy(np.array([[0.0, value]])))


@pytest.mark.parametrize("shape", [(4, 4), (1, 3), (3, 1), (2**40, 2**40)])
def test_a_raw_image_of_another_size_than_the_shape_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    line = refused(tmp_path, bytes(16), shape)
    assert f"{shape[0]} x {shape[1]}" in line and "the file has 16" in line


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Filled, so that one who opens it all the same does not wait for ever.
    filled = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    os.write(filled, bytes(4096))
    for path, reason in (
        (tmp_path, "it is a folder"),
        (tmp_path / "none", "No such file"),
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            read_picture(path)
        assert str(path) in str(caught.value)
