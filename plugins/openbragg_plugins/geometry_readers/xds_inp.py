"""XDS.INP: the geometry that is given to XDS."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import Geometry, InputError, hookimpl, read_lines, unit, unit_vector
from openbragg_plugins.geometry_readers.numbers import number, whole_number
from openbragg_plugins.geometry_readers.spans import (
    MOST_ROWS,
    Rectangle,
    cropped,
    ellipse,
    inside,
    polygon,
    rectangles,
)
from openbragg_plugins.geometry_readers.vectors import Vector
from openbragg_plugins.geometry_readers.xds_frame import (
    Segment,
    XdsDetector,
    described_by_xds,
    reciprocal_axes,
    space_group,
)

if TYPE_CHECKING:
    from openbragg import GeometryReader

_LARGEST_FILE = 1 << 22
_WHAT = "XDS.INP"
_KEYWORD = re.compile(r"(?<!\S)([A-Z][-A-Z0-9_.'/()]*)\s*=")
#: Keywords of which two make an XDS.INP.
_MARKS = tuple(
    f"{word}=".encode()
    for word in (
        "DETECTOR_DISTANCE ORGX X-RAY_WAVELENGTH OSCILLATION_RANGE ROTATION_AXIS INCIDENT_BEAM_DIRECTION "
        "NAME_TEMPLATE_OF_DATA_FRAMES DIRECTION_OF_DETECTOR_X-AXIS"
    ).split()
)
_SEGMENT = "SEGMENT"
#: Keywords of pixels that are not trusted, and how many numbers each has.
_UNTRUSTED = {"UNTRUSTED_RECTANGLE": 4, "UNTRUSTED_ELLIPSE": 4, "UNTRUSTED_QUADRILATERAL": 8}
_AXES_OF_CELL = tuple(f"UNIT_CELL_{axis}-AXIS" for axis in "ABC")
#: The part that is polarized of a beam of which nothing is said: none, as in XDS.
_UNPOLARIZED = 0.5
_MM, _ANGSTROM = unit("mm").to_si, unit("A").to_si


@attrs.frozen
class _Entry:
    """A keyword's words and the line they stand on."""

    line: int
    words: list[str]


