"""How finely, and how much of, the image is sampled."""

from __future__ import annotations

import attrs

from openbragg.model.scalars import Scalar
from openbragg.options import COUNT_OR_NONE, NOT_NEGATIVE, SEED, option


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
    oversample_polarization: bool = attrs.field(default=False, kw_only=True)
    oversample_solid_angle: bool = attrs.field(default=False, kw_only=True)
    oversample_capture: bool = attrs.field(default=False, kw_only=True)
    resolution_limit: Scalar = option(
        "-dmin",
        default=0.0,
        unit="A",
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
