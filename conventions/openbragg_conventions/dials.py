"""The DIALS convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory


@attrs.frozen
class Dials:
    """Beam along z, fast axis along x, slow axis along y; spindle, polarization and two-theta axis along y.

    The detector swings about the crystal: its place is that of the point nearest to the crystal, -ORGX and -ORGY. The
    beam centre, (fast, slow) from the first corner, defaults to that point and places the detector only when the
    pivot is given as the beam.
    """

    name: ClassVar[str] = "dials"
    summary: ClassVar[str] = "DIALS: beam along +z, spindle along +y; placed by the point nearest to the crystal"
    flags: ClassVar[tuple[str, ...]] = ("-dials",)

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        from openbragg import Axes, place

        x, y = (
            given if given is not None else close if close is not None else default
            for given, close, default in zip(
                detector.beam_centre, detector.near_point, detector.near_point_default(), strict=True
            )
        )
        axes = Axes(
            beam=(0, 0, 1),
            fast=(1, 0, 0),
            slow=(0, 1, 0),
            normal=(0, 0, 1),
            twotheta=(0, 1, 0),
            polarization=(0, 1, 0),
            spindle=(0, 1, 0),
        )
        return place(detector, axes, pivot=detector.pivot or "sample", beam_centre=(x, y), beam_point=(x, y))

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return fast, slow


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the DIALS convention."""
    return [Dials]
