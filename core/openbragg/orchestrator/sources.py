"""Files that list sources."""

from __future__ import annotations

import math
from pathlib import Path

from openbragg.errors import InputError
from openbragg.orchestrator.textfile import read_lines

#: Columns: x, y, z, weight, wavelength.
_COLUMNS = 5
_PLACE = 3
#: More than any list of sources; a larger file is something else.
_LARGEST_FILE = 1 << 26
#: Each of them is an image of its own.
_MOST_SOURCES = 1 << 16
#: No place, weight or wavelength comes near this, or its inverse; within, nothing overflows.
_LARGEST = 1e100

Row = tuple[float | None, ...]


def read_sources(path: Path, *, comments: bool = True) -> list[Row]:
    """Read a source file: x y z in metres as seen from the crystal, weight, wavelength in metres, one source a line.

    Columns may be missing at the end of a line; they come back as None. Words are separated by blanks, tabs, commas,
    semicolons or colons, as in the reference program. With `comments`, what follows # in a line is passed over;
    without, it is refused as any other word.

    Raises
    ------
    InputError
        When the file is missing or empty, has more sources than can be rendered or only sources without weight, or a
        line has something else, or a source in the crystal's own place; the message names the line.
    """
    lines = read_lines(path, _LARGEST_FILE, "a list of sources", comment="#" if comments else "")
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        words = line.translate(str.maketrans(",;:!", "    ")).split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = [math.nan]
        if complaint := _complaint(values):
            raise InputError(f"{path}, line {number}: {complaint}, got {' '.join(words)[:60]!r}")
        if len(rows) == _MOST_SOURCES:
            raise InputError(f"{path}: more than {_MOST_SOURCES} sources in the file")
        rows.append((*values, *(None for _ in range(_COLUMNS - len(values)))))
    if not rows:
        raise InputError(f"{path}: no sources in the file")
    if sum(1.0 if row[3] is None else row[3] for row in rows) < 1.0 / _LARGEST:
        raise InputError(f"{path}: expected sources with weights that are not all 0")
    return rows


def _complaint(values: list[float]) -> str | None:
    """What a source with these columns lacks."""
    if len(values) > _COLUMNS or not all(abs(value) < _LARGEST for value in values):
        return "expected a source as x y z weight wavelength"
    if math.hypot(*values[:_PLACE]) < 1.0 / _LARGEST:
        return "expected a source that does not stand where the crystal is"
    if any(value < 0.0 for value in values[3:4]) or any(value < 1.0 / _LARGEST for value in values[4:]):
        return "sources need weights of 0 or more and wavelengths above 0"
    return None
