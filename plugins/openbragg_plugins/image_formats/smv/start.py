"""How SMV images begin."""

from __future__ import annotations

import re

#: The brace and the first key, with the bytes of the header.
START = re.compile(rb"\s*\{\s*HEADER_BYTES\s*=\s*(\d{1,9})\s*;")
#: In headers of d*TREK, which begin alike, but say of which numbers the pixels are in words of their own.
_DTREK = re.compile(rb"[;\n]\s*Data_type\s*=")


def is_smv(beginning: bytes) -> bool:
    """Whether the first bytes of a file, some tens of them at least, are those of an SMV header."""
    found = START.match(beginning)
    return found is not None and _DTREK.search(beginning[: int(found.group(1))]) is None
