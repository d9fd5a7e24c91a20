"""The custom convention: every vector may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import Rule, hookimpl, option

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory


_DIRECTION = Rule("a vector that is not 0", any)


def _vector(flag: str, default: tuple[int, int, int], help: str) -> Any:  # noqa: A002
    return option(flag, length=3, default=default, whole=_DIRECTION, metavar="x y z", help=help)


@attrs.frozen
class Custom:
    """Vectors as given, each of any length; those not given are MOSFLM's, but for a two-theta axis along y.

    A normal that is not of unit length is replaced by fast x slow, which is what it should be.

    The beam centre is the spot (fast, slow) from the first corner, and becomes the near point too. With a first corner
    the detector swings about the crystal unless the pivot is given. Giving any of these vectors chooses this
    convention.
    """

    name: ClassVar[str] = "custom"
    summary: ClassVar[str] = "vectors given one by one; beam centre (fast, slow) from the first corner"
    flags: ClassVar[tuple[str, ...]] = ()

    fast: Any = _vector("-fdet_vector", (0, 0, 1), "Direction of growing fast pixel index.")
    slow: Any = _vector("-sdet_vector", (0, -1, 0), "Direction of growing slow pixel index.")
    normal: Any = _vector("-odet_vector", (1, 0, 0), "Direction of growing detector distance.")
    beam: Any = _vector("-beam_vector", (1, 0, 0), "Direction of the beam.")
    polarization: Any = _vector("-polar_vector", (0, 0, 1), "Direction of the beam's electric vector.")
    spindle: Any = _vector("-spindle_axis", (0, 0, 1), "Axis of the right-handed phi rotation.")
    twotheta: Any = _vector("-twotheta_axis", (0, 1, 0), "Axis of the detector's two-theta swing.")
    first_corner: Any = option(
        "-pix0_vector",
        length=3,
        unit="m",
        other_units={"-pix0_vector_mm": "mm"},
        metavar="x y z",
        help="From the crystal to the first pixel, before detector rotations; replaces distance and beam centre.",
    )

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        from openbragg import Axes, place

        near = detector.near_point_default()
        x, y = (
            given if given is not None else close if close is not None else default
            for given, close, default in zip(detector.beam_centre, detector.near_point, near, strict=True)
        )
        axes = Axes(
            beam=self.beam,
            fast=self.fast,
            slow=self.slow,
            normal=self.normal,
            twotheta=self.twotheta,
            polarization=self.polarization,
            spindle=self.spindle,
        )
        return place(
            detector,
            axes,
            pivot=detector.pivot or self._pivot(detector),
            beam_centre=(x, y),
            beam_point=(x, y),
            near_point=(x, y),
            first_corner=self.first_corner,
        )

    def _pivot(self, detector: Detector) -> str:
        """The crystal when its vector to the first corner is given; else what the last flag to touch it implied."""
        if self.first_corner is not None:
            return "sample"
        return detector.implied_pivot or "beam"

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return fast, slow


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the custom convention."""
    return [Custom]
