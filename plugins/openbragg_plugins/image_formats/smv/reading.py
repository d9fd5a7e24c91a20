"""SMV images read: a text header of keys and values, then pixels, unsigned 16-bit in most of them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from openbragg import ImageSource, InputError, ReadImage, quoted, read_at_most
from openbragg_plugins.image_formats.camera import Camera, upright_geometry
from openbragg_plugins.image_formats.smv.start import START

_FIRST_BLOCK = 512
#: More than any header has; a longer one is something else.
_LONGEST_HEADER = 1 << 16
#: A key and its value, up to what ends them.
_PART = re.compile(r"[^;\r\n\f]+")
#: Of ADSC's own, and of programs that write more than 16 bits.
_TYPES = {
    "unsigned_short": "u2",
    "unsigned_long": "u4",
    "short": "i2",
    "signed_short": "i2",
    "long": "i4",
    "signed_long": "i4",
    "float": "f4",
}
#: What an image of the reference program calls its beamline; its BEAM_CENTER_X is in the convention's own sense.
_REFERENCE = "fake"


def read_smv(source: ImageSource) -> ReadImage:
    """Read an SMV image, of either byte order.

    Raises
    ------
    InputError
        When the file is no SMV image, holds numbers of an unknown type, or is shorter than its header says.
    """
    path = source.path
    with source.open() as stream:
        block = read_at_most(stream, _FIRST_BLOCK)
        length = _header_length(path, block)
        raw = block[:length] + read_at_most(stream, length - len(block))
        if len(raw) < length:
            raise InputError(f"{path}: the header is said to have {length} bytes, the file has {len(raw)}")
        text = raw.decode("latin-1")
        header = parse_header(text)
        kind, (fast, slow) = _kind(path, header), _size(path, header)
        if length < len(block):
            stream.seek(length)
        content = read_at_most(stream, slow * fast * kind.itemsize)
    if len(content) < slow * fast * kind.itemsize:
        held = len(content) // kind.itemsize
        raise InputError(f"{path}: expected {fast} x {slow} pixels after the header, the file holds {held}")
    pixels = np.frombuffer(content, dtype=kind).astype(kind.newbyteorder("="), copy=False).reshape(slow, fast)
    camera = _camera(path, header)
    masked = ~np.isfinite(pixels) if kind.kind == "f" else None
    saturation = header.get("CCD_IMAGE_SATURATION", "")
    overload = float(saturation) if saturation.isascii() and saturation.isdigit() else math.inf
    gain = _positive(header, "COUNTS_PER_PHOTON")
    return ReadImage(
        pixels=pixels,
        masked=masked if masked is not None and masked.any() else None,
        content="photons" if gain is not None else "",
        pedestal=_finite(header, "ADC_OFFSET", "IMAGE_PEDESTAL"),
        gain=gain,
        overload=overload if math.isfinite(overload) else None,
        geometry=None if camera is None else upright_geometry(path, camera, pixels.shape),
        header=header,
        text=text,
    )


def parse_header(text: str) -> dict[str, str]:
    """Keys and values of a header's text, ``KEY=value;`` each, up to the closing brace."""
    inside = text.partition("{")[2].partition("}")[0]
    pairs = (part.group().partition("=") for part in _PART.finditer(inside))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals and key.strip()}


def _header_length(path: Path, block: bytes) -> int:
    found = START.match(block)
    if found is None:
        raise InputError(f"{path}: not an SMV image: it does not begin with {{ and HEADER_BYTES")
    length = int(found.group(1))
    if not found.end() <= length <= _LONGEST_HEADER:
        raise InputError(f"{path}: expected a header of {found.end()} to {_LONGEST_HEADER} bytes, got {length}")
    return length


def _kind(path: Path, header: dict[str, str]) -> np.dtype[Any]:
    name = header.get("TYPE", "unsigned_short")
    if name not in _TYPES:
        raise InputError(f"{path}: expected pixels of TYPE unsigned_short, got {quoted(name)}")
    order = ">" if header.get("BYTE_ORDER", "little_endian").startswith("big") else "<"
    return np.dtype(f"{order}{_TYPES[name]}")


def _size(path: Path, header: dict[str, str]) -> tuple[int, int]:
    """Pixels along fast and slow."""
    square = header.get("DETECTOR_DIMENSIONS", "")
    words = [header.get(key, square) for key in ("SIZE1", "SIZE2")]
    if not all(re.fullmatch(r"[0-9]{1,9}", word) and int(word) > 0 for word in words):
        shown = " and ".join(quoted(word[:20]) for word in words)
        raise InputError(f"{path}: expected SIZE1 and SIZE2 as whole numbers above 0 in the header, got {shown}")
    return int(words[0]), int(words[1])


def _camera(path: Path, header: dict[str, str]) -> Camera | None:
    """What a header says; None where it does not say where the detector stands."""
    keys = ("DENZO_Y_BEAM", "DENZO_X_BEAM") if header.get("BEAMLINE") == _REFERENCE else ()
    if not all(key in header for key in keys) or not keys:
        keys = ("BEAM_CENTER_Y", "BEAM_CENTER_X")
    needed = ("PIXEL_SIZE", "DISTANCE", "WAVELENGTH", *keys)
    if not all(key in header for key in needed):
        return None
    pixel, distance, wavelength, fast, slow = (_number(path, header, key) for key in needed)
    start = "OSC_START" if "OSC_START" in header else "PHI"
    angles = {name: _number(path, header, name) if name in header else 0.0 for name in ("TWOTHETA", start, "OSC_RANGE")}
    return Camera(
        pixel_size=pixel * 1e-3,
        distance=distance * 1e-3,
        wavelength=wavelength * 1e-10,
        beam_fast=fast * 1e-3,
        beam_slow=slow * 1e-3,
        twotheta=math.radians(angles["TWOTHETA"]),
        start=math.radians(angles[start]),
        range=math.radians(angles["OSC_RANGE"]),
        exposure=_positive(header, "TIME"),
        saturation=_positive(header, "CCD_IMAGE_SATURATION"),
    )


def _number(path: Path, header: dict[str, str], key: str) -> float:
    value = _finite(header, key)
    if value is None:
        raise InputError(f"{path}: expected a number for {key} in the header, got {header[key][:40]!r}")
    return value


def _finite(header: dict[str, str], *keys: str) -> float | None:
    """The number of the first key that is there; None where it has none."""
    text = next((header[key] for key in keys if key in header), "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _positive(header: dict[str, str], key: str) -> float | None:
    value = _finite(header, key)
    return value if value is not None and value > 0.0 else None
