"""Properties of readers of geometry."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError
from openbragg.model.described import Geometry
from openbragg.roles import GeometryReader
from openbragg.testing.assertions import require
from openbragg.testing.declaration import check_declaration

#: Into so many pieces a good file is cut to see what is made of its beginning.
_CUTS = 24
#: How far unit vectors are from that, by rounding.
_ROUNDING = 1e-12
#: Cosine of axes that are along each other.
_PARALLEL = 1.0 - 1e-9
_OTHERS: dict[str, bytes] = {
    "empty": b"",
    "words": b"a file of some\nother kind\n",
    "numbers": b"1 2 3\n4 5 6\n",
    "json": b'{"one": [1, 2]}\n',
    "binary": bytes(range(256)) * 4,
}


def check_geometry_reader(reader: GeometryReader, good: Mapping[str, bytes]) -> None:
    """Everything below.

    Parameters
    ----------
    reader
        An instance.
    good
        Files that it reads, by their names.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the file.
    """
    check_declaration(reader, GeometryReader)
    check_recognition(reader, good)
    check_described(reader, good)
    check_damaged(reader, good)


def check_recognition(reader: GeometryReader, good: Mapping[str, bytes]) -> None:
    """It recognises the files that it reads, and none of a few others."""
    cls = type(reader)
    for name, content in good.items():
        require(cls.recognises(content, name) is True, f"{cls.__name__} does not recognise {name}")
    for kind, content in _OTHERS.items():
        require(not cls.recognises(content, "file"), f"{cls.__name__} takes a file of {kind} for one that it reads")


def check_described(reader: GeometryReader, good: Mapping[str, bytes]) -> None:
    """A good file gives finite numbers, unit vectors, and axes that span each panel, always the same ones."""
    for name, content in good.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            geometry = reader.read(path)
            require(isinstance(geometry, Geometry), f"{name}: read() gave a {type(geometry).__name__}")
            require(geometry == reader.read(path), f"{name}: read twice, it gives two geometries")
        require(str(path) in geometry.source, f"{name}: the source is {geometry.source!r}, which does not name it")
        for number in _numbers(attrs.astuple(geometry)):
            require(math.isfinite(number), f"{name}: a number is {number}")
        units = {"beam": geometry.beam, "spindle": geometry.spindle, "normal": geometry.polarization_normal}
        for panel in geometry.panels:
            lengths = math.hypot(*panel.fast), math.hypot(*panel.slow)
            product = sum(one * other for one, other in zip(panel.fast, panel.slow, strict=True))
            require(
                min(lengths) > 0.0 and abs(product) < _PARALLEL * lengths[0] * lengths[1],
                f"{name}: the axes of panel {panel.name} span no plane: {panel.fast} and {panel.slow}",
            )
            if not panel.is_oblique():
                units |= {f"fast axis of {panel.name}": panel.fast, f"slow axis of {panel.name}": panel.slow}
        for what, vector in units.items():
            length = 1.0 if vector is None else math.hypot(*vector)
            require(abs(length - 1.0) < _ROUNDING, f"{name}: the {what} has the length {length}")


def check_damaged(reader: GeometryReader, good: Mapping[str, bytes]) -> None:
    """The beginning of a good file is read or refused, in one line that names it."""
    for name, content in good.items():
        for part in range(_CUTS):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                path.write_bytes(content[: len(content) * part // _CUTS])
                try:
                    reader.read(path)
                except InputError as error:
                    line = str(error)
                    require(str(path) in line, f"{name}, cut: the message does not name the file: {line!r}")
                    require(line.isprintable(), f"{name}, cut: the message is more than a line: {line!r}")


def _numbers(value: Any) -> list[float]:
    if isinstance(value, tuple | list):
        return [number for element in value for number in _numbers(element)]
    return [float(value)] if isinstance(value, int | float) else []
