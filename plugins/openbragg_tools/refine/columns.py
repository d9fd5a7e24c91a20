"""Derivatives of many parameters where each pixel depends on few: on those of its own panel, not on other panels'."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from openbragg_tools.refine.shoeboxes import Shoeboxes

Array = np.ndarray[Any, np.dtype[np.float64]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]


@attrs.frozen(eq=False)
class Columns:
    """Derivatives of pixels, as many a pixel as it depends on parameters, whatever the number of panels.

    Attributes
    ----------
    values
        (pixels, held).
    owners
        The group of panels that each pixel moves with, -1 for none, (pixels,).
    places
        By which parameter each column is differentiated in pixels of each group, and in the last row in those of none;
        -1 where by none, (groups + 1, held).
    count
        How many parameters there are.
    """

    values: Array
    owners: Numbers
    places: Numbers
    count: int

    @classmethod
    def of_all(cls, values: Array) -> Columns:
        """Derivatives by parameters on which all pixels depend, (pixels, parameters)."""
        count = values.shape[1]
        return cls(values, np.full(len(values), -1), np.arange(count)[None], count)

    def scaled(self, factor: Array) -> Columns:
        """The same of photons that are so many times as many, (pixels,)."""
        return attrs.evolve(self, values=self.values * factor[:, None])

    def with_last(self, values: Array) -> Columns:
        """The same and one parameter more, the last, on which all pixels depend, (pixels,)."""
        last = np.full((len(self.places), 1), self.count)
        return attrs.evolve(
            self,
            values=np.column_stack([self.values, values]),
            places=np.hstack([self.places, last]),
            count=self.count + 1,
        )

    def groups(self) -> Iterator[tuple[int, Numbers]]:
        """Each group that has pixels, and which these are."""
        order = np.argsort(self.owners, kind="stable")
        owners, starts = np.unique(self.owners[order], return_index=True)
        yield from zip(owners.tolist(), np.split(order, starts[1:]), strict=True)

    def there(self, owner: int) -> tuple[Numbers, Numbers]:
        """Which columns differentiate pixels of a group, and by which parameters."""
        held = np.flatnonzero(self.places[owner] >= 0)
        return held, self.places[owner][held]


@attrs.frozen(eq=False)
class Pieces:
    """What lies of each box on each group of panels; nearly all boxes are one piece.

    Attributes
    ----------
    box, owner
        Of each piece, (pieces,).
    starts
        The first pixel of each run of pixels of one piece, (runs,).
    piece
        To which each run belongs, (runs,).
    """

    box: Numbers
    owner: Numbers
    starts: Numbers
    piece: Numbers

    @classmethod
    def of(cls, boxes: Shoeboxes, owners: Numbers) -> Pieces:
        """The pieces of boxes whose pixels are of these groups."""
        changes = np.flatnonzero(np.diff(owners)) + 1
        starts = np.union1d(boxes.starts[:-1], changes)
        own = np.searchsorted(boxes.starts, starts, side="right") - 1
        several = int(owners.max(initial=-1)) + 2
        keys, piece = np.unique(own * several + owners[starts] + 1, return_inverse=True)
        return cls(keys // several, keys % several - 1, starts, piece)

    def sums(self, values: Array) -> Array:
        """Sums over the pixels of each piece, (pieces, ...)."""
        of_runs = np.add.reduceat(values, self.starts, axis=0)
        if len(self.starts) == len(self.box):
            made: Array = of_runs[np.argsort(self.piece)]
            return made
        made = np.zeros((len(self.box), *of_runs.shape[1:]))
        np.add.at(made, self.piece, of_runs)
        return made

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Two pieces of one box, each with each other."""
        first = np.flatnonzero(np.r_[True, np.diff(self.box) > 0])
        for begin, end in zip(first.tolist(), [*first[1:].tolist(), len(self.box)], strict=True):
            yield from ((one, other) for one in range(begin, end) for other in range(begin, end) if one != other)
