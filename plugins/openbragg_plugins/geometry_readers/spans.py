"""Regions of pixels that are no rectangles, row by row, as the rectangles that gaps are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

#: First and last pixel along fast, then along slow, both included.
Rectangle = tuple[int, int, int, int]
#: First and last pixel of a row, both included.
Span = tuple[int, int]

#: What is so near to a whole number is that.
_ROUNDING = 1e-6
#: A region of more rows is no part of a detector.
MOST_ROWS = 1 << 15


def rectangles(rows: Iterable[tuple[int, Iterable[Span]]]) -> Iterator[Rectangle]:
    """The spans of growing rows, those that are the same in neighbouring rows put together."""
    growing: dict[Span, int] = {}
    last = None
    for row, found in rows:
        spans = set(found)
        ended = [span for span in growing if last != row - 1 or span not in spans]
        for span in ended:
            assert last is not None
            yield (*span, growing.pop(span), last)
        for span in sorted(spans):
            growing.setdefault(span, row)
        last = row
    for span, first in growing.items():
        assert last is not None
        yield (*span, first, last)


def inside(low: float, high: float) -> Span:
    """The whole numbers strictly between two numbers; the last is below the first where there are none."""
    return math.floor(low + _ROUNDING) + 1, math.ceil(high - _ROUNDING) - 1


def cropped(span: Span, count: int) -> Iterator[Span]:
    """The part of a span that is among `count` pixels from 0 on, where there is one."""
    first, last = max(span[0], 0), min(span[1], count - 1)
    if first <= last:
        yield first, last


def ellipse(x1: float, x2: float, y1: float, y2: float, row: int) -> Iterator[Span]:
    """The pixels of a row that are within the ellipse that touches the sides of a rectangle."""
    width, height = abs(x2 - x1) / 2.0, abs(y2 - y1) / 2.0
    square = 1.0 - ((row - (y1 + y2) / 2.0) / height) ** 2 if height > 0.0 else 0.0
    if square > 0.0:
        half = width * math.sqrt(square)
        yield inside((x1 + x2) / 2.0 - half, (x1 + x2) / 2.0 + half)


def polygon(corners: Sequence[tuple[float, float]], row: int) -> Iterator[Span]:
    """The pixels of a row that are within a polygon of corners (x, y), in their order around it."""
    heights = [y for _, y in corners]
    if not min(heights) < row < max(heights):
        return
    crossings = []
    for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        # A corner belongs to the edge that goes up from it, so that a row through one crosses once there.
        if min(y1, y2) <= row < max(y1, y2):
            crossings.append(x1 + (x2 - x1) * (row - y1) / (y2 - y1))
    crossings.sort()
    for left, right in zip(crossings[::2], crossings[1::2], strict=True):
        yield inside(left, right)
