"""Tables of amplitudes of amorphous matter."""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg.errors import InputError
from openbragg.orchestrator.textfile import read_lines

if TYPE_CHECKING:
    import numpy as np

#: More than any such table; a larger file is something else.
_LARGEST_FILE = 1 << 26


def read_amplitudes(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Read a table (rows, 2): a measure of the scattering angle, and an amplitude in electrons.

    Empty lines, and lines that begin with #, are passed over.

    Raises
    ------
    InputError
        When the file cannot be read, holds nothing, or has a line that is not two finite numbers; the message names
        the line.
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
        if len(values) != 2 or not all(map(math.isfinite, values)):
            shown = " ".join(words)[:60]
            raise InputError(f"{path}, line {number}: expected two numbers, stol and F, got {shown!r}")
        numbers.extend(values)
    if not numbers:
        raise InputError(f"{path}: no amplitudes in the file")
    return np.array(numbers).reshape(-1, 2)
