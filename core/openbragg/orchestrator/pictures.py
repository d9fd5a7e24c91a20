"""Images as simulators write them, read back: of which kind a file is, its content says."""

from __future__ import annotations

import io
import math
import os
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import numpy as np

from openbragg.errors import InputError
from openbragg.orchestrator.smv import is_smv, read_smv
from openbragg.orchestrator.textfile import read_at_most

#: Enough of a file to tell what it is, and for the header of a greymap with its comments.
_START_BYTES = 4096

_PNG_START = b"\x89PNG\r\n\x1a\n"
#: After that: length and name of the first chunk, width, height, bits, colour type.
_PNG_HEADER = struct.Struct(">I4sIIBB")
_PNG_GREY = 0
#: Deflate packs no tighter than this, so a header that announces more lies.
_TIGHTEST_PACKING = 1032
#: What of a PNG is handed on to be decoded; words, profiles and animations may be bombs, and play no part.
_PNG_PARTS = (b"IHDR", b"IDAT", b"IEND")
_PNG_CHUNK = struct.Struct(">I4s")
_PNG_CHECK_BYTES = 4
_PACKED_PIECE = 1 << 12
_INFLATED_PIECE = 1 << 16
#: Pixels of the largest PNG that is read: packed that tightly, a small file might still fill the memory.
_LARGEST_PNG = 1 << 26

_NETPBM = re.compile(rb"P[1-7][\s#]")
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PGM_HEADER = re.compile(rb"P5" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,5})\s")
_LARGEST_GREY = 65535

_NPY_START = b"\x93NUMPY"
#: Where the header of a .npy file says, from version 2 on in four bytes, how long it is.
_NPY_LENGTH = {1: struct.Struct("<8xH"), 2: struct.Struct("<8xI"), 3: struct.Struct("<8xI")}
#: That of two axes has some hundred bytes, and nested brackets take a thousand times theirs to be understood.
_LONGEST_NPY_HEADER = 1000

_FLOAT = np.dtype("<f4")
#: Squares of values up to single precision's largest, and sums of them, are far from double precision's end.
_LARGEST_VALUE = float(np.finfo(np.float32).max)


@attrs.frozen(eq=False)
class Picture:
    """An image from a file.

    Attributes
    ----------
    pixels
        The values, (slow, fast), in the file's own number type; it may not be writable.
    header
        Of an SMV image its keys and values, else empty.
    """

    pixels: np.ndarray[Any, Any]
    header: dict[str, str]


