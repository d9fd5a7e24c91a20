"""Small text files, read with care."""

from __future__ import annotations

from pathlib import Path

from openbragg.errors import InputError


def read_lines(path: Path, largest: int, what: str) -> list[str]:
    """The lines of a text file of at most `largest` bytes.

    Raises
    ------
    InputError
        When the file cannot be read, or is too large to be what it is said to be.
    """
    try:
        with path.open("rb") as stream:
            # A device has no size to check beforehand.
            content = stream.read(largest + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > largest:
        raise InputError(f"{path}: too large for {what}")
    return content.decode("latin-1").splitlines()
