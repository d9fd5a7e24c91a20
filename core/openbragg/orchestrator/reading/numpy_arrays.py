"""Arrays of NumPy's own format, ``.npy``, read with care: memory is taken for what is there."""

from __future__ import annotations

import io
import struct
import warnings
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs

from openbragg.errors import InputError
from openbragg.orchestrator.reading.textfile import read_at_most

if TYPE_CHECKING:
    import numpy as np

#: How a file of NumPy's own format begins; the format's version follows in two bytes.
NPY_START = b"\x93NUMPY"
_VERSION = len(NPY_START)
#: Where the header says, from version 2 on in four bytes, how long it is.
_LENGTHS = {1: struct.Struct("<8xH"), 2: struct.Struct("<8xI"), 3: struct.Struct("<8xI")}
#: That of three axes has some hundred bytes, and nested brackets take a thousand times theirs to be understood.
_LONGEST_HEADER = 1000


@attrs.frozen
class NpyHeader:
    """What stands before the numbers.

    Attributes
    ----------
    shape
        Lengths of the axes, at least one, all above 0.
    by_columns
        Whether the first axis is the fastest.
    kind
        Of whole or floating-point numbers of up to 64 bits.
    size
        Bytes before the numbers.
    """

    shape: tuple[int, ...]
    by_columns: bool
    kind: np.dtype[Any]
    size: int


def read_npy_header(stream: BinaryIO, path: Path) -> NpyHeader:
    """Read the header of an array; the stream then is at its numbers.

    Parameters
    ----------
    stream
        At its beginning.
    path
        The file, for messages.

    Raises
    ------
    InputError
        When it is none, or of an array of something else than numbers.
    """
    import numpy as np

    start = read_at_most(stream, _VERSION + 2)
    length = _LENGTHS.get(start[_VERSION]) if start.startswith(NPY_START) and len(start) == _VERSION + 2 else None
    start += read_at_most(stream, length.size - len(start)) if length is not None else b""
    if length is None or len(start) < length.size:
        raise InputError(f"{path}: expected a NumPy array of format version 1 to 3")
    (announced,) = length.unpack(start)
    if announced > _LONGEST_HEADER:
        # NumPy would reserve what is announced, up to 4 GiB.
        raise InputError(f"{path}: the NumPy header is said to have {announced} bytes")
    header = io.BytesIO(start + read_at_most(stream, announced))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old = np.lib.format.read_magic(header)[0] == 1
            read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            shape, by_columns, kind = read(header)
    except Exception:
        # What the parser and the number type's constructor raise over a spoilt literal is of many classes.
        raise InputError(f"{path}: the NumPy header cannot be understood") from None
    if kind.kind not in "iuf" or kind.itemsize > np.dtype(np.float64).itemsize:
        raise InputError(f"{path}: expected whole or floating-point numbers of up to 64 bits, got {str(kind)[:40]}")
    if not shape or not all(type(each) is int and each > 0 for each in shape):
        raise InputError(f"{path}: expected an array of one number or more, got the shape {str(shape)[:60]}")
    return NpyHeader(shape, by_columns, kind, length.size + announced)


def parse_npy(content: bytes, path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The array in the bytes of a file, float64; NaN and infinity are for the caller to refuse.

    Parameters
    ----------
    content
        All of the file.
    path
        The file, for messages.

    Raises
    ------
    InputError
        When it is no array of numbers, or has more or fewer of them than it says.
    """
    import numpy as np

    header = read_npy_header(io.BytesIO(content), path)
    expected, stored = prod(header.shape) * header.kind.itemsize, len(content) - header.size
    if stored != expected:
        raise InputError(f"{path}: {stored} bytes of numbers, where {str(header.shape)[:60]} are {str(expected)[:40]}")
    values = np.frombuffer(content, dtype=header.kind, offset=header.size)
    return values.reshape(header.shape, order="F" if header.by_columns else "C").astype(np.float64)
