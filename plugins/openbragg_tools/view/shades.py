"""Shades of an image: where black and white lie, and the colour maps, the same in a page and in a PNG."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openbragg_tools.view.frame import Frame

_SHADES = 256
#: Percentiles at which the colours of an image begin and end.
AUTOMATIC = (0.5, 99.9)
#: Of masked pixels, in every map: a colour that none of them has.
MASKED = (150, 60, 70)
#: Green's cubehelix: a turn from purple over green to pink, steadily brighter, so that it reads in grey too. Source:
#: the function of that name in matplotlib, which names D. A. Green as its author, with its default start and rotations.
_START, _ROTATIONS = 0.5, -1.5
_HELIX = ((-0.14861, 1.78277), (-0.29227, -0.90649), (1.97294, 0.0))
#: Percentiles that a page has a table of: its automatic contrast and its slider go by them.
PERCENTILES = (*np.linspace(0.0, 99.0, 100).tolist(), *(99.2, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 99.999, 100.0))


def colour_maps() -> dict[str, NDArray[np.uint8]]:
    """Colours (256, 3) from the lowest value to the highest, by the names of the maps."""
    ramp = np.arange(_SHADES, dtype=np.uint8)
    grey = np.stack([ramp] * 3, axis=1)
    return {"inverse": grey[::-1].copy(), "grey": grey, "cubehelix": _cubehelix()}


def valid_pixels(frame: Frame) -> np.ndarray[Any, Any]:
    """The values of pixels that count, (pixels,)."""
    return frame.pixels.reshape(-1) if frame.masked is None else frame.pixels[~frame.masked]


def percentiles(frame: Frame) -> list[float]:
    """The values at `PERCENTILES` of the pixels that count; zeros where none does."""
    values = valid_pixels(frame)
    if not values.size:
        return [0.0] * len(PERCENTILES)
    # A value of the image, so that whole numbers stay whole.
    return [float(value) for value in np.percentile(values, PERCENTILES, method="nearest")]


def automatic_contrast(frame: Frame) -> tuple[float, float]:
    """The values at the two ends of a colour map: percentiles, with one beyond the other."""
    values = valid_pixels(frame)
    if not values.size:
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(values, AUTOMATIC))
    if high > low:
        return low, high
    # So few pixels differ from the others that the scale would have one value.
    beyond = values[values > low]
    return low, float(np.percentile(beyond, AUTOMATIC[1])) if beyond.size else low + 1.0


def colours_of(frame: Frame, name: str, contrast: tuple[float, float]) -> NDArray[np.uint8]:
    """Colours of an image, (slow, fast, 3), between two values in a map."""
    low, high = contrast
    part = (frame.pixels.astype(np.float64) - low) / (high - low)
    shades = np.floor(np.clip(part, 0.0, 1.0) * (_SHADES - 1) + 0.5).astype(np.uint8)
    colours = colour_maps()[name][shades]
    if frame.masked is not None:
        colours[frame.masked] = MASKED
    return colours


def _cubehelix() -> NDArray[np.uint8]:
    part = np.linspace(0.0, 1.0, _SHADES)
    turn = 2.0 * np.pi * (_START / 3.0 + _ROTATIONS * part)
    amplitude = part * (1.0 - part) / 2.0
    channels = [part + amplitude * (one * np.cos(turn) + other * np.sin(turn)) for one, other in _HELIX]
    return np.rint(np.clip(np.stack(channels, axis=1), 0.0, 1.0) * 255.0).astype(np.uint8)
