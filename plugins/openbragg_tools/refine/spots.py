"""Spots of an image: where they are, and how large."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import torch

Array = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.int64]]
Places = tuple[Labels, Labels]
#: Pixels on a side of what is around a pixel, and standard deviations above it that make one of a spot.
_AROUND, _ABOVE = 21, 5.0
#: Pixels of a spot at least, and spots at most, the strongest.
_FEWEST, _MOST = 3, 600
#: Half widths of boxes in pixels: at least, at most, and what is added to the spot on each side.
_SMALLEST, _LARGEST, _MARGIN = 6.0, 20.0, 4.5


@attrs.frozen(eq=False)
class Spots:
    """Spots of an image.

    Attributes
    ----------
    centres
        (slow, fast) in pixels whose edges are whole numbers, (spots, 2).
    half_widths
        Of a box around each, in pixels, (spots,).
    """

    centres: Array
    half_widths: Array


def find_spots(photons: Array, usable: np.ndarray[Any, np.dtype[np.bool_]]) -> Spots:
    """Find groups of pixels well above what is around them.

    Parameters
    ----------
    photons
        The image, (slow, fast).
    usable
        Where it can be used, (slow, fast).
    """
    (rows, columns), labels, weight = _groups(photons, usable)
    groups, member = np.unique(labels, return_inverse=True)
    if not len(groups):
        return Spots(np.zeros((0, 2)), np.zeros(0))
    total = np.bincount(member, weight)
    size = np.bincount(member)
    centres = np.column_stack([np.bincount(member, weight * (places + 0.5)) / total for places in (rows, columns)])
    kept = np.argsort(-np.where(size >= _FEWEST, total, -1.0))[: min(_MOST, int((size >= _FEWEST).sum()))]
    half = np.zeros(len(groups))
    np.maximum.at(half, member, np.abs(rows + 0.5 - centres[member, 0]))
    np.maximum.at(half, member, np.abs(columns + 0.5 - centres[member, 1]))
    return Spots(centres[kept], np.clip(half[kept] + _MARGIN, _SMALLEST, _LARGEST))


def sized(centres: Array, found: Spots) -> Spots:
    """Spots at given places, (spots, 2), with the sizes of those that were found there."""
    if not len(found.centres):
        return Spots(centres, np.full(len(centres), 1.5 * _SMALLEST))
    away = np.linalg.norm(centres[:, None] - found.centres[None], axis=2)
    nearest = away.argmin(axis=1)
    usual = float(np.median(found.half_widths))
    near = away[np.arange(len(centres)), nearest] < found.half_widths[nearest]
    return Spots(centres, np.where(near, found.half_widths[nearest], usual))


def apart(centres: Array, others: Array, distance: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which places are farther than a distance from all others, (places,)."""
    if not len(others) or not len(centres):
        return np.ones(len(centres), dtype=bool)
    away: np.ndarray[Any, np.dtype[np.bool_]] = (
        np.linalg.norm(centres[:, None] - others[None], axis=2).min(axis=1) > distance
    )
    return away


def _groups(photons: Array, usable: np.ndarray[Any, Any]) -> tuple[Places, Labels, Array]:
    """Pixels of spots, (pixels,) each of slow and fast; of each a number, one for a group that touches; its excess."""
    values = np.where(usable, photons, 0.0)
    squares = values * values
    strong = np.zeros(values.shape, dtype=bool)
    excess = values
    # A second look leaves the spots themselves out of what is around.
    for _ in range(3):
        weight = (usable & ~strong).astype(float)
        count = np.maximum(_mean(weight), 1e-9)
        excess = values - _mean(values * weight) / count
        # The background is what is left.
        spread = np.sqrt(np.maximum(_mean(squares * weight) / count - np.square(values - excess), 0.0))
        strong = (excess > _ABOVE * np.maximum(spread, 0.5)) & usable
    slow, fast = np.nonzero(strong)
    return (slow, fast), _touching(strong.shape, slow, fast), excess[slow, fast]


def _touching(shape: tuple[int, ...], slow: Labels, fast: Labels) -> Labels:
    """A number for each of some pixels, the same where they touch, also at corners."""
    # One more row and column at each end, where there are none.
    where = np.full((shape[0] + 2, shape[1] + 2), len(slow))
    where[slow + 1, fast + 1] = np.arange(len(slow))
    around = [(up, right) for up in range(3) for right in range(3)]
    neighbours = np.stack([where[slow + up, fast + right] for up, right in around])
    labels = np.arange(len(slow))
    while len(labels):
        grown = np.append(labels, -1)[neighbours].max(axis=0)
        # The number of a number, too, so that long groups are soon one.
        grown = grown[grown]
        if np.array_equal(grown, labels):
            break
        labels = grown
    return labels


def _mean(image: Array) -> Array:
    """Of what is around each pixel within the image: along rows, then along columns."""
    made: Array = _mean_of_rows(np.ascontiguousarray(_mean_of_rows(image).T)).T
    return made


def _mean_of_rows(image: Array) -> Array:
    """Of so many pixels around each, along its row, from differences of running sums."""
    places, half = np.arange(image.shape[1]), _AROUND // 2
    first, last = np.maximum(places - half, 0), np.minimum(places + half + 1, len(places))
    # torch's running sums take a quarter of the time of numpy's.
    running = torch.from_numpy(image).cumsum(dim=1).numpy()
    made = running[:, last - 1]
    made[:, half + 1 :] -= running[:, : max(0, len(places) - half - 1)]
    made /= last - first
    return made
