"""Pictures to look at: the ends of a scale, and files of shades and colours."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def scale_ends(values: np.ndarray[Any, Any], percentiles: tuple[float, float]) -> tuple[float, float]:
    """Where a scale of shades begins and ends: at two percentiles of some values.

    Where so few values differ from the lower end that the upper one is the same, the upper percentile is taken of
    those; of values that are all equal the scale ends 1 beyond them.
    """
    low = float(np.percentile(values, percentiles[0]))
    return low, scale_end(values, low, percentiles[1])


def scale_end(values: np.ndarray[Any, Any], begin: float, percentile: float) -> float:
    """Where a scale of shades ends that begins at a value: always beyond it; see `scale_ends`."""
    end = float(np.percentile(values, percentile))
    if end > begin:
        return end
    beyond = values[values > begin]
    return float(np.percentile(beyond, percentile)) if beyond.size else begin + 1.0


def write_png(stream: BinaryIO, pixels: NDArray[np.uint8]) -> None:
    """Write grey values (slow, fast) or colours (slow, fast, 3) as a PNG."""
    from PIL import Image

    Image.fromarray(pixels).save(stream, format="PNG")
