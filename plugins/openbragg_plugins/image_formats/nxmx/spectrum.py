"""The spectrum that stands in an NXmx file: of all images, or of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from openbragg import InputError

if TYPE_CHECKING:
    from openbragg_plugins.image_formats.nxmx.links import Linked

#: Wavelengths in a spectrum, at most.
_MOST = 1 << 16

Spectrum = tuple[NDArray[np.float64], NDArray[np.float64]]


def recorded_spectrum(file: Linked, data: Any, image: int) -> Spectrum | None:
    """Wavelengths in the unit of their data set, and weights, (channels,) each; None where there are no weights.

    Wavelengths are (channels,) for all images or (images, channels), and weights, which are beside them under their
    name with ``_weights``, likewise. Of files with fewer images than asked for the first follows the last. Source:
    NeXus base class NXbeam.

    Parameters
    ----------
    file, data
        The open file, and the data set of the wavelengths.
    image
        Number of the image, from 1.

    Raises
    ------
    InputError
        When the two do not fit each other, or have what is no wavelength or weight.
    """
    weights = file.get(data.name.rsplit("/", 1)[-1] + "_weights", data.parent)
    if weights is None or not hasattr(weights, "dtype"):
        return None
    fits = weights.shape[-1:] == data.shape[-1:] and 1 <= data.ndim <= weights.ndim <= 2
    if not (fits and weights.size and weights.shape[-1] <= _MOST and (data.ndim == 1 or data.shape == weights.shape)):
        raise InputError(
            f"{file.path}: expected as many {weights.name.rsplit('/', 1)[-1]} as wavelengths, for all images or for "
            f"each, got {str(data.shape)[:60]} and {str(weights.shape)[:60]}"
        )
    lengths, strengths = _row(file, data, image), _row(file, weights, image)
    good = np.isfinite(lengths).all() and (lengths > 0.0).all() and np.isfinite(strengths).all()
    if not (good and (strengths >= 0.0).all() and (strengths > 0.0).any()):
        raise InputError(f"{file.path}: expected wavelengths above 0 and weights of 0 or more, not all of an image 0")
    return lengths, strengths


def _row(file: Linked, data: Any, image: int) -> NDArray[np.float64]:
    """What a data set has of an image, or of all."""
    if data.dtype.kind not in "iuf" or data.dtype.itemsize > 8:
        raise InputError(f"{file.path}: expected numbers in {data.name}")
    return np.asarray(data[()] if data.ndim == 1 else data[(image - 1) % len(data)], dtype=np.float64)
