"""A traced pixel, as plain numbers."""

from __future__ import annotations

from typing import Any

import attrs

#: Where a term stands in the sum; the place in a trace's step.
STEP_AXES = ("layer", "slow_subpixel", "fast_subpixel", "source", "phi_tic", "mosaic")


@attrs.frozen
class TracedPixel:
    """What is known of a pixel's calculation.

    Attributes
    ----------
    slow, fast
        The pixel.
    values
        Numbers and vectors of the whole pixel, by the names of the reference program's traces.
    steps
        For each term its place on `STEP_AXES` and its numbers by name; None where there is no such number.
    """

    slow: int
    fast: int
    values: dict[str, float | list[float]] = attrs.field(factory=dict)
    steps: list[dict[str, Any]] = attrs.field(factory=list)
