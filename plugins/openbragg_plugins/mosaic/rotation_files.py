"""Files of rotation matrices: JSON, and NumPy's own format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openbragg import NPY_START, InputError, parse_json, parse_npy, read_content

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

#: No list of rotations that can be rendered is larger, in bytes.
_LARGEST = 1 << 26
_WHAT = "a list of rotations"
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
    content = read_content(path, _LARGEST, _WHAT)
    if content.startswith(NPY_START):
        return _of_array(path, parse_npy(content, path))
    value = parse_json(content, path, _WHAT)
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
