"""Panels of pixels, and the frame that an image of all of them is stored in."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

import attrs

from openbragg.errors import InputError, quoted
from openbragg.model.scalars import Scalar, Vector, plain
from openbragg.options import COUNT, COUNT_OR_NONE, MATRIX, POSITIVE, VECTOR, Rule, singles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

#: More pixels than any detector has; an image of so many takes 4 GB.
MOST_PIXELS = 1 << 30
#: Products of unit vectors at right angles are off by less.
_ROUNDING = 1e-12
#: First and last pixel along fast, then along slow, both included; the order of ``-roi``.
Rectangle = tuple[int, int, int, int]

_PIXELS = Rule(
    f"two whole numbers above 0, of {MOST_PIXELS} pixels together at most",
    lambda value: len(value) == 2 and all(map(COUNT.accepts, value)) and value[0] * value[1] <= MOST_PIXELS,
)
_PIXEL_SIZE = Rule(POSITIVE.text, lambda value: all(map(POSITIVE.accepts, singles(value))) and len(singles(value)) == 1)
_SLAB = Rule(
    f"two whole numbers from 0 to {MOST_PIXELS}, or None",
    lambda value: (
        value is None or (len(value) == 2 and all(COUNT_OR_NONE.accepts(one) and one <= MOST_PIXELS for one in value))
    ),
)
_RECTANGLE = Rule(
    "first and last pixel along fast, then along slow, whole numbers from 0",
    lambda value: (
        len(value) == 4 and all(map(COUNT_OR_NONE.accepts, value)) and value[0] <= value[1] and value[2] <= value[3]
    ),
)


@attrs.frozen(kw_only=True)
class Panel:
    """A flat rectangle of pixels, placed relative to its detector.

    Attributes
    ----------
    pixels
        Number of pixels (slow, fast).
    pixel_size
        Side of a pixel in metres, where the axes are of unit length.
    offset
        From the detector's first corner to the panel's, along the detector's fast, slow and normal axes, in metres.
    axes
        The panel's fast and slow axis and its normal in the detector's own axes; rows, shape (3, 3). A pixel's sides
        are the first two times its size: they may be of any length and need not be at right angles. The normal is a
        unit vector, at right angles to both.
    slab
        Where its first pixel lies in the stored frame, (slow, fast). None puts it below the panels before it.
    name
        What files that tell panels apart call it; may be empty.
    """

    pixels: tuple[int, int]
    pixel_size: Scalar
    offset: Vector = (0.0, 0.0, 0.0)
    axes: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    slab: tuple[int, int] | None = None
    name: str = ""

    def __attrs_post_init__(self) -> None:
        rules = (
            ("pixels", _PIXELS),
            ("pixel_size", _PIXEL_SIZE),
            ("offset", VECTOR),
            ("axes", MATRIX),
            ("slab", _SLAB),
        )
        for name, rule in rules:
            value = getattr(self, name)
            if not rule.accepts(value):
                raise InputError(f"Panel.{name}: expected {rule.text}, got {quoted(value)}")

    def is_oblique(self) -> bool:
        """Whether its fast and slow axes are other than unit vectors at right angles, but for rounding."""
        fast, slow = ([plain(value) for value in axis] for axis in self.axes[:2])
        products = [sum(one * other for one, other in zip(*pair, strict=True)) for pair in ((fast,) * 2, (slow,) * 2)]
        products.append(1.0 + sum(one * other for one, other in zip(fast, slow, strict=True)))
        return any(abs(product - 1.0) > _ROUNDING for product in products)

    def rows(self) -> slice:
        """The panel's rows in the stored frame; its slab is known."""
        assert self.slab is not None
        return slice(self.slab[0], self.slab[0] + self.pixels[0])

    def columns(self) -> slice:
        """The panel's columns in the stored frame; its slab is known."""
        assert self.slab is not None
        return slice(self.slab[1], self.slab[1] + self.pixels[1])


def check_gaps(gaps: Sequence[Rectangle]) -> None:
    """Refuse gaps that are no rectangles.

    Raises
    ------
    InputError
        With the first that is none.
    """
    for gap in gaps:
        if not _RECTANGLE.accepts(gap):
            raise InputError(f"Detector.gaps: expected {_RECTANGLE.text}, got {quoted(gap)}")


def stacked(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """The same panels, each with its slab: given, or below all before it, from the frame's first column."""
    made: list[Panel] = []
    below = 0
    for panel in panels:
        made.append(panel if panel.slab is not None else attrs.evolve(panel, slab=(below, 0)))
        below = max(below, made[-1].rows().stop)
    return tuple(made)


def frame_shape(panels: Sequence[Panel]) -> tuple[int, int]:
    """Pixels (slow, fast) of the stored frame of panels with slabs.

    Raises
    ------
    InputError
        When it is too large, or two panels share a pixel of it.
    """
    shape = extent(panels)
    if shape[0] * shape[1] > MOST_PIXELS:
        raise InputError(f"a detector of {shape[1]} x {shape[0]} pixels (fast x slow) is too large to render")
    pair = overlapping([(panel.rows(), panel.columns()) for panel in panels])
    if pair is not None:
        one, other = (_called(panels[number], number) for number in pair)
        raise InputError(f"{one} and {other} lie over each other in the image")
    return shape


def extent(panels: Sequence[Panel]) -> tuple[int, int]:
    """Pixels (slow, fast) that panels with slabs reach to; `frame_shape` without its checks."""
    return max(panel.rows().stop for panel in panels), max(panel.columns().stop for panel in panels)


def overlapping(places: Sequence[tuple[slice, slice]]) -> tuple[int, int] | None:
    """Numbers of two rectangles, (rows, columns), that share a pixel, the lower one first; None where no two do.

    A sweep down the rows: those that a row meets lie apart, so that a new one can only meet its neighbours.
    """
    met: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    for number in sorted(range(len(places)), key=lambda number: places[number][0].start):
        rows, columns = places[number]
        while ends and ends[0][0] <= rows.start:
            _, over = heapq.heappop(ends)
            del met[bisect_left(met, (places[over][1].start, over))]
        here = bisect_left(met, (columns.start, number))
        for _, neighbour in met[max(0, here - 1) : here + 1]:
            other = places[neighbour][1]
            if other.start < columns.stop and columns.start < other.stop:
                return min(number, neighbour), max(number, neighbour)
        insort(met, (columns.start, number))
        heapq.heappush(ends, (rows.stop, number))
    return None


def absent_pixels(panels: Sequence[Panel], gaps: Sequence[Rectangle]) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Where the stored frame has no pixel, booleans (slow, fast): between panels and in gaps; None where it has all."""
    import numpy as np

    shape = frame_shape(panels)
    if not gaps and sum(panel.pixels[0] * panel.pixels[1] for panel in panels) == shape[0] * shape[1]:
        return None
    absent = np.ones(shape, dtype=bool)
    for panel in panels:
        absent[panel.rows(), panel.columns()] = False
    for first_fast, last_fast, first_slow, last_slow in gaps:
        absent[first_slow : last_slow + 1, first_fast : last_fast + 1] = True
    return absent


def _called(panel: Panel, number: int) -> str:
    return f"panel {panel.name or number}"
