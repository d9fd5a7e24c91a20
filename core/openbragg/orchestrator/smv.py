"""SMV images read: a text header of keys and values, then unsigned 16-bit pixels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg.errors import InputError, quoted
from openbragg.orchestrator.textfile import read_at_most

if TYPE_CHECKING:
    import numpy as np

_FIRST_BLOCK = 512
#: More than any header has; a longer one is something else.
_LONGEST_HEADER = 1 << 16
_PIXEL_BYTES = 2
#: A key and its value, up to what ends them.
_PART = re.compile(r"[^;\r\n\f]+")
_START = re.compile(rb"\s*\{\s*HEADER_BYTES\s*=\s*(\d{1,9})\s*;")


@attrs.frozen(eq=False)
class SmvFile:
    """An SMV image.

    Attributes
    ----------
    path
        Where it was read from.
    header
        Keys and values as text; of a key that stands there twice, the last.
    text
        The header as it stands in the file.
    pixels
        The counts, uint16, (slow, fast).
    """

    path: Path
    header: dict[str, str]
    text: str
    pixels: np.ndarray[Any, Any]


def is_smv(start: bytes) -> bool:
    """Whether the first bytes of a file, some tens of them, are those of an SMV header."""
    return _START.match(start) is not None


def read_smv(path: Path) -> SmvFile:
    """Read an SMV image, of either byte order.

    Raises
    ------
    InputError
        When the file is missing, is no SMV image, holds other numbers than unsigned 16-bit ones, or is shorter than its
        header says.
    """
    import numpy as np

    try:
        with path.open("rb") as stream:
            block = stream.read(_FIRST_BLOCK)
            length = _header_length(path, block)
            raw = block[:length] + stream.read(max(0, length - len(block)))
            if len(raw) < length:
                raise InputError(f"{path}: the header is said to have {length} bytes, the file has {len(raw)}")
            text = raw.decode("latin-1")
            header = parse_header(text)
            fast, slow = _size(path, header)
            stream.seek(length)
            content = read_at_most(stream, slow * fast * _PIXEL_BYTES)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if len(content) < slow * fast * _PIXEL_BYTES:
        held = len(content) // _PIXEL_BYTES
        raise InputError(f"{path}: expected {fast} x {slow} pixels after the header, the file holds {held}")
    order = ">" if header.get("BYTE_ORDER", "little_endian").startswith("big") else "<"
    pixels = np.frombuffer(content, dtype=f"{order}u2").astype(np.uint16, copy=False).reshape(slow, fast)
    return SmvFile(path=path, header=header, text=text, pixels=pixels)


def parse_header(text: str) -> dict[str, str]:
    """Keys and values of a header's text, ``KEY=value;`` each, up to the closing brace."""
    inside = text.partition("{")[2].partition("}")[0]
    pairs = (part.group().partition("=") for part in _PART.finditer(inside))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals and key.strip()}


def _header_length(path: Path, block: bytes) -> int:
    found = _START.match(block)
    if found is None:
        raise InputError(f"{path}: not an SMV image: it does not begin with {{ and HEADER_BYTES")
    length = int(found.group(1))
    if not found.end() <= length <= _LONGEST_HEADER:
        raise InputError(f"{path}: expected a header of {found.end()} to {_LONGEST_HEADER} bytes, got {length}")
    return length


def _size(path: Path, header: dict[str, str]) -> tuple[int, int]:
    """Pixels along fast and slow."""
    kind = header.get("TYPE", "unsigned_short")
    if kind != "unsigned_short":
        raise InputError(f"{path}: expected pixels of TYPE unsigned_short, got {quoted(kind)}")
    square = header.get("DETECTOR_DIMENSIONS", "")
    words = [header.get(key, square) for key in ("SIZE1", "SIZE2")]
    if not all(re.fullmatch(r"\d{1,9}", word) and int(word) > 0 for word in words):
        shown = " and ".join(quoted(word[:20]) for word in words)
        raise InputError(f"{path}: expected SIZE1 and SIZE2 as whole numbers above 0 in the header, got {shown}")
    return int(words[0]), int(words[1])
