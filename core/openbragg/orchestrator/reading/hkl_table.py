"""Tables of amplitudes as text: h k l F."""

from __future__ import annotations

import os
import secrets
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openbragg.errors import InputError

# Enough to write fast, few enough that the numbers as Python objects take no memory to speak of.
_LINES_AT_ONCE = 100_000

Reflections: TypeAlias = NDArray[np.int32]
Amplitudes: TypeAlias = NDArray[np.float64]


def write_hkl_table(path: str | os.PathLike[str], hkl: ArrayLike, F: ArrayLike) -> None:
    """Write a reflection table as text: h k l F, one reflection a line, and nothing else.

    There is no comment or title line, since nanoBragg.c reads the file as bare numbers. The table is written beside
    `path` and then renamed, so that an interrupted run leaves an existing file as it was.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced.
    hkl : integer array, (reflections, 3)
        Reflections. Simulators take the table as one for P1: it holds every symmetry mate.
        One that is not in the table has the simulator's default amplitude: 0 keeps systematic absences absent.
    F : float array, (reflections,)
        Amplitudes, in electrons per unit cell, written to nine digits.

    Raises
    ------
    InputError
        For arrays that are no reflection table, or a file that cannot be written.
    """
    hkl, F = checked_reflections(hkl, F)
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a rename would put a plain file in the place of a device or pipe
            raise InputError(f"{path}: expected a plain file, or none yet, to write the reflections to")
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            with partial.open("x", encoding="ascii", newline="\n") as table:
                for start in range(0, len(F), _LINES_AT_ONCE):
                    block = slice(start, start + _LINES_AT_ONCE)
                    numbers = tuple(chain.from_iterable(zip(*hkl[block].T.tolist(), F[block].tolist(), strict=True)))
                    # One format for the whole block is several times faster than one per line.
                    table.write("%d %d %d %.9g\n" * (len(numbers) // 4) % numbers)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot write the reflections: {error.strerror}") from error


def checked_reflections(hkl: ArrayLike, F: ArrayLike) -> tuple[Reflections, Amplitudes]:
    """Indices (n, 3) and amplitudes (n,) as arrays of the table's types.

    Raises
    ------
    InputError
        For arrays of other shapes, an empty table, and amplitudes that are negative or not finite.
    """
    indices, amplitudes = np.asarray(hkl), np.asarray(F, dtype=np.float64)
    shapes_agree = amplitudes.ndim == 1 and indices.shape == (len(amplitudes), 3)
    if not (np.issubdtype(indices.dtype, np.integer) and shapes_agree):
        raise InputError(
            f"reflection table: expected whole numbers (n, 3) and amplitudes (n,), "
            f"found {indices.dtype} {indices.shape} and {amplitudes.shape}"
        )
    if amplitudes.size == 0:
        raise InputError("reflection table: expected at least one reflection")
    wrong = np.flatnonzero(~(np.isfinite(amplitudes) & (amplitudes >= 0)))
    if len(wrong):
        found = amplitudes[wrong[0]]
        raise InputError(
            f"reflection {_indices(indices[wrong[0]])}: F is {found:g}, expected a finite number of 0 or more"
        )
    return indices.astype(np.int32), amplitudes


def _indices(reflection: NDArray[Any]) -> str:
    return " ".join(str(index) for index in reflection)
