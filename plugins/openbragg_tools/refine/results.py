"""What came of a refinement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from openbragg import Simulation, UsageError
from openbragg_tools.refine.determined import Determined
from openbragg_tools.refine.elimination import Fit
from openbragg_tools.refine.levenberg import Step
from openbragg_tools.refine.likelihood import Likelihood
from openbragg_tools.refine.parameters import Parameter
from openbragg_tools.refine.positions import Indexed
from openbragg_tools.refine.shoeboxes import Shoeboxes

Array = np.ndarray[Any, np.dtype[np.float64]]


class Named:
    """Parameters by their names, where `values`, inside, and `determined` are those of `parameters`."""

    __slots__ = ()
    parameters: tuple[Parameter, ...]
    values: Array
    determined: Determined

    def value(self, name: str) -> float:
        """A parameter's value in the unit in which people see it.

        Raises
        ------
        UsageError
            When none has that name; the message lists those that there are.
        """
        place = self._place(name)
        return self.parameters[place].shown(float(self.values[place]))

    def sigma(self, name: str) -> float:
        """Its standard deviation, likewise."""
        place = self._place(name)
        return self.parameters[place].shown_error(float(self.values[place]), float(self.determined.sigmas[place]))

    def _place(self, name: str) -> int:
        names = [each.name for each in self.parameters]
        if name not in names:
            raise UsageError(f"expected one of {', '.join(names) or 'nothing, for nothing is there'}, got {name}")
        return names.index(name)


@attrs.frozen(eq=False)
class Refined(Named):
    """What came of a refinement.

    Attributes
    ----------
    simulation
        The refined simulation; its fluence has the scale.
    parameters
        What was refined, the scale's logarithm last where it was.
    start, values
        Of the parameters, inside.
    determined
        Their errors.
    scale, scale_start
        What the start's fluence is multiplied by, and what would have been best for the start.
    boxes, fit
        The pixels, and what is expected of them.
    likelihood
        Of counts.
    indexed
        How spots and reflections coincided before pixels were looked at; None where nothing was moved then.
    history
        Every point.
    renderings, jacobians, seconds
        What was evaluated, and the seconds of each part.
    notices
        What the user should know.
    interrupted
        Whether the user ended it.
    """

    simulation: Simulation
    parameters: tuple[Parameter, ...]
    start: Array
    values: Array
    determined: Determined
    scale: float
    scale_start: float
    boxes: Shoeboxes
    fit: Fit
    likelihood: Likelihood
    indexed: Indexed | None
    history: tuple[Step, ...]
    renderings: int
    jacobians: int
    seconds: Mapping[str, float]
    notices: tuple[str, ...]
    interrupted: bool

    def freedom(self) -> int:
        """Pixels less what was fitted to them."""
        return max(1, len(self.boxes.counts) - 3 * self.boxes.number - len(self.parameters))

    def deviations(self) -> Array:
        """Z of each pixel."""
        return self.likelihood.deviations(self.boxes.counts, self.fit.expected)

    def reduced_chi_squared(self) -> float:
        """The mean of Z squared, for what was fitted."""
        return float(np.square(self.deviations()).sum()) / self.freedom()
