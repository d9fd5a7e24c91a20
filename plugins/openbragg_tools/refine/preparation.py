"""A still before it is refined: its spots, boxes around them, and a start that is brought near."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from openbragg import CountingLatticeShape, InputError, ReadImage, Simulation, UsageError, plugin
from openbragg_tools.refine.counting import Measured, measured
from openbragg_tools.refine.levenberg import Problem, Step
from openbragg_tools.refine.likelihood import Likelihood
from openbragg_tools.refine.model import Model, make_model
from openbragg_tools.refine.parameters import SPREADS
from openbragg_tools.refine.positions import Indexed, fit_positions
from openbragg_tools.refine.readout import readout_of
from openbragg_tools.refine.settings import best_setting, other_settings
from openbragg_tools.refine.shoeboxes import Shoeboxes, cut
from openbragg_tools.refine.spots import Spots, apart, find_spots, sized

#: Widths of the crystal along each axis at the start where nothing is said of it, in metres.
_WIDTH = 1.2e-7
#: Fewer spots than this decide nothing.
_FEWEST = 5
#: Boxes of reflections that are predicted beside the spots, at most as many; and how much of them is near the sphere.
_PREDICTED_PART = 0.3
#: The part of the spots that have indices of the crystal which is theirs; of a wrong one fewer have.
_INDEXED = 0.5


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


def usual(simulation: Simulation) -> tuple[str, ...]:
    """What is refined where nothing else is said."""
    spread = simulation.layout().experiment.crystal.mosaic_spread
    several = getattr(simulation.mosaic, "spreads", None) is not None
    spreads = [name for name, there in zip(SPREADS, (spread, several), strict=True) if there]
    return ("misset", "cell", "cells", *spreads, "scale")


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
