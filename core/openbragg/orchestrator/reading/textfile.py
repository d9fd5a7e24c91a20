"""Files read with care, small text files above all: memory is taken for what is there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from openbragg.errors import InputError

#: No file that a person writes has a longer line; one of many small words would take far more memory than its bytes.
_LONGEST_LINE = 1 << 13
_PIECE = 1 << 16
_LARGE_PIECE = 1 << 20


def read_lines(path: Path, largest: int, what: str, *, comment: str = "") -> Iterator[str]:
    """The lines of a text file of at most `largest` bytes, one by one, without what ends them.

    Lines end as in any editor; letters beyond ASCII come out wrong, but each as some letter. What follows `comment`
    in a line is left out.

    Raises
    ------
    InputError
        When the file cannot be read, is too large to be what it is said to be, or has a line that is too long for it.
    """
    text = io.TextIOWrapper(io.BytesIO(read_content(path, largest, what)), encoding="latin-1")
    number = 0
    while line := text.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            raise InputError(f"{path}, line {number}: too long for {what}")
        line = line.removesuffix("\n")
        yield line.partition(comment)[0] if comment else line


def has_comments(path: Path) -> bool:
    """Whether a regular file has a # anywhere; False of what cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return any(b"#" in piece for piece in iter(lambda: stream.read(_LARGE_PIECE), b""))
    except (OSError, ValueError):
        return False


def read_content(path: Path, largest: int, what: str) -> bytes:
    """What is in a file of at most `largest` bytes.

    Raises
    ------
    InputError
        When the file cannot be read, or is too large to be what it is said to be.
    """
    try:
        with path.open("rb") as stream:
            # A device has no size to check beforehand.
            content = read_at_most(stream, largest + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > largest:
        raise InputError(f"{path}: too large for {what}")
    return content


def read_at_most(stream: BinaryIO, size: int) -> bytes:
    """Read up to `size` bytes. A stream that is asked for them at once reserves them, be they there or not."""
    pieces = []
    while size > 0 and (piece := stream.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
