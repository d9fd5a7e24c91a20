"""The DENZO convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_conventions.mosflm import VECTORS

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory


@attrs.frozen
class Denzo:
    """The vectors of MOSFLM; the beam centre is measured to the first corner.

    A beam centre (X, Y) is the spot Y along fast and X along slow.
    """

    name: ClassVar[str] = "denzo"
    summary: ClassVar[str] = "DENZO: as MOSFLM, beam centre (slow, fast) from the first corner"
    flags: ClassVar[tuple[str, ...]] = ("-denzo",)

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        from openbragg import Axes, place

        slow_width, fast_width = detector.widths()
        x, y = detector.beam_centre
        x = (slow_width + detector.pixel_size) / 2.0 if x is None else x
        y = (fast_width + detector.pixel_size) / 2.0 if y is None else y
        spot = (y, x)
        return place(
            detector,
            Axes(**VECTORS),
            pivot=detector.pivot or "beam",
            beam_centre=(x, y),
            beam_point=spot,
            near_point=detector.near_point_default(spot),
        )

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return slow, fast


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the DENZO convention."""
    return [Denzo]
