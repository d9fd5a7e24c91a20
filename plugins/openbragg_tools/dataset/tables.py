"""Tables of a data set, in Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openbragg import InputError, UsageError, write_file

if TYPE_CHECKING:
    import pyarrow

Array = np.ndarray[Any, np.dtype[Any]]


def arrow() -> Any:
    """The library of Parquet.

    Raises
    ------
    UsageError
        When it is not there.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError("tables of a data set need pyarrow: pip install 'openbragg[datasets]'") from None
    return pyarrow


def table_of_rows(rows: Sequence[Mapping[str, Any]]) -> pyarrow.Table:
    """A table of rows that have the same columns: whole numbers, numbers or words, of which some may be missing."""
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        columns[name] = arrow().array(values, type=_type(values))
    return arrow().table(columns)


def table_of_columns(parts: Sequence[Mapping[str, Array]]) -> pyarrow.Table:
    """A table of columns that come in parts, one after the other."""
    columns = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        columns[name] = arrow().array(values, type=arrow().string() if values.dtype == object else None)
    return arrow().table(columns)


def write_parquet(file: Path, table: pyarrow.Table) -> None:
    """Write a table; equal tables give equal bytes.

    Raises
    ------
    InputError
        When it cannot be written; there is no half a file then.
    """
    write_file(file, lambda stream: arrow().parquet.write_table(table, stream, compression="zstd"))


def read_parquet(file: Path) -> dict[str, list[Any]]:
    """The columns of a table.

    Raises
    ------
    InputError
        When there is none in the file.
    """
    library = arrow()
    try:
        return dict(library.parquet.read_table(file).to_pydict())
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from None
    except library.ArrowException as error:
        raise InputError(f"{file}: no Parquet table: {str(error).splitlines()[0]}") from None


def _type(values: Sequence[Any]) -> Any:
    if all(isinstance(value, int) for value in values):
        return arrow().int64()
    return arrow().float64() if all(isinstance(value, int | float) for value in values) else arrow().string()
