"""CrystFEL's geometry files: ``.geom``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import POSITIVE, Geometry, InputError, PanelGeometry, described_panel, hookimpl, option, read_lines, unit
from openbragg_plugins.geometry_readers.crystfel_bad import Word, bad_pixels
from openbragg_plugins.geometry_readers.numbers import number, whole_number
from openbragg_plugins.geometry_readers.vectors import Vector, dot

if TYPE_CHECKING:
    from openbragg import GeometryReader

_LARGEST_FILE = 1 << 23
_WHAT = "a CrystFEL geometry file"
#: Keys of which two, with one of a corner, make such a file.
_MARKS = (b"corner_x", b"min_fs", b"max_ss", b"res", b"clen", b"photon_energy", b"fs", b"ss")
#: Planck's constant times the speed of light, in eV m: exact in the SI of 2019.
_HC = 1.239841984332003e-06
_LENGTHS = {"": 1.0, **{name: unit(name).to_si(1.0) for name in ("m", "mm", "um", "A")}}
_ENERGIES = {"": 1.0, "eV": 1.0, "keV": 1e3, "MeV": 1e6}
_VOLTAGES = {"": 1.0, "V": 1.0, "kV": 1e3, "MV": 1e6}
#: Energy at rest of an electron, in eV (CODATA 2018).
_ELECTRON_AT_REST = 510998.95
_TERM = re.compile(r"\s*([-+]?)\s*(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)?\s*([xyz])")
_BAD = "bad"
#: What panels have of each; the rest of a file is about data and not about where they are.
_KEYS = frozenset(
    "min_fs max_fs min_ss max_ss corner_x corner_y fs ss clen coffset res pixel_pitch max_adu data no_index "
    "mask_edge_pixels".split()
)
_NEEDED = ("min_fs", "max_fs", "min_ss", "max_ss", "corner_x", "corner_y")
#: Keys of arrays of pixels that are not good, in the data or in files beside them.
_MASK = re.compile(r"(mask\d*(_file|_data)?|saturation_map(_file)?)\Z")
#: Rows of hexagonal pixels are this much closer than the pixels in them, or at this cosine to them; so nearly.
_HEXAGON, _NEARLY = (math.sqrt(0.75), 0.5), 2e-3


@attrs.frozen
class CrystFel:
    """Panels and beam of a CrystFEL geometry file.

    Its laboratory has the beam along z, y up, and x completing a right-handed frame.
    """

    name: ClassVar[str] = "crystfel"
    summary: ClassVar[str] = "CrystFEL geometry file (.geom): panels and beam"
    flags: ClassVar[tuple[str, ...]] = ()

    camera_length: float | None = option(
        "-clen",
        unit="mm",
        rule=POSITIVE,
        help="Camera length (clen), where a CrystFEL file only says where to find it, or in place of what it says.",
    )

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.GeometryReader.recognises`."""
        if beginning.lstrip().startswith((b"{", b"<")) or b"\0" in beginning:
            return False
        keys = {
            line.partition(b"=")[0].strip().rpartition(b"/")[2]
            for line in beginning.replace(b"\r", b"\n").split(b"\n")
            if b"=" in line.partition(b";")[0]
        }
        return b"corner_x" in keys and sum(mark in keys for mark in _MARKS) >= 3

    def read(self, path: Path) -> Geometry:
        """See `openbragg.GeometryReader.read`."""
        top: dict[str, Word] = {}
        panels: dict[str, dict[str, Word]] = {}
        bad: dict[str, dict[str, Word]] = {}
        defaults: dict[str, Word] = {}
        for place, owner, key, text in _lines(path):
            word = Word(place, text)
            if not owner:
                top[key] = word
                if key in _KEYS or _is_dimension(key):
                    defaults[key] = word
            elif owner.startswith(_BAD):
                bad.setdefault(owner, {})[key] = word
            else:
                panels.setdefault(owner, dict(defaults))[key] = word
        if not panels:
            raise InputError(f"{path}: there is no panel: expected lines like panel/corner_x = 10")
        shift, notices = _shift(path, top)
        masks = sorted({key for keys in (top, *panels.values()) for key in keys if _MASK.match(key)})
        rows = _rows_above(path, panels)
        made = tuple(self._panel(path, name, keys, shift, rows[name]) for name, keys in panels.items())
        wavelength, note = _wavelength(path, top)
        limits = [keys["max_adu"] for keys in panels.values() if "max_adu" in keys]
        gaps, other = bad_pixels(path, bad, panels, made, rows)
        if masks:
            other += (f"{path}: {', '.join(masks)}: masks are not read, and what they hide is rendered; see -mask",)
        if any(map(_looks_hexagonal, made)):
            other += (f"{path}: pixels that look hexagonal are taken for parallelograms; no row is shifted",)
        return Geometry(
            source=str(path),
            panels=made,
            gaps=gaps,
            beam=(0.0, 0.0, 1.0),
            wavelength=wavelength,
            wavelength_note=note,
            saturation=number(path, limits[0].line, limits[0].text) if limits else None,
            notices=(*notices, *other),
        )

    def _panel(
        self, path: Path, name: str, keys: dict[str, Word], shift: tuple[float, float], rows: int
    ) -> PanelGeometry:
        for key in _NEEDED:
            if key not in keys:
                raise InputError(f"{path}: panel {ascii(name)[1:-1][:60]}: expected {key}")
        whole = {key: whole_number(path, keys[key].line, keys[key].text) for key in _NEEDED[:4]}
        x, y = (number(path, keys[key].line, keys[key].text) for key in _NEEDED[4:])
        side = _pixel_side(path, name, keys)
        offset = _quantity(path, keys["coffset"], _LENGTHS) if "coffset" in keys else 0.0
        if offset is None:
            raise InputError(f"{path}, line {keys['coffset'].line}: expected a number for coffset")
        return described_panel(
            str(path),
            name=name,
            pixels=(whole["max_ss"] - whole["min_ss"] + 1, whole["max_fs"] - whole["min_fs"] + 1),
            sides=(side, side),
            origin=(x * side + shift[0], y * side + shift[1], self._camera_length(path, name, keys) + offset),
            fast=_direction(path, keys.get("fs"), (1.0, 0.0, 0.0)),
            slow=_direction(path, keys.get("ss"), (0.0, 1.0, 0.0)),
            slab=(whole["min_ss"] + rows, whole["min_fs"]),
            as_written=True,
        )

    def _camera_length(self, path: Path, name: str, keys: dict[str, Word]) -> float:
        if self.camera_length is not None:
            return self.camera_length
        word = keys.get("clen")
        found = _quantity(path, word, _LENGTHS) if word is not None else None
        if found is None:
            reason = f"it is at {word.text[:60]} in the data" if word is not None else "there is none"
            raise InputError(
                f"{path}: the camera length is not in the file ({ascii(reason)[1:-1]}): give it with -clen"
            )
        return found


