"""Files that list sources."""

from __future__ import annotations

import math
from pathlib import Path

from openbragg.errors import InputError
from openbragg.orchestrator.textfile import read_lines

#: Columns: x, y, z, weight, wavelength.
_COLUMNS = 5
#: More than any list of sources; a larger file is something else.
_LARGEST_FILE = 1 << 26

Row = tuple[float | None, ...]


def read_sources(path: Path) -> list[Row]:
    """Read a source file: x y z in metres as seen from the crystal, weight, wavelength in metres, one source a line.

    Columns may be missing at the end of a line; they come back as None. Words are separated by blanks, tabs, commas,
    semicolons or colons, as in the reference program.

    Raises
    ------
    InputError
        When the file is missing or empty, or a line has something else; the message names the line.
    """
    lines = read_lines(path, _LARGEST_FILE, "a list of sources")
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        words = line.translate(str.maketrans(",;:!", "    ")).split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = [math.nan]
        if len(values) > _COLUMNS or not all(math.isfinite(value) for value in values):
            shown = " ".join(words)[:60]
            raise InputError(f"{path}, line {number}: expected a source as x y z weight wavelength, got {shown!r}")
        rows.append((*values, *(None for _ in range(_COLUMNS - len(values)))))
    if not rows:
        raise InputError(f"{path}: no sources in the file")
    return rows
