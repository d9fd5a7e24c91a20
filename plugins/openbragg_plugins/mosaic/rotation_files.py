"""Files of rotation matrices: JSON, and NumPy's own format."""

from __future__ import annotations

import io
import struct
import warnings
from typing import TYPE_CHECKING, Any

from openbragg import InputError, parse_json, read_content

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

#: No list of rotations that can be rendered is larger, in bytes.
_LARGEST = 1 << 26
_START = b"\x93NUMPY"
#: Where the header of an array says how long it is, from version 2 on in four bytes.
_LENGTHS = {1: struct.Struct("<8xH"), 2: struct.Struct("<8xI"), 3: struct.Struct("<8xI")}
#: Of three axes it has some hundred bytes; nested brackets take a thousand times theirs to be understood.
_LONGEST_HEADER = 1000
_ROTATIONS, _WEIGHTS = "rotations", "weights"
_EXPECTED = 'expected a list of 3 x 3 matrices, or an object with "rotations" and "weights"'


def read_rotations(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Matrices and weights of a file, finite numbers, not checked otherwise.

    A JSON file has a list of matrices, each three rows of three, or an object with it as ``rotations`` and a list of
    ``weights``. A ``.npy`` file has an array (rotations, 3, 3), or (rotations, 10): the elements by rows and a weight.

    Raises
    ------
    InputError
        When the file cannot be read, or holds something else.
    """
    content = read_content(path, _LARGEST, "a list of rotations")
    if content.startswith(_START):
        return _of_array(path, _array(path, content))
    value = parse_json(content, path, "a list of rotations")
    weights: Any = None
    if isinstance(value, dict):
        if not set(value) <= {_ROTATIONS, _WEIGHTS} or _ROTATIONS not in value:
            raise InputError(f"{path}: {_EXPECTED}")
        value, weights = value[_ROTATIONS], value.get(_WEIGHTS)
    rotations = _numbers(path, value, 3)
    return rotations, None if weights is None else _numbers(path, weights, 1)


def _numbers(path: Path, value: Any, depth: int) -> np.ndarray[Any, Any]:
    """Nested lists of numbers as an array of so many axes."""
    import numpy as np

    def is_nested(part: Any, levels: int) -> bool:
        if levels == 0:
            return isinstance(part, int | float) and not isinstance(part, bool)
        return isinstance(part, list) and all(is_nested(each, levels - 1) for each in part)

    if not is_nested(value, depth):
        raise InputError(f"{path}: {_EXPECTED}")
    try:
        made: np.ndarray[Any, Any] = np.array(value, dtype=np.float64)
    except ValueError:
        raise InputError(f"{path}: {_EXPECTED}; rows differ in length") from None
    return made


def _of_array(path: Path, array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    import numpy as np

    if not np.isfinite(array).all():
        raise InputError(f"{path}: expected finite numbers")
    if array.ndim == 2 and array.shape[1] == 10:
        return array[:, :9].reshape(-1, 3, 3), array[:, 9]
    if array.ndim != 3 or array.shape[1:] != (3, 3):
        raise InputError(f"{path}: expected an array of shape (rotations, 3, 3) or (rotations, 10), got {array.shape}")
    return array, None


def _array(path: Path, content: bytes) -> np.ndarray[Any, Any]:
    """The array in a file of NumPy's own format, float64; no more memory is taken than for what is there."""
    import numpy as np

    length = _LENGTHS.get(content[6] if len(content) > 6 else 0)
    if length is None or len(content) < length.size or length.unpack_from(content)[0] > _LONGEST_HEADER:
        raise InputError(f"{path}: expected a NumPy array of format version 1 to 3 with a short header")
    stream = io.BytesIO(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.lib.format.read_magic(stream)
            old = content[6] == 1
            read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            shape, by_columns, kind = read(stream)
    except Exception:
        # What the parser and the number type's constructor raise over a spoilt literal is of many classes.
        raise InputError(f"{path}: the NumPy header cannot be understood") from None
    if kind.kind not in "iuf" or kind.itemsize > np.dtype(np.float64).itemsize:
        raise InputError(f"{path}: expected whole or floating-point numbers of up to 64 bits, got {str(kind)[:40]}")
    if not 0 < len(shape) <= 3 or not all(type(length) is int and length > 0 for length in shape):
        raise InputError(f"{path}: expected an array of shape (rotations, 3, 3) or (rotations, 10)")
    count = 1
    for side in shape:
        count *= side
    stored = len(content) - stream.tell()
    if stored != count * kind.itemsize:
        raise InputError(f"{path}: {stored} bytes of numbers, where {shape} are {count * kind.itemsize}")
    values = np.frombuffer(content, dtype=kind, offset=stream.tell())
    return values.reshape(shape, order="F" if by_columns else "C").astype(np.float64)
