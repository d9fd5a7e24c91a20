"""PDB files as they were before 1996, with an identifier and a line number where elements and charges are now."""

from __future__ import annotations

import re

_ATOMS = (b"ATOM  ", b"HETATM")
#: Columns 73 to 80: four of a segment or identifier, two of the element, two of the charge.
_FROM, _TO = 72, 80
_ELEMENT_AND_CHARGE = re.compile(rb"(  | [A-Za-z]|[A-Za-z][A-Za-z ])(  |\d[-+]|[-+]\d|0 | 0)")


def without_serials(content: bytes) -> bytes:
    """A PDB file without what stands in columns 73 to 80 of a file of the old form; any other file as it is.

    It is of the old form when half of its atoms or more have something there that is no element and charge; where fewer
    have, as in files that were edited, only their lines are changed.
    """
    lines = content.split(b"\n")
    atoms = [place for place, line in enumerate(lines) if line.startswith(_ATOMS)]
    strange = [place for place in atoms if not _ELEMENT_AND_CHARGE.fullmatch(lines[place][_FROM + 4 : _TO].ljust(4))]
    if not strange:
        return content
    old = 2 * len(strange) >= len(atoms)
    for place in range(len(lines)) if old else strange:
        line = lines[place]
        if len(line.rstrip(b"\r")) > _FROM:
            lines[place] = line[:_FROM] + b" " * 8 + line[_TO:]
    return b"\n".join(lines)
