"""Images in pieces that a processor's cache holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

#: With arrays in double precision of so many pixels, a calculation of several steps does not wait for the memory.
_PIXELS = 1 << 15


def strips(pixels: np.ndarray[Any, Any]) -> Iterator[slice]:
    """Whole rows of an image (slow, fast), some at a time, from first to last."""
    slow, fast = pixels.shape
    rows = max(1, _PIXELS // max(1, fast))
    for first in range(0, slow, rows):
        yield slice(first, first + rows)
