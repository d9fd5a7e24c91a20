"""The DIALS convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_conventions.xds import place_by_near_point

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory


@attrs.frozen
class Dials:
    """What nanoBragg calls DIALS: beam along z, fast axis along x, slow, spindle, polarization and two-theta along y.

    DIALS' own models let the beam travel along -z; this is not a reader of them.

    The detector swings about the crystal: its place is that of the point nearest to the crystal, -ORGX and -ORGY. The
    beam centre, (fast, slow) from the first corner, defaults to that point and places the detector only when the
    pivot is given as the beam.
    """

    name: ClassVar[str] = "dials"
    summary: ClassVar[str] = "DIALS: beam along +z, spindle along +y; placed by the point nearest to the crystal"
    flags: ClassVar[tuple[str, ...]] = ("-dials",)

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        return place_by_near_point(detector, "y")

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return fast, slow


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the DIALS convention."""
    return [Dials]
