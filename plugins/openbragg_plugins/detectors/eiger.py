"""EIGER and EIGER2: hybrid pixels of 75 um that count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import DetectorDescription, Modules, hookimpl, unit

if TYPE_CHECKING:
    from openbragg import DetectorFamily

_UM = unit("um").to_si
_PIXEL_SIZE = _UM(75.0)
#: Columns in the middle of a module of cadmium telluride, where two sensors meet.
_SEAM = (513, 514)


@attrs.frozen
class Eiger:
    """EIGER, whose modules have 514 x 1030 pixels, and EIGER2, of which they have 512 x 1028."""

    name: ClassVar[str] = "eiger"
    summary: ClassVar[str] = "DECTRIS EIGER and EIGER2, of silicon and of CdTe"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def detectors(cls) -> Mapping[str, DetectorDescription]:
        """See `openbragg.DetectorFamily.detectors`."""
        return {
            "eiger-500k": _first("EIGER 500K", 1, 1),
            "eiger-1m": _first("EIGER 1M", 2, 1),
            "eiger-4m": _first("EIGER 4M", 4, 2),
            "eiger-9m": _first("EIGER 9M", 6, 3),
            "eiger-16m": _first("EIGER 16M", 8, 4),
            "eiger2-500k": _second("EIGER2 500K", 1, 1),
            "eiger2-1m": _second("EIGER2 1M", 2, 1),
            "eiger2-4m": _second("EIGER2 4M", 4, 2),
            "eiger2-9m": _second("EIGER2 9M", 6, 3),
            "eiger2-16m": _second("EIGER2 16M", 8, 4),
            "eiger2-1m-cdte": _telluride("EIGER2 CdTe 1M", 2, 1),
            "eiger2-4m-cdte": _telluride("EIGER2 CdTe 4M", 4, 2),
            "eiger2-9m-cdte": _telluride("EIGER2 CdTe 9M", 6, 3),
            "eiger2-16m-cdte": _telluride("EIGER2 CdTe 16M", 8, 4),
        }


@hookimpl
def detectors() -> list[type[DetectorFamily]]:
    """Offer the family."""
    return [Eiger]


def _first(title: str, rows: int, columns: int) -> DetectorDescription:
    return _made(title, Modules(pixels=(514, 1030), count=(rows, columns), gap=(37, 10)), "Si", _UM(450.0))


def _second(title: str, rows: int, columns: int) -> DetectorDescription:
    return _made(title, Modules(pixels=(512, 1028), count=(rows, columns), gap=(38, 12)), "Si", _UM(450.0))


def _telluride(title: str, rows: int, columns: int) -> DetectorDescription:
    modules = Modules(pixels=(512, 1028), count=(rows, columns), gap=(38, 12), seam=_SEAM)
    return _made(title, modules, "CdTe", _UM(750.0))


def _made(title: str, modules: Modules, material: str, thickness: float) -> DetectorDescription:
    return DetectorDescription.of_modules(
        title,
        modules,
        pixel_size=_PIXEL_SIZE,
        material=material,
        thickness=thickness,
        noise={"detector": {"preset": "eiger"}},
    )
