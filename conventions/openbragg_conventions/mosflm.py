"""The MOSFLM convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory

#: The directions, as `openbragg.Axes` takes them; DENZO's are the same.
VECTORS: dict[str, tuple[int, int, int]] = {
    "beam": (1, 0, 0),
    "fast": (0, 0, 1),
    "slow": (0, -1, 0),
    "normal": (1, 0, 0),
    "twotheta": (0, 0, -1),
    "polarization": (0, 0, 1),
    "spindle": (0, 0, 1),
}


@attrs.frozen
class Mosflm:
    """Beam along x, slow axis down along -y, fast axis along z, as MOSFLM draws its images.

    MOSFLM measures the beam centre to the middle of the first pixel and names its slow coordinate X: a beam centre
    (X, Y) is the spot Y + pixel/2 along fast and X + pixel/2 along slow from the first corner.
    """

    name: ClassVar[str] = "mosflm"
    summary: ClassVar[str] = "MOSFLM: beam along +x; beam centre (slow, fast) from the middle of the first pixel"
    flags: ClassVar[tuple[str, ...]] = ("-mosflm",)

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        from openbragg import Axes, place

        slow_width, fast_width = detector.widths()
        x, y = detector.beam_centre
        x = (slow_width + detector.pixel_size) / 2.0 if x is None else x
        y = (fast_width + detector.pixel_size) / 2.0 if y is None else y
        axes = Axes(**VECTORS)
        half = 0.5 * detector.pixel_size
        spot = (y + half, x + half)
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
        return slow - 0.5 * detector.pixel_size, fast - 0.5 * detector.pixel_size


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the MOSFLM convention."""
    return [Mosflm]
