"""mar: image plates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import DetectorDescription, hookimpl, unit

if TYPE_CHECKING:
    from openbragg import DetectorFamily

_UM = unit("um").to_si


@attrs.frozen
class Mar:
    """The image plate mar345, by the size of its pixels."""

    name: ClassVar[str] = "mar"
    summary: ClassVar[str] = "mar345 image plate"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def detectors(cls) -> Mapping[str, DetectorDescription]:
        """See `openbragg.DetectorFamily.detectors`."""
        return {
            "mar345": _made("mar345 image plate, pixels of 100 um", 3450, 100.0),
            "mar345-150": _made("mar345 image plate, pixels of 150 um", 2300, 150.0),
        }


@hookimpl
def detectors() -> list[type[DetectorFamily]]:
    """Offer the family."""
    return [Mar]


def _made(title: str, pixels: int, pixel_size: float) -> DetectorDescription:
    return DetectorDescription(
        title=title,
        pixels=(pixels, pixels),
        pixel_size=_UM(pixel_size),
    )
