"""Pixels that are none: in gaps between panels, and masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Image


def hidden(image: Image) -> np.ndarray[Any, Any] | None:
    """Which pixels of the stored frame are none, booleans (slow, fast); None where all are."""
    import numpy as np

    mask = getattr(image, "mask", None)
    if mask is None and (seen := image.experiment.detector.mask) is not None:
        mask = ~np.asarray(seen).astype(bool)
    return mask
