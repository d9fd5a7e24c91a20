"""Peaks of an image, and which of them another image has too."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

#: A peak stands this many standard deviations above the mean of the image.
DEVIATIONS = 2.0
#: So many of the first image's peaks, the brightest, are looked for in the second.
BRIGHTEST = 100
#: Steps (slow, fast) to a pixel's eight neighbours.
_NEIGHBOURS = tuple((slow, fast) for slow in (-1, 0, 1) for fast in (-1, 0, 1) if (slow, fast) != (0, 0))
#: A centroid takes in the pixels so many steps around a peak. Of a round spot that is one to three pixels wide at half
#: its height, a shift by part of a pixel then comes out right within 15%; with one step it is up to 50% too large.
_AROUND = 2

Place = tuple[int, int]


@attrs.frozen
class PeakMatch:
    """Peaks of two images side by side.

    Attributes
    ----------
    first, second
        How many peaks each image has.
    sought
        How many of the first's were looked for in the second: all, or the brightest 100.
    matched
        How many of those were found.
    median_offset, largest_offset
        Distance between the centroids of two matched peaks, in pixels; None when none matched.
    median_shift
        Median of the second's centroid minus the first's, (slow, fast), in pixels; None when none matched.
    """

    first: int
    second: int
    sought: int
    matched: int
    median_offset: float | None
    largest_offset: float | None
    median_shift: tuple[float, float] | None


def match_peaks(first: NDArray[np.float64], second: NDArray[np.float64], distance: float) -> PeakMatch:
    """Look for the brightest peaks of one image in another of the same shape.

    Pairs are made from the closest one on, and no peak is in two of them.

    Parameters
    ----------
    first, second
        Values, (slow, fast).
    distance
        Centroids of a pair lie no further apart than this, in pixels.
    """
    ours, theirs = find_peaks(first), find_peaks(second)
    sought = ours[:BRIGHTEST]
    pairs = []
    for index, centroid in enumerate(sought):
        apart = np.hypot(*(theirs - centroid).T)
        pairs += [(float(apart[other]), index, int(other)) for other in np.flatnonzero(apart <= distance)]
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for _, index, other in sorted(pairs):
        if index not in matched and other not in taken:
            matched[index] = other
            taken.add(other)
    counts = (len(ours), len(theirs), len(sought), len(matched))
    if not matched:
        return PeakMatch(*counts, None, None, None)
    shifts = theirs[list(matched.values())] - sought[list(matched)]
    offsets = np.hypot(*shifts.T)
    slow, fast = (float(value) for value in np.median(shifts, axis=0))
    return PeakMatch(*counts, float(np.median(offsets)), float(offsets.max()), (slow, fast))


def find_peaks(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centroids of the peaks of an image, the brightest first.

    A peak is a pixel, or a plateau of touching pixels of one value, that is more than two standard deviations above
    the mean and higher than every pixel that touches it. Its centroid is taken over the peak and the pixels up to two
    steps from it, each weighted by what it has more than the lowest of them.

    Parameters
    ----------
    image
        Values, (slow, fast).

    Returns
    -------
    Centroids (slow, fast) in pixels, 0 in the middle of the first one, (peaks, 2).
    """
    if image.min() == image.max():
        return np.empty((0, 2))
    level = float(image.mean()) + DEVIATIONS * float(image.std())
    around = _highest_neighbour(image)
    maxima = (image > level) & (image >= around)
    alone = np.argwhere(maxima & (image > around))
    plateaus = _plateaus(image, maxima, np.argwhere(maxima & (image == around)))
    members = [alone, *(np.array(plateau) for plateau in plateaus)]
    owners = [np.arange(len(alone))]
    owners += [np.full(len(plateau), len(alone) + index) for index, plateau in enumerate(plateaus)]
    centroids = _centroids(image, np.concatenate(members), np.concatenate(owners), len(alone) + len(plateaus))
    tops = np.concatenate([image[tuple(alone.T)], [image[plateau[0]] for plateau in plateaus]])
    return centroids[np.argsort(-tops, kind="stable")]


def _highest_neighbour(image: NDArray[np.float64]) -> NDArray[np.float64]:
    slow, fast = image.shape
    padded = np.pad(image, 1, constant_values=-np.inf)
    highest = np.full(image.shape, -np.inf)
    for down, right in _NEIGHBOURS:
        np.maximum(highest, padded[1 + down : 1 + down + slow, 1 + right : 1 + right + fast], out=highest)
    return highest


def _plateaus(image: NDArray[np.float64], maxima: NDArray[np.bool_], places: NDArray[np.int64]) -> list[list[Place]]:
    """Sets of touching pixels of one value without a higher neighbour; `places` are where such a set may begin."""
    slow, fast = image.shape
    plateaus = []
    seen: set[Place] = set()
    for begin in map(tuple, places.tolist()):
        if begin in seen:
            continue
        seen.add(begin)
        members, top = [begin], True
        # The list grows while it is walked through.
        for place in members:
            for down, right in _NEIGHBOURS:
                near = (place[0] + down, place[1] + right)
                if near in seen or not (0 <= near[0] < slow and 0 <= near[1] < fast):
                    continue
                if image[near] != image[place]:
                    continue
                if not maxima[near]:
                    # The plateau is a ledge there, below something higher.
                    top = False
                    continue
                seen.add(near)
                members.append(near)
        if top:
            plateaus.append(members)
    return plateaus


def _centroids(
    image: NDArray[np.float64], members: NDArray[np.int64], owners: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Centroids of `count` peaks from their pixels (pixels, 2), and to which peak each belongs (pixels,)."""
    slow, fast = image.shape
    reach = range(-_AROUND, _AROUND + 1)
    steps = np.array([(down, right) for down in reach for right in reach])
    places = (members[:, np.newaxis] + steps).reshape(-1, 2)
    owners = np.repeat(owners, len(steps))
    inside = ((places >= 0) & (places < (slow, fast))).all(axis=1)
    # A pixel that is near two pixels of a plateau counts once.
    keys = np.unique(owners[inside] * image.size + places[inside] @ (fast, 1))
    owners, pixels = np.divmod(keys, image.size)
    values = image.ravel()[pixels]
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, owners, values)
    weights = values - lowest[owners]
    total = np.bincount(owners, weights, count)
    sums = [np.bincount(owners, weights * along, count) for along in np.divmod(pixels, fast)]
    return np.stack(sums, axis=1) / total[:, np.newaxis]
