"""Tables of h k l and values as text."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg import InputError
from openbragg_plugins.structure_factors.other_kinds import other_kind
from openbragg_plugins.structure_factors.sources import GZIP, content_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    import numpy as np

    Indices = np.ndarray[Any, np.dtype[np.int64]]

#: Words of a line with one amplitude.
_FEWEST = 4
_COMMENT = "#"
#: So much of a file says what it is.
_BEGINNING = 1 << 12
#: A line of a table, as nearly all are: whole numbers are read in a third of the time.
_WHOLE_INDICES = [("h", "i8"), ("k", "i8"), ("l", "i8"), ("F", "f8")]
#: No index of a real reflection comes near this; it keeps boxes countable.
LARGEST_INDEX = 1_000_000
#: A line of so many letters is no reflection, and many small words in it would take far more memory than their letters.
_LONGEST_LINE = 1 << 13


def read_hkl(path: Path, *, comments: bool = True) -> tuple[Indices, np.ndarray[Any, np.dtype[np.float64]]]:
    """Read a table of one amplitude a reflection: indices (reflections, 3) and amplitudes in electrons (reflections,).

    Raises
    ------
    InputError
        When it has others, or as `read_columns` does.
    """
    indices, values = read_columns(path, comments=comments)
    if values.shape[1] != 1:
        raise InputError(f"{path}: expected h k l F, got {values.shape[1]} values for each reflection")
    return indices, values[:, 0]


def read_columns(path: Path, *, comments: bool = True) -> tuple[Indices, np.ndarray[Any, np.dtype[np.float64]]]:
    """Read a table: indices (reflections, 3) and amplitudes in electrons, or other values, (reflections, columns).

    With `comments`, what follows # in a line is passed over; without, it is refused as any other word.

    Raises
    ------
    InputError
        When the file is missing, empty, or has a line that is not three whole numbers and as many finite values as all
        the others; the message names the line.
    """
    import numpy as np

    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if text.startswith(GZIP):
        text = content_of(path)
    if not text or text.decode("latin-1").isspace():
        raise InputError(f"{path}: no reflections in the file")
    mark = _COMMENT if comments and _COMMENT.encode() in text else None
    if mark is not None and not any(line.partition(mark)[0].strip() for line in _lines(text)):
        raise InputError(f"{path}: no reflections in the file")
    table = _parsed(text, _WHOLE_INDICES, mark)
    if table is not None:
        index = np.empty((len(table), 3), dtype=np.int64)
        for column, name in enumerate("hkl"):
            index[:, column] = table[name]
        amplitude = table["F"][:, np.newaxis].copy()
    else:
        values = _parsed(text, "f8", mark)
        if values is None or values.shape[1] < _FEWEST or not (values[:, :3] == np.rint(values[:, :3])).all():
            raise InputError(_complaint(path, text, mark))
        index, amplitude = values[:, :3], values[:, 3:].copy()
    if not (np.isfinite(amplitude).all() and index.min() >= -LARGEST_INDEX and index.max() <= LARGEST_INDEX):
        raise InputError(_complaint(path, text, mark))
    return index.astype(np.int64, copy=False), amplitude


def has_one_column(path: Path) -> bool:
    """Whether the first line of a table has one value; so it is taken for what cannot be read, or not twice."""
    if not path.is_file():
        # What comes through a pipe comes once.
        return True
    try:
        with path.open("rb") as stream:
            beginning = stream.read(_BEGINNING)
    except (OSError, ValueError):
        return True
    if beginning.startswith(GZIP):
        return len(read_columns(path)[1][0]) == 1
    lines = (line.partition(_COMMENT)[0].split() for line in beginning.decode("latin-1").splitlines())
    return len(next((words for words in lines if words), ())) <= _FEWEST


def _parsed(text: bytes, columns: Any, mark: str | None) -> np.ndarray[Any, Any] | None:
    """The lines of a table by the numbers in their columns; None where a line has others."""
    import numpy as np

    with warnings.catch_warnings():
        # For an index like 1.5, numpy makes do with the 1 and a word of warning.
        warnings.simplefilter("error")
        try:
            return np.loadtxt(_lines(text), dtype=columns, ndmin=1 if np.dtype(columns).names else 2, comments=mark)
        except (ValueError, Warning):
            return None


def _lines(text: bytes) -> Iterable[str]:
    """The lines of a table, one by one; of a very long one the beginning, and something that no reflection has."""
    stream = io.TextIOWrapper(io.BytesIO(text), encoding="latin-1")
    return _cut_lines(stream) if _may_have_long_line(text) else stream


def _may_have_long_line(text: bytes) -> bool:
    """Whether line feeds alone do not keep the lines short."""
    start = 0
    while len(text) - start >= _LONGEST_LINE:
        end = text.rfind(b"\n", start, start + _LONGEST_LINE)
        if end < 0:
            return True
        start = end + 1
    return False


def _cut_lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            yield f"{line} and more"
            return
        yield line


def _complaint(path: Path, text: bytes, mark: str | None) -> str:
    """What is wrong with a table: what it is instead, or its first bad line."""
    if kind := other_kind(text[:_BEGINNING]):
        return f"{path}: not structure factors that can be read: {kind}"
    width = 0
    for number, line in enumerate(_lines(text), start=1):
        words = (line.partition(mark)[0] if mark is not None else line).split()
        if words and not (_is_reflection(words) and len(words) == (width or len(words))):
            shown = " ".join(words)[:60]
            values = "an amplitude" if width <= _FEWEST else f"{width - 3} values"
            return f"{path}, line {number}: expected h k l F (three whole numbers and {values}), got {shown!r}"
        width = width or len(words)
    return f"{path}: no table of h k l F"


def _is_reflection(words: list[str]) -> bool:
    import math

    try:
        h, k, l, *values = (float(word) for word in words)
    except ValueError:
        return False
    # Python reads 1_000 as a number, numpy does not.
    if any("_" in word for word in words) or not values:
        return False
    whole = all(value.is_integer() and abs(value) <= LARGEST_INDEX for value in (h, k, l))
    return whole and all(map(math.isfinite, values))
