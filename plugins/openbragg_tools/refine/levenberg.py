"""Levenberg and Marquardt's steps on reweighted residuals whose linear parameters are eliminated."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from openbragg import OpenBraggError
from openbragg_tools.refine.columns import Columns
from openbragg_tools.refine.elimination import Fit, fit_linear, normal_equations
from openbragg_tools.refine.likelihood import Likelihood
from openbragg_tools.refine.model import Model
from openbragg_tools.refine.parameters import Parameter
from openbragg_tools.refine.shoeboxes import Shoeboxes

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Damping at the start, and what it is multiplied by after a step that went down and one that did not.
_DAMPING, _LESS, _MORE = 1e-2, 0.1, 8.0
#: The damping at which there is no step left.
_HOPELESS = 1e8


@attrs.frozen(eq=False)
class Step:
    """A point that the refinement came to: the parameters' values, and the loss."""

    values: Array
    scale: float
    loss: float
    stage: str


@attrs.define(eq=False)
class Problem:
    """An image's boxes, the model, and what has been evaluated.

    Attributes
    ----------
    scale
        The scale, where it is not refined; else None.
    watch
        Called with the history after each step.
    own
        Standard deviation of the boxes' own scales, which are 1 beforehand; None where they have none.
    last
        The normal equations that were made last, and of what.
    """

    model: Model
    boxes: Shoeboxes
    likelihood: Likelihood
    scale: float | None = None
    watch: Callable[[Sequence[Step]], None] = attrs.field(default=lambda history: None)
    own: float | None = None
    history: list[Step] = attrs.field(factory=list)
    renderings: int = 0
    jacobians: int = 0
    last: tuple[tuple[Fit, tuple[int, ...]], tuple[Array, Array]] | None = None
    seconds: dict[str, float] = attrs.field(factory=lambda: {"renderings": 0.0, "jacobians": 0.0, "algebra": 0.0})

    def fit(self, values: Array, start: Fit | None = None) -> Fit:
        """Render the boxes, and find what is linear."""
        began = time.perf_counter()
        photons = self.model.photons(values, self.boxes.pixels)
        rendered = time.perf_counter()
        self.renderings += 1
        self.seconds["renderings"] += rendered - began
        made = fit_linear(self.boxes, photons, self.likelihood, self.scale, start, self.own)
        self.seconds["algebra"] += time.perf_counter() - rendered
        return made

    def columns(self, values: Array, fit: Fit, free: Sequence[int]) -> Columns:
        """Derivatives of the expected photons by free parameters and, where it is refined, the scale's logarithm."""
        began = time.perf_counter()
        brightness = fit.brightness(self.boxes)
        made = Columns.of_all(np.zeros((len(fit.spots), 0)))
        if free:
            made = self.model.derivatives(values, free, self.boxes.pixels).scaled(brightness)
        self.jacobians += 1
        self.seconds["jacobians"] += time.perf_counter() - began
        return made if self.scale is not None else made.with_last(brightness * fit.spots)

    def loss(self, values: Array, fit: Fit) -> float:
        """The deviance, and what the priors add."""
        return fit.loss + sum(
            each.weight(value)[1] ** 2 / each.weight(value)[0]
            for each, value in zip(self.model.parameters, values, strict=True)
            if each.prior is not None
        )

    def equations(self, values: Array, fit: Fit, free: Sequence[int]) -> tuple[Array, Array]:
        """The normal matrix and the gradient of free parameters, and the scale's logarithm last.

        Those that were asked for last are at hand.
        """
        asked = (fit, tuple(free))
        if self.last is not None and self.last[0][0] is fit and self.last[0][1] == asked[1]:
            return self.last[1]
        columns = self.columns(values, fit, free)
        began = time.perf_counter()
        matrix, gradient = normal_equations(self.boxes, fit, columns, self.own)
        for place, parameter in enumerate(free):
            added, slope = self.model.parameters[parameter].weight(values[parameter])
            matrix[place, place] += added
            gradient[place] += slope
        self.seconds["algebra"] += time.perf_counter() - began
        self.last = asked, (matrix, gradient)
        return self.last[1]

    def remember(self, values: Array, fit: Fit, stage: str) -> None:
        """Add a point to the history."""
        self.history.append(Step(values.copy(), fit.scale, self.loss(values, fit), stage))
        self.watch(self.history)


def refine_stage(
    problem: Problem, values: Array, free: Sequence[int], stage: str, most: int = 30, enough: float = 1e-2
) -> tuple[Array, Fit]:
    """Refine some of the parameters.

    Parameters
    ----------
    values
        Of all parameters, at the start.
    free
        Places of those that are refined.
    stage
        What the history calls it.
    most
        Steps at most.
    enough
        The loss that a step has to save for another one to be made; a standard deviation of one parameter is 1.

    Returns
    -------
    The values, and what goes with them.
    """
    fit = problem.fit(values)
    problem.remember(values, fit, stage)
    damping = _DAMPING
    strides = np.array([problem.model.parameters[place].stride for place in free] + [0.7] * (problem.scale is None))
    for _ in range(most):
        matrix, gradient = problem.equations(values, fit, free)
        loss = problem.loss(values, fit)
        saved = 0.0
        while damping < _HOPELESS:
            step = limited(_damped(matrix, gradient, damping), strides)
            moved = within(problem.model.parameters, values, free, step)
            try:
                trial = problem.fit(moved, fit)
            except OpenBraggError:
                # There is no such crystal: N that is not positive definite, say.
                damping *= _MORE
                continue
            saved = loss - problem.loss(moved, trial)
            if saved > 0.0 and np.isfinite(saved):
                values, fit = moved, trial
                damping = max(damping * _LESS, 1e-9)
                problem.remember(values, fit, stage)
                break
            # Nothing that matters is left to be saved.
            if _promised(matrix, gradient, step) < enough:
                return values, fit
            damping *= _MORE
        if not saved > enough:
            # A step that saves next to nothing hardly changes the normal matrix, from which errors come.
            problem.last = (fit, tuple(free)), (matrix, gradient)
            break
    return values, fit


def _damped(matrix: Array, gradient: Array, damping: float) -> Array:
    """The step, with the diagonal increased; what nothing depends on stays."""
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    size[size == 0.0] = np.inf
    scaled = matrix / np.outer(size, size)
    scaled[np.diag_indices_from(scaled)] = 1.0 + damping
    step: Array = np.linalg.solve(scaled, gradient / size) / size
    return step


def limited(step: Array, strides: Array) -> Array:
    """The step, shortened until no parameter moves farther than it may."""
    longest = float(np.max(np.abs(step) / strides)) if len(step) else 0.0
    return step / max(1.0, longest)


def within(parameters: Sequence[Parameter], values: Array, free: Sequence[int], step: Array) -> Array:
    """The values after a step of free parameters, within their bounds."""
    moved = values.copy()
    for place, parameter in enumerate(free):
        each = parameters[parameter]
        moved[parameter] = min(max(values[parameter] + step[place], each.lowest), each.highest)
    return moved


def _promised(matrix: Array, gradient: Array, step: Array) -> float:
    """What a step should save of the loss."""
    return float(2.0 * gradient @ step - step @ matrix @ step)
