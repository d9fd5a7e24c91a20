"""The same field of view in pixels of another size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resample(image: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Divide the area that an image covers into other pixels; no photon is lost or made.

    Each pixel of the image gives to each new pixel the part of its value that lies in the area they share. Whole
    pixels that merge are added up, and a pixel that is divided is divided evenly.

    Parameters
    ----------
    image
        Values per pixel, (slow, fast).
    shape
        Pixels (slow, fast) wanted, each at least 1.

    Returns
    -------
    Values per new pixel, of that shape, with the same sum.
    """
    slow, fast = shape
    return _along_slow(_along_slow(image, slow).T, fast).T


def _along_slow(image: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    given = image.shape[0]
    if given == length:
        return image
    # In units in which old and new edges are whole numbers no rounding decides on which side of an edge a piece lies.
    edges = np.union1d(np.arange(given + 1) * length, np.arange(length + 1) * given)
    parts = np.diff(edges) / length
    pieces = image[edges[:-1] // length] * parts[:, np.newaxis]
    return np.add.reduceat(pieces, np.searchsorted(edges, np.arange(length) * given), axis=0)
