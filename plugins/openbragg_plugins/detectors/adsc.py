"""ADSC: phosphors on tapers on CCDs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import DetectorDescription, hookimpl
from openbragg_plugins.detectors.tapers import taper_detector

if TYPE_CHECKING:
    from openbragg import DetectorFamily


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
            "adsc-q210": taper_detector("ADSC Quantum 210", 4096, 51.0),
            "adsc-q210-2x2": taper_detector("ADSC Quantum 210, 2 x 2 binned", 2048, 102.0),
            "adsc-q315": taper_detector("ADSC Quantum 315", 6144, 51.0),
            "adsc-q315-2x2": taper_detector("ADSC Quantum 315, 2 x 2 binned", 3072, 102.0),
        }


@hookimpl
def detectors() -> list[type[DetectorFamily]]:
    """Offer the family."""
    return [Adsc]
