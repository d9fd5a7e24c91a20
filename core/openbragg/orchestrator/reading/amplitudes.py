"""Tables of amplitudes of amorphous matter."""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg.errors import InputError
from openbragg.orchestrator.reading.textfile import read_lines

if TYPE_CHECKING:
    import numpy as np

#: More than any such table; a larger file is something else.
_LARGEST_FILE = 1 << 26
_COLUMNS = 4
#: No number in such a table comes near this, or two of its angles near its inverse; within, nothing overflows.
_LARGEST = 1e12


def read_amplitudes(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Read a table (rows, 2): a measure of the scattering angle, and an amplitude in electrons.

    Empty lines, and lines that begin with #, are passed over, and so are a third and a fourth column, which nonBragg.c
    writes.

    Raises
    ------
    InputError
        When the file cannot be read, holds nothing, or has a line that is not two numbers, the first growing from line
        to line and neither below 0; the message names the line.
    """
    import numpy as np

    numbers = array("d")
    for number, line in enumerate(read_lines(path, _LARGEST_FILE, "a table of amplitudes"), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        shown = " ".join(words)[:60]
        if not 2 <= len(values) <= _COLUMNS or not all(map(math.isfinite, values)):
            raise InputError(f"{path}, line {number}: expected two numbers, stol and F, got {shown!r}")
        if not all(0.0 <= value <= _LARGEST for value in values[:2]):
            raise InputError(f"{path}, line {number}: expected stol and F from 0 to {_LARGEST:g}, got {shown!r}")
        if numbers and values[0] < numbers[-2] + 1.0 / _LARGEST:
            raise InputError(f"{path}, line {number}: expected a stol above the {numbers[-2]:g} before, got {shown!r}")
        numbers.extend(values[:2])
    if not numbers:
        raise InputError(f"{path}: no amplitudes in the file")
    return np.array(numbers).reshape(-1, 2)
