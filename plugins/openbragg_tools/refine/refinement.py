"""Refinement of a simulation against the pixels of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from openbragg import InputError, ReadImage, Simulation
from openbragg_tools.refine.determined import determined
from openbragg_tools.refine.elimination import Fit, fit_linear
from openbragg_tools.refine.levenberg import Step, refine_stage
from openbragg_tools.refine.model import Model
from openbragg_tools.refine.panels import plain_panels
from openbragg_tools.refine.parameters import SPREADS, Parameter
from openbragg_tools.refine.preparation import Asked, Prepared, prepare
from openbragg_tools.refine.results import Refined
from openbragg_tools.refine.rotations import turn_of

Array = np.ndarray[Any, np.dtype[np.float64]]
#: The part of what the image has beside the background that a crystal explains which is its own.
_EXPLAINED = 0.5
#: Errors as large as this leave a parameter open: parts of logarithms; strides of others.
_OPEN_FACTOR, _OPEN_STRIDES = 0.5, 5.0
#: The mean of Z squared of which the user is told.
_MORE_THAN_NOISE = 2.0


def refine_still(
    simulation: Simulation,
    image: ReadImage,
    free: Sequence[str] | None,
    asked: Asked,
    steps: int = 30,
    watch: Callable[[Sequence[Step]], None] | None = None,
) -> Refined:
    """Refine a simulation against one image; see `openbragg_tools.refine.stills.refine`.

    Raises
    ------
    OpenBraggError
        When the image cannot be used, or the start explains none of its spots.
    """
    prepared = prepare(simulation, image, free, asked, watch)
    problem, model = prepared.problem, prepared.problem.model
    every = list(range(len(model.parameters)))
    values, fit, interrupted = refine_alone(prepared, every, steps)
    refuse_unexplained(prepared, fit)
    told = every
    if not interrupted:
        values, fit, told = _without_spread(prepared, values, fit, steps)
    matrix, _ = problem.equations(values, fit, told)
    return concluded(prepared, values, fit, matrix, told, interrupted)


def _since(given: Model, model: Model, values: Array) -> Array:
    """The values with the orientation as it is turned from the start that was given."""
    turned = given.of(["misset"])
    made = values.copy()
    if turned:
        whole = model.orientation_at(torch.from_numpy(values)) @ given.orientation.T
        made[turned] = turn_of(whole).numpy()
    return made


def refine_alone(prepared: Prepared, free: Sequence[int], steps: int, enough: float = 1e-2) -> tuple[Array, Fit, bool]:
    """Refine some parameters of a prepared still: all their values, what goes with them, and whether it was ended.

    A keyboard interrupt ends it, and leaves the best so far.
    """
    problem, model = prepared.problem, prepared.problem.model
    values = model.start()
    try:
        # How far blocks are turned and how small they are widen spots alike: the one is released after the other.
        late = [place for place in model.of(SPREADS) if place in free]
        if late:
            values, _ = refine_stage(problem, values, [each for each in free if each not in late], "size", steps, 1.0)
        return *refine_stage(problem, values, free, "all", steps, enough), False
    except KeyboardInterrupt:
        if not problem.history:
            raise
        values = min(problem.history, key=lambda step: step.loss).values
        prepared.notices.append("interrupted: what was best until then is kept")
        return values, problem.fit(values), True


def _without_spread(prepared: Prepared, values: Array, fit: Fit, steps: int) -> tuple[Array, Fit, list[int]]:
    """The refinement with a mosaic spread held at its start, where the data cannot tell it from the size of blocks.

    Returns
    -------
    All values, what goes with them, and places of what is refined.
    """
    problem, model = prepared.problem, prepared.problem.model
    every = list(range(len(model.parameters)))
    if not model.of(SPREADS):
        return values, fit, every
    matrix, _ = problem.equations(values, fit, every)
    limits = [*map(still_open, model.parameters), *([_OPEN_FACTOR] if problem.scale is None else [])]
    loose = [place for place in determined(matrix, limits).open if place in model.of(SPREADS)]
    if not loose:
        return values, fit, every
    moved = values.copy()
    moved[loose] = model.start()[loose]
    rest = [place for place in every if place not in loose]
    try:
        moved, fit = refine_stage(problem, moved, rest, "held", steps)
    except KeyboardInterrupt:
        return values, fit, every
    for place in loose:
        each = model.parameters[place]
        prepared.notices.append(
            f"the data cannot tell {each.name} from the number of cells: it is held at {each.shown(each.start):.4g} "
            f"{each.unit}"
        )
    return moved, fit, rest


def refuse_unexplained(prepared: Prepared, fit: Fit) -> None:
    """Refuse a crystal that does not explain its spots.

    Raises
    ------
    InputError
        With the part that it explains.
    """
    problem = prepared.problem
    nothing = fit_linear(problem.boxes, np.zeros_like(fit.spots), problem.likelihood, 0.0)
    explained = (nothing.loss - fit.loss) / max(nothing.loss - len(fit.spots), 1.0)
    if explained < _EXPLAINED:
        raise InputError(
            f"{prepared.source}: the refined crystal explains {explained:.0%} of what is in its spots: the start is "
            "too far off, or another crystal's"
        )


def concluded(
    prepared: Prepared, values: Array, fit: Fit, matrix: Array, told: Sequence[int], interrupted: bool = False
) -> Refined:
    """What came of a refinement, since the start that was given.

    Parameters
    ----------
    values, fit
        Of all parameters, and what goes with them.
    matrix
        The normal matrix of the parameters that are told of, the scale's logarithm last where it was refined.
    told
        Places of these parameters.
    """
    problem, given, model = prepared.problem, prepared.given, prepared.problem.model
    notices = prepared.notices
    refined = model.settled(values)
    parameters = [given.parameters[place] for place in told]
    start, ends = (whole[list(told)] for whole in (given.start(), _since(given, model, values)))
    if problem.scale is None:
        parameters.append(Parameter("scale", "scale", 0.0, 0.7, "", True))
        ends = np.append(ends, math.log(max(fit.scale, 1e-300)))
        start = np.append(start, math.log(max(problem.history[0].scale, 1e-300)))
    errors = determined(matrix, [still_open(each) for each in parameters])
    if errors.open:
        names = ", ".join(parameters[place].name for place in errors.open)
        notices.append(f"the data do not determine {names}: hold it, or give a prior")
    chi_squared = float(np.square(problem.likelihood.deviations(problem.boxes.counts, fit.expected)).mean())
    if chi_squared > _MORE_THAN_NOISE:
        notices.append(
            f"the model leaves out what is more than noise, Z squared is {chi_squared:.1f} on average: errors are "
            "those of noise alone"
        )
    beam = refined.experiment.beam
    refined = refined.evolve(
        **{name: _plain(getattr(refined, name)) for name in ("mosaic", "spectrum", "lattice_shape")},
        crystal=_plain(refined.experiment.crystal),
        detector=plain_panels(_plain(refined.experiment.detector)),
        beam=_plain(attrs.evolve(beam, flux=None, fluence=float(beam.photons_per_area) * fit.scale)),
    )
    return Refined(
        refined,
        tuple(parameters),
        start,
        ends,
        errors,
        fit.scale,
        problem.history[0].scale,
        problem.boxes,
        fit,
        problem.likelihood,
        prepared.indexed,
        tuple(attrs.evolve(step, values=step.values[list(told)]) for step in problem.history),
        problem.renderings,
        problem.jacobians,
        dict(problem.seconds),
        tuple(notices),
        interrupted,
    )


def still_open(parameter: Parameter) -> float:
    """An error as large as this leaves a parameter open, inside."""
    return _OPEN_FACTOR if parameter.logarithmic else _OPEN_STRIDES * parameter.stride


def _plain(part: Any) -> Any:
    """A part of an experiment, or a plugin, with numbers in the place of tensors."""
    if not attrs.has(type(part)):
        return part
    changes: dict[str, Any] = {}
    for attribute in attrs.fields(type(part)):
        value = getattr(part, attribute.name)
        if isinstance(value, torch.Tensor):
            changes[attribute.name] = value.tolist() if value.dim() else float(value)
        elif isinstance(value, tuple) and any(isinstance(one, torch.Tensor) for one in value):
            changes[attribute.name] = tuple(float(one) if isinstance(one, torch.Tensor) else one for one in value)
    return attrs.evolve(part, **changes)
