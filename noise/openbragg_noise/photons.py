"""Expected photons from an image that is there already."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from openbragg import Detector, InputError, OpenBraggError, Picture, read_image, read_picture

Region = tuple[int, int, int, int]

#: Keys of an SMV header, each with what it is taken for where it is missing.
_OFFSET, _SCALE = ("ADC_OFFSET", 0.0), ("COUNTS_PER_PHOTON", 1.0)


def describes_camera(path: Path) -> bool:
    """Whether an image says where it was recorded; nothing is said of one that cannot be read."""
    try:
        image = read_image(path)
    except OpenBraggError:
        return False
    return bool(image.text) or image.geometry is not None


def fit_detector(path: Path, detector: Detector, *, sized: bool) -> tuple[Picture, Detector]:
    """Read an image, and make sure that the detector has its pixels.

    Parameters
    ----------
    path
        The image.
    detector
        The detector that it is on.
    sized
        Whether the detector was given its pixels or its size. If not, it gets the pixels of the image.

    Raises
    ------
    InputError
        When the image cannot be read, or has other pixels than a detector that was given them.
    """
    shape = detector.frame_shape() if sized or detector.layout else None
    picture = read_picture(path, shape)
    rows, columns = picture.pixels.shape
    if shape is None:
        return picture, attrs.evolve(detector, pixels=(rows, columns))
    slow, fast = shape
    if (rows, columns) != shape:
        raise InputError(f"{path}: the image has {columns} x {rows} pixels, the detector {fast} x {slow} (fast x slow)")
    return picture, detector


def expected_photons(
    path: Path,
    picture: Picture,
    offset: float | None,
    scale: float | None,
    notices: list[str],
    factor: float = 1.0,
) -> NDArray[np.float32]:
    """The photons that the pixels of an image stand for: less an offset, then divided by a scale.

    Parameters
    ----------
    path, picture
        The image.
    offset
        In counts; None for ADC_OFFSET in the header of an SMV image, and 0 in others.
    scale
        In counts per photon; None for COUNTS_PER_PHOTON in the header of an SMV image, and 1 in others.
    notices
        Gets a line where an SMV image does not say what is not given.
    factor
        By which what comes out is multiplied.

    Returns
    -------
    Photons, (slow, fast); below 0 where there are fewer counts than the offset.

    Raises
    ------
    InputError
        When a header has something else than a number there, or the photons are beyond single precision.
    """
    missing: list[tuple[str, float]] = []
    offset = _value(path, picture.header, _OFFSET, offset, missing)
    scale = _value(path, picture.header, _SCALE, scale, missing)
    if not (math.isfinite(offset) and 0.0 < scale < math.inf):
        raise InputError(
            f"{path}: expected a finite {_OFFSET[0]} and a {_SCALE[0]} above 0 in the header, "
            f"got {offset:g} and {scale:g}"
        )
    if picture.header and missing:
        keys = " and ".join(f"{key} (taken as {value:g})" for key, value in missing)
        notices.append(f"the header of {path} does not have {keys}; -input_offset and -input_scale say otherwise")
    if (offset, scale, factor) == (0.0, 1.0, 1.0):
        return picture.pixels.astype(np.float32)
    with np.errstate(over="ignore"):
        photons = ((picture.pixels.astype(np.float64) - offset) / scale * factor).astype(np.float32)
    if not np.isfinite(photons).all():
        raise InputError(f"{path}: less {offset:g}, and over {scale:g} counts per photon, photons are infinite")
    return photons


def drawn_part(
    path: Path, photons: NDArray[np.float32], region: Region, mask: Any, notices: list[str]
) -> NDArray[np.float32]:
    """Photons in a region where a mask (slow, fast) is not 0; elsewhere, and in place of negative ones, 0.

    `notices` gets a line when there were negative ones in the region.
    """
    first_fast, last_fast, first_slow, last_slow = region
    part = (slice(first_slow, last_slow + 1), slice(first_fast, last_fast + 1))
    kept = np.zeros_like(photons)
    kept[part] = photons[part]
    if mask is not None:
        kept[~np.asarray(mask)] = 0.0
    negative = kept < 0.0
    count = int(negative.sum())
    if count:
        lowest = float(kept.min())
        notices.append(f"{count} pixels of {path} are below 0 photons and taken as 0, the lowest is at {lowest:.6g}")
        kept[negative] = 0.0
    return kept


def _value(
    path: Path,
    header: dict[str, str],
    default: tuple[str, float],
    given: float | None,
    missing: list[tuple[str, float]],
) -> float:
    """What is given, or what the header says, or what is taken where it says nothing."""
    key, otherwise = default
    if given is not None:
        return given
    if key not in header:
        missing.append(default)
        return otherwise
    try:
        return float(header[key])
    except ValueError:
        raise InputError(f"{path}: expected a number for {key} in the header, got {header[key][:40]!r}") from None
