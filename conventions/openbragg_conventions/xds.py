"""The XDS convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory


@attrs.frozen
class Xds:
    """Beam along z, fast axis along x, slow axis along y; spindle, polarization and two-theta axis along x.

    The detector swings about the crystal: its place is that of the point nearest to the crystal, -ORGX and -ORGY. The
    beam centre, (fast, slow) from the first corner, defaults to that point and places the detector only when the
    pivot is given as the beam.
    """

    name: ClassVar[str] = "xds"
    summary: ClassVar[str] = "XDS: beam along +z, spindle along +x; placed by the point nearest to the crystal"
    flags: ClassVar[tuple[str, ...]] = ("-xds",)

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        return place_by_near_point(detector, "x")

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return fast, slow


def place_by_near_point(detector: Detector, across: str) -> Laboratory:
    """Place a detector by the point nearest to the crystal, with the beam along z and y down the image.

    `across` is the axis, ``x`` or ``y``, of the spindle, the polarization and the two-theta swing.
    """
    from openbragg import Axes, place

    x, y = (
        given if given is not None else close if close is not None else default
        for given, close, default in zip(
            detector.beam_centre, detector.near_point, detector.near_point_default(), strict=True
        )
    )
    axis = (1, 0, 0) if across == "x" else (0, 1, 0)
    axes = Axes(
        beam=(0, 0, 1),
        fast=(1, 0, 0),
        slow=(0, 1, 0),
        normal=(0, 0, 1),
        twotheta=axis,
        polarization=axis,
        spindle=axis,
    )
    return place(detector, axes, pivot=detector.pivot or "sample", beam_centre=(x, y), beam_point=(x, y))


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the XDS convention."""
    return [Xds]
