"""Arrays of booleans as short text: masks of millions of pixels that fit into a record."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np

from openbragg.model.panel import MOST_PIXELS

#: More axes than any array of a model has.
_MOST_AXES = 8


def pack_bits(array: Any) -> dict[str, Any]:
    """An array of booleans as its bits, row after row, first bit highest, deflated, in base 64; and its shape."""
    bits = np.packbits(np.ascontiguousarray(array, dtype=bool).reshape(-1))
    packed = base64.b64encode(zlib.compress(bits.tobytes(), 9)).decode("ascii")
    return {"packed_bits": packed, "shape": [int(length) for length in array.shape]}


def unpack_bits(packed: Any, shape: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The array of which `pack_bits` made these; no more is inflated than the shape asks for.

    Raises
    ------
    ValueError
        When they do not belong together, or are not what they should be; the message says why.
    """
    if not isinstance(packed, str) or not packed.isascii():
        raise ValueError("expected packed_bits in base 64")
    if not isinstance(shape, list | tuple) or not 0 < len(shape) <= _MOST_AXES:
        raise ValueError("expected the lengths of the array's axes as its shape")
    if not all(isinstance(length, int) and not isinstance(length, bool) and length >= 0 for length in shape):
        raise ValueError("expected the lengths of the array's axes as its shape")
    count = math.prod(shape)
    if count > MOST_PIXELS:
        raise ValueError(f"an array of {count} bits is more than any detector has pixels")
    size = (count + 7) // 8
    inflating = zlib.decompressobj()
    try:
        bits = inflating.decompress(base64.b64decode(packed, validate=True), size + 1)
    except (ValueError, zlib.error):
        raise ValueError("packed_bits are damaged") from None
    if len(bits) != size or not inflating.eof or inflating.unused_data or _has_more(bits, count):
        raise ValueError(f"packed_bits do not hold the {count} bits of the shape")
    return np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=count).view(np.bool_).reshape(tuple(shape))


def _has_more(bits: bytes, count: int) -> bool:
    """Whether a bit beyond the last that counts is set."""
    spare = -count % 8
    return spare > 0 and bool(bits[-1] & ((1 << spare) - 1))
