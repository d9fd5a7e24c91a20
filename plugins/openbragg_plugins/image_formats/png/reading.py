"""PNG images read: grey ones, of which no more is unpacked than their headers say."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from openbragg import ImageSource, InputError, ReadImage, read_at_most

_START = b"\x89PNG\r\n\x1a\n"
#: After that: length and name of the first chunk, width, height, bits, colour type.
_HEADER = struct.Struct(">I4sIIBB")
_GREY = 0
#: Deflate packs no tighter than this, so a header that announces more lies.
_TIGHTEST_PACKING = 1032
#: What of a PNG is handed on to be decoded; words, profiles and animations may be bombs, and play no part.
_PARTS = (b"IHDR", b"IDAT", b"IEND")
_CHUNK = struct.Struct(">I4s")
_CHECK_BYTES = 4
_PACKED_PIECE = 1 << 12
_INFLATED_PIECE = 1 << 16
#: Pixels of the largest PNG that is read: packed that tightly, a small file might still fill the memory.
_LARGEST_PNG = 1 << 26


def read_png(source: ImageSource) -> ReadImage:
    """Read a grey PNG of 8 or 16 bits.

    Raises
    ------
    InputError
        When it has colours, is damaged, or is smaller than its header says.
    """
    path, size = source.path, source.size()
    with source.open() as stream:
        start = read_at_most(stream, len(_START) + _HEADER.size)
        shape, bits = _said(path, start, size)
        stream.seek(len(_START))
        parts = [part for part in _parts(path, stream) if part[4:8] in _PARTS]
    pixels = _decoded(path, parts, shape, bits)
    return ReadImage(pixels=pixels, content="shades")


def _said(path: Path, start: bytes, size: int) -> tuple[tuple[int, int], int]:
    """Pixels (slow, fast) and bits of each, as the header of a file of some size has them."""
    if len(start) < len(_START) + _HEADER.size:
        raise InputError(f"{path}: the PNG ends within its header")
    length, name, fast, slow, bits, colour = _HEADER.unpack_from(start, len(_START))
    if length != 13 or name != b"IHDR" or fast == 0 or slow == 0:
        raise InputError(f"{path}: the PNG does not begin with its size")
    if colour != _GREY or bits not in (8, 16):
        raise InputError(f"{path}: expected a grey PNG of 8 or 16 bits without transparency")
    if slow * fast * bits // 8 > size * _TIGHTEST_PACKING:
        raise InputError(f"{path}: the PNG is said to have {slow} x {fast} pixels, more than {size} bytes can hold")
    if slow * fast > _LARGEST_PNG:
        raise InputError(f"{path}: expected a PNG of at most {_LARGEST_PNG} pixels, got {slow} x {fast}")
    return (slow, fast), bits


def _decoded(path: Path, parts: list[bytes], shape: tuple[int, int], bits: int) -> np.ndarray[Any, Any]:
    from PIL import Image

    slow, fast = shape
    _check_inflated(path, parts, slow * fast * bits // 8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(b"".join((_START, *parts))), formats=("PNG",)) as image:
                decoded = np.asarray(image)
    except MemoryError:
        raise
    except Exception:
        # What Pillow raises over a spoilt file is of many classes.
        raise InputError(f"{path}: the PNG cannot be decoded") from None
    if decoded.shape != (slow, fast):
        raise InputError(f"{path}: the PNG contradicts itself about its size or colours")
    return decoded.astype(np.uint8 if bits == 8 else np.uint16, copy=False)


def _parts(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    """The chunks of a PNG, whole, up to the last."""
    name = b""
    while name != b"IEND":
        start = stream.read(_CHUNK.size)
        length, name = _CHUNK.unpack(start) if len(start) == _CHUNK.size else (0, b"")
        rest = read_at_most(stream, length + _CHECK_BYTES)
        if len(rest) < length + _CHECK_BYTES:
            raise InputError(f"{path}: the PNG is cut short")
        yield start + rest


def _check_inflated(path: Path, parts: list[bytes], expected: int) -> None:
    """Refuse a PNG without so many bytes of pixels: its decoder reserves what is announced."""
    inflating, held = zlib.decompressobj(), 0
    try:
        for part in parts:
            end = len(part) - _CHECK_BYTES if part[4:8] == b"IDAT" else 0
            for place in range(_CHUNK.size, end, _PACKED_PIECE):
                packed = part[place : min(place + _PACKED_PIECE, end)]
                while packed and held < expected:
                    held += len(inflating.decompress(packed, _INFLATED_PIECE))
                    packed = inflating.unconsumed_tail
    except zlib.error:
        raise InputError(f"{path}: the PNG cannot be decoded") from None
    if held < expected:
        raise InputError(f"{path}: expected {expected} bytes of pixels in the PNG, it holds {held}")
