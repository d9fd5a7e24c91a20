"""CBF's byte-offset compression: each pixel as its difference from the one before, in as few bytes as that takes."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: The lowest number of each width says that the difference follows in the next one; both signs have the same limit.
_LIMITS = (127, 32767, 2147483647)
#: Bytes of a difference of each width, its escapes among them: 1, 1 + 2, 1 + 2 + 4, 1 + 2 + 4 + 8.
_LENGTHS = (1, 3, 7, 15)
_ESCAPES = (b"", b"\x80", b"\x80\x00\x80", b"\x80\x00\x80\x00\x00\x00\x80")
#: Bytes of the longest difference.
LONGEST = _LENGTHS[-1]
#: A difference of one byte with this value says that a longer one follows; so do the lowest numbers of two and four.
_ESCAPE = 0x80
_LONGER = (b"\x00\x80", b"\x00\x00\x00\x80")
#: Of differences longer than a byte: how long they are, and where they begin after their escapes.
_LONGER_LENGTHS, _OFFSETS = _LENGTHS[1:], (1, 3, 7)
_PIECE = 1 << 16


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


def from_byte_offsets(packed: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Whole numbers from byte-offset compression; a difference that is cut short at the end is left out.

    Each is the one before plus a signed difference of one byte, or of two, four or eight after the lowest number of
    each shorter length; sums are taken in 32 bits.
    """
    import numpy as np

    content = packed.data
    places = tuple(array("q") for _ in _LONGER_LENGTHS)
    begins = np.ones(packed.size, dtype=bool)
    free = 0
    for low in range(0, packed.size, _PIECE):
        for place in (np.flatnonzero(packed[low : low + _PIECE] == _ESCAPE) + low).tolist():
            if place < free:
                continue
            length = 0
            if content[place + 1 : place + 3] == _LONGER[0]:
                length = 2 if content[place + 3 : place + 7] == _LONGER[1] else 1
            free = place + _LONGER_LENGTHS[length]
            begins[place + 1 : free] = False
            if free <= packed.size:
                places[length].append(place)
            else:
                begins[place] = False
    order = np.cumsum(begins, dtype=np.int32)
    differences = packed[begins].view(np.int8).astype(np.int32)
    for which, offset, width in zip(places, _OFFSETS, (2, 4, 4), strict=True):
        at = np.frombuffer(which, dtype=np.int64)
        bytes_of = packed[at[:, np.newaxis] + np.arange(offset, offset + width)]
        # Of eight bytes the lower four are enough for a sum in 32 bits.
        differences[order[at] - 1] = np.ascontiguousarray(bytes_of).view(f"<i{width}")[:, 0]
    return np.cumsum(differences, dtype=np.int32, out=differences)
