"""Refinement of a simulation against the pixels of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from openbragg import CountingLatticeShape, InputError, ReadImage, Simulation, UsageError, plugin
from openbragg_tools.refine.counting import Measured, measured
from openbragg_tools.refine.determined import Determined, determined
from openbragg_tools.refine.elimination import Fit, fit_linear
from openbragg_tools.refine.levenberg import Problem, Step, refine_stage
from openbragg_tools.refine.likelihood import Likelihood
from openbragg_tools.refine.model import Model, make_model
from openbragg_tools.refine.panels import plain_panels
from openbragg_tools.refine.parameters import Parameter
from openbragg_tools.refine.positions import Indexed, fit_positions
from openbragg_tools.refine.readout import readout_of
from openbragg_tools.refine.rotations import turn_of
from openbragg_tools.refine.settings import best_setting, other_settings
from openbragg_tools.refine.shoeboxes import Shoeboxes, cut
from openbragg_tools.refine.spots import Spots, apart, find_spots, sized

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Widths of the crystal along each axis at the start where nothing is said of it, in metres.
_WIDTH = 1.2e-7
#: What says how far blocks are turned: one spread, or three.
_SPREADS = ("mosaic_spread", "spreads")
#: Fewer spots than this decide nothing.
_FEWEST = 5
#: Spots without indices of a wrong crystal, and the part of what the image has beside the background that it explains.
_INDEXED, _EXPLAINED = 0.5, 0.5
#: Errors as large as this leave a parameter open: parts of logarithms; strides of others.
_OPEN_FACTOR, _OPEN_STRIDES = 0.5, 5.0
#: The mean of Z squared of which the user is told.
_MORE_THAN_NOISE = 2.0
#: Boxes of reflections that are predicted beside the spots, at most as many; and how much of them is near the sphere.
_PREDICTED_PART = 0.3


@attrs.frozen(eq=False)
class Refined:
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

    def value(self, name: str) -> float:
        """A parameter's value in the unit in which people see it."""
        place = self._place(name)
        return self.parameters[place].shown(float(self.values[place]))

    def sigma(self, name: str) -> float:
        """Its standard deviation, likewise."""
        place = self._place(name)
        return self.parameters[place].shown_error(float(self.values[place]), float(self.determined.sigmas[place]))

    def _place(self, name: str) -> int:
        names = [each.name for each in self.parameters]
        if name not in names:
            raise UsageError(f"expected one of {', '.join(names)}, got {name}")
        return names.index(name)


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


@attrs.frozen(kw_only=True, eq=False)
class Asked:
    """What is said of a still beside what is free: arguments of `openbragg_tools.refine.stills.refine`.

    `source` is what messages call the image.
    """

    source: str = "the image"
    space_group: str = ""
    spots: Any = None
    readout: float | None = None
    gain: float | None = None
    pedestal: float | None = None
    saturation: float | None = None
    student: float | None = None
    priors: Mapping[str, tuple[float, float]] | None = None
    groups: Sequence[Sequence[int]] = ()
    reflection_scales: float | None = None


@attrs.frozen(eq=False)
class Prepared:
    """A still that can be refined against.

    Attributes
    ----------
    problem
        Its boxes, and the model brought near by the places of its spots.
    given
        The model before that.
    source
        What messages call the image.
    indexed
        How spots and reflections coincided; None where nothing was moved.
    notices
        What the user should know.
    """

    problem: Problem
    given: Model
    source: str
    indexed: Indexed | None
    notices: list[str]


def prepare(
    simulation: Simulation,
    image: ReadImage,
    free: Sequence[str] | None,
    asked: Asked,
    watch: Callable[[Sequence[Step]], None] | None = None,
) -> Prepared:
    """Prepare a still: its spots, boxes around them, and a start that is brought near; arguments as of `refine_still`.

    Raises
    ------
    OpenBraggError
        When the image cannot be used, or its spots are another crystal's.
    """
    if simulation.layout().experiment.scan.range:
        raise UsageError("a rotation cannot be refined: give stills, without -osc")
    notices: list[str] = []
    simulation = _smooth(_with_cells(simulation, notices), notices)
    if free is None:
        free = usual(simulation)
    if not free:
        raise UsageError("free: nothing is left to be refined")
    model = make_model(simulation, free, asked.space_group, asked.priors, asked.groups)
    if "cell" in free and not (asked.space_group or simulation.layout().parts.space_group):
        notices.append("nothing says the space group: all six numbers of the cell are free")
    seen = measured(image, simulation, asked.source, asked.gain, asked.pedestal, asked.saturation)
    found = find_spots(seen.photons, seen.usable)
    if asked.spots is not None:
        found = sized(np.asarray(asked.spots, dtype=float).reshape(-1, 2)[:, ::-1], found)
    if len(found.centres) < _FEWEST:
        raise InputError(f"{seen.source}: {len(found.centres)} spots are too few to refine against")
    likelihood = Likelihood(readout_of(seen, found, asked.readout), asked.student)
    given, indexed = model, None
    if model.of(["misset", "cell"]):
        indexed = fit_positions(model, model.simulation.layout(), found.centres)
        if indexed.part < _INDEXED:
            raise InputError(
                f"{seen.source}: the crystal's reflections are at {indexed.part:.0%} of the spots, which is what any "
                "crystal's are: the orientation or the cell of the start is too far off, or another crystal's"
            )
        model = model.with_vectors(indexed.vectors)
    scale = None if "scale" in free else 1.0
    boxes, own = _boxes(model, seen, found), _own_scales(asked)
    problem = Problem(model, boxes, likelihood, scale, watch or (lambda history: None), own)
    if model.of(["misset"]):
        others = other_settings(given, model.simulation.layout(), found.centres)
        setting = best_setting(problem, others) if others else None
        if setting is not None:
            notices.append(
                f"the crystal's intensities are those of the start's lattice in another setting: its axes are turned "
                f"by {setting.operation}"
            )
            given, indexed, problem.model = setting.given, setting.indexed, setting.model
            problem.boxes = _boxes(setting.model, seen, found)
    return Prepared(problem, given, seen.source, indexed, notices)


