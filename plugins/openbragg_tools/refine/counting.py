"""Photons from an image's counts, and which of its pixels can be used."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from openbragg import InputError, ReadImage, Simulation, UsageError

Array = np.ndarray[Any, np.dtype[np.float64]]


@attrs.frozen(eq=False)
class Measured:
    """An image as it is refined against.

    Attributes
    ----------
    photons
        Counts less the pedestal over the gain, (slow, fast).
    usable
        Which of them are measured and neither masked nor saturated, (slow, fast).
    gain
        Counts per photon: given, or the image's own.
    source
        What messages call it.
    """

    photons: Array
    usable: np.ndarray[Any, np.dtype[np.bool_]]
    gain: float
    source: str


def measured(
    image: ReadImage,
    simulation: Simulation,
    source: str = "the image",
    gain: float | None = None,
    pedestal: float | None = None,
    saturation: float | None = None,
) -> Measured:
    """Prepare an image, which messages call `source`.

    Gain, pedestal and saturation are the file's own unless they are given, and 1, 0 and none where it has none. Pixels
    that a floating-point image has as NaN were not measured.

    Raises
    ------
    InputError
        When it has another size than the detector, no pixel that can be used, or nothing in it.
    """
    counts = np.asarray(image.pixels, dtype=float)
    shape = simulation.layout().experiment.detector.frame_shape()
    if counts.shape != tuple(shape):
        found = " x ".join(map(str, counts.shape[::-1]))
        raise InputError(
            f"{source}: {found} pixels (fast x slow), the detector has {shape[1]} x {shape[0]}: "
            "give the geometry of this image"
        )
    gain = gain if gain is not None else image.gain or 1.0
    pedestal = pedestal if pedestal is not None else image.pedestal or 0.0
    saturation = saturation if saturation is not None else image.overload
    if not gain > 0.0:
        raise UsageError(f"gain: expected a number above 0, got {gain:g}")
    usable = np.isfinite(counts)
    if image.masked is not None:
        usable &= ~image.masked
    if saturation is not None:
        usable &= counts < saturation
    hidden = simulation.layout().experiment.detector.hidden()
    if hidden is not None:
        usable &= ~hidden
    if not usable.any():
        raise InputError(f"{source}: no pixel can be used: all are masked, saturated or not measured")
    photons = np.where(usable, (np.where(usable, counts, 0.0) - pedestal) / gain, 0.0)
    if float(np.ptp(photons[usable])) == 0.0:
        raise InputError(f"{source}: every pixel has the same value: there is nothing in it")
    return Measured(photons, usable, gain, source)
