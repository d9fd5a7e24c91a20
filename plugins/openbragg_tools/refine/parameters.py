"""Parameters: numbers that are refined."""

from __future__ import annotations

import math

import attrs

from openbragg import unit
from openbragg_tools.refine.panels import PANEL_GROUPS

#: The group of the overall B factor.
B_FACTOR = "b_factor"
#: Names of groups of parameters that a user frees; any continuous setting of an experiment or a plugin is one more.
GROUPS = ("misset", "cell", "cells", "mosaic_spread", "scale", B_FACTOR, *PANEL_GROUPS)
#: What says how far blocks are turned: one spread, or three.
SPREADS = ("mosaic_spread", "spreads")
#: How far a step may go at once: in radians, parts of a length, or natural logarithms.
TURN, CELL_PART, FACTOR = math.radians(0.2), 3e-3, 0.7


@attrs.frozen
class Parameter:
    """A number that is refined.

    Attributes
    ----------
    name, group
        What people call it, and what it is freed by.
    start
        Where it starts, inside: SI units and radians, or the logarithm where it is `logarithmic`.
    stride
        The farthest that one step may move it, inside.
    unit
        In which people see it; empty for none.
    logarithmic
        Whether it is refined by its logarithm, so that it stays above 0.
    prior
        Mean and standard deviation in its own SI unit, or None.
    lowest, highest
        Bounds, inside.
    """

    name: str
    group: str
    start: float
    stride: float
    unit: str = ""
    logarithmic: bool = False
    prior: tuple[float, float] | None = None
    lowest: float = -math.inf
    highest: float = math.inf

    def shown(self, inside: float) -> float:
        """Its value for people."""
        value = math.exp(inside) if self.logarithmic else inside
        return unit(self.unit).from_si(value) if self.unit else value

    def shown_error(self, inside: float, error: float) -> float:
        """A standard deviation for people."""
        value = error * math.exp(inside) if self.logarithmic else error
        return unit(self.unit).from_si(value) if self.unit else value

    def weight(self, inside: float) -> tuple[float, float]:
        """What its prior adds to the normal matrix and to the gradient."""
        if self.prior is None:
            return 0.0, 0.0
        mean, sigma = self.prior
        if self.logarithmic:
            mean, sigma = math.log(mean), sigma / mean
        return 1.0 / sigma**2, (mean - inside) / sigma**2
