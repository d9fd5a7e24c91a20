"""Images whose every pixel counts: what is compared, and what noise is added to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np

from openbragg.errors import InputError
from openbragg.orchestrator.reading.images import read_image

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


def read_picture(path: Path, shape: tuple[int, int] | None = None, number: int = 1) -> Picture:
    """Read an image of any format that an installed plugin reads, as `openbragg.read_image` does.

    Masked pixels are 0, as they are in formats that have no mark for them.

    Parameters
    ----------
    path
        The file. Its name plays no part.
    shape
        Pixels (slow, fast) of a raw image; without it, a raw image is square. The other kinds have theirs in the file.

    number
        Which image of a file that holds several, from 1.

    Raises
    ------
    InputError
        When the file cannot be read, is cut short, does not have the size that its header or `shape` says, or holds
        values that are not finite or beyond single precision.
    """
    image = read_image(path, number=number, shape=shape)
    pixels = image.pixels
    if image.masked is not None:
        pixels = np.where(image.masked, pixels.dtype.type(0), pixels)
    if pixels.dtype.kind == "f" and not max(float(pixels.max()), -float(pixels.min())) <= _LARGEST_VALUE:
        raise InputError(f"{path}: expected finite values within single precision")
    return Picture(pixels, dict(image.header))
