"""XPARM.XDS and GXPARM.XDS: the geometry that XDS has refined."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import Geometry, InputError, hookimpl, read_lines
from openbragg_plugins.geometry_readers.numbers import number, whole_number
from openbragg_plugins.geometry_readers.xds_frame import (
    Segment,
    XdsDetector,
    described_by_xds,
    reciprocal_axes,
    space_group,
)

if TYPE_CHECKING:
    from openbragg import GeometryReader

_LARGEST_FILE = 1 << 20
_WHAT = "a file of XDS parameters"
_TITLE = "XPARM.XDS"
#: Numbers on each of the first lines: with a title before them, and of older versions without one.
_COUNTS = (6, 4, 7, 3, 3, 3, 5, 3, 3, 3, 3)
_OLD_COUNTS = (6, 4, 4, 3, 3, 3, 3, 7, 3, 3, 3)

Row = tuple[int, list[str]]


@attrs.frozen
class Xparm:
    """XPARM.XDS or GXPARM.XDS, with one line of title as since 2010 or without, of one segment or several."""

    name: ClassVar[str] = "xparm"
    summary: ClassVar[str] = "XPARM.XDS or GXPARM.XDS: refined detector, beam, spindle and crystal of XDS"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.GeometryReader.recognises`."""
        lines = [line.split() for line in beginning[: 1 << 13].split(b"\n")[:4]]
        if lines[0][:1] == [_TITLE.encode()]:
            return True
        return [len(words) for words in lines] == list(_OLD_COUNTS[:4]) and all(
            _is_number(word) for words in lines for word in words
        )

    def read(self, path: Path) -> Geometry:
        """See `openbragg.GeometryReader.read`."""
        lines = read_lines(path, _LARGEST_FILE, _WHAT)
        rows = [(place, line.split()) for place, line in enumerate(lines, start=1) if line.strip()]
        titled = bool(rows) and rows[0][1][0] == _TITLE
        rows = rows[1:] if titled else rows
        counts = _COUNTS if titled else _OLD_COUNTS
        if len(rows) < len(counts):
            raise InputError(f"{path}: expected {len(counts)} lines of numbers, got {len(rows)}")
        for (place, words), count in zip(rows, counts, strict=False):
            if len(words) != count:
                raise InputError(f"{path}, line {place}: expected {count} numbers of {_WHAT}, got {len(words)}")
        if titled:
            scan, beam, cell, a, b, c, size, place_, x, y, _ = rows[: len(counts)]
            segments = _segments(path, rows[len(counts) :], whole_number(path, size[0], size[1][0]))
            sides, distance, org = size[1][1:], place_[1][2], place_[1][:2]
        else:
            scan, beam, size, place_, x, y, _, cell, a, b, c = rows[: len(counts)]
            segments, sides, distance, org = (), size[1], place_[1][0], place_[1][1:]
        nx, ny = (whole_number(path, size[0], word) for word in sides[:2])
        qx, qy = (number(path, size[0], word) for word in sides[2:])
        first, second = (number(path, place_[0], word) for word in org)
        values = _numbers(path, scan)
        return described_by_xds(
            path,
            XdsDetector(
                counts=(nx, ny),
                sides=(qx, qy),
                distance=number(path, place_[0], distance),
                org=(first, second),
                x=_vector(path, x),
                y=_vector(path, y),
                segments=segments,
            ),
            beam=_numbers(path, beam)[1:],
            spindle=values[3:],
            wavelength=_numbers(path, beam)[0],
            start=values[1],
            oscillation=values[2],
            reciprocal_vectors=reciprocal_axes(path, [_vector(path, row) for row in (a, b, c)]),
            space_group=space_group(whole_number(path, cell[0], cell[1][0])),
        )


def _segments(path: Path, rows: list[Row], count: int) -> tuple[Segment, ...]:
    """The segments of a titled file; none where one is the whole detector."""
    if count < 0 or len(rows) < 2 * count:
        raise InputError(f"{path}: expected {count} segments of two lines, got {len(rows)} lines")
    found = []
    for limits, place in zip(rows[: 2 * count : 2], rows[1 : 2 * count : 2], strict=True):
        for (line, words), expected in ((limits, 5), (place, 9)):
            if len(words) != expected:
                raise InputError(f"{path}, line {line}: expected {expected} numbers of a segment, got {len(words)}")
        x1, x2, y1, y2 = (whole_number(path, limits[0], word) for word in limits[1][1:])
        values = _numbers(path, place)
        found.append(
            Segment(
                limits=(x1, x2, y1, y2),
                org=(values[0], values[1]),
                distance=values[2],
                x=(values[3], values[4], values[5]),
                y=(values[6], values[7], values[8]),
            )
        )
    return tuple(found)


def _numbers(path: Path, row: Row) -> list[float]:
    return [number(path, row[0], word) for word in row[1]]


def _vector(path: Path, row: Row) -> tuple[float, float, float]:
    x, y, z = _numbers(path, row)
    return x, y, z


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@hookimpl
def geometry_readers() -> list[type[GeometryReader]]:
    """Offer the reader of XPARM.XDS."""
    return [Xparm]
