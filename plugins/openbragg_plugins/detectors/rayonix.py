"""Rayonix: phosphors on tapers on CCDs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import DetectorDescription, hookimpl
from openbragg_plugins.detectors.tapers import taper_detector

if TYPE_CHECKING:
    from openbragg import DetectorFamily


@attrs.frozen
class Rayonix:
    """Rayonix, which was MarUSA: square screens, 2 x 2 binned."""

    name: ClassVar[str] = "rayonix"
    summary: ClassVar[str] = "Rayonix, MarCCD and MarMosaic"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def detectors(cls) -> Mapping[str, DetectorDescription]:
        """See `openbragg.DetectorFamily.detectors`."""
        return {
            "rayonix-sx165": taper_detector("Rayonix SX165 (MarCCD 165), 2 x 2 binned", 2048, 79.0),
            "rayonix-mx225": taper_detector("Rayonix MX225 (MarMosaic 225), 2 x 2 binned", 3072, 73.242),
            "rayonix-mx225-hs": taper_detector("Rayonix MX225-HS, 2 x 2 binned", 2880, 78.125),
            "rayonix-mx300": taper_detector("Rayonix MX300 (MarMosaic 300), 2 x 2 binned", 4096, 73.242),
            "rayonix-mx300-hs": taper_detector("Rayonix MX300-HS, 2 x 2 binned", 3840, 78.125),
            "rayonix-mx325": taper_detector("Rayonix MX325, 2 x 2 binned", 4096, 79.346),
            "rayonix-mx340-hs": taper_detector("Rayonix MX340-HS, 2 x 2 binned", 3840, 88.5416),
        }


@hookimpl
def detectors() -> list[type[DetectorFamily]]:
    """Offer the family."""
    return [Rayonix]
