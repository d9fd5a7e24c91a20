"""Running ``openbragg`` in tests."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path

import attrs

from openbragg.cli.main import main


@attrs.frozen
class Finished:
    """How a command ended: its exit status, and what it said on standard output and standard error."""

    status: int
    out: str
    err: str


def run_command(words: Iterable[str | Path | float]) -> Finished:
    """Run ``openbragg`` with these words in this process, for example ``run_command(["trace", "-cell", 50])``.

    An error that a user would see as one line is in `Finished.err`; what would be a traceback is raised.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in words])
    return Finished(status, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    written = stream.buffer
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode()
