"""miniCBF images read: a CIF header with the lines of a PILATUS, then pixels in byte-offset compression."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openbragg.errors import InputError, quoted
from openbragg.orchestrator.textfile import read_content
from openbragg.orchestrator.view.camera import Camera, upright_geometry
from openbragg.orchestrator.view.frame import Frame, check_size, make_frame

START = b"###CBF"
#: More than any file of an image has.
_LARGEST_FILE = 1 << 29
_LONGEST_HEADER = 1 << 20
#: The compressed pixels begin after these bytes.
_PIXELS = b"\x0c\x1a\x04\xd5"
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)"
#: What a line of the header says, its name followed by numbers.
_LINES = {
    "pixel": re.compile(rf"Pixel_size\s+{_NUMBER}\s*m\s*x\s*{_NUMBER}\s*m"),
    "wavelength": re.compile(rf"Wavelength\s+{_NUMBER}\s*A"),
    "distance": re.compile(rf"Detector_distance\s+{_NUMBER}\s*m"),
    "beam": re.compile(rf"Beam_xy\s+\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)\s*pixels"),
    "twotheta": re.compile(rf"Detector_2theta\s+{_NUMBER}\s*deg"),
    "start": re.compile(rf"Start_angle\s+{_NUMBER}\s*deg"),
    "range": re.compile(rf"Angle_increment\s+{_NUMBER}\s*deg"),
    "cutoff": re.compile(rf"Count_cutoff\s+{_NUMBER}\s*counts"),
}
_FIELD = re.compile(rb"(?mi)^(X-Binary-[A-Za-z-]+|Content-MD5)\s*:\s*(.*?)\s*$")
#: A difference of one byte with this value says that a longer one follows; so do the lowest numbers of two and four.
_ESCAPE = 0x80
_LONGER = (b"\x00\x80", b"\x00\x00\x00\x80")
#: Bytes of a difference of each length, its escapes among them, and where the difference itself begins.
_LENGTHS = (3, 7, 15)
_OFFSETS = (1, 3, 7)
_PIECE = 1 << 16


def read_cbf(path: Path) -> Frame:
    """Read a miniCBF image of 32-bit whole numbers; negative ones are masked.

    Raises
    ------
    InputError
        When the file cannot be read, is cut short or damaged, or holds pixels of another kind.
    """
    content = read_content(path, _LARGEST_FILE, "a CBF image")
    begin = content.find(_PIXELS, 0, _LONGEST_HEADER)
    if begin < 0:
        raise InputError(f"{path}: the CBF has no binary section")
    header = content[:begin]
    fields = {name.lower(): value.decode("latin-1") for name, value in _FIELD.findall(header)}
    if b"x-CBF_BYTE_OFFSET" not in header:
        raise InputError(f"{path}: expected pixels in byte-offset compression (x-CBF_BYTE_OFFSET)")
    kind = fields.get(b"x-binary-element-type", "").strip('"').lower()
    if kind != "signed 32-bit integer":
        raise InputError(f'{path}: expected pixels of type "signed 32-bit integer", got {quoted(kind)}')
    size, fast, slow = (
        _whole(path, fields, name)
        for name in ("X-Binary-Size", "X-Binary-Size-Fastest-Dimension", "X-Binary-Size-Second-Dimension")
    )
    check_size(str(path), slow, fast)
    packed = np.frombuffer(content, dtype=np.uint8)[begin + len(_PIXELS) :][:size]
    if len(packed) < size:
        raise InputError(f"{path}: expected {size} bytes of compressed pixels, the file has {len(packed)}")
    digest = fields.get(b"content-md5")
    if digest and _bytes_of(digest) != hashlib.md5(packed.data, usedforsecurity=False).digest():
        raise InputError(f"{path}: the pixels are damaged: their checksum is not the one in the file")
    pixels = from_byte_offsets(packed)
    if pixels.size != slow * fast:
        raise InputError(f"{path}: expected {slow * fast} pixels ({fast} x {slow}), the file holds {pixels.size}")
    pixels = pixels.reshape(slow, fast)
    said = _numbers(header.decode("latin-1"))
    return make_frame(
        str(path),
        pixels,
        pixels < 0,
        geometry=_geometry(path, said, (slow, fast)),
        overload=said["cutoff"][0] + 1 if "cutoff" in said else None,
    )


def from_byte_offsets(packed: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Whole numbers from byte-offset compression; a difference that is cut short at the end is left out.

    Each is the one before plus a signed difference of one byte, or of two, four or eight after the lowest number of
    each shorter length; sums are taken in 32 bits.
    """
    content = packed.data
    places = tuple(array("q") for _ in _LENGTHS)
    begins = np.ones(packed.size, dtype=bool)
    free = 0
    for low in range(0, packed.size, _PIECE):
        for place in (np.flatnonzero(packed[low : low + _PIECE] == _ESCAPE) + low).tolist():
            if place < free:
                continue
            length = 0
            if content[place + 1 : place + 3] == _LONGER[0]:
                length = 2 if content[place + 3 : place + 7] == _LONGER[1] else 1
            free = place + _LENGTHS[length]
            begins[place + 1 : free] = False
            if free <= packed.size:
                places[length].append(place)
            else:
                begins[place] = False
    order = np.cumsum(begins, dtype=np.int32)
    differences = packed[begins].view(np.int8).astype(np.int32)
    for which, offset, width in zip(places, _OFFSETS, (2, 4, 4), strict=True):
        at = np.frombuffer(which, dtype=np.int64)
        bytes_of = packed[at[:, np.newaxis] + np.arange(offset, offset + width)]
        # Of eight bytes the lower four are enough for a sum in 32 bits.
        differences[order[at] - 1] = np.ascontiguousarray(bytes_of).view(f"<i{width}")[:, 0]
    return np.cumsum(differences, dtype=np.int32, out=differences)


def _whole(path: Path, fields: dict[bytes, str], name: str) -> int:
    text = fields.get(name.lower().encode("ascii"), "")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InputError(f"{path}: expected a whole number for {name}, got {quoted(text)}")
    return int(text)


def _bytes_of(digest: str) -> bytes:
    try:
        return base64.b64decode(digest, validate=True)
    except binascii.Error:
        return b""


def _numbers(header: str) -> dict[str, tuple[float, ...]]:
    found = ((name, pattern.search(header)) for name, pattern in _LINES.items())
    return {name: tuple(map(float, match.groups())) for name, match in found if match is not None}


def _geometry(path: Path, said: dict[str, tuple[float, ...]], shape: tuple[int, int]) -> Any:
    if not {"pixel", "wavelength", "distance", "beam"} <= said.keys():
        return None
    camera = Camera(
        pixel_size=said["pixel"][0],
        distance=said["distance"][0],
        wavelength=said["wavelength"][0] * 1e-10,
        beam_fast=said["beam"][0] * said["pixel"][0],
        beam_slow=said["beam"][1] * said["pixel"][0],
        twotheta=np.radians(said.get("twotheta", (0.0,))[0]).item(),
        start=np.radians(said.get("start", (0.0,))[0]).item(),
        range=np.radians(said.get("range", (0.0,))[0]).item(),
    )
    return upright_geometry(path, camera, shape)
