"""The ADXV convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory


@attrs.frozen
class Adxv:
    """Beam along z, fast axis along x, slow axis along -y, as the image viewer adxv counts its millimetres.

    A beam centre (X, Y) is measured from the lower left corner: the spot X along fast, and the detector's slow width
    less Y along slow, from the first corner.
    """

    name: ClassVar[str] = "adxv"
    summary: ClassVar[str] = "ADXV: beam along +z; beam centre (fast, slow) from the lower left corner"
    flags: ClassVar[tuple[str, ...]] = ("-adxv",)
    #: Fast, slow and normal make a left-handed set: adxv looks at the detector from behind.
    left_handed: ClassVar[bool] = True

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        from openbragg import Axes, place

        slow_width, fast_width = detector.widths()
        x, y = detector.beam_centre
        x = (fast_width + detector.pixel_size) / 2.0 if x is None else x
        y = (slow_width - detector.pixel_size) / 2.0 if y is None else y
        axes = Axes(
            beam=(0, 0, 1),
            fast=(1, 0, 0),
            slow=(0, -1, 0),
            normal=(0, 0, 1),
            twotheta=(-1, 0, 0),
            polarization=(1, 0, 0),
            spindle=(1, 0, 0),
        )
        spot = (x, slow_width - y)
        return place(
            detector,
            axes,
            pivot=detector.pivot or "beam",
            beam_centre=(x, y),
            beam_point=spot,
            near_point=detector.near_point_default(spot),
        )

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return fast, detector.widths()[0] - slow


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the ADXV convention."""
    return [Adxv]