def _since(given: Model, model: Model, values: Array) -> Array:
    """The values with the orientation as it is turned from the start that was given."""
    turned = given.of(["misset"])
    made = values.copy()
    if turned:
        whole = model.orientation_at(torch.from_numpy(values)) @ given.orientation.T
        made[turned] = turn_of(whole).numpy()
    return made


def usual(simulation: Simulation) -> tuple[str, ...]:
    """What is refined where nothing else is said."""
    spread = simulation.layout().experiment.crystal.mosaic_spread
    several = getattr(simulation.mosaic, "spreads", None) is not None
    spreads = [name for name, there in zip(_SPREADS, (spread, several), strict=True) if there]
    return ("misset", "cell", "cells", *spreads, "scale")


def refine_alone(prepared: Prepared, free: Sequence[int], steps: int, enough: float = 1e-2) -> tuple[Array, Fit, bool]:
    """Refine some parameters of a prepared still: all their values, what goes with them, and whether it was ended.

    A keyboard interrupt ends it, and leaves the best so far.
    """
    problem, model = prepared.problem, prepared.problem.model
    values = model.start()
    try:
        # How far blocks are turned and how small they are widen spots alike: the one is released after the other.
        late = [place for place in model.of(_SPREADS) if place in free]
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
    if not model.of(_SPREADS):
        return values, fit, every
    matrix, _ = problem.equations(values, fit, every)
    limits = [*map(still_open, model.parameters), *([_OPEN_FACTOR] if problem.scale is None else [])]
    loose = [place for place in determined(matrix, limits).open if place in model.of(_SPREADS)]
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


def _with_cells(simulation: Simulation, notices: list[str]) -> Simulation:
    """The simulation with a number of cells to start from, where nothing says one."""
    crystal = simulation.experiment.crystal
    counts = list(crystal.cells)
    if any(float(count) != 1.0 for count in counts) or any(width is not None for width in crystal.size):
        return simulation
    edges = simulation.layout().experiment.crystal.oriented_vectors().norm(dim=1).tolist()
    counts = [max(2.0, round(_WIDTH / edge)) for edge in edges]
    shown = " ".join(f"{count:g}" for count in counts)
    notices.append(f"nothing says how many cells the crystal has: N starts at {shown}")
    return simulation.evolve(crystal=attrs.evolve(crystal, cells=tuple(counts)))


def _smooth(simulation: Simulation, notices: list[str]) -> Simulation:
    """The simulation with a lattice shape that takes any number of cells."""
    shape = simulation.lattice_shape
    if not (isinstance(shape, CountingLatticeShape) and shape.counts_cells):
        return simulation
    notices.append(f"the lattice shape {shape.name} counts whole cells: gauss_index is refined in its place")
    return simulation.evolve(lattice_shape=plugin("lattice_shapes", "gauss_index"))


def _own_scales(asked: Asked) -> float | None:
    """The standard deviation of scales that reflections have for themselves, beforehand."""
    own = asked.reflection_scales
    if own is not None and not 0.0 < own < math.inf:
        raise UsageError(f"reflection_scales: expected a standard deviation above 0, got {own:g}")
    return own


def _boxes(model: Model, seen: Measured, found: Spots) -> Shoeboxes:
    """Boxes around the spots, and around reflections that should be seen and are not among them."""
    centres, halves = found.centres, found.half_widths
    predicted = model.simulation.reflections()
    usual = float(np.median(halves))
    starts = np.array([panel.slab or (0, 0) for panel in model.simulation.layout().panels])
    places = predicted.pixel[:, ::-1] + starts[predicted.panel]
    strong = predicted.partiality > _PREDICTED_PART
    places, photons = places[strong], predicted.photons[strong]
    fresh = apart(places, centres, usual)
    order = np.argsort(-photons[fresh])[: max(1, len(centres) // 4)]
    places = places[fresh][order]
    return cut(
        seen.photons,
        seen.usable,
        np.concatenate([centres, places]),
        np.concatenate([halves, np.full(len(places), usual)]),
    )


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
