"""Files and folders of a data set: made, named, hashed, and looked after by one process at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openbragg import InputError


def hashed(file: Path) -> str:
    """The SHA-256 of a file.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises
    ------
    InputError
        When it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None


def move(file: Path, place: Path) -> None:
    """Give a file another name, at once.

    Raises
    ------
    InputError
        When the system refuses.
    """
    try:
        file.replace(place)
    except OSError as error:
        raise InputError(f"cannot write {place}: {error.strerror}") from None


@contextmanager
def alone(file: Path) -> Iterator[bool]:
    """Let nobody else do the same meanwhile; whether the system can tell."""
    with file.open("rb") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except (ImportError, OSError):
            yield False
        else:
            yield True
