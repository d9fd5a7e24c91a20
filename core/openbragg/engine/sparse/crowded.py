"""Where spots lie on each other: the brightest pixels are there, or near."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np

from openbragg.engine.pixels import Pixels
from openbragg.engine.sparse.visits import Visits

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

#: Pixels along a side of a square, and squares that are taken, each with its eight neighbours.
_SIDE, _TAKEN = 8, 16


@attrs.frozen(eq=False)
class Crowded:
    """A few squares of a region.

    Attributes
    ----------
    squares
        Which they are, booleans (slow, fast).
    """

    squares: np.ndarray[Any, np.dtype[np.bool_]]

    @classmethod
    def of(cls, visits: Visits, pixels: Pixels) -> Crowded:
        """The squares in which most boxes of visits have their middles, and those with most pixels of such boxes.

        Of spots of one size, those that are strong or nearer to the sphere have larger boxes.
        """
        down, across = -(-pixels.height // _SIDE), -(-pixels.width // _SIDE)
        left, right, top, bottom = visits.boxes.T
        slow, fast = _middles(visits)
        there, place, counts = np.unique(slow * across + fast, return_inverse=True, return_counts=True)
        areas = np.bincount(place, weights=(right - left + 1) * (bottom - top + 1))
        most = there[np.concatenate([np.argsort(each)[-_TAKEN:] for each in (counts, areas)])]
        squares = np.zeros((down + 2, across + 2), dtype=np.bool_)
        for step_slow in range(3):
            for step_fast in range(3):
                squares[most // across + step_slow, most % across + step_fast] = True
        return cls(squares[1:-1, 1:-1])

    def among(self, visits: Visits) -> Visits:
        """Those of visits the middles of whose boxes are in the squares."""
        return visits.where(np.flatnonzero(self.squares[_middles(visits)]))


def _middles(visits: Visits) -> tuple[Numbers, Numbers]:
    """In which square the middle of each box is: its number along slow and along fast."""
    left, right, top, bottom = visits.boxes.T
    return (top + bottom) // (2 * _SIDE), (left + right) // (2 * _SIDE)