def read_picture(path: Path, shape: tuple[int, int] | None = None) -> Picture:
    """Read an SMV image, a binary greymap (P5), a grey PNG, a NumPy array (.npy), or raw float32.

    No memory is reserved for more pixels than the file holds.

    Parameters
    ----------
    path
        The file. Its name plays no part.
    shape
        Pixels (slow, fast) of a raw image; without it, a raw image is square. The other kinds have theirs in the file.

    Raises
    ------
    InputError
        When the file cannot be read, is cut short, does not have the size that its header or `shape` says, or holds
        values that are not finite or beyond single precision.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            # A pipe or a device would be waited for, or would never end.
            raise InputError(f"cannot read {path}: it is {'a folder' if stat.S_ISDIR(mode) else 'not a regular file'}")
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            start = stream.read(_START_BYTES)
            stream.seek(0)
            picture = _read(path, stream, start, size, shape)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    _check_values(path, picture.pixels)
    return picture


def _read(path: Path, stream: BinaryIO, start: bytes, size: int, shape: tuple[int, int] | None) -> Picture:
    if not start:
        raise InputError(f"{path}: the file is empty")
    if is_smv(start):
        image = read_smv(path)
        return Picture(image.pixels, image.header)
    if start.startswith(_PNG_START):
        pixels = _read_png(path, stream, start, size)
    elif start.startswith(_NPY_START):
        pixels = _read_npy(path, stream, start, size)
    elif _NETPBM.match(start):
        pixels = _read_pgm(path, stream, start, size)
    else:
        pixels = _read_raw(path, stream, size, shape)
    return Picture(pixels, {})


def _read_raw(path: Path, stream: BinaryIO, size: int, shape: tuple[int, int] | None) -> np.ndarray[Any, Any]:
    """Little-endian float32, fast axis first."""
    count = size // _FLOAT.itemsize
    if shape is None:
        edge = math.isqrt(count)
        if size % _FLOAT.itemsize or edge * edge != count:
            raise InputError(
                f"{path}: no SMV, PGM, PNG or NumPy image, and its {size} bytes are no square of float32 pixels; "
                "a raw image that is not square needs its shape"
            )
        shape = (edge, edge)
    return _array(path, stream, size, _FLOAT, shape)


def _read_pgm(path: Path, stream: BinaryIO, start: bytes, size: int) -> np.ndarray[Any, Any]:
    """A greymap of one byte a pixel or, where grey values go beyond 255, two of them, the higher one first."""
    if not start.startswith(b"P5"):
        kind = start[:2].decode("ascii")
        raise InputError(f"{path}: of the portable pixmaps only binary greymaps (P5) are read, this is a {kind}")
    found = _PGM_HEADER.match(start)
    if found is None:
        raise InputError(f"{path}: expected width, height and largest grey value after P5")
    fast, slow, largest = (int(word) for word in found.groups())
    if fast == 0 or slow == 0 or not 0 < largest <= _LARGEST_GREY:
        raise InputError(
            f"{path}: expected a width and height above 0 and a largest grey value of 1 to {_LARGEST_GREY}, "
            f"got {fast}, {slow} and {largest}"
        )
    stream.seek(found.end())
    return _array(path, stream, size - found.end(), np.dtype("u1" if largest < 256 else ">u2"), (slow, fast))


def _read_npy(path: Path, stream: BinaryIO, start: bytes, size: int) -> np.ndarray[Any, Any]:
    """An array of NumPy's own format; the header is a Python literal."""
    length = _NPY_LENGTH.get(start[6] if len(start) > 6 else 0)
    if length is None or len(start) < length.size:
        raise InputError(f"{path}: expected a NumPy array of format version 1 to 3")
    (announced,) = length.unpack_from(start)
    if announced > min(_LONGEST_NPY_HEADER, size - length.size):
        # NumPy would reserve what is announced, up to 4 GiB.
        raise InputError(f"{path}: the NumPy header is said to have {announced} bytes")
    header = io.BytesIO(stream.read(length.size + announced))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.lib.format.read_magic(header)
            read = np.lib.format.read_array_header_1_0 if start[6] == 1 else np.lib.format.read_array_header_2_0
            shape, by_columns, kind = read(header)
    except Exception:
        # What the parser and the number type's constructor raise over a spoilt literal is of many classes.
        raise InputError(f"{path}: the NumPy header cannot be understood") from None
    if kind.kind not in "iuf" or kind.itemsize > np.dtype(np.float64).itemsize:
        raise InputError(f"{path}: expected whole or floating-point numbers of up to 64 bits, got {str(kind)[:40]}")
    if len(shape) != 2 or not all(type(length) is int and length > 0 for length in shape):
        raise InputError(f"{path}: expected an array of shape (slow, fast), got {str(shape)[:60]}")
    slow, fast = shape
    stored = _array(path, stream, size - stream.tell(), kind, (fast, slow) if by_columns else (slow, fast))
    return stored.T if by_columns else stored


def _array(
    path: Path, stream: BinaryIO, size: int, kind: np.dtype[Any], shape: tuple[int, int]
) -> np.ndarray[Any, Any]:
    """The rest of a file, `size` bytes, as an array of which they must be all pixels."""
    slow, fast = shape
    if slow * fast * kind.itemsize != size:
        raise InputError(
            f"{path}: expected {slow} x {fast} pixels (slow x fast) in {slow * fast * kind.itemsize} bytes, "
            f"the file has {size} for them"
        )
    content = stream.read(size)
    if len(content) != size:
        raise InputError(f"{path}: the file became shorter while it was read")
    return np.frombuffer(content, dtype=kind).reshape(shape)


