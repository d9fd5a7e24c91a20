"""Arrays as text in a page: bytes of one significance together, deflated, in base 64."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import attrs
import numpy as np

#: Types that a page unpacks, whole numbers from the smallest on.
_WHOLE = ("u1", "i1", "u2", "i2", "u4", "i4")
_LEVEL = 6


@attrs.frozen(kw_only=True)
class Packed:
    """An array in a page: its type (``u1`` to ``i4``, ``f4`` or ``f8``, little-endian) and its text."""

    type: str
    text: str


def pack(values: np.ndarray[Any, Any], *, double: bool = False) -> Packed:
    """Pack an array, row after row, in the smallest type that has all its values.

    Floating-point numbers are stored in single precision unless `double` is asked for; whole numbers beyond 32 bits in
    double precision, which has all up to 53 bits.
    """
    kind = "f8" if double else _type(values)
    plain = np.ascontiguousarray(values, dtype=f"<{kind}").reshape(-1)
    width = plain.dtype.itemsize
    planes = plain.view(np.uint8).reshape(-1, width).T
    packed = zlib.compress(np.ascontiguousarray(planes).data, _LEVEL)
    return Packed(type=kind, text=base64.b64encode(packed).decode("ascii"))


def unpack(packed: Packed) -> np.ndarray[Any, Any]:
    """The values again, in one row: what the page's own code does."""
    kind = np.dtype(f"<{packed.type}")
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed.text)), dtype=np.uint8)
    return np.ascontiguousarray(planes.reshape(kind.itemsize, -1).T).view(kind).reshape(-1)


def _type(values: np.ndarray[Any, Any]) -> str:
    if values.dtype.kind == "b":
        return "u1"
    if values.dtype.kind == "f":
        return "f4"
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    fits = (kind for kind in _WHOLE if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return next(fits, "f8")
