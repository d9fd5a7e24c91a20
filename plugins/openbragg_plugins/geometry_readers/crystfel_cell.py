"""CrystFEL's unit cell files: ``.cell``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import attrs

from openbragg import Geometry, InputError, hookimpl, read_lines, unit
from openbragg_plugins.geometry_readers.numbers import number

if TYPE_CHECKING:
    from openbragg import GeometryReader

_Units: TypeAlias = Mapping[str, Callable[[float], float]]

_LARGEST_FILE = 1 << 16
_WHAT = "a CrystFEL unit cell file"
_TITLE = "CrystFEL unit cell file"
_LENGTHS: _Units = {"A": unit("A").to_si, "nm": lambda value: value * 1e-9, "m": float}
_ANGLES: _Units = {"deg": unit("deg").to_si, "rad": float}
#: The six keys and the units that each may have.
_KEYS = {**dict.fromkeys(("a", "b", "c"), _LENGTHS), **dict.fromkeys(("al", "be", "ga"), _ANGLES)}
_HALF_A_TURN = 3.14159


@attrs.frozen
class CrystFelCell:
    """The unit cell of a CrystFEL cell file, which says nothing of beam and detector."""

    name: ClassVar[str] = "crystfel-cell"
    summary: ClassVar[str] = "CrystFEL unit cell file (.cell): the cell alone"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.GeometryReader.recognises`."""
        return beginning.lstrip().startswith(_TITLE.encode())

    def read(self, path: Path) -> Geometry:
        """See `openbragg.GeometryReader.read`."""
        found: dict[str, float] = {}
        for place, line in enumerate(read_lines(path, _LARGEST_FILE, _WHAT), start=1):
            key, _, text = (part.strip() for part in line.partition(";")[0].partition("="))
            if key not in _KEYS:
                continue
            words = text.split()
            units = _KEYS[key]
            if len(words) != 2 or words[1] not in units:
                raise InputError(
                    f"{path}, line {place}: expected a number and a unit of {', '.join(units)} for {key}, "
                    f"got {ascii(text)[:60]}"
                )
            value = units[words[1]](number(path, place, words[0]))
            if not (1e-12 < value < (_HALF_A_TURN if units is _ANGLES else 1e-3)):
                raise InputError(f"{path}, line {place}: expected a length or an angle of a unit cell, got {words[0]}")
            found[key] = value
        missing = [key for key in _KEYS if key not in found]
        if missing:
            raise InputError(f"{path}: expected a unit cell, there is no {missing[0]}")
        return Geometry(source=str(path), panels=(), beam=(0.0, 0.0, 1.0), cell=tuple(found[key] for key in _KEYS))


@hookimpl
def geometry_readers() -> list[type[GeometryReader]]:
    """Offer the reader of CrystFEL's unit cell files."""
    return [CrystFelCell]
