"""The pixels that are looked at: boxes around spots, each pixel in one of them."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import numpy as np

from openbragg import InputError

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Pixels of a box that a plane and a spot need at least.
_FEWEST = 12


@attrs.frozen(eq=False)
class Shoeboxes:
    """Pixels around spots, one after the other in the order of their boxes.

    Attributes
    ----------
    centres
        Middle of each box, (slow, fast) in pixels with their edges at whole numbers, (boxes, 2).
    half_widths
        Of each box in pixels, (boxes,).
    slow, fast
        Places of the pixels, (pixels,).
    starts
        The first pixel of each box, and after the last box the number of pixels, (boxes + 1,).
    counts
        Photons that were counted, (pixels,).
    """

    centres: Array
    half_widths: Array
    slow: np.ndarray[Any, np.dtype[np.int32]]
    fast: np.ndarray[Any, np.dtype[np.int32]]
    starts: np.ndarray[Any, np.dtype[np.int64]]
    counts: Array

    @property
    def number(self) -> int:
        """How many boxes there are."""
        return len(self.centres)

    @property
    def pixels(self) -> tuple[Any, Any]:
        """Their places, as `openbragg.Simulation.pixels` takes them."""
        return self.slow, self.fast

    @property
    def planes(self) -> Array:
        """1 and the distances from the box's middle along fast and slow, over its half width, (pixels, 3).

        They are made when they are asked for: of a thousand stills they would be a third of what is kept.
        """
        box = self.boxes()
        away = [self.fast + 0.5 - self.centres[box, 1], self.slow + 0.5 - self.centres[box, 0]]
        made: Array = np.column_stack([np.ones(len(box)), *away])
        made[:, 1:] /= self.half_widths[box, None]
        return made

    def sums(self, values: Array) -> Array:
        """Sums over the pixels of each box, (boxes, ...)."""
        made: Array = np.add.reduceat(values, self.starts[:-1], axis=0)
        return made

    def boxes(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The box of each pixel, (pixels,)."""
        return np.repeat(np.arange(self.number), np.diff(self.starts))

    def parts(self) -> list[slice]:
        """The pixels of each box."""
        return [slice(first, last) for first, last in itertools.pairwise(self.starts.tolist())]

    def of(self, chosen: np.ndarray[Any, Any]) -> Shoeboxes:
        """Some of the boxes."""
        lengths = np.diff(self.starts)[chosen]
        pixels = np.concatenate([np.arange(self.starts[box], self.starts[box + 1]) for box in chosen])
        return Shoeboxes(
            self.centres[chosen],
            self.half_widths[chosen],
            self.slow[pixels],
            self.fast[pixels],
            np.concatenate([[0], np.cumsum(lengths)]),
            self.counts[pixels],
        )


def cut(
    photons: Array, usable: np.ndarray[Any, np.dtype[np.bool_]], centres: Array, half_widths: np.ndarray[Any, Any]
) -> Shoeboxes:
    """Cut boxes around spots; a pixel of several belongs to that whose middle is nearest.

    Parameters
    ----------
    photons
        The image, (slow, fast).
    usable
        Where it can be used, (slow, fast).
    centres
        Middles (slow, fast) of the boxes, pixel edges at whole numbers, (boxes, 2).
    half_widths
        Of each box in pixels, (boxes,).

    Raises
    ------
    InputError
        When no box has pixels enough.
    """
    height, width = photons.shape
    owner = np.full(photons.shape, -1, dtype=np.int64)
    nearest = np.full(photons.shape, np.inf)
    for box, ((slow, fast), half) in enumerate(zip(centres, half_widths, strict=True)):
        top, left = max(0, int(np.floor(slow - half))), max(0, int(np.floor(fast - half)))
        bottom, right = min(height, int(np.ceil(slow + half))), min(width, int(np.ceil(fast + half)))
        if top >= bottom or left >= right:
            continue
        part = (slice(top, bottom), slice(left, right))
        rows, columns = np.mgrid[part]
        away = (rows + 0.5 - slow) ** 2 + (columns + 0.5 - fast) ** 2
        taken = (away < nearest[part]) & usable[part]
        nearest[part][taken] = away[taken]
        owner[part][taken] = box
    lengths = np.bincount(owner[owner >= 0], minlength=len(centres))
    kept = np.flatnonzero(lengths >= _FEWEST)
    if not len(kept):
        raise InputError("no spot has pixels that can be used: the image is masked, saturated or empty there")
    slow, fast = np.nonzero(np.isin(owner, kept))
    order = np.argsort(owner[slow, fast], kind="stable")
    slow, fast = slow[order], fast[order]
    halves = np.asarray(half_widths, dtype=float)[kept]
    starts = np.concatenate([[0], np.cumsum(lengths[kept])])
    counts = photons[slow, fast].astype(float)
    return Shoeboxes(centres[kept], halves, slow.astype(np.int32), fast.astype(np.int32), starts, counts)
