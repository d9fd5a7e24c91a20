"""The rotation of the crystal during the exposure."""

from __future__ import annotations

import attrs

from openbragg.model.scalars import Scalar
from openbragg.options import COUNT, COUNT_OR_NONE, NOT_NEGATIVE, one_of, option

#: Where in its interval a rotation step stands, as part of the interval.
_PLACES = {"start": 0.0, "middle": 0.5}


@attrs.frozen
class Scan:
    """Rotation about the spindle axis, sampled at `steps` angles; radians.

    They are ``start + i * step``, at the beginnings of their intervals, as in the reference program; with
    ``phi_sampling="middle"`` ``start + (i + 1/2) * step``, so that an image covers what its header says.

    Attributes
    ----------
    image
        Number of the image in its series, from 1; a spectrum may be another in each.
    """

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
    phi_sampling: str = option(
        "-phi_sampling",
        default="start",
        type=str,
        rule=one_of(*_PLACES),
        metavar="start | middle",
        help="Where in its interval each rotation step stands.",
    )

    image: int = option(type=int, default=1, rule=COUNT, help="Number of the image in its series.")

    def place_of_step(self) -> float:
        """Where in its interval each step stands, as part of the interval: 0 or 1/2."""
        return _PLACES[self.phi_sampling]
