"""CBF's byte-offset compression: each pixel as its difference from the one before, in as few bytes as that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: The lowest number of each width says that the difference follows in the next one; both signs have the same limit.
_LIMITS = (127, 32767, 2147483647)
#: Bytes of a difference of each width, its escapes among them: 1, 1 + 2, 1 + 2 + 4, 1 + 2 + 4 + 8.
_LENGTHS = (1, 3, 7, 15)
_ESCAPES = (b"", b"\x80", b"\x80\x00\x80", b"\x80\x00\x80\x00\x00\x00\x80")


def byte_offsets(pixels: np.ndarray[Any, Any]) -> bytes:
    """Compress whole numbers, row by row.

    Source: International Tables for Crystallography G (2005), section 5.6.3.3; differences are little-endian and
    signed, and the first one is from 0.

    Parameters
    ----------
    pixels
        Signed 32-bit whole numbers, (slow, fast).
    """
    import numpy as np

    differences = pixels.reshape(-1).astype(np.int64)
    differences[1:] -= differences[:-1].copy()
    size = np.abs(differences)
    # How many of the widths are too narrow.
    width = sum((size > limit).astype(np.int8) for limit in _LIMITS)
    places = np.zeros(size.size + 1, dtype=np.int64)
    np.cumsum(np.array(_LENGTHS)[width], out=places[1:])
    packed = np.zeros(int(places[-1]), dtype=np.uint8)
    for number, (length, escape) in enumerate(zip(_LENGTHS, _ESCAPES, strict=True)):
        which = np.flatnonzero(width == number)
        if not which.size:
            continue
        starts = places[which]
        for step, value in enumerate(escape):
            packed[starts + step] = value
        rest = differences[which]
        for step in range(len(escape), length):
            packed[starts + step] = (rest & 0xFF).astype(np.uint8)
            rest >>= 8
    return packed.tobytes()
