"""ADSC: phosphors on tapers on CCDs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import DetectorDescription, hookimpl, unit

if TYPE_CHECKING:
    from openbragg import DetectorFamily

_UM = unit("um").to_si
#: Sixteen bits.
_SATURATION = (1 << 16) - 1


@attrs.frozen
class Adsc:
    """ADSC Quantum: square screens, read whole or 2 x 2 binned."""

    name: ClassVar[str] = "adsc"
    summary: ClassVar[str] = "ADSC Quantum"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def detectors(cls) -> Mapping[str, DetectorDescription]:
        """See `openbragg.DetectorFamily.detectors`."""
        return {
            "adsc-q210": _made("ADSC Quantum 210", 4096, 51.0),
            "adsc-q210-2x2": _made("ADSC Quantum 210, 2 x 2 binned", 2048, 102.0),
            "adsc-q315": _made("ADSC Quantum 315", 6144, 51.0),
            "adsc-q315-2x2": _made("ADSC Quantum 315, 2 x 2 binned", 3072, 102.0),
        }


@hookimpl
def detectors() -> list[type[DetectorFamily]]:
    """Offer the family."""
    return [Adsc]


def _made(title: str, pixels: int, pixel_size: float) -> DetectorDescription:
    return DetectorDescription(
        title=title,
        pixels=(pixels, pixels),
        pixel_size=_UM(pixel_size),
        saturation=_SATURATION,
        noise={"detector": {"preset": "ccd-taper"}},
    )