@attrs.frozen
class XdsInp:
    """XDS.INP: detector, beam, rotation axis and scan, and the crystal where its axes are given.

    Several keywords may stand on a line, and what follows a ``!`` is a remark.
    """

    name: ClassVar[str] = "xds-inp"
    summary: ClassVar[str] = "XDS.INP: detector and its segments, beam, spindle, scan and crystal of XDS"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.GeometryReader.recognises`."""
        text = re.sub(rb"![^\r\n]*", b"", beginning).replace(b" =", b"=")
        return not text.lstrip().startswith(b"{") and sum(mark in text for mark in _MARKS) >= 2

    def read(self, path: Path) -> Geometry:
        """See `openbragg.GeometryReader.read`."""
        said = _Said(path)
        for keyword, entry in _entries(path):
            said.take(keyword, entry)
        counts = said.whole("NX", 1)[0], said.whole("NY", 1)[0]
        sides = said.numbers("QX", 1)[0], said.numbers("QY", 1)[0]
        start_frame = said.whole("STARTING_FRAME", 1, said.whole("DATA_RANGE", 2, [1, 1])[:1])[0]
        first, last = said.whole("DATA_RANGE", 2, [start_frame, start_frame])
        oscillation = said.numbers("OSCILLATION_RANGE", 1, [0.0])[0]
        start = said.numbers("STARTING_ANGLE", 1, [0.0])[0] + oscillation * (first - start_frame)
        silicon = said.numbers("SILICON", 1, [0.0])[0]
        thickness = _MM(said.numbers("SENSOR_THICKNESS", 1, [0.0])[0])
        axes = [said.vector(keyword) for keyword in _AXES_OF_CELL if keyword in said.entries]
        if len(axes) not in (0, 3):
            raise InputError(f"{path}: expected {', '.join(_AXES_OF_CELL)}, got {len(axes)} of them")
        cell = said.numbers("UNIT_CELL_CONSTANTS", 6) if "UNIT_CELL_CONSTANTS" in said.entries else []
        group = said.whole("SPACE_GROUP_NUMBER", 1, [0])[0]
        notices = []
        if any(cell) and group == 0 and "SPACE_GROUP_NUMBER" in said.entries:
            # So templates have it for a crystal that is not known yet, and XDS heeds it no more than this.
            cell = []
            if not axes:
                notices.append(f"{path}: UNIT_CELL_CONSTANTS= is a placeholder, for SPACE_GROUP_NUMBER= is 0")
        return described_by_xds(
            path,
            XdsDetector(
                counts=counts,
                sides=sides,
                distance=said.numbers("DETECTOR_DISTANCE", 1)[0],
                org=(said.numbers("ORGX", 1)[0], said.numbers("ORGY", 1)[0]),
                x=said.vector("DIRECTION_OF_DETECTOR_X-AXIS", (1.0, 0.0, 0.0)),
                y=said.vector("DIRECTION_OF_DETECTOR_Y-AXIS", (0.0, 1.0, 0.0)),
                segments=tuple(said.segments),
            ),
            beam=said.vector("INCIDENT_BEAM_DIRECTION", (0.0, 0.0, 1.0)),
            spindle=said.vector("ROTATION_AXIS", (1.0, 0.0, 0.0)),
            wavelength=said.numbers("X-RAY_WAVELENGTH", 1, [0.0])[0],
            start=start,
            oscillation=oscillation,
            images=last - first + 1 if "DATA_RANGE" in said.entries and last >= first else None,
            gaps=tuple(dict.fromkeys(said.gaps(counts))),
            polarization_fraction=said.numbers("FRACTION_OF_POLARIZATION", 1, [_UNPOLARIZED])[0],
            polarization_normal=said.direction("POLARIZATION_PLANE_NORMAL"),
            sensor_thickness=thickness or None,
            sensor_material="Si" if thickness else "",
            attenuation_length=_MM(1.0 / silicon) if silicon > 0.0 else None,
            saturation=said.numbers("OVERLOAD", 1)[0] if "OVERLOAD" in said.entries else None,
            reciprocal_vectors=reciprocal_axes(path, axes) if axes else None,
            cell=_cell(path, cell) if any(cell) and not axes else None,
            space_group=space_group(group or None),
            notices=tuple(notices),
        )


@attrs.frozen
class _Said:
    """The keywords of a file; of those that may stand there once the last counts."""

    path: Path
    entries: dict[str, _Entry] = attrs.field(factory=dict)
    segments: list[Segment] = attrs.field(factory=list)
    untrusted: list[tuple[str, _Entry]] = attrs.field(factory=list)

    def take(self, keyword: str, entry: _Entry) -> None:
        """Take a keyword; those of a segment belong to the last one that was begun."""
        if keyword in _UNTRUSTED:
            self.untrusted.append((keyword, entry))
        elif keyword == _SEGMENT:
            x1, x2, y1, y2 = self._whole(entry, 4)
            self.segments.append(Segment(limits=(x1, x2, y1, y2)))
        elif _SEGMENT not in keyword:
            self.entries[keyword] = entry
        elif not self.segments:
            raise InputError(f"{self.path}, line {entry.line}: {keyword}= without a {_SEGMENT}= before it")
        else:
            self.segments[-1] = self._with(self.segments[-1], keyword, entry)

    def _with(self, segment: Segment, keyword: str, entry: _Entry) -> Segment:
        if keyword == "DIRECTION_OF_SEGMENT_X-AXIS":
            return attrs.evolve(segment, x=self._vector(entry))
        if keyword == "DIRECTION_OF_SEGMENT_Y-AXIS":
            return attrs.evolve(segment, y=self._vector(entry))
        value = self._numbers(entry, 1)[0]
        if keyword == "SEGMENT_DISTANCE":
            return attrs.evolve(segment, distance=value)
        if keyword == "SEGMENT_ORGX":
            return attrs.evolve(segment, org=(value, segment.org[1]))
        if keyword == "SEGMENT_ORGY":
            return attrs.evolve(segment, org=(segment.org[0], value))
        return segment

    def gaps(self, counts: tuple[int, int]) -> Iterator[Rectangle]:
        """Untrusted pixels counted from 0, both ends included; XDS counts from 1 and excludes the edges."""
        for keyword, entry in self.untrusted:
            values = [value - 1.0 for value in self._numbers(entry, _UNTRUSTED[keyword])]
            if keyword == "UNTRUSTED_RECTANGLE":
                for columns in cropped(inside(*values[:2]), counts[0]):
                    for lines in cropped(inside(*values[2:]), counts[1]):
                        yield (*columns, *lines)
                continue
            corners = list(zip(values[::2], values[1::2], strict=True))
            heights = values[1::2] if keyword == "UNTRUSTED_QUADRILATERAL" else values[2:]
            for first, last in cropped(inside(min(heights), max(heights)), counts[1]):
                if last - first >= MOST_ROWS:
                    raise InputError(f"{self.path}, line {entry.line}: expected {MOST_ROWS} rows of pixels at most")
                x1, x2, y1, y2 = values[:4]
                rows = (
                    (row, polygon(corners, row) if len(values) > 4 else ellipse(x1, x2, y1, y2, row))
                    for row in range(first, last + 1)
                )
                yield from rectangles(
                    (row, [part for span in spans for part in cropped(span, counts[0])]) for row, spans in rows
                )

    def numbers(self, keyword: str, count: int, default: list[float] | None = None) -> list[float]:
        """The first numbers of a keyword."""
        entry = self._entry(keyword, default is None)
        return self._numbers(entry, count) if entry is not None else list(default or [])

    def whole(self, keyword: str, count: int, default: list[int] | None = None) -> list[int]:
        """The first whole numbers of a keyword."""
        entry = self._entry(keyword, default is None)
        return self._whole(entry, count) if entry is not None else list(default or [])

    def vector(self, keyword: str, default: Vector | None = None) -> Vector:
        """The three numbers of a keyword."""
        x, y, z = self.numbers(keyword, 3, None if default is None else list(default))
        return x, y, z

    def direction(self, keyword: str) -> Vector | None:
        """The direction of a keyword; None where it is missing."""
        return unit_vector(str(self.path), self.vector(keyword), keyword) if keyword in self.entries else None

    def _entry(self, keyword: str, needed: bool) -> _Entry | None:
        found = self.entries.get(keyword)
        if found is None and needed:
            raise InputError(f"{self.path}: expected {keyword}=, which describes the experiment")
        return found

    def _vector(self, entry: _Entry) -> Vector:
        x, y, z = self._numbers(entry, 3)
        return x, y, z

    def _numbers(self, entry: _Entry, count: int) -> list[float]:
        return [number(self.path, entry.line, word) for word in self._first(entry, count)]

    def _whole(self, entry: _Entry, count: int) -> list[int]:
        return [whole_number(self.path, entry.line, word) for word in self._first(entry, count)]

    def _first(self, entry: _Entry, count: int) -> list[str]:
        if len(entry.words) < count:
            raise InputError(f"{self.path}, line {entry.line}: expected {count} numbers, got {len(entry.words)}")
        return entry.words[:count]


def _entries(path: Path) -> Iterator[tuple[str, _Entry]]:
    """The keywords of a file in their order."""
    for place, line in enumerate(read_lines(path, _LARGEST_FILE, _WHAT), start=1):
        text = line.partition("!")[0]
        found = list(_KEYWORD.finditer(text))
        ends = [*(keyword.start() for keyword in found[1:]), len(text)][: len(found)]
        for keyword, end in zip(found, ends, strict=True):
            yield keyword[1], _Entry(place, text[keyword.end() : end].replace(",", " ").split())


def _cell(path: Path, values: list[float]) -> tuple[float, ...]:
    if not (all(value > 0.0 for value in values) and all(value < 180.0 for value in values[3:])):
        raise InputError(f"{path}: expected a unit cell of lengths above 0 and angles below 180 degrees")
    return (*(_ANGSTROM(value) for value in values[:3]), *(math.radians(value) for value in values[3:]))


@hookimpl
def geometry_readers() -> list[type[GeometryReader]]:
    """Offer the reader of XDS.INP."""
    return [XdsInp]
