"""Two images of one shape in numbers."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from openbragg_tools.compare.peaks import PeakMatch, match_peaks

#: Distance in pixels within which a peak of one image is looked for in another.
PEAK_DISTANCE = 1.5


@attrs.frozen
class LargestDifference:
    """Where two images differ most: the pixel, its two values, and the second minus the first."""

    difference: float
    slow: int
    fast: int
    first: float
    second: float


@attrs.frozen
class Comparison:
    """How two images compare, in the unit of their pixels.

    Attributes
    ----------
    correlation
        Pearson's correlation of the pixels, -1 to 1; of two images that are equal 1, also when they are constant;
        None when one is constant and they are not equal.
    mse, rmse
        Mean squared difference, and its root.
    largest
        The pixel with the largest absolute difference, the first of them.
    first_sum, second_sum
        Sum over the pixels.
    ratio
        The second sum over the first; None when that is no finite number.
    peaks
        Their peaks.
    """

    correlation: float | None
    mse: float
    rmse: float
    largest: LargestDifference
    first_sum: float
    second_sum: float
    ratio: float | None
    peaks: PeakMatch


def compare_images(
    first: np.ndarray[Any, Any],
    second: np.ndarray[Any, Any],
    *,
    origin: tuple[int, int] = (0, 0),
    peak_distance: float = PEAK_DISTANCE,
) -> Comparison:
    """Compare two images of one shape.

    Parameters
    ----------
    first, second
        Values, (slow, fast): whole or floating-point numbers, finite and within single precision.
    origin
        Added to the place of the largest difference: where the images' first pixel lies in larger ones.
    peak_distance
        Distance between the centroids of matching peaks, at most, in pixels.
    """
    first, second = (np.asarray(image, dtype=np.float64) for image in (first, second))
    difference = second - first
    slow, fast = (int(index) for index in np.unravel_index(int(np.abs(difference).argmax()), difference.shape))
    rmse = _root_mean_square(difference)
    first_sum, second_sum = float(first.sum()), float(second.sum())
    ratio = second_sum / first_sum if first_sum else math.inf
    return Comparison(
        correlation=correlation(first, second),
        mse=rmse**2,
        rmse=rmse,
        largest=LargestDifference(
            difference=float(difference[slow, fast]),
            slow=slow + origin[0],
            fast=fast + origin[1],
            first=float(first[slow, fast]),
            second=float(second[slow, fast]),
        ),
        first_sum=first_sum,
        second_sum=second_sum,
        ratio=ratio if math.isfinite(ratio) else None,
        peaks=match_peaks(first, second, peak_distance),
    )


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Pearson's correlation of two images (slow, fast); see `Comparison`."""
    if np.array_equal(first, second):
        return 1.0
    if any(image.min() == image.max() for image in (first, second)):
        return None
    deviations = [_deviations(image) for image in (first, second)]
    lengths = [math.sqrt(float(np.vdot(part, part))) for part in deviations]
    cosine = float(np.vdot(*deviations)) / (lengths[0] * lengths[1])
    return min(1.0, max(-1.0, cosine))


def _deviations(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations from the mean, the largest of which is 1: their squares neither vanish nor overflow."""
    deviations = image - float(image.mean())
    return deviations / float(np.abs(deviations).max())


def _root_mean_square(values: NDArray[np.float64]) -> float:
    largest = float(np.abs(values).max())
    return largest * math.sqrt(float(np.mean((values / largest) ** 2))) if largest > 0.0 else 0.0
