"""The imgCIF convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import hookimpl, option

if TYPE_CHECKING:
    from openbragg import Detector, GeometryConvention, Laboratory


@attrs.frozen
class ImgCif:
    """The imgCIF standard laboratory frame: X along the goniometer's spindle, Z from the crystal to the source.

    Y completes a right-handed set, so the beam travels along -Z. The frame fixes no detector axes; these are those of
    most image files: seen from the crystal with Y up, rows run to the right (+X) and follow each other down (-Y). The
    beam is polarized along the spindle, as synchrotron radiation is where the spindle lies flat, and a positive
    two-theta turns the detector about X, up.

    The beam centre (X, Y) is imgCIF's (center_fast, center_slow): from the middle of the first pixel to the spot, along
    fast and slow. It becomes the near point too.

    Source: cif_img.dic, category AXIS and items _diffrn_data_frame.center_fast, .center_slow and .center_units; also
    International Tables for Crystallography G, chapter 4.6.
    """

    name: ClassVar[str] = "imgcif"
    summary: ClassVar[str] = (
        "imgCIF: X along the spindle, Z to the source; beam centre (fast, slow) from the first pixel"
    )
    flags: ClassVar[tuple[str, ...]] = ("-imgcif",)

    center: tuple[float, float] | None = option(
        "-imgcif_center",
        length=2,
        unit="pixels",
        metavar="fast slow",
        help="center_fast and center_slow as an imgCIF file gives them in pixels; replaces -Xbeam and -Ybeam.",
    )

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        from openbragg import Axes, place

        half = 0.5 * detector.pixel_size
        given = detector.beam_centre
        if self.center is not None:
            given = (self.center[0] * detector.pixel_size, self.center[1] * detector.pixel_size)
        fast, slow = (
            centre + half if centre is not None else near if near is not None else default
            for centre, near, default in zip(given, detector.near_point, detector.near_point_default(), strict=True)
        )
        axes = Axes(
            beam=(0, 0, -1),
            fast=(1, 0, 0),
            slow=(0, -1, 0),
            normal=(0, 0, -1),
            twotheta=(1, 0, 0),
            polarization=(1, 0, 0),
            spindle=(1, 0, 0),
        )
        return place(
            detector,
            axes,
            pivot=detector.pivot or "beam",
            beam_centre=self.beam_centre(detector, fast, slow),
            beam_point=(fast, slow),
            near_point=(fast, slow),
        )

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return fast - 0.5 * detector.pixel_size, slow - 0.5 * detector.pixel_size


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the imgCIF convention."""
    return [ImgCif]
