"""PILATUS: hybrid pixels of 172 um that count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import DetectorDescription, Modules, hookimpl, unit

if TYPE_CHECKING:
    from openbragg import DetectorFamily

_UM = unit("um").to_si
_PIXEL_SIZE = _UM(172.0)
#: Twenty bits.
_SATURATION = (1 << 20) - 1
#: Columns in the middle of a module of cadmium telluride, where two sensors meet.
_SEAM = (242, 244)


@attrs.frozen
class Pilatus:
    """PILATUS and PILATUS3: modules of 195 x 487 pixels, with gaps of 17 rows and 7 columns."""

    name: ClassVar[str] = "pilatus"
    summary: ClassVar[str] = "DECTRIS PILATUS and PILATUS3, of silicon and of CdTe"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def detectors(cls) -> Mapping[str, DetectorDescription]:
        """See `openbragg.DetectorFamily.detectors`."""
        return {
            "pilatus-100k": _silicon("PILATUS 100K", 1, 1),
            "pilatus-200k": _silicon("PILATUS 200K", 2, 1),
            "pilatus-300k": _silicon("PILATUS 300K", 3, 1),
            "pilatus-300k-w": _silicon("PILATUS 300K-W", 1, 3),
            "pilatus-1m": _silicon("PILATUS 1M", 5, 2),
            "pilatus-2m": _silicon("PILATUS 2M", 8, 3),
            "pilatus-6m": _silicon("PILATUS 6M", 12, 5),
            "pilatus3-300k-cdte": _telluride("PILATUS3 CdTe 300K", 3, 1),
            "pilatus3-1m-cdte": _telluride("PILATUS3 CdTe 1M", 5, 2),
            "pilatus3-2m-cdte": _telluride("PILATUS3 CdTe 2M", 8, 3),
        }


@hookimpl
def detectors() -> list[type[DetectorFamily]]:
    """Offer the family."""
    return [Pilatus]


def _silicon(title: str, rows: int, columns: int) -> DetectorDescription:
    return _made(title, rows, columns, None, "Si", _UM(320.0))


def _telluride(title: str, rows: int, columns: int) -> DetectorDescription:
    return _made(title, rows, columns, _SEAM, "CdTe", _UM(1000.0))


def _made(
    title: str, rows: int, columns: int, seam: tuple[int, int] | None, material: str, thickness: float
) -> DetectorDescription:
    return DetectorDescription.of_modules(
        title,
        Modules(pixels=(195, 487), count=(rows, columns), gap=(17, 7), seam=seam),
        pixel_size=_PIXEL_SIZE,
        material=material,
        thickness=thickness,
        saturation=_SATURATION,
        noise={"detector": {"preset": "pilatus"}},
    )
