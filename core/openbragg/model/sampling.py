"""How finely, and how much of, the image is sampled."""

from __future__ import annotations

import attrs

from openbragg.model.scalars import Scalar
from openbragg.options import COUNT_OR_NONE, NOT_NEGATIVE, SEED, one_of, option


@attrs.frozen
class Sampling:
    """Sampling of the pixels, and what is left out."""

    oversample: int | None = option(
        "-oversample",
        type=int,
        rule=COUNT_OR_NONE,
        unit="subpixels",
        help="Subpixels along each side of a pixel. Default: enough for the crystal's size.",
    )
    oversample_capture: bool = option(
        "-oversample_thick", default=False, type=bool, help="Absorption in the sensor for each subpixel."
    )
    oversample_polarization: bool = option(
        "-oversample_polar", default=False, type=bool, help="Polarization factor for each subpixel and source."
    )
    oversample_solid_angle: bool = option(
        "-oversample_omega", default=False, type=bool, help="Solid angle for each subpixel."
    )
    polarization_place: str = option(
        "-polar_at",
        default="first",
        type=str,
        rule=one_of("first", "centre", "last"),
        help="Where in a pixel its polarization factor is taken, unless it is taken for each subpixel: in its first "
        "subpixel, at its centre, or in its last subpixel and layer.",
    )
    resolution_limit: Scalar = option(
        "-dmin",
        default=0.0,
        unit="angstroms",
        rule=NOT_NEGATIVE,
        help="Leave out what scatters to a d spacing below this; 0 keeps everything.",
    )
    region: tuple[int, int, int, int] | None = option(
        "-roi",
        type=int,
        length=4,
        unit="pixels",
        metavar="xmin xmax ymin ymax",
        help="Render only this part: first and last pixel along fast, then along slow, both included.",
    )
    seed: int | None = option("-seed", type=int, rule=SEED, help="Seed of the noise. Default: the clock.")
