"""Files of crystallography: their content in memory."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from openbragg import InputError, read_at_most

#: How a file packed by gzip begins.
GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
#: No file of these kinds is larger.
_LARGEST = 1 << 30
#: Nor is what it holds, for each byte of the packed file, beyond the first of these: text of reflections packs to a
#: tenth, and a file that says next to nothing is refused before memory is taken for it.
_UNPACKED_FREELY = 1 << 24
_LARGEST_RATIO = 100
_PIECE = 1 << 16
#: No file of lines has a longer one.
_LONGEST_LINE = 1 << 13
#: How gemmi names the place of a mistake in a CIF, and a file that was made for it.
_CIF_PLACE = re.compile(r"^(?:data|string|):(\d+):\d+(?:\(\d+\))?:? ")
_TEMPORARY = re.compile(r":? ?\S*openbragg-\S*\.mtz")
_EMPTY = re.compile(rb"[\0 \t\r\n]*")


def content_of(path: Path) -> bytes:
    """What is in a file, unpacked if it is packed by gzip.

    Raises
    ------
    InputError
        When the file cannot be read, is empty, is damaged, or is too large.
    """
    try:
        with path.open("rb") as stream:
            packed = stream.read(len(GZIP)) == GZIP
            stream.seek(0)
            content = _unpacked(path, stream) if packed else read_at_most(stream, _LARGEST + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > _LARGEST:
        raise InputError(f"{path}: more than {_LARGEST} bytes are too large for a crystallographic file")
    if _EMPTY.fullmatch(content):
        raise InputError(f"{path}: the file is empty")
    return content


def _unpacked(path: Path, stream: BinaryIO) -> bytes:
    """What is in a file of one gzip member or several; each byte is looked at once."""
    largest = min(_LARGEST, _UNPACKED_FREELY + _LARGEST_RATIO * path.stat().st_size)
    content = io.BytesIO()
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    raw = stream.read(_PIECE)
    try:
        while raw:
            content.write(unpacking.decompress(raw, _PIECE))
            if content.tell() > largest:
                raise InputError(f"{path}: unpacks to more than {largest} bytes, too large for what it should be")
            if unpacking.eof:
                raw = unpacking.unused_data or stream.read(_PIECE)
                if len(raw) < len(GZIP):
                    raw += stream.read(_PIECE)
                if not raw.startswith(GZIP):  # padding
                    return content.getvalue()
                unpacking = zlib.decompressobj(_GZIP_WINDOW)
            else:
                raw = unpacking.unconsumed_tail or stream.read(_PIECE)
        # What is left when all has been fed is less than a piece.
        content.write(unpacking.flush())
    except zlib.error as error:
        raise InputError(f"{path}: a damaged gzip file: {error}") from None
    if not unpacking.eof:
        raise InputError(f"{path}: the gzip file ends too early")
    return content.getvalue()


def lines_of(path: Path, content: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers, one by one.

    Raises
    ------
    InputError
        When one is too long for a reflection.
    """
    text = io.TextIOWrapper(io.BytesIO(content), encoding="latin-1")
    number = 0
    while line := text.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            raise InputError(f"{path}, line {number}: too long for a reflection")
        yield number, line.removesuffix("\n")


def text_of(content: bytes, *, columns: bool = False) -> str:
    """Text, also where a letter is in no known code; with `columns`, each byte is a letter, and odd ones are marks."""
    if columns:
        return content.decode("ascii", "replace").replace("\ufffd", "?")
    return content.decode("utf-8", "replace")


@contextmanager
def as_file(content: bytes, suffix: str) -> Iterator[str]:
    """The name of a file with this content, for libraries that only read files; it goes again."""
    with NamedTemporaryFile(prefix="openbragg-", suffix=suffix) as stream:
        stream.write(content)
        stream.flush()
        yield stream.name


@contextmanager
def complaints(path: Path, what: str) -> Iterator[None]:
    """What gemmi says of a file that it cannot read, as one line that names the file.

    Raises
    ------
    InputError
        In place of gemmi's exception.
    """
    try:
        yield
    except InputError:
        raise
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError, OverflowError, OSError, MemoryError) as error:
        reason = _TEMPORARY.sub("", " ".join(str(error).split()) or type(error).__name__)
        place = _CIF_PLACE.match(reason)
        where = f"{path}, line {place.group(1)}" if place is not None else f"{path}"
        raise InputError(f"{where}: not a readable {what}: {_CIF_PLACE.sub('', reason)[:160]}") from None
