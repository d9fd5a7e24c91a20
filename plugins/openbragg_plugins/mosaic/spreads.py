"""What the spread of a mosaic model means, and how many domains there are of it."""

from __future__ import annotations

from math import gamma, sqrt
from typing import TYPE_CHECKING

import attrs

from openbragg import unit

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal

#: Standard deviation of the reference's rotations about one axis, over its spread: of the square of the angle,
#: (1 - r^2)^(2/3) with r even in (-1, 1), a third is about each axis.
REFERENCE_DEVIATION = sqrt(gamma(0.5) * gamma(5.0 / 3.0) / gamma(13.0 / 6.0) / 6.0)


def is_spread(crystal: Crystal) -> bool:
    """Whether a crystal has a mosaic spread; one that carries a gradient may be 0."""
    spread = crystal.mosaic_spread
    return spread is not None and (hasattr(spread, "detach") or spread != 0.0)


def spread_of(crystal: Crystal) -> torch.Tensor:
    """The spread in radians with its gradient, float64, (); 0 where there is none."""
    from openbragg import scalar

    return scalar(0.0 if crystal.mosaic_spread is None else crystal.mosaic_spread)


def degrees_of(crystal: Crystal) -> float:
    """The spread in degrees."""
    return unit("deg").from_si(float(spread_of(crystal).detach()))


@attrs.frozen
class Meaning:
    """What a spread means.

    Attributes
    ----------
    words
        What it is.
    deviation
        Standard deviation of the rotations about one axis, over the spread.
    """

    words: str
    deviation: float

    def notice(self, model: str, crystal: Crystal) -> str:
        """A line for a crystal that has a spread: what it means in the model of a name, and in the reference's."""
        if not is_spread(crystal):
            return ""
        spread = degrees_of(crystal)
        alike = spread * self.deviation / REFERENCE_DEVIATION
        return (
            f"with the mosaic model {model} the spread of {spread:.6g} degrees is {self.words}, not the largest "
            f"rotation; about each axis blocks deviate as with nanobragg and {alike:.3g} degrees"
        )


#: Of a rotation vector with a normal distribution along each axis.
NORMAL = Meaning("the standard deviation of the rotations about each axis", 1.0)
#: Of rotations by an angle with a normal distribution about axes of all directions.
SPIRAL = Meaning("the standard deviation of the rotations' angle", 1.0 / sqrt(3.0))
