"""A traced pixel, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

#: Where a term stands in the sum; the place in a trace's step.
STEP_AXES = ("layer", "slow_subpixel", "fast_subpixel", "source", "phi_tic", "mosaic")

#: What a trace says of a name: a number, the numbers of a vector, or words that are neither.
Value = float | list[float] | str


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
    further
        What else a JSON file says of the pixel.
    """

    slow: int
    fast: int
    values: Mapping[str, Value] = attrs.field(factory=dict)
    steps: list[dict[str, Any]] = attrs.field(factory=list)
    further: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class TraceFile:
    """Traces that were read.

    Attributes
    ----------
    path
        Where from.
    kind
        ``log`` or ``JSON``.
    pixels
        In the order of the file.
    notices
        One line for each thing that a reader of the comparison should know.
    further
        What else a JSON file says.
    """

    path: Path
    kind: str
    pixels: list[TracedPixel]
    notices: list[str] = attrs.field(factory=list)
    further: dict[str, Any] = attrs.field(factory=dict)

    def name(self) -> str:
        """The path as text; a file's name need not be that."""
        return str(self.path).encode(errors="replace").decode()
