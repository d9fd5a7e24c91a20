"""The rotation of the crystal during the exposure."""

from __future__ import annotations

import attrs

from openbragg.model.scalars import Scalar
from openbragg.options import COUNT_OR_NONE, NOT_NEGATIVE, option


@attrs.frozen
class Scan:
    """Rotation about the spindle axis, sampled at `steps` angles ``start + i * step``; radians."""

    start: Scalar = option(
        "-phi",
        "-start",
        default=0.0,
        unit="deg",
        help="Spindle angle at the start of the image, of a series the first.",
    )
    range: Scalar | None = option("-osc", unit="deg", rule=NOT_NEGATIVE, help="Oscillation range of the image.")
    step: Scalar | None = option("-phistep", unit="deg", rule=NOT_NEGATIVE, help="Angle between two rotation steps.")
    steps: int | None = option(
        "-phisteps",
        type=int,
        rule=COUNT_OR_NONE,
        unit="steps",
        help="Number of rotation steps. Default: 1, or 2 with -osc, or what -osc and -phistep give.",
    )
