"""A file of traces, as plain numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from openbragg import TracedPixel, TracePlace

#: Where a term stands in the sum; the place in a trace's step.
STEP_AXES = tuple(TracePlace._fields[:-1])

#: What a trace says of a name: a number, the numbers of a vector, or words that are neither.
Value = float | list[float] | str


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


def pixel_name(pixel: TracedPixel) -> str:
    """A pixel as people call it."""
    return "without a name" if pixel.slow is None else f"slow {pixel.slow}, fast {pixel.fast}"
