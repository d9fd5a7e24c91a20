"""CrystFEL's geometry files: ``.geom``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import POSITIVE, Geometry, InputError, PanelGeometry, described_panel, hookimpl, option, read_lines, unit
from openbragg_plugins.geometry_readers.numbers import number, whole_number
from openbragg_plugins.geometry_readers.vectors import Vector

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
_TERM = re.compile(r"\s*([-+]?)\s*(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)?\s*([xyz])")
_BAD = "bad"
#: What panels have of each; the rest of a file is about data and not about where they are.
_KEYS = frozenset("min_fs max_fs min_ss max_ss corner_x corner_y fs ss clen coffset res max_adu".split())
_NEEDED = ("min_fs", "max_fs", "min_ss", "max_ss", "corner_x", "corner_y", "res")


@attrs.frozen
class _Word:
    """A value and the line it stands on."""

    line: int
    text: str


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
        top: dict[str, _Word] = {}
        panels: dict[str, dict[str, _Word]] = {}
        bad: dict[str, dict[str, _Word]] = {}
        defaults: dict[str, _Word] = {}
        for place, owner, key, text in _lines(path):
            word = _Word(place, text)
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
        rows = _rows_above(path, panels)
        made = tuple(self._panel(path, name, keys, shift, rows[name]) for name, keys in panels.items())
        wavelength, more = _wavelength(path, top)
        limits = [keys["max_adu"] for keys in panels.values() if "max_adu" in keys]
        gaps, other = _bad_regions(path, bad, made, rows)
        return Geometry(
            source=str(path),
            panels=made,
            gaps=gaps,
            beam=(0.0, 0.0, 1.0),
            wavelength=wavelength,
            saturation=number(path, limits[0].line, limits[0].text) if limits else None,
            notices=(*notices, *more, *other),
        )

    def _panel(
        self, path: Path, name: str, keys: dict[str, _Word], shift: tuple[float, float], rows: int
    ) -> PanelGeometry:
        for key in _NEEDED:
            if key not in keys:
                raise InputError(f"{path}: panel {ascii(name)[1:-1][:60]}: expected {key}")
        whole = {key: whole_number(path, keys[key].line, keys[key].text) for key in _NEEDED[:4]}
        x, y, resolution = (number(path, keys[key].line, keys[key].text) for key in _NEEDED[4:])
        if not resolution > 0.0:
            line = keys["res"].line
            raise InputError(f"{path}, line {line}: expected pixels per metre above 0, got {resolution:g}")
        side = 1.0 / resolution
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
        )

    def _camera_length(self, path: Path, name: str, keys: dict[str, _Word]) -> float:
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


def _direction(path: Path, word: _Word | None, default: Vector) -> Vector:
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


def _quantity(path: Path, word: _Word, units: dict[str, float]) -> float | None:
    """A number with a unit; None for a place in the data, which is no number."""
    parts = word.text.split()
    if not parts or len(parts) > 2 or parts[0].startswith("/") or parts[0][0] not in "+-.0123456789":
        return None
    unit = parts[1] if len(parts) == 2 else ""
    if unit not in units:
        known = ", ".join(name for name in units if name)
        raise InputError(f"{path}, line {word.line}: expected a number with a unit of {known}, got {ascii(unit)[:40]}")
    return number(path, word.line, parts[0]) * units[unit]


def _wavelength(path: Path, top: dict[str, _Word]) -> tuple[float | None, tuple[str, ...]]:
    """The wavelength in metres, and what is to be said of it."""
    for key, units in (("photon_energy", _ENERGIES), ("wavelength", _LENGTHS)):
        if key not in top:
            continue
        found = _quantity(path, top[key], units)
        if found is None:
            return None, (f"{path} does not say the wavelength, only where it is in the data: give -lambda or -energy",)
        if not 1e-300 < found < 1e300:
            raise InputError(f"{path}, line {top[key].line}: expected a number above 0 for {key}")
        return (_HC / found if key == "photon_energy" else found), ()
    return None, ()


def _shift(path: Path, top: dict[str, _Word]) -> tuple[tuple[float, float], tuple[str, ...]]:
    """How far the whole detector is shifted along x and y, in metres."""
    shifts, notices = [0.0, 0.0], []
    for axis, key in enumerate(("detector_shift_x", "detector_shift_y")):
        if key in top:
            found = _quantity(path, top[key], _LENGTHS)
            if found is None:
                notices.append(f"{path} does not say {key}, only where it is in the data: none is applied")
            shifts[axis] = found or 0.0
    return (shifts[0], shifts[1]), tuple(notices)


def _rows_above(path: Path, panels: dict[str, dict[str, _Word]]) -> dict[str, int]:
    """Rows of the image above each panel's part of the data.

    Data of more than two dimensions, of which a panel has one index (``dim1 = 3``), are put below each other by it.
    """
    parts: dict[tuple[tuple[str, str], ...], int] = {}
    numbers = {}
    most = 0
    for name, keys in panels.items():
        fixed = tuple(
            (key, word.text) for key, word in sorted(keys.items()) if _is_dimension(key) and word.text.isdigit()
        )
        numbers[name] = parts.setdefault(fixed, len(parts))
        if "max_ss" in keys:
            most = max(most, whole_number(path, keys["max_ss"].line, keys["max_ss"].text) + 1)
    return {name: number * most for name, number in numbers.items()}


def _bad_regions(
    path: Path, bad: dict[str, dict[str, _Word]], panels: tuple[PanelGeometry, ...], rows: dict[str, int]
) -> tuple[tuple[tuple[int, int, int, int], ...], tuple[str, ...]]:
    """Bad rectangles of a panel's pixels, and a notice of those that are given in the laboratory."""
    keys = ("min_fs", "max_fs", "min_ss", "max_ss")
    found, left_out = [], 0
    for region in bad.values():
        if not all(key in region for key in keys):
            left_out += 1
            continue
        first_fast, last_fast, first_slow, last_slow = (
            whole_number(path, region[key].line, region[key].text) for key in keys
        )
        if "panel" in region and region["panel"].text not in rows:
            word = region["panel"]
            raise InputError(f"{path}, line {word.line}: there is no panel {ascii(word.text)[:60]}")
        for panel in panels:
            if "panel" in region and panel.name != region["panel"].text:
                continue
            slow, fast = panel.slab or (0, 0)
            above = rows[panel.name]
            place = (
                max(first_fast, fast),
                min(last_fast, fast + panel.pixels[1] - 1),
                max(first_slow + above, slow),
                min(last_slow + above, slow + panel.pixels[0] - 1),
            )
            if place[0] <= place[1] and place[2] <= place[3]:
                found.append(place)
    notice = f"{path}: {left_out} bad regions are not in terms of fs and ss; they are passed over"
    return tuple(dict.fromkeys(found)), (notice,) if left_out else ()


@hookimpl
def geometry_readers() -> list[type[GeometryReader]]:
    """Offer the reader of CrystFEL's geometry files."""
    return [CrystFel]
