"""Pixels from a stream, with no memory for more than it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from openbragg import ImageSource, InputError, read_at_most

#: Pixels of the largest image that is unpacked, four times the largest detector's; a small file might hold more.
MOST_PIXELS = 1 << 26
#: Squares of values up to single precision's largest, and sums of them, are far from double precision's end.
_LARGEST_VALUE = float(np.finfo(np.float32).max)


def rest_as_array(
    source: ImageSource, stream: BinaryIO, before: int, kind: np.dtype[Any], shape: tuple[int, int]
) -> np.ndarray[Any, Any]:
    """The rest of a file as an array of which it must be all pixels.

    Parameters
    ----------
    source, stream
        The file, and the open one.
    before
        How many bytes of it have been read.
    kind, shape
        Of the array, (slow, fast).

    Raises
    ------
    InputError
        When there are more or fewer bytes; with how many.
    """
    slow, fast = shape
    expected = slow * fast * kind.itemsize
    content = read_at_most(stream, expected)
    if len(content) < expected or stream.read(1):
        raise InputError(
            f"{source.path}: expected {slow} x {fast} pixels (slow x fast) in {expected} bytes, "
            f"the file has {source.size() - before} for them"
        )
    return np.frombuffer(content, dtype=kind).reshape(shape)


def check_size(path: Path, slow: int, fast: int) -> None:
    """Refuse sizes that no image has.

    Raises
    ------
    InputError
        With the size.
    """
    if not (slow > 0 and fast > 0 and slow * fast <= MOST_PIXELS):
        raise InputError(f"{path}: expected an image of 1 to {MOST_PIXELS} pixels, got {fast} x {slow} (fast x slow)")


def check_values(path: Path, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The pixels again, of formats that have no mark for those that measured nothing.

    Raises
    ------
    InputError
        When one is not finite, or cannot be squared; with its place.
    """
    if pixels.dtype.kind != "f":
        return pixels
    finite = np.isfinite(pixels)
    if not finite.all():
        slow, fast = (int(index) for index in np.unravel_index(int(finite.argmin()), pixels.shape))
        raise InputError(f"{path}: expected finite numbers, got {pixels[slow, fast]} at slow {slow}, fast {fast}")
    largest = max(float(pixels.max()), -float(pixels.min()))
    if largest > _LARGEST_VALUE:
        raise InputError(f"{path}: expected values within single precision, got {largest:.6g}")
    return pixels


def not_finite(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Which pixels are no numbers; None where all are."""
    if pixels.dtype.kind != "f":
        return None
    wrong: np.ndarray[Any, np.dtype[np.bool_]] = ~np.isfinite(pixels)
    return wrong if wrong.any() else None
