"""Which formats fabio reads here, how their files begin, and what they say of their size."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import attrs

#: Width and height, or None where a file does not say them.
Size = tuple[int, int] | None


@attrs.frozen(kw_only=True)
class Kind:
    """A format.

    Attributes
    ----------
    title
        What people call it.
    module, cls
        Where fabio has it.
    begins
        Whether a file begins so.
    size
        Pixels along both sides, of what a file begins with; checked before fabio reserves memory for them.
    header, pixel
        Bytes of the header, and of a pixel, of a format that fabio reads from the end: one that is cut short would be
        read with all pixels out of place. 0 for the others.
    """

    title: str
    module: str
    cls: str
    begins: Callable[[bytes], bool]
    size: Callable[[bytes], Size]
    header: int = 0
    pixel: int = 0


def kind_of(beginning: bytes) -> Kind | None:
    """The format of a file that begins so; None for one that is not read here."""
    return next((kind for kind in _KINDS if kind.begins(beginning)), None)


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda beginning: compiled.match(beginning) is not None


def _sizes(fast: bytes, slow: bytes) -> Callable[[bytes], Size]:
    """Whole numbers after two words."""
    patterns = [re.compile(word + rb"[\s=:]*(\d{1,9})", re.IGNORECASE) for word in (fast, slow)]

    def size(beginning: bytes) -> Size:
        found = [pattern.search(beginning) for pattern in patterns]
        words = [int(match.group(1)) for match in found if match is not None]
        return (words[0], words[1]) if len(words) == 2 else None

    return size


def _packed_sizes(order: Callable[[bytes], str], places: tuple[int, int]) -> Callable[[bytes], Size]:
    """Whole numbers of four bytes at two places."""

    def size(beginning: bytes) -> Size:
        if len(beginning) < max(places) + 4:
            return None
        first, second = (struct.unpack_from(f"{order(beginning)}i", beginning, place)[0] for place in places)
        return first, second

    return size


def _mar345_order(beginning: bytes) -> str:
    return "<" if beginning.startswith(_MAR345[0]) else ">"


def _mar345_size(beginning: bytes) -> Size:
    """The width, and the height that all pixels together have at that width."""
    size = _packed_sizes(_mar345_order, (4, 20))(beginning)
    return None if size is None or size[0] <= 0 else (size[0], size[1] // size[0])


#: 1234 in either byte order.
_MAR345 = (b"\xd2\x04\x00\x00", b"\x00\x00\x04\xd2")

_KINDS = (
    Kind(
        title="d*TREK image",
        module="dtrekimage",
        cls="DtrekImage",
        begins=_matches(rb"\{\s*HEADER_BYTES\s*=.{0,16384}?[;\n]\s*Data_type\s*="),
        size=_sizes(rb"[;\n]\s*SIZE1", rb"[;\n]\s*SIZE2"),
    ),
    Kind(
        title="EDF image",
        module="edfimage",
        cls="EdfImage",
        begins=_matches(rb"\s{0,4}\{(?!\s*HEADER_BYTES)[^}]{0,65536}?[Dd][Ii][Mm]_1\s*="),
        size=_sizes(rb"Dim_1", rb"Dim_2"),
    ),
    Kind(
        title="mar345 image",
        module="mar345image",
        cls="Mar345Image",
        begins=lambda beginning: beginning.startswith(_MAR345) and b"mar research" in beginning[:256],
        size=_mar345_size,
    ),
    Kind(
        title="R-AXIS image",
        module="raxisimage",
        cls="RaxisImage",
        begins=lambda beginning: beginning.startswith((b"R-AXIS", b"RAXIS")),
        size=_packed_sizes(lambda beginning: ">", (768, 772)),
        header=1400,
        pixel=2,
    ),
    Kind(
        title="Bruker image",
        module="brukerimage",
        cls="BrukerImage",
        begins=_matches(rb"FORMAT :\s*86\s"),
        size=_sizes(rb"NCOLS  ", rb"NROWS  "),
    ),
    Kind(
        title="Bruker image",
        module="bruker100image",
        cls="Bruker100Image",
        begins=_matches(rb"FORMAT :\s*100\s"),
        size=_sizes(rb"NCOLS  ", rb"NROWS  "),
    ),
    Kind(
        title="Oxford Diffraction image",
        module="OXDimage",
        cls="OxdImage",
        begins=lambda beginning: beginning.startswith(b"OD SAPPHIRE"),
        size=_sizes(rb"NX=", rb"NY="),
    ),
    Kind(
        title="Esperanto image",
        module="esperantoimage",
        cls="EsperantoImage",
        begins=lambda beginning: beginning.startswith(b"ESPERANTO FORMAT"),
        size=_sizes(rb"\nIMAGE", rb"\nIMAGE\s+\d{1,9}"),
    ),
)
