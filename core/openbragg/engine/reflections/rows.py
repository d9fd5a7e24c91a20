"""Points of a reciprocal lattice in a region: solved for along each row of the lattice, not tried one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import attrs
import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: Rows that are solved together, and points that are handed out together: arrays of so many fit into a small machine.
_ROWS, _POINTS = 1 << 16, 1 << 17
#: A region is taken for wider by this part of its radius, and a row's ends by so much of an index, for rounding.
_ROUNDING, _SLACK = 1e-9, 1e-6


@attrs.frozen(kw_only=True, eq=False)
class Shell:
    """Where `lowest` <= |q - `centre`| <= `highest`: a vector (3,) and lengths, in 1/metres."""

    centre: Array
    lowest: float
    highest: float


@attrs.frozen(kw_only=True, eq=False)
class Slab:
    """Where `lowest` <= `direction` . q <= `highest`: a unit vector (3,) and lengths in 1/metres."""

    direction: Array
    lowest: float
    highest: float


@attrs.frozen(kw_only=True, eq=False)
class Region:
    """A part of reciprocal space; what is in all of its bodies.

    Attributes
    ----------
    reciprocal
        Rows a*, b*, c* in 1/metres, (3, 3).
    box
        Least and largest h, k and l, not whole, (3, 2).
    shells, slabs
        The bodies.
    points
        About how many points there are, at most.
    """

    reciprocal: Array
    box: Array
    shells: tuple[Shell, ...] = ()
    slabs: tuple[Slab, ...] = ()
    points: float = np.inf

    def counts(self) -> Array:
        """How many whole h, k and l there are, (3,); not as integers, which might not hold them."""
        first, last = self.ends()
        return np.maximum(last - first + 1.0, 0.0)

    def ends(self) -> tuple[Array, Array]:
        """The first and the last whole h, k and l, each (3,)."""
        return np.ceil(self.box[:, 0] - _SLACK), np.floor(self.box[:, 1] + _SLACK)

    def cut(self, parts: int) -> list[Region]:
        """The region in no more than so many parts, each of whose points is in no other."""
        counts, (first, _) = self.counts(), self.ends()
        # Across the rows that are solved, each of which stays whole.
        axis = min(place for place in range(3) if place != int(counts.argmax()))
        parts = int(min(parts, counts[axis]))
        if parts < 2:
            return [self]
        between = first[axis] + np.floor(np.arange(1, parts) * counts[axis] / parts) - 0.5
        edges = [self.box[axis, 0], *between, self.box[axis, 1]]
        cut = []
        for low, high in pairwise(edges):
            box = self.box.copy()
            box[axis] = low, high
            cut.append(attrs.evolve(self, box=box, points=self.points / parts))
        return cut

    def rows(self) -> float:
        """How many rows of the lattice are solved for."""
        counts = np.sort(self.counts())
        return float(counts[0] * counts[1])


def reciprocal_of(cell: Array) -> Array:
    """Rows a*, b*, c* in 1/metres of rows a, b, c in metres, both (3, 3)."""
    reciprocal: Array = np.linalg.inv(cell).T.astype(np.float64)
    return reciprocal


def lattice_points(region: Region) -> Iterator[Array]:
    """All whole h k l in a region, some at a time.

    With two indices held, q is linear in the third, the one with the longest rows; a slab bounds it by a linear
    equation and a shell by a quadratic one, which may leave a hole.

    Yields
    ------
    Float64, (points, 3), in no order that matters. Rounding may let in what is just outside.
    """
    counts, (first, last) = region.counts(), region.ends()
    if not counts.all():
        return
    along = int(counts.argmax())
    outer, inner = (axis for axis in range(3) if axis != along)
    many = int(counts[inner])
    rows = int(counts[outer]) * many
    for low in range(0, rows, _ROWS):
        number = np.arange(low, min(low + _ROWS, rows))
        row = np.zeros((len(number), 3))
        row[:, outer] = first[outer] + number // many
        row[:, inner] = first[inner] + number % many
        of_row, lowest, highest = _solved(region, row, along, (first[along], last[along]))
        yield from _listed(row[of_row], along, lowest, highest)


def _solved(region: Region, row: Array, along: int, ends: tuple[float, float]) -> tuple[Any, Array, Array]:
    """Intervals of the index along rows (rows, 3) that are in the region: of which row, first, last; (intervals,)."""
    starts, step = row @ region.reciprocal, region.reciprocal[along]
    square = float(step @ step)
    lowest, highest = np.full(len(row), ends[0]), np.full(len(row), ends[1])
    holes = []
    for slab in region.slabs:
        offset, slope = starts @ slab.direction, float(step @ slab.direction)
        if slope == 0.0:
            highest[(offset < slab.lowest) | (offset > slab.highest)] = -np.inf
            continue
        edges = np.sort(np.stack([(slab.lowest - offset) / slope, (slab.highest - offset) / slope]), axis=0)
        lowest, highest = _narrowed(lowest, highest, edges[0], edges[1])
    for shell in region.shells:
        away = starts - shell.centre
        middle = -(away @ step) / square
        least = np.einsum("ij,ij->i", away, away) - middle * middle * square
        wider = _ROUNDING * (float(np.linalg.norm(shell.centre)) + shell.highest)
        outside = ((shell.highest + wider) ** 2 - least) / square
        half = np.sqrt(np.maximum(outside, 0.0))
        lowest, highest = _narrowed(lowest, highest, middle - half, middle + half)
        highest[outside < 0.0] = -np.inf
        if shell.lowest > wider:
            half = np.sqrt(np.maximum((shell.lowest - wider) ** 2 - least, 0.0) / square)
            holes.append((middle - half, middle + half))
    of_row = np.flatnonzero(lowest <= highest)
    lowest, highest = lowest[of_row], highest[of_row]
    for below, above in holes:
        end, begin = np.floor(below[of_row] + _SLACK), np.ceil(above[of_row] - _SLACK)
        # Where no whole number is in the hole the second part begins right after the first.
        begin = np.maximum(begin, end + 1.0)
        lowest, highest = np.append(lowest, np.maximum(lowest, begin)), np.append(np.minimum(highest, end), highest)
        of_row = np.append(of_row, of_row)
        there = lowest <= highest
        of_row, lowest, highest = of_row[there], lowest[there], highest[there]
    return of_row, lowest, highest


def _narrowed(lowest: Array, highest: Array, first: Array, last: Array) -> tuple[Array, Array]:
    """Whole ends of intervals that lie between others, which need not be whole, too."""
    return np.maximum(lowest, np.ceil(first - _SLACK)), np.minimum(highest, np.floor(last + _SLACK))


def _listed(row: Array, along: int, lowest: Array, highest: Array) -> Iterator[Array]:
    """The points of intervals, one row (intervals, 3) for each, some at a time."""
    lengths = (highest - lowest).astype(np.int64) + 1
    begins = np.cumsum(lengths) - lengths
    low = 0
    while low < len(row):
        # At least one interval, and as many as fit.
        high = max(low + 1, int(np.searchsorted(begins, begins[low] + _POINTS)))
        of_interval = np.repeat(np.arange(low, high), lengths[low:high])
        points = row[of_interval]
        points[:, along] = lowest[of_interval] + (np.arange(len(points)) + begins[low] - begins[of_interval])
        yield points
        low = high
