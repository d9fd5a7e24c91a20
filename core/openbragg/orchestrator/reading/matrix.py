"""MOSFLM orientation matrices."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

from openbragg.errors import InputError
from openbragg.model.scalars import Scalar, plain
from openbragg.orchestrator.reading.textfile import read_lines

#: More than any matrix file holds; a larger file is something else.
_LARGEST_FILE = 1 << 20

#: Vectors are taken for coplanar when they enclose less than this part of the box their lengths could.
_FLAT = 1e-9
#: No vector times a wavelength comes near this length, or its inverse; within, nothing overflows.
_LONGEST = 1e50

Rows = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


def read_mosflm_matrix(path: Path, wavelength: Scalar, *, comments: bool = True) -> Rows:
    """Read the orientation of a crystal from a MOSFLM matrix file.

    The file begins with three lines of three numbers, the columns a*, b* and c* times the wavelength; what MOSFLM
    writes below (missetting angles, the U matrix, the cell) is not needed.

    Parameters
    ----------
    path
        The file.
    wavelength
        In metres; it is taken out of the matrix as a plain number.
    comments
        Whether what follows # in a line is passed over; it is refused as any other word without.

    Returns
    -------
    Rows a*, b*, c* in 1/metres.

    Raises
    ------
    InputError
        When the file is missing, its first nine numbers are not finite numbers in three lines, or the vectors have no
        volume.
    """
    lines = read_lines(path, _LARGEST_FILE, "an orientation matrix", comment="#" if comments else "")
    filled = ((number, line.split()) for number, line in enumerate(lines, start=1) if line.strip())
    rows = []
    for number, words in islice(filled, 3):
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != 3 or not all(abs(value) < _LONGEST for value in row):
            shown = " ".join(words)[:60]
            raise InputError(f"{path}, line {number}: expected three numbers of an orientation matrix, got {shown!r}")
        rows.append(row)
    if len(rows) != 3:
        raise InputError(f"{path}: expected three lines of three numbers, got {len(rows)}")
    if _volume(rows) <= _FLAT:
        raise InputError(f"{path}: the orientation matrix is singular: its three vectors lie in one plane")
    scale = 1.0 / plain(wavelength)
    first, second, third = (
        (rows[0][column] * scale, rows[1][column] * scale, rows[2][column] * scale) for column in range(3)
    )
    return first, second, third


def _volume(rows: list[list[float]]) -> float:
    """Volume that the columns enclose, over the product of their lengths; 0 when one has none."""
    columns = list(zip(*rows, strict=True))
    lengths = [math.hypot(*column) for column in columns]
    if min(lengths) < 1.0 / _LONGEST:
        return 0.0
    (a, b, c), (d, e, f), (g, h, i) = (
        [value / length for value in column] for column, length in zip(columns, lengths, strict=True)
    )
    volume: float = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return abs(volume)
