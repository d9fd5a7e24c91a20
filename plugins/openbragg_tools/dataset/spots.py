"""Which pixels a spot covers: found in the expected photons of the crystals, around where reflections are predicted."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from openbragg_tools.dataset.labels import Labels

Array = np.ndarray[Any, np.dtype[Any]]

#: Where no pixel has this part of a reflection's photons, the pixels' samples passed over it.
_SEEN = 1e-3
#: How far in pixels the top of a spot can be from its predicted place.
_NEAR = 2


@attrs.frozen(eq=False)
class Spots:
    """The spots of some reflections; arrays have a row for each.

    Attributes
    ----------
    box
        First and last column, then first and last row, all included: int32, (reflections, 4).
    photons
        Expected photons of all crystals in the box: float64.
    pixels
        Pixels that the spot covers: int32.
    covered
        For each pixel of the frame the number of the reflection whose spot covers it, -1 for none: int32, (slow, fast).
    """

    box: Array
    photons: Array
    pixels: Array
    covered: Array


def find_spots(photons: Array, places: Array, strengths: Array, labels: Labels) -> Spots:
    """Find the spots of reflections.

    A spot is the pixels around a reflection's predicted place that hang together, by their sides or corners, and have
    at least a part of the photons of the largest one, which lies within two pixels of the place. Of a pixel that
    several spots cover the strongest reflection has it. The box is the spot's, and one pixel more on every side. A
    reflection has no spot where stronger ones cover it, or where the pixels' samples have less than a thousandth of its
    photons: its box is around its predicted pixel.

    Parameters
    ----------
    photons
        Expected photons of the crystals alone, (slow, fast).
    places
        Predicted places in the frame, (fast, slow) in pixels, (reflections, 2).
    strengths
        Expected photons of each reflection.
    labels
        What part of the largest pixel, and how far a spot can reach.
    """
    reach = labels.window
    width = 2 * reach + 1
    count = len(places)
    height, breadth = photons.shape
    padded = np.zeros((height + 2 * reach, breadth + 2 * reach), dtype=photons.dtype)
    padded[reach : reach + height, reach : reach + breadth] = photons
    columns, rows = (np.floor(places[:, axis]).astype(np.int64) for axis in (0, 1))
    # The window of each reflection, whose middle is its predicted pixel.
    windows = sliding_window_view(padded, (width, width))[rows, columns]
    middle = slice(reach - min(_NEAR, reach), reach + min(_NEAR, reach) + 1)
    near = windows[:, middle, middle]
    top = near.max(axis=(1, 2), initial=0.0)
    bright = (windows >= labels.peak * top[:, None, None]) & (windows > 0.0)
    spot = np.zeros_like(bright)
    bright &= (top >= _SEEN * strengths)[:, None, None]
    spot[:, middle, middle] = (near == top[:, None, None]) & bright[:, middle, middle]
    growing = np.arange(count)
    while len(growing):
        grown = _dilated(spot[growing]) & bright[growing]
        more = (grown != spot[growing]).any(axis=(1, 2))
        growing = growing[more]
        spot[growing] = grown[more]
    covered: Array = np.full(padded.shape, -1, dtype=np.int32)
    for number in np.argsort(strengths, kind="stable"):
        row, column = rows[number], columns[number]
        covered[row : row + width, column : column + width][spot[number]] = number
    # What a stronger one has is no part of a spot.
    spot &= sliding_window_view(covered, (width, width))[rows, columns] == np.arange(count)[:, None, None]
    pixels = spot.sum(axis=(1, 2), dtype=np.int32)
    covered = covered[reach : covered.shape[0] - reach, reach : covered.shape[1] - reach]
    box = np.empty((count, 4), dtype=np.int32)
    spot[~spot.any(axis=(1, 2)), reach, reach] = True
    for axis, first, size, start in ((1, 0, breadth, columns), (2, 2, height, rows)):
        lit = spot.any(axis=axis)
        box[:, first] = np.clip(start - reach + lit.argmax(axis=1) - 1, 0, size - 1)
        box[:, first + 1] = np.clip(start + reach - lit[:, ::-1].argmax(axis=1) + 1, 0, size - 1)
    return Spots(
        box=box,
        photons=in_boxes(photons, box),
        pixels=pixels,
        covered=np.ascontiguousarray(covered),
    )


def in_boxes(photons: Array, box: Array) -> Array:
    """Sums of an image in boxes, float64."""
    left, right, top, bottom = (box[:, place].astype(np.int64) for place in range(4))
    height, width = (int((last - first).max(initial=0)) + 1 for first, last in ((top, bottom), (left, right)))
    rows, columns = top[:, None] + np.arange(height), left[:, None] + np.arange(width)
    # Windows as large as the largest box; what of them is beyond a box, or the image, counts nothing.
    inside = (rows <= bottom[:, None])[:, :, None] & (columns <= right[:, None])[:, None, :]
    rows, columns = np.minimum(rows, photons.shape[0] - 1), np.minimum(columns, photons.shape[1] - 1)
    windows = photons[rows[:, :, None], columns[:, None, :]]
    sums: Array = np.where(inside, windows, 0.0).sum(axis=(1, 2), dtype=np.float64)
    return sums


def _dilated(spot: Array) -> Array:
    grown = spot.copy()
    grown[:, 1:] |= spot[:, :-1]
    grown[:, :-1] |= spot[:, 1:]
    sideways = grown.copy()
    grown[:, :, 1:] |= sideways[:, :, :-1]
    grown[:, :, :-1] |= sideways[:, :, 1:]
    return grown
