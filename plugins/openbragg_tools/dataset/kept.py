"""A shot as it is kept until its shard is finished: a file of NumPy's, with its arrays compressed already."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import numpy as np

from openbragg import ImageSetup, InputError
from openbragg_tools.dataset.hdf5 import Packed, packed
from openbragg_tools.dataset.shots import Shot

#: Tables of columns, which shots have parts of.
TABLES = ("lattices", "reflections")
#: Words of a table, which have no place in an array of numbers.
_WORDS = {"lattices": ("flags",)}
_ARRAYS, _SETUPS = "arrays", "setup"
#: The parts of a setup that are bytes.
_SETUP = ("shared", "own")
#: Of zlib: setups are mostly zeros.
_QUICK = 1


def pack(shot: Shot, stream: BinaryIO) -> None:
    """Write a shot to a binary stream, its arrays compressed."""
    parts: dict[str, np.ndarray[Any, Any]] = {}
    arrays: dict[str, Any] = {}
    for name, array in shot.arrays.items():
        one = packed(array, stacked=shot.stacked)
        parts[f"{_ARRAYS}/{name}"] = np.frombuffer(b"".join(one.chunks), dtype=np.uint8)
        arrays[name] = (one.shape, one.dtype, one.mask, [len(chunk) for chunk in one.chunks])
    words: dict[str, list[str]] = {}
    for table in TABLES:
        columns = dict(getattr(shot, table))
        for name in _WORDS.get(table, ()):
            words[f"{table}/{name}"] = list(columns.pop(name))
        parts[table] = _together(columns)
    still = None
    if shot.setup is not None:
        still = shot.setup.still
        for name in _SETUP:
            parts[f"{_SETUPS}/{name}"] = np.frombuffer(zlib.compress(getattr(shot.setup, name), _QUICK), dtype=np.uint8)
    text = json.dumps({"row": shot.row, "words": words, "arrays": arrays, "still": still})
    np.savez(stream, allow_pickle=False, text=np.frombuffer(text.encode(), dtype=np.uint8), **parts)


def _together(columns: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Columns of one length as one array with their names: a file takes an array in the time of another."""
    count = len(next(iter(columns.values())))
    rows = np.empty(count, dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


@attrs.frozen(eq=False)
class Kept:
    """A shot as it is kept: its arrays compressed, its row, its parts of the tables of columns, how it was recorded."""

    arrays: dict[str, Packed]
    row: dict[str, Any]
    tables: dict[str, dict[str, Any]]
    setup: ImageSetup | None


def _cut(content: bytes, lengths: Sequence[int]) -> tuple[bytes, ...]:
    """Bytes in parts of so many each."""
    ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
    return tuple(content[end - length : end] for end, length in zip(ends, lengths, strict=True))


def unpack(file: Path) -> Kept:
    """Read a shot that `pack` wrote.

    Raises
    ------
    InputError
        When the file is spoiled.
    """
    try:
        with np.load(file, allow_pickle=False) as parts:
            told = json.loads(parts["text"].tobytes().decode())
            tables = {
                table: {name: rows[name] for name in rows.dtype.names} for table in TABLES for rows in [parts[table]]
            }
            arrays = {
                name: Packed(tuple(shape), dtype, _cut(parts[f"{_ARRAYS}/{name}"].tobytes(), lengths), mask)
                for name, (shape, dtype, mask, lengths) in told["arrays"].items()
            }
            setup = None
            if told["still"] is not None:
                shared, own = (zlib.decompress(parts[f"{_SETUPS}/{name}"].tobytes()) for name in _SETUP)
                setup = ImageSetup(shared, own, told["still"])
    except (OSError, ValueError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: {error}; delete it, and it is made again") from None
    for key, values in told["words"].items():
        table, _, name = key.partition("/")
        tables[table][name] = np.array(values, dtype=object)
    return Kept(arrays, told["row"], tables, setup)
