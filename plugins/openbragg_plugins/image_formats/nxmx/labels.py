"""Labels of pixels in an NXmx file, and beside an image in what a series keeps of it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from openbragg_plugins.image_formats.nxmx.chunks import create_images, put
from openbragg_plugins.image_formats.nxmx.fields import group

#: The arrays in their order, with the types of their numbers; those of `openbragg_plugins.image_formats.labels`.
_TYPES = {"wavelength": "float32", "h": "float32", "k": "float32", "l": "float32", "lattice": "int32", "bragg": "uint8"}
_LENGTH = struct.Struct("<Q")


def put_labels(
    entry: Any, images: Iterable[Sequence[bytes]], shape: tuple[int, ...], compression: str, count: int = 1
) -> None:
    """Put the labels of images, each the chunks of its arrays, into an entry."""
    import numpy as np

    labels = group(entry, "labels", "NXcollection")
    data = [create_images(labels, name, count, shape, np.dtype(kind), compression) for name, kind in _TYPES.items()]
    data[0].attrs["units"] = "angstrom"
    for number, chunks in enumerate(images):
        for each, chunk in zip(data, chunks, strict=True):
            put(each, [chunk], first=number)


def joined(pieces: Iterable[bytes]) -> bytes:
    """Pieces as one, each after its length."""
    return b"".join(_LENGTH.pack(len(piece)) + piece for piece in pieces)


def first_of(path: Path) -> bytes:
    """The first of the pieces that a file holds: the image."""
    return _pieces(path)[0]


def labels_of(path: Path) -> list[bytes]:
    """The others."""
    return _pieces(path)[1:]


def _pieces(path: Path) -> list[bytes]:
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size
        found.append(content[place : place + length])
        place += length
    return found
