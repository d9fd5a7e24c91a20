"""An image as it is looked at: its pixels, which of them count nothing, and what its header says of the camera."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from openbragg import InputError

if TYPE_CHECKING:
    from openbragg_tools.view.geometry import Geometry

#: Pixels of the largest image that is looked at: four times the largest detector's.
MOST_PIXELS = 1 << 26
_LARGEST_VALUE = float(np.finfo(np.float32).max)
_LARGEST_WHOLE = 1 << 53


@attrs.frozen(kw_only=True, eq=False)
class Frame:
    """An image.

    Attributes
    ----------
    pixels
        The values, (slow, fast), in the file's own number type; finite.
    masked
        Which pixels count nothing, booleans (slow, fast); None where all count.
    geometry
        Where it was recorded, as its header says; None where that says nothing.
    overload
        From this value on a pixel is overloaded; None where nothing says so.
    number
        Its number in a file of several, from 1; None in a file of one.
    """

    pixels: np.ndarray[Any, Any]
    masked: np.ndarray[Any, Any] | None = None
    geometry: Geometry | None = None
    overload: float | None = None
    number: int | None = None


def make_frame(
    place: str, pixels: np.ndarray[Any, Any], masked: Any = None, overload: float | None = None, **fields: Any
) -> Frame:
    """A frame of values as a file has them.

    Those that are not finite are masked, and become 0, as do masked ones that are too large to be shown. An overload
    that is not finite is none.

    Raises
    ------
    InputError
        When no pixel is there, or a value that is not masked needs more than single precision, or than 53 bits.
    """
    if pixels.size == 0:
        raise InputError(f"{place}: there are no pixels")
    if pixels.dtype.kind == "f":
        finite = np.isfinite(pixels)
        if not finite.all():
            masked = ~finite if masked is None else masked | ~finite
            pixels = np.where(finite, pixels, 0)
    limit = _LARGEST_VALUE if pixels.dtype.kind == "f" else _LARGEST_WHOLE
    if masked is not None and masked.any():
        if _largest(pixels) > limit:
            pixels = np.where(masked & ((pixels > limit) | (pixels < -limit)), pixels.dtype.type(0), pixels)
    else:
        masked = None
    largest = _largest(pixels)
    if largest > limit:
        raise InputError(f"{place}: a value of {largest:.6g} is beyond what can be shown")
    if overload is not None and not math.isfinite(overload):
        overload = None
    return Frame(pixels=pixels, masked=masked, overload=overload, **fields)


def check_size(place: str, slow: int, fast: int) -> None:
    """Refuse sizes that no image has.

    Raises
    ------
    InputError
        With the size.
    """
    if not (slow > 0 and fast > 0 and slow * fast <= MOST_PIXELS):
        raise InputError(f"{place}: expected an image of 1 to {MOST_PIXELS} pixels, got {fast} x {slow} (fast x slow)")


def _largest(pixels: np.ndarray[Any, Any]) -> float:
    return max(abs(float(pixels.max())), abs(float(pixels.min())))