def _read_png(path: Path, stream: BinaryIO, start: bytes, size: int) -> np.ndarray[Any, Any]:
    """A grey PNG of 8 or 16 bits."""
    from PIL import Image

    if len(start) < len(_PNG_START) + _PNG_HEADER.size:
        raise InputError(f"{path}: the PNG ends within its header")
    length, name, fast, slow, bits, colour = _PNG_HEADER.unpack_from(start, len(_PNG_START))
    if length != 13 or name != b"IHDR" or fast == 0 or slow == 0:
        raise InputError(f"{path}: the PNG does not begin with its size")
    if colour != _PNG_GREY or bits not in (8, 16):
        raise InputError(f"{path}: expected a grey PNG of 8 or 16 bits without transparency")
    if slow * fast * bits // 8 > size * _TIGHTEST_PACKING:
        raise InputError(f"{path}: the PNG is said to have {slow} x {fast} pixels, more than {size} bytes can hold")
    if slow * fast > _LARGEST_PNG:
        raise InputError(f"{path}: expected a PNG of at most {_LARGEST_PNG} pixels, got {slow} x {fast}")
    parts = [part for part in _png_parts(path, stream) if part[4:8] in _PNG_PARTS]
    _check_inflated(path, parts, slow * fast * bits // 8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(b"".join((_PNG_START, *parts))), formats=("PNG",)) as image:
                decoded = np.asarray(image)
    except MemoryError:
        raise
    except Exception:
        # What Pillow raises over a spoilt file is of many classes.
        raise InputError(f"{path}: the PNG cannot be decoded") from None
    if decoded.shape != (slow, fast):
        raise InputError(f"{path}: the PNG contradicts itself about its size or colours")
    return decoded.astype(np.uint8 if bits == 8 else np.uint16, copy=False)


def _png_parts(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    """The chunks of a PNG, whole, up to the last."""
    stream.seek(len(_PNG_START))
    name = b""
    while name != b"IEND":
        start = stream.read(_PNG_CHUNK.size)
        length, name = _PNG_CHUNK.unpack(start) if len(start) == _PNG_CHUNK.size else (0, b"")
        rest = read_at_most(stream, length + _PNG_CHECK_BYTES)
        if len(rest) < length + _PNG_CHECK_BYTES:
            raise InputError(f"{path}: the PNG is cut short")
        yield start + rest


def _check_inflated(path: Path, parts: list[bytes], expected: int) -> None:
    """Refuse a PNG without so many bytes of pixels: its decoder reserves what is announced."""
    inflating, held = zlib.decompressobj(), 0
    try:
        for part in parts:
            end = len(part) - _PNG_CHECK_BYTES if part[4:8] == b"IDAT" else 0
            for place in range(_PNG_CHUNK.size, end, _PACKED_PIECE):
                packed = part[place : min(place + _PACKED_PIECE, end)]
                while packed and held < expected:
                    held += len(inflating.decompress(packed, _INFLATED_PIECE))
                    packed = inflating.unconsumed_tail
    except zlib.error:
        raise InputError(f"{path}: the PNG cannot be decoded") from None
    if held < expected:
        raise InputError(f"{path}: expected {expected} bytes of pixels in the PNG, it holds {held}")


def _check_values(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    """No NaN, no infinity, nothing of which a square cannot be summed."""
    if pixels.dtype.kind != "f":
        return
    finite = np.isfinite(pixels)
    if not finite.all():
        slow, fast = (int(index) for index in np.unravel_index(int(finite.argmin()), pixels.shape))
        raise InputError(f"{path}: expected finite numbers, got {pixels[slow, fast]} at slow {slow}, fast {fast}")
    largest = max(float(pixels.max()), -float(pixels.min()))
    if largest > _LARGEST_VALUE:
        raise InputError(f"{path}: expected values within single precision, got {largest:.6g}")
