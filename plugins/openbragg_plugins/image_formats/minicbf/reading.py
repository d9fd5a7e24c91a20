"""CBF images read: a CIF header with the lines of a PILATUS, then pixels in one of CBF's compressions."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path

import numpy as np

from openbragg import Geometry, ImageSource, InputError, ReadImage, quoted, read_at_most
from openbragg_plugins.image_formats.arrays import check_size
from openbragg_plugins.image_formats.camera import Camera, upright_geometry
from openbragg_plugins.image_formats.minicbf.byte_offset import LONGEST, from_byte_offsets
from openbragg_plugins.image_formats.minicbf.packed import unpacked

_LONGEST_HEADER = 1 << 20
#: The compressed pixels begin after these bytes.
_PIXELS = b"\x0c\x1a\x04\xd5"
#: How the compression of packed pixels is called, that of its second version included.
_PACKED = b"x-CBF_PACKED"
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)"
#: What a line of the header says, after its mark: its name followed by numbers.
_LINES = {
    "pixel": re.compile(rf"Pixel_size\s+{_NUMBER}\s*m\s*x\s*{_NUMBER}\s*m"),
    "wavelength": re.compile(rf"Wavelength\s+{_NUMBER}\s*A"),
    "distance": re.compile(rf"Detector_distance\s+{_NUMBER}\s*m"),
    "beam": re.compile(rf"Beam_xy\s+\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)\s*pixels"),
    "twotheta": re.compile(rf"Detector_2theta\s+{_NUMBER}\s*deg"),
    "start": re.compile(rf"Start_angle\s+{_NUMBER}\s*deg"),
    "range": re.compile(rf"Angle_increment\s+{_NUMBER}\s*deg"),
    "cutoff": re.compile(rf"Count_cutoff\s+{_NUMBER}\s*counts"),
    "exposure": re.compile(rf"Exposure_time\s+{_NUMBER}\s*s"),
    "silicon": re.compile(rf"Silicon sensor, thickness\s+{_NUMBER}\s*m"),
}
#: The mark of a line that says something. One that is marked twice has been commented out, or is a template's.
_MARK = re.compile(r"[ \t]*#?[ \t]*(?=[A-Za-z])")
_CONTENTS = "_array_data.header_contents"
#: What the dictionary of imgCIF has for the wavelength, alone or as a column of a table.
_WAVELENGTH = "_diffrn_radiation_wavelength.wavelength"
_FIELD = re.compile(rb"(?mi)^(X-Binary-[A-Za-z-]+|Content-MD5)\s*:\s*(.*?)\s*$")


def read_cbf(source: ImageSource) -> ReadImage:
    """Read a CBF image of 32-bit whole numbers; negative ones are masked.

    Pixels in byte-offset compression, as PILATUS and EIGER have them, are read here, packed ones by the library pycbf.

    Raises
    ------
    InputError
        When the file is cut short or damaged, or holds pixels of another kind.
    """
    path = source.path
    with source.open() as stream:
        start = read_at_most(stream, _LONGEST_HEADER)
        begin = start.find(_PIXELS)
        if begin < 0:
            raise InputError(f"{path}: the CBF has no binary section")
        header, start = start[:begin], start[begin + len(_PIXELS) :]
        fields = {name.lower(): value.decode("latin-1") for name, value in _FIELD.findall(header)}
        packed = _PACKED in header
        if b"x-CBF_BYTE_OFFSET" not in header and not packed:
            raise InputError(
                f"{path}: expected pixels in byte-offset or packed compression (x-CBF_BYTE_OFFSET, x-CBF_PACKED)"
            )
        kind = fields.get(b"x-binary-element-type", "").strip('"').lower()
        if kind != "signed 32-bit integer":
            raise InputError(f'{path}: expected pixels of type "signed 32-bit integer", got {quoted(kind)}')
        size, fast, slow = (
            _whole(path, fields, name)
            for name in ("X-Binary-Size", "X-Binary-Size-Fastest-Dimension", "X-Binary-Size-Second-Dimension")
        )
        check_size(path, slow, fast)
        if size > slow * fast * LONGEST:
            raise InputError(f"{path}: {size} bytes of compressed pixels are too many for {fast} x {slow}")
        content = start[:size] + read_at_most(stream, size - len(start))
    if len(content) < size:
        raise InputError(f"{path}: expected {size} bytes of compressed pixels, the file has {len(content)}")
    digest = fields.get(b"content-md5")
    if digest and _bytes_of(digest) != hashlib.md5(content, usedforsecurity=False).digest():
        raise InputError(f"{path}: the pixels are damaged: their checksum is not the one in the file")
    if packed:
        pixels = unpacked(path, header + _PIXELS + content, slow * fast)
    else:
        pixels = from_byte_offsets(np.frombuffer(content, dtype=np.uint8))
    if pixels.size != slow * fast:
        raise InputError(f"{path}: expected {slow * fast} pixels ({fast} x {slow}), the file holds {pixels.size}")
    pixels = pixels.reshape(slow, fast)
    masked = pixels < 0
    text = header.decode("latin-1")
    said = header_numbers(text)
    cutoff = said.get("cutoff", (math.inf,))[0]
    return ReadImage(
        pixels=pixels,
        masked=masked if masked.any() else None,
        overload=cutoff + 1.0 if math.isfinite(cutoff) else None,
        geometry=_geometry(path, said, (slow, fast)),
    )


def header_numbers(text: str) -> dict[str, tuple[float, ...]]:
    """The numbers of a CBF's header, by what they are of.

    Of a line that stands there more than once the last one counts, as for other readers: the detector's own
    header, which comes first, has what it was last told, and beamlines add what is so. A wavelength among the items of
    imgCIF's dictionary is above all of them.
    """
    said: dict[str, tuple[float, ...]] = {}
    _, marked, contents = text.partition(_CONTENTS)
    for line in (contents if marked else text).splitlines():
        mark = _MARK.match(line)
        if mark is None:
            continue
        for name, pattern in _LINES.items():
            found = pattern.match(line, mark.end())
            if found is not None:
                said[name] = tuple(map(float, found.groups()))
    wavelength = _item(text)
    if wavelength is not None:
        said["wavelength"] = (wavelength,)
    return said


def _item(text: str) -> float | None:
    """The first wavelength among the items of the dictionary, in angstrom; None where there is none."""
    columns: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if words and words[0].lower() == _WAVELENGTH and len(words) > 1:
            return _positive(words[1])
        if len(words) == 1 and words[0].startswith("_"):
            columns.append(words[0].lower())
        elif words and _WAVELENGTH in columns:
            place = columns.index(_WAVELENGTH)
            return _positive(words[place]) if len(words) == len(columns) else None
        elif words:
            columns = []
    return None


def _positive(word: str) -> float | None:
    found = re.fullmatch(rf"{_NUMBER}(?:\(\d+\))?", word, re.ASCII)
    value = float(found.group(1)) if found else 0.0
    return value if 0.0 < value < math.inf else None


def _whole(path: Path, fields: dict[bytes, str], name: str) -> int:
    text = fields.get(name.lower().encode("ascii"), "")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InputError(f"{path}: expected a whole number for {name}, got {quoted(text)}")
    return int(text)


def _bytes_of(digest: str) -> bytes:
    try:
        return base64.b64decode(digest, validate=True)
    except ValueError:
        return b""


def _geometry(path: Path, said: dict[str, tuple[float, ...]], shape: tuple[int, int]) -> Geometry | None:
    if not {"pixel", "wavelength", "distance", "beam"} <= said.keys():
        return None
    camera = Camera(
        pixel_size=said["pixel"][0],
        distance=said["distance"][0],
        wavelength=said["wavelength"][0] * 1e-10,
        beam_fast=said["beam"][0] * said["pixel"][0],
        beam_slow=said["beam"][1] * said["pixel"][0],
        twotheta=math.radians(said.get("twotheta", (0.0,))[0]),
        start=math.radians(said.get("start", (0.0,))[0]),
        range=math.radians(said.get("range", (0.0,))[0]),
        exposure=said["exposure"][0] if "exposure" in said else None,
        sensor_thickness=said["silicon"][0] if "silicon" in said else None,
        sensor_material="Si" if "silicon" in said else "",
        saturation=said["cutoff"][0] if "cutoff" in said else None,
    )
    return upright_geometry(path, camera, shape)
