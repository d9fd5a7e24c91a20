"""Pictures to look at: two images on one grey scale, and where they differ."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from openbragg import scale_end

#: Percentile of the pixels at which a scale ends; beyond are the few that would leave the others invisible.
_PERCENTILE = 99.5
_WHITE = np.array((255.0, 255.0, 255.0))
#: Where the second image has more, and where it has less: the ends of ColorBrewer's RdBu, which colour-blind readers
#: can tell apart.
_MORE = np.array((178.0, 24.0, 43.0))
_LESS = np.array((33.0, 102.0, 172.0))


@attrs.frozen
class Scales:
    """What the shades of the pictures stand for, in the unit of the pixels.

    Attributes
    ----------
    white, black
        Values that are drawn white and black in both previews.
    full_colour
        Difference from which on the colour is full: red where the second image has so much more, blue where less.
    """

    white: float
    black: float
    full_colour: float


def common_scales(first: NDArray[np.float64], second: NDArray[np.float64]) -> Scales:
    """Scales that suit two images (slow, fast) at once.

    White is the lower of their 0.5th percentiles, black the higher of their 99.5th, full colour the 99.5th of their
    absolute differences; where so few pixels differ from white that this percentile is white too, it is taken of those.
    """
    white = min(float(np.percentile(image, 100.0 - _PERCENTILE)) for image in (first, second))
    black = max(scale_end(image, white, _PERCENTILE) for image in (first, second))
    return Scales(white=white, black=black, full_colour=scale_end(np.abs(second - first), 0.0, _PERCENTILE))


def grey(image: NDArray[np.float64], scales: Scales) -> NDArray[np.uint8]:
    """Shades of an image, (slow, fast): dark spots on white."""
    part = np.clip((image - scales.white) / (scales.black - scales.white), 0.0, 1.0)
    return _bytes(255.0 * (1.0 - part))


def difference_colours(first: NDArray[np.float64], second: NDArray[np.float64], scales: Scales) -> NDArray[np.uint8]:
    """Colours of the second image minus the first, (slow, fast, 3): red more, blue less, white equal."""
    part = np.clip((second - first) / scales.full_colour, -1.0, 1.0)[..., np.newaxis]
    return _bytes(_WHITE + np.abs(part) * (np.where(part > 0.0, _MORE, _LESS) - _WHITE))


def _bytes(shades: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(shades).astype(np.uint8)
