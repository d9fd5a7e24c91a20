"""What detectors with a phosphor on tapers on CCDs have in common."""

from __future__ import annotations

from openbragg import DetectorDescription, unit

_UM = unit("um").to_si
#: Sixteen bits.
_SATURATION = (1 << 16) - 1


def taper_detector(title: str, pixels: int, pixel_size: float) -> DetectorDescription:
    """A square screen of so many pixels a side, of so many micrometres."""
    return DetectorDescription(
        title=title,
        pixels=(pixels, pixels),
        pixel_size=_UM(pixel_size),
        saturation=_SATURATION,
        noise={"detector": {"preset": "ccd-taper"}},
    )
