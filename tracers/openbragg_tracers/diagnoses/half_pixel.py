"""A detector half a pixel off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import in_all_that_differ, number, vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import Diagnosis, PixelComparison

#: Of a pixel: how far from half a pixel a shift may be.
_ROUNDING = 1e-4


@attrs.frozen
class HalfPixel:
    """Pixels lie half a pixel further along fast, slow or both, and the detector's axes agree."""

    name: ClassVar[str] = "half-pixel-shift"
    summary: ClassVar[str] = "pixels that lie half a pixel off"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "geometry"
    explanation: ClassVar[str] = (
        "One program counts from the corner of the first pixel and the other from its centre, or a beam centre of one "
        "convention was given to another: that of MOSFLM lies half a pixel off that of DENZO or XDS. Compare the beam "
        "centre, and whether pixel_pos is that of a pixel's centre."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        return in_all_that_differ(pixels, _shift)


def _shift(pixel: PixelComparison) -> str | None:
    position, axes = vector(pixel, "pixel_pos_meters"), [vector(pixel, name) for name in ("fdet_vec", "sdet_vec")]
    size = _pixel_size(pixel)
    if position is None or not size or not pixel.agrees("fdet_vec", "sdet_vec"):
        return None
    moved = [b - a for a, b in zip(*position, strict=True)]
    words = []
    for name, axis in zip(("fast", "slow"), axes, strict=True):
        if axis is None:
            return None
        shift = sum(step * along for step, along in zip(moved, axis[0], strict=True)) / size
        moved = [rest - shift * size * along for rest, along in zip(moved, axis[0], strict=True)]
        if math.isclose(abs(shift), 0.5, abs_tol=_ROUNDING):
            words.append(f"{shift:+.1f} pixel along {name}")
        elif abs(shift) > _ROUNDING:
            return None
    if not words or math.hypot(*moved) > _ROUNDING * size:
        return None
    return f"B's pixel lies {' and '.join(words)} from A's"


def _pixel_size(pixel: PixelComparison) -> float | None:
    """Side of a pixel in metres, from its solid angle: side^2 / R^2 times the obliquity factor."""
    solid_angle, distance, obliquity = (
        number(pixel, name) for name in ("omega_pixel_sr", "R_distance_meters", "obliquity_factor")
    )
    if solid_angle is None or distance is None or obliquity is None or min(solid_angle[0], obliquity[0]) <= 0.0:
        return None
    return distance[0] * math.sqrt(solid_angle[0] / obliquity[0])


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [HalfPixel]
