"""Traces read, from a log or from JSON: what a file is, its content says."""

from __future__ import annotations

from pathlib import Path

from openbragg import InputError
from openbragg_tracers.traces.document import read_document
from openbragg_tracers.traces.log import read_log
from openbragg_tracers.traces.model import TraceFile

#: Bytes in which JSON shows itself.
_BEGINNING = 1 << 12
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_traces(path: Path) -> TraceFile:
    """Read a file of traces.

    A log may be of any size and full of other output, and may have been cut off anywhere; what is left out is said in
    the notices.

    Raises
    ------
    InputError
        When the file cannot be read, holds no trace, or is damaged otherwise; the message names the file and the line.
    """
    try:
        # A pipe can be read only once.
        with path.open("rb") as stream:
            beginning = stream.peek(_BEGINNING).removeprefix(_BYTE_ORDER_MARK).lstrip()
            return read_document(stream, path) if beginning.startswith(b"{") else read_log(stream, path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
