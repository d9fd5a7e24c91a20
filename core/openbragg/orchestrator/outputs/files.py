"""Fingerprints of files: their SHA-256 and their size."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from openbragg.errors import InputError

_CHUNK = 1 << 20
#: Digits of a hash that a message shows.
_SHORT = 12


def fingerprint(path: Path) -> tuple[str | None, int | None]:
    """SHA-256 in hexadecimal digits, and bytes, of a file; None and None of what is no regular file.

    A pipe gives its content once, so that reading it here would take it away from the run.

    Raises
    ------
    InputError
        When a regular file cannot be read.
    """
    try:
        if not path.is_file():
            return None, None
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    return digest.hexdigest(), size


def state(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written to or replaced; None of what is no regular file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def short(sha256: str | None) -> str:
    """A hash as a message shows it."""
    return sha256[:_SHORT] if sha256 else "no hash"
