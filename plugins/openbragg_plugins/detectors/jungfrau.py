"""JUNGFRAU: hybrid pixels of 75 um that integrate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import DetectorDescription, Modules, hookimpl, unit

if TYPE_CHECKING:
    from openbragg import DetectorFamily

_UM = unit("um").to_si


@attrs.frozen
class Jungfrau:
    """JUNGFRAU: modules of 514 x 1030 pixels, in images that have the gaps in them, and in others."""

    name: ClassVar[str] = "jungfrau"
    summary: ClassVar[str] = "PSI JUNGFRAU"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def detectors(cls) -> Mapping[str, DetectorDescription]:
        """See `openbragg.DetectorFamily.detectors`."""
        return {
            "jungfrau-500k": _made("JUNGFRAU 0.5M", 1, 1),
            "jungfrau-1m": _made("JUNGFRAU 1M", 2, 1),
            "jungfrau-4m": _made("JUNGFRAU 4M", 4, 2),
            "jungfrau-4m-modules": _made("JUNGFRAU 4M, module below module", 4, 2, stacked=True),
        }


@hookimpl
def detectors() -> list[type[DetectorFamily]]:
    """Offer the family."""
    return [Jungfrau]


def _made(title: str, rows: int, columns: int, *, stacked: bool = False) -> DetectorDescription:
    return DetectorDescription.of_modules(
        title,
        Modules(pixels=(514, 1030), count=(rows, columns), gap=(36, 8)),
        pixel_size=_UM(75.0),
        stacked=stacked,
        material="Si",
        thickness=_UM(320.0),
        noise={"detector": {"preset": "jungfrau-gains"}},
    )