def _lines(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Number of the line, panel or other owner, key and value; remarks begin with a semicolon."""
    for place, line in enumerate(read_lines(path, _LARGEST_FILE, _WHAT), start=1):
        text = line.partition(";")[0].strip()
        if not text:
            continue
        left, equals, value = text.partition("=")
        if not equals or not left.strip():
            raise InputError(f"{path}, line {place}: expected key = value, got {ascii(text)[:60]}")
        owner, _, key = left.strip().rpartition("/")
        yield place, owner.strip(), key.strip(), value.strip()


def _is_dimension(key: str) -> bool:
    return key.startswith("dim") and key[3:].isdigit()


def _direction(path: Path, word: Word | None, default: Vector) -> Vector:
    """A vector like ``-0.999x +0.002y``."""
    if word is None:
        return default
    found = {"x": 0.0, "y": 0.0, "z": 0.0}
    place, seen = 0, set()
    text = word.text
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None or term[3] in seen:
            raise InputError(f"{path}, line {word.line}: expected a vector like -0.99x +0.01y, got {ascii(text)[:60]}")
        seen.add(term[3])
        size = number(path, word.line, term[2]) if term[2] is not None else 1.0
        found[term[3]] = -size if term[1] == "-" else size
        place = term.end()
        while place < len(text) and text[place].isspace():
            place += 1
    return found["x"], found["y"], found["z"]


def _pixel_side(path: Path, name: str, keys: dict[str, Word]) -> float:
    """What fs and ss are multiplied by, in metres: said itself, or as pixels per metre."""
    for key in ("res", "pixel_pitch"):
        if key in keys:
            found = number(path, keys[key].line, keys[key].text)
            if not found > 0.0:
                what = "pixels per metre" if key == "res" else "metres"
                raise InputError(f"{path}, line {keys[key].line}: expected {what} above 0, got {found:g}")
            return 1.0 / found if key == "res" else found
    raise InputError(f"{path}: panel {ascii(name)[1:-1][:60]}: expected res")


def _looks_hexagonal(panel: PanelGeometry) -> bool:
    """Whether rows are as far apart as those of hexagonal pixels are."""
    lengths = math.hypot(*panel.fast), math.hypot(*panel.slow)
    cosine = abs(dot(panel.fast, panel.slow)) / (lengths[0] * lengths[1])
    ratio = lengths[1] / lengths[0]
    closer, oblique = _HEXAGON
    upright = cosine < _NEARLY and min(abs(ratio - closer), abs(1.0 / ratio - closer)) < _NEARLY
    return upright or (abs(cosine - oblique) < _NEARLY and abs(ratio - 1.0) < _NEARLY)


def _quantity(path: Path, word: Word, units: dict[str, float]) -> float | None:
    """A number with a unit; None for a place in the data, which is no number."""
    parts = word.text.split()
    if not parts or len(parts) > 2 or parts[0].startswith("/") or parts[0][0] not in "+-.0123456789":
        return None
    unit = parts[1] if len(parts) == 2 else ""
    if unit not in units:
        known = ", ".join(name for name in units if name)
        raise InputError(f"{path}, line {word.line}: expected a number with a unit of {known}, got {ascii(unit)[:40]}")
    return number(path, word.line, parts[0]) * units[unit]


def _wavelength(path: Path, top: dict[str, Word]) -> tuple[float | None, str]:
    """The wavelength in metres; where there is none, why."""
    note = ""
    for key, units in (("photon_energy", _ENERGIES), ("electron_voltage", _VOLTAGES), ("wavelength", _LENGTHS)):
        if key not in top:
            continue
        found = _quantity(path, top[key], units)
        if found is None:
            note = note or f"{key} is at {ascii(top[key].text)[1:-1][:60]} in the data"
        elif found == 0.0:
            note = note or f"{key} is 0"
        elif not 1e-300 < found < 1e300 or (key == "wavelength" and len(top[key].text.split()) < 2 and found > 1e-6):
            raise InputError(f"{path}, line {top[key].line}: expected a number above 0 for {key}")
        elif key == "electron_voltage":
            return _electron_wavelength(found), ""
        else:
            return (_HC / found if key == "photon_energy" else found), ""
    return None, note


def _electron_wavelength(voltage: float) -> float:
    """The wavelength in metres of electrons after a voltage. Source: de Broglie, with the relativistic momentum."""
    return _HC / math.sqrt(voltage * (voltage + 2.0 * _ELECTRON_AT_REST))


def _shift(path: Path, top: dict[str, Word]) -> tuple[tuple[float, float], tuple[str, ...]]:
    """How far the whole detector is shifted along x and y, in metres."""
    shifts, notices = [0.0, 0.0], []
    for axis, key in enumerate(("detector_shift_x", "detector_shift_y")):
        if key in top:
            found = _quantity(path, top[key], _LENGTHS)
            if found is None:
                notices.append(f"{path} does not say {key}, only where it is in the data: none is applied")
            shifts[axis] = found or 0.0
    return (shifts[0], shifts[1]), tuple(notices)


def _rows_above(path: Path, panels: dict[str, dict[str, Word]]) -> dict[str, int]:
    """Rows of the image above each panel's part of the data.

    Data of more than two dimensions, of which a panel has one index (``dim1 = 3``), are put below each other by it, and
    so are arrays of their own.
    """
    parts: dict[tuple[tuple[str, str], ...], int] = {}
    numbers = {}
    most = 0
    for name, keys in panels.items():
        fixed = tuple(
            (key, word.text)
            for key, word in sorted(keys.items())
            if key == "data" or (_is_dimension(key) and word.text.isdigit())
        )
        numbers[name] = parts.setdefault(fixed, len(parts))
        if "max_ss" in keys:
            most = max(most, whole_number(path, keys["max_ss"].line, keys["max_ss"].text) + 1)
    return {name: number * most for name, number in numbers.items()}


@hookimpl
def geometry_readers() -> list[type[GeometryReader]]:
    """Offer the reader of CrystFEL's geometry files."""
    return [CrystFel]
