"""Whether two programs computed the same image, read in pieces: this process has to stay small; see `Finished`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import attrs
import numpy as np

from benchmarks.cases import Part
from openbragg.errors import InputError

#: Pixels that are read at once.
_PIECE = 1 << 16
_PIXEL = np.dtype("<f4")


@attrs.frozen
class Agreement:
    """The largest absolute difference of two images over the largest value of the standard, and what is allowed."""

    standard: str
    difference: float
    tolerance: float

    def holds(self) -> bool:
        """Whether the images agree; NaN never does."""
        return self.difference <= self.tolerance


def compare(standard: Path, image: Path, tolerance: float, name: str, part: Part | None = None) -> Agreement:
    """Compare an image with a standard of that name; both are raw float32.

    Of a standard of which only a part was rendered, that part is compared; the peak may be anywhere in the image.

    Raises
    ------
    InputError
        When one is missing or not of the other's size, or the standard is empty.
    """
    peak = largest = 0.0
    place = 0
    try:
        with standard.open("rb") as first, image.open("rb") as second:
            while True:
                expected, got = (_read(stream) for stream in (first, second))
                if expected.size != got.size:
                    raise InputError(f"the images of {name} and of openbragg have different sizes")
                if not expected.size:
                    break
                peak = max(peak, float(expected.max()))
                # NaN, which max() may drop, must win.
                difference = np.abs(got - expected)
                if part is not None:
                    peak = max(peak, float(got.max()))
                    difference[~_inside(part, place, got.size)] = 0.0
                place += got.size
                largest = float(np.maximum(largest, difference.max()))
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror or error}") from None
    if not peak > 0.0:
        raise InputError(f"the image of {name} is empty: nothing to compare with")
    return Agreement(standard=name, difference=largest / peak, tolerance=tolerance)


def _inside(part: Part, place: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of so many pixels from a place on are in a part."""
    first_fast, last_fast, first_slow, last_slow = part.region
    slow, fast = np.divmod(np.arange(place, place + count), part.whole[1])
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        (slow >= first_slow) & (slow <= last_slow) & (fast >= first_fast) & (fast <= last_fast)
    )
    return inside


def _read(stream: BinaryIO) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    content = stream.read(_PIECE * _PIXEL.itemsize)
    return np.frombuffer(content[: len(content) // _PIXEL.itemsize * _PIXEL.itemsize], _PIXEL).astype(np.float64)
