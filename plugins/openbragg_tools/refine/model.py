"""What is refined: parameters by name, and the simulation that goes with their values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from openbragg import Simulation, UsageError, unit
from openbragg_tools.refine.cells import CellForm, cell_form
from openbragg_tools.refine.columns import Columns
from openbragg_tools.refine.damping import damped, log_slopes
from openbragg_tools.refine.fields import evolved, field_parameters
from openbragg_tools.refine.panels import EACH, MOTIONS, NAMED, PANEL_GROUPS, WHOLE, PanelGroups, panel_groups
from openbragg_tools.refine.parameters import B_FACTOR, CELL_PART, GROUPS, TURN, Parameter
from openbragg_tools.refine.rotations import turn


@attrs.frozen(eq=False)
class Model:
    """A simulation as a function of numbers.

    Attributes
    ----------
    simulation
        The start.
    parameters
        Of all that may be free, in order; the scale is not among them, for it is found beside them.
    form
        What is free of the cell.
    orientation
        Rotation of the start's lattice from a* along x, b* in the xy plane, (3, 3).
    vectors
        Where orientation and cell are held: rows a*, b*, c* of the start in 1/m, (3, 3).
    groups
        Of panels that move, those within the detector before the detector as a whole.
    space_group
        What is known of the crystal's symmetry; empty for nothing.
    """

    simulation: Simulation
    parameters: tuple[Parameter, ...]
    form: CellForm
    orientation: torch.Tensor
    vectors: torch.Tensor
    groups: tuple[PanelGroups, ...] = ()
    space_group: str = ""
    _last: list[tuple[bytes, Simulation]] = attrs.field(factory=list, init=False, repr=False)

    def start(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Where the parameters start."""
        return np.array([each.start for each in self.parameters])

    def of(self, groups: Sequence[str]) -> list[int]:
        """Places of the parameters of some groups."""
        return [place for place, each in enumerate(self.parameters) if each.group in groups]

    def at(self, values: Any) -> Simulation:
        """The simulation that goes with values of the parameters; the last one is at hand."""
        numbers = torch.as_tensor(values, dtype=torch.float64)
        key = numbers.numpy().tobytes()
        if not self._last or self._last[0][0] != key:
            self._last[:] = [(key, self.changed(self.simulation, numbers))]
        return self._last[0][1]

    def changed(self, simulation: Simulation, values: torch.Tensor) -> Simulation:
        """Another simulation with these values, which keep their gradients."""
        experiment = simulation.experiment
        crystal = attrs.evolve(
            experiment.crystal, cell=None, misset=None, reciprocal_vectors=self.reciprocal_vectors(values)
        )
        parts: dict[str, Any] = {"crystal": crystal, "beam": experiment.beam, "detector": experiment.detector}
        fields: dict[str, list[torch.Tensor]] = {}
        for each, value in zip(self.parameters, values.unbind(0), strict=True):
            if each.group not in GROUPS or each.group in ("cells", "mosaic_spread"):
                fields.setdefault(each.group, []).append(value.exp() if each.logarithmic else value)
        parts = evolved(simulation, parts, fields)
        if self.groups:
            # From where they started, for the simulation may be one whose panels have been moved.
            parts["detector"] = attrs.evolve(parts["detector"], layout=self.simulation.experiment.detector.layout)
        for group in self.groups:
            parts["detector"] = group.moved(parts["detector"], values[self.of([group.kind])])
        return simulation.evolve(**parts)

    def settled(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> Simulation:
        """The simulation that goes with values of the parameters, its structure factors with their B factor."""
        own = self.of([B_FACTOR])
        return damped(self.at(values), float(values[own[0]])) if own else self.at(values)

    def photons(self, values: np.ndarray[Any, np.dtype[np.float64]], pixels: Any) -> Any:
        """The photons of pixels (slow, fast) at values of all parameters, without scale: float64, (pixels,)."""
        simulation = self.at(values)
        made = simulation.pixels(*pixels).double().numpy()
        return made * self._damping(values, simulation, pixels)[0]

    def _damping(self, values: Any, simulation: Simulation, pixels: Any) -> tuple[Any, Any]:
        """What the B factor makes of the photons of pixels, and its logarithm's derivative: (pixels,), or 1 and 0."""
        own = self.of([B_FACTOR])
        if not own:
            return 1.0, 0.0
        slope = log_slopes(simulation, pixels)
        return np.exp(float(values[own[0]]) * slope), slope

    def derivatives(self, values: np.ndarray[Any, np.dtype[np.float64]], free: Sequence[int], pixels: Any) -> Columns:
        """Derivatives of the photons of pixels by free parameters at values of all, without scale.

        A pixel moves with its own panel alone, so that all groups are moved at once, each motion in one pass.
        """
        moving = [group for group in self.groups if set(self.of([group.kind])) & set(free)]
        # Groups within the detector, each with motions of its own; the detector as a whole moves all pixels alike.
        apart = next((group for group in moving if group.kind != WHOLE), None)
        passes: dict[int, int] = {}
        number, owners = [], []
        begin = self.of([apart.kind])[0] if apart is not None else 0
        for place in free:
            own = apart is not None and self.parameters[place].group == apart.kind
            group, motion = divmod(place - begin, len(MOTIONS)) if own else (-1, place)
            number.append(passes.setdefault(motion + begin if own else place, len(passes)))
            owners.append(group)
        held, places = torch.as_tensor(values, dtype=torch.float64), torch.tensor(list(free))

        def change(simulation: Simulation, numbers: torch.Tensor) -> Simulation:
            if not (numbers.requires_grad or has_tangent(numbers)):
                return self.at(values)
            return self.changed(simulation, held.index_add(0, places, numbers[number]))

        made = self.simulation.derivatives(change, np.zeros(len(passes)), pixels).double().numpy()
        factor, slope = self._damping(values, self.at(values), pixels)
        # Of what moves pixels' d the factor's own change is left out: it is nothing beside that of the spots.
        made = made * np.reshape(factor, (-1, 1))
        for column, place in zip(number, free, strict=True):
            if self.parameters[place].group == B_FACTOR:
                made[:, column] = slope * self.photons(values, pixels)
        by = np.full((1 + (0 if apart is None else len(apart.members)), len(passes)), -1)
        for column, (each, group) in enumerate(zip(number, owners, strict=True)):
            by[group if group >= 0 else slice(None), each] = column
        of_pixels = np.full(len(made), -1)
        if apart is not None:
            of_pixels = apart.owners(self.simulation.layout().panels, *pixels)
        return Columns(made, of_pixels, by, len(number))

    def reciprocal_vectors(self, values: torch.Tensor) -> torch.Tensor:
        """Rows a*, b*, c* in 1/m, (3, 3)."""
        vectors = self.vectors
        if cell := self.of(["cell"]):
            vectors = standard_vectors(self.form.cell(values[cell])) @ self.orientation.T
        if turned := self.of(["misset"]):
            vectors = vectors @ turn(values[turned]).T
        return vectors

    def orientation_at(self, values: torch.Tensor) -> torch.Tensor:
        """How the lattice is turned from a* along x and b* in the xy plane, (3, 3)."""
        turned = self.of(["misset"])
        return turn(values[turned]) @ self.orientation if turned else self.orientation

    def with_vectors(self, vectors: torch.Tensor) -> Model:
        """The same model with another start of orientation and cell; rows a*, b*, c*, (3, 3)."""
        cell, orientation = cell_and_orientation(vectors)
        parameters = list(self.parameters)
        for place, value in zip(self.of(["cell"]), self.form.free(cell), strict=False):
            parameters[place] = attrs.evolve(parameters[place], start=value)
        return attrs.evolve(self, parameters=tuple(parameters), orientation=orientation, vectors=vectors)


def has_tangent(numbers: torch.Tensor) -> bool:
    """Whether numbers are being differentiated forwards."""
    return torch.autograd.forward_ad.unpack_dual(numbers).tangent is not None  # type: ignore[no-untyped-call]


def make_model(
    simulation: Simulation,
    free: Sequence[str],
    space_group: str = "",
    priors: Mapping[str, tuple[float, float]] | None = None,
    groups: Sequence[Sequence[int]] = (),
) -> Model:
    """A model of a simulation whose parameters of some groups are free.

    Parameters
    ----------
    simulation
        The start.
    free
        Groups: ``misset``, ``cell``, ``cells``, ``mosaic_spread``, ``scale``, a continuous field of the experiment, or
        ``detector``, ``panels`` and ``groups`` for what moves as a rigid body.
    space_group
        Constrains the cell; by default what the structure factors say.
    priors
        By names of parameters mean and standard deviation, in the units in which people see them.
    groups
        Numbers of the panels of each group that ``groups`` frees.

    Raises
    ------
    UsageError
        For a name that is none, a prior that is none, or a start whose cell is none of the space group.
    """
    layout = simulation.layout()
    crystal = layout.experiment.crystal
    vectors = torch.linalg.inv(torch.as_tensor(crystal.oriented_vectors()).detach()).T
    simulation = simulation.evolve(
        crystal=attrs.evolve(
            simulation.experiment.crystal,
            cell=None,
            misset=None,
            reciprocal_vectors=vectors,
            mosaic_domains=crystal.mosaic_domains,
        ),
        sampling=attrs.evolve(simulation.experiment.sampling, oversample=layout.experiment.sampling.oversample),
    )
    cell, orientation = cell_and_orientation(vectors)
    space_group = space_group or layout.parts.space_group
    form = cell_form(space_group, cell)
    parameters: list[Parameter] = []
    if EACH in free and NAMED in free:
        raise UsageError("free: panels and groups are both asked for: a panel is in one group")
    if groups and NAMED not in free:
        raise UsageError("-groups: groups are not free: say -also groups")
    # Panels move within the detector before it moves as a whole.
    moving = [panel_groups(layout.experiment.detector, kind, groups) for kind in (EACH, NAMED, WHOLE) if kind in free]
    for group in dict.fromkeys(free):
        if group == "misset":
            parameters += [Parameter(f"misset_{axis}", group, 0.0, TURN, "deg") for axis in "xyz"]
        elif group == "cell":
            for name, value in zip(form.names, form.free(cell), strict=True):
                edge = len(name) == 1
                parameters.append(
                    Parameter(name, group, value, CELL_PART * value if edge else CELL_PART, "A" if edge else "deg")
                )
        elif group in PANEL_GROUPS:
            (bodies,) = (each for each in moving if each.kind == group)
            parameters += [Parameter(name, group, 0.0, stride, shown) for name, stride, shown in bodies.numbers()]
        elif group == B_FACTOR:
            parameters.append(Parameter("B", group, 0.0, 5e-20, "A^2"))
        elif group != "scale":
            parameters += field_parameters(simulation, layout.experiment, group)
    known = {each.name for each in parameters}
    for name in priors or {}:
        if name not in known:
            raise UsageError(f"prior: expected one of {', '.join(sorted(known))}, got {name}")
    parameters = [
        attrs.evolve(each, prior=_inside(each, priors[each.name])) if priors and each.name in priors else each
        for each in parameters
    ]
    return Model(simulation, tuple(parameters), form, orientation, vectors, tuple(moving), space_group)


def _inside(parameter: Parameter, prior: tuple[float, float]) -> tuple[float, float]:
    """A prior in SI units and radians."""
    mean, sigma = prior
    least = 0.0 if parameter.logarithmic else -math.inf
    if not (least < mean < math.inf and 0.0 < sigma < math.inf):
        expected = f"a mean{' above 0' if parameter.logarithmic else ''} and a standard deviation above 0"
        raise UsageError(f"prior of {parameter.name}: expected {expected}, got {mean:g} and {sigma:g}")
    if not parameter.unit:
        return mean, sigma
    shown = unit(parameter.unit)
    return shown.to_si(mean), shown.to_si(sigma)


def standard_vectors(cell: torch.Tensor) -> torch.Tensor:
    """Rows a*, b*, c* in 1/m of a cell (6,), a* along x and b* in the xy plane, (3, 3); it keeps gradients."""
    a, b, c, alpha, beta, gamma = cell.unbind(0)
    zero = torch.zeros_like(a)
    # Real vectors with c along z, from whose inverse a* is along x: Busing and Levy, Acta Cryst. 22, 457 (1967).
    along = (gamma.cos() - alpha.cos() * beta.cos()) / alpha.sin()
    real = torch.stack(
        [
            torch.stack([a * (1.0 - along * along - beta.cos() ** 2).sqrt(), a * along, a * beta.cos()]),
            torch.stack([zero, b * alpha.sin(), b * alpha.cos()]),
            torch.stack([zero, zero, c]),
        ]
    )
    reciprocal: torch.Tensor = torch.linalg.inv(real).T
    return reciprocal


def cell_and_orientation(vectors: torch.Tensor) -> tuple[list[float], torch.Tensor]:
    """The cell in metres and radians, and how its standard vectors are turned, (3, 3), from rows a*, b*, c*."""
    real = torch.linalg.inv(vectors).T
    lengths = real.norm(dim=1)
    a, b, c = (real / lengths.unsqueeze(1)).unbind(0)
    cell = torch.cat([lengths, torch.stack([b @ c, a @ c, a @ b]).acos()])
    turned = torch.linalg.solve(standard_vectors(cell), vectors).T
    # Rounding and a cell that is symmetrised leave no exact rotation.
    left, _, right = torch.linalg.svd(turned)
    return cell.tolist(), left @ right
