"""The detector: panels, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from openbragg.errors import InputError
from openbragg.model.panel import MOST_PIXELS, Panel, Rectangle, absent_pixels, check_gaps, frame_shape, stacked
from openbragg.model.scalars import Scalar, Vector, plain, rounded_up
from openbragg.options import COUNT, COUNT_OR_NONE, NOT_NEGATIVE, POSITIVE, Rule, one_of, option

if TYPE_CHECKING:
    import numpy as np

#: Width of a square detector when nothing is said, in metres.
DEFAULT_SIZE = 102.4e-3


def _same_pixels(one: Any, other: Any) -> bool:
    """Whether two masks hide the same pixels; None hides none."""
    if one is None or other is None:
        return one is other
    return tuple(one.shape) == tuple(other.shape) and bool((one == other).all())


_MASK = Rule("booleans, (slow, fast)", lambda mask: len(mask.shape) == 2 and "bool" in str(mask.dtype))


@attrs.frozen
class Detector:
    """A detector as its settings describe it; a geometry convention turns them into vectors.

    Attributes
    ----------
    layout
        Panels for a detector of several. Left empty, the settings below make one.
    gaps
        Rectangles of the stored frame in which there are no pixels, for example between the modules of a panel.
    mask
        Which pixels are rendered: booleans of the stored frame, (slow, fast), an array or a tensor.
    implied_pivot
        What the last flag that touches the pivot implied, in the order of the command line; the custom convention
        follows it when `pivot` is not given.

    All lengths are in metres and angles in radians; a beam centre and a near point are in the meaning of the
    convention that reads them. None means: let the convention choose.
    """

    pixels: tuple[int | None, int | None] = option(
        "-detpixels",
        components=(("-detpixels_s", "-detpixels_y"), ("-detpixels_f", "-detpixels_x")),
        default=(None, None),
        type=int,
        rule=COUNT,
        unit="pixels",
        parts=("along slow", "along fast"),
        help="Pixels along both sides. Default: what -detsize holds.",
    )
    size: tuple[Scalar, Scalar] = option(
        "-detsize",
        components=(("-detsize_s",), ("-detsize_f",)),
        default=(DEFAULT_SIZE, DEFAULT_SIZE),
        unit="mm",
        rule=POSITIVE,
        parts=("along slow", "along fast"),
        help="Width of the detector along both sides.",
    )
    pixel_size: Scalar = option("-pixel", default=0.1e-3, unit="mm", rule=POSITIVE, help="Side of a square pixel.")
    distance: Scalar = option(
        "-distance",
        default=100.0e-3,
        unit="mm",
        rule=POSITIVE,
        help="From the crystal to the detector along the beam.",
    )
    close_distance: Scalar | None = option(
        "-close_distance",
        unit="mm",
        rule=POSITIVE,
        help="From the crystal to the nearest point of the detector's plane; replaces -distance.",
    )
    beam_centre: tuple[Scalar | None, Scalar | None] = option(
        components=(("-Xbeam",), ("-Ybeam",)),
        default=(None, None),
        unit="mm",
        parts=("X", "Y"),
        help="Where the beam meets the detector, in the convention's own sense. Default: the middle.",
    )
    near_point: tuple[Scalar | None, Scalar | None] = option(
        components=(("-Xclose",), ("-Yclose",)),
        default=(None, None),
        unit="mm",
        parts=("along fast", "along slow"),
        help="Point of the detector's plane nearest to the crystal. Default: the middle.",
    )
    near_pixel: tuple[Scalar | None, Scalar | None] = option(
        components=(("-ORGX",), ("-ORGY",)),
        default=(None, None),
        unit="pixels",
        parts=("along fast", "along slow"),
        help="The same in pixels as XDS counts them: the middle of the first pixel is 1.",
    )
    rotation: Vector = option(
        components=(("-detector_rotx",), ("-detector_roty",), ("-detector_rotz",)),
        default=(0.0, 0.0, 0.0),
        unit="deg",
        parts=("about x, first", "about y, second", "about z, last"),
        help="Rotation of the detector in the laboratory.",
    )
    twotheta: Scalar = option(
        "-twotheta", default=0.0, unit="deg", help="Swing of the detector about the two-theta axis."
    )
    pivot: str | None = option(
        "-pivot",
        type=str,
        rule=one_of("beam", "sample"),
        help="What a detector rotation keeps in place: the beam spot, or the nearest point. Default: the convention's.",
    )
    point_pixel: bool = option(
        "-point_pixel", default=False, type=bool, help="Solid angle 1/R^2: no pixel area and no obliquity."
    )
    curved: bool = option(
        "-curved_det", default=False, type=bool, help="Every pixel at the same distance from the crystal."
    )
    sensor_thickness: Scalar = option(
        "-detector_thick", default=0.0, unit="um", rule=NOT_NEGATIVE, help="Thickness of the sensor; 0 is a surface."
    )
    sensor_layers: int | None = option(
        "-detector_thicksteps",
        "-thicksteps",
        type=int,
        rule=COUNT_OR_NONE,
        unit="layers",
        help="Layers of the sensor. Default: 2, of half its thickness each.",
    )
    attenuation_length: Scalar | str | None = option(
        "-detector_abs",
        "-detector_absorb",
        unit="um",
        words=("inf",),
        rule=NOT_NEGATIVE,
        metavar="inf",
        help="Depth at which the sensor has absorbed all but 1/e; inf or 0 for a surface. Default: its thickness.",
    )
    sensor_material: str = option(
        default="",
        type=str,
        rule=Rule("a chemical formula", lambda value: isinstance(value, str)),
        help="What the sensor is made of, for the headers of files: Si or CdTe. Default: what absorbs like it.",
    )
    counts_at_mean_depth: bool = option(
        default=False,
        type=bool,
        help="Layers, as many as it takes, count photons at the mean depth of those that they absorb, not at their "
        "front. So of detectors that are known by name, and of files that know the sensor.",
    )
    mask: Any = option(
        "-mask",
        type=str,
        input=True,
        whole=_MASK,
        metavar="FILE",
        eq=attrs.cmp_using(eq=_same_pixels),
        help="Image; where it is 0 nothing is rendered. An SMV header describes the camera, as that of -img does.",
    )
    implied_pivot: str | None = attrs.field(default=None, kw_only=True)
    layout: tuple[Panel, ...] = attrs.field(default=(), kw_only=True)
    gaps: tuple[Rectangle, ...] = attrs.field(default=(), kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_gaps(self.gaps)

    def pixel_counts(self) -> tuple[int, int]:
        """Number of pixels (slow, fast) of a detector without `layout`: given, or what fits into `size`.

        Raises
        ------
        InputError
            When less than one pixel fits, or more than can be rendered.
        """
        pixel = plain(self.pixel_size)
        counts = []
        for given, size in zip(self.pixels, self.size, strict=True):
            width = pixel * given if given is not None else plain(size)
            counts.append(rounded_up(width / pixel - 0.5, "pixels"))
        if min(counts) < 1:
            raise InputError(f"a detector of {counts[1]} x {counts[0]} pixels (fast x slow) has nothing to render")
        if counts[0] * counts[1] > MOST_PIXELS:
            raise InputError(f"a detector of {counts[1]} x {counts[0]} pixels (fast x slow) is too large to render")
        return counts[0], counts[1]

    def panels(self) -> tuple[Panel, ...]:
        """The panels, each with its slab: `layout`, or the one that the settings make."""
        return stacked(self.layout or (Panel(pixels=self.pixel_counts(), pixel_size=self.pixel_size, slab=(0, 0)),))

    def frame_shape(self) -> tuple[int, int]:
        """Pixels (slow, fast) of the stored frame: the array that an image of all panels is kept in.

        Raises
        ------
        InputError
            When two panels share a pixel of it, or it is larger than can be rendered.
        """
        return frame_shape(self.panels())

    def absent(self) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Where the stored frame has no pixel, booleans (slow, fast): in gaps and between panels; None for nowhere."""
        return absent_pixels(self.panels(), self.gaps)

    def hidden(self) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Where nothing is rendered, booleans (slow, fast): `absent`, and where the mask is False; None for nowhere."""
        import numpy as np

        absent = self.absent()
        if self.mask is None:
            return absent
        masked: np.ndarray[Any, np.dtype[np.bool_]] = np.asarray(self.mask) == 0
        return masked if absent is None else masked | absent

    def widths(self) -> tuple[Scalar, Scalar]:
        """Full width along slow and fast, in metres, of a detector without `layout`."""
        widths = tuple(
            self.pixel_size * given if given is not None else size
            for given, size in zip(self.pixels, self.size, strict=True)
        )
        return widths[0], widths[1]

    def near_point_default(self, otherwise: tuple[Scalar, Scalar] | None = None) -> tuple[Scalar, Scalar]:
        """Near point before any rotation, (fast, slow) in metres from the first corner.

        It is that of -ORGX and -ORGY where they are given, else `otherwise`, else the middle of the detector.
        """
        slow, fast = self.widths()
        fallback = otherwise if otherwise is not None else (fast / 2.0, slow / 2.0)
        first, second = (
            other if pixel is None else (pixel - 0.5) * self.pixel_size
            for pixel, other in zip(self.near_pixel, fallback, strict=True)
        )
        return first, second
