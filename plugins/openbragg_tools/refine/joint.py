"""Many stills refined together: each crystal has parameters of its own, detector and beam are shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from openbragg import InputError, Simulation, options_of
from openbragg_tools.refine.bordered import Block, Bordered
from openbragg_tools.refine.determined import Determined, determined
from openbragg_tools.refine.elimination import Fit
from openbragg_tools.refine.gauge import held, held_motions
from openbragg_tools.refine.levenberg import limited, within
from openbragg_tools.refine.panels import PANEL_GROUPS
from openbragg_tools.refine.parameters import Parameter
from openbragg_tools.refine.preparation import Asked, Prepared, prepare, usual
from openbragg_tools.refine.refinement import concluded, refine_alone, refuse_unexplained, still_open
from openbragg_tools.refine.results import Named, Refined

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Damping at the start, and what it is multiplied by after a step that went down and one that did not.
_DAMPING, _LESS, _MORE, _HOPELESS = 1e-3, 0.1, 8.0, 1e8
#: The loss that further steps have to save to be made, of all stills and of each alone before they are joined.
_ENOUGH, _ENOUGH_ALONE = 0.1, 1.0
#: Called with what is done, and of how much.
Watch = Callable[[int, int], None]


@attrs.frozen(eq=False)
class JointStep:
    """A point that the refinement came to: values of what is shared, and the loss of all stills."""

    values: Array
    loss: float


@attrs.frozen(eq=False)
class RefinedStills(Named):
    """What came of a refinement of many stills.

    Attributes
    ----------
    stills
        Each still that was refined, with its own parameters.
    numbers
        Which of the images they are, from 0.
    parameters
        What the stills share.
    start, values
        Of the shared parameters, inside.
    determined
        Their errors, with what is unknown of every still.
    left_out
        Numbers of the images that are left out, and why.
    history
        Every point of the stills together.
    notices
        What the user should know.
    interrupted
        Whether the user ended it.
    """

    stills: tuple[Refined, ...]
    numbers: tuple[int, ...]
    parameters: tuple[Parameter, ...]
    start: Array
    values: Array
    determined: Determined
    left_out: tuple[tuple[int, str], ...]
    history: tuple[JointStep, ...]
    notices: tuple[str, ...]
    interrupted: bool

    def reduced_chi_squared(self) -> float:
        """The mean of Z squared of all stills, for what was fitted."""
        freedom = sum(still.freedom() for still in self.stills) - len(self.parameters)
        return sum(float(np.square(still.deviations()).sum()) for still in self.stills) / max(1, freedom)


@attrs.define(eq=False)
class _Still:
    """A still, and where it is."""

    number: int
    prepared: Prepared
    values: Array
    fit: Fit

    def moved(self, values: Array) -> _Still:
        """It with other values."""
        return _Still(self.number, self.prepared, values, self.prepared.problem.fit(values, self.fit))

    def forget(self) -> None:
        """Let go of what can be made again: of a thousand stills it would fill the memory."""
        self.prepared.problem.last = None

    def loss(self) -> float:
        return self.prepared.problem.loss(self.values, self.fit)


@attrs.define(eq=False)
class _Joint:
    """Stills, and what they share: the last parameters of each."""

    stills: list[_Still]
    parameters: tuple[Parameter, ...]
    held: Array
    watch: Watch
    bordered: Bordered | None = None
    history: list[JointStep] = attrs.field(factory=list)

    @property
    def shared(self) -> Array:
        """Values of what is shared."""
        values: Array = self.stills[0].values[self.own :]
        return values

    @property
    def own(self) -> int:
        """How many parameters are of one still, without the scale."""
        return len(self.stills[0].values) - len(self.parameters)

    def loss(self, stills: Sequence[_Still]) -> float:
        """Of all stills, and of the priors of what is shared."""
        weights = (
            each.weight(value) for each, value in zip(self.parameters, stills[0].values[self.own :], strict=True)
        )
        priors = sum(slope**2 / weight for weight, slope in weights if weight)
        return sum(still.loss() for still in stills) + priors

    def equations(self) -> Bordered:
        """The normal equations; one still's derivatives are in memory at a time."""
        count, own = len(self.parameters), self.own
        shared, gradient, blocks = np.zeros((count, count)), np.zeros(count), []
        for number, still in enumerate(self.stills):
            every = list(range(own + count))
            matrix, slopes = still.prepared.problem.equations(still.values, still.fit, every)
            still.forget()
            # The scale is the last of all, and the still's own.
            mine = [*range(own), *range(own + count, len(slopes))]
            theirs = slice(own, own + count)
            blocks.append(Block(matrix[np.ix_(mine, mine)], matrix[mine, theirs], slopes[mine]))
            shared += matrix[theirs, theirs]
            gradient += slopes[theirs]
            self.watch(number + 1, len(self.stills))
        for place, (each, value) in enumerate(zip(self.parameters, self.shared, strict=True)):
            weight, slope = each.weight(float(value))
            shared[place, place] += weight
            gradient[place] += slope
        return Bordered(tuple(blocks), held(shared, self.held), gradient)

    def refine(self, steps: int) -> None:
        """Levenberg and Marquardt's steps of all stills together; `stills` are always the best so far."""
        damping = _DAMPING
        loss = self.loss(self.stills)
        self.history.append(JointStep(self.shared.copy(), loss))
        before, left = 0.0, np.inf
        for _ in range(steps):
            self.bordered = self.equations()
            saved = 0.0
            while damping < _HOPELESS:
                moved, promised = self._trial(damping)
                saved = loss - self.loss(moved)
                if saved > 0.0 and np.isfinite(saved):
                    self.stills, loss = moved, loss - saved
                    left = to_come(saved, before if damping <= _DAMPING else 0.0)
                    before = saved
                    if left > _ENOUGH:
                        # A last step hardly changes the equations, from which errors come.
                        self.bordered = None
                    damping = max(damping * _LESS, 1e-9)
                    self.history.append(JointStep(self.shared.copy(), loss))
                    break
                # Nothing that matters is left to be saved.
                if promised < _ENOUGH:
                    return
                damping *= _MORE
            if not left > _ENOUGH:
                return

    def _trial(self, damping: float) -> tuple[list[_Still], float]:
        """The stills after a step, and what it should save."""
        assert self.bordered is not None
        step, owns = self.bordered.step(damping, np.array([each.stride for each in self.parameters]))
        moved = []
        for still, own in zip(self.stills, owns, strict=True):
            problem, count = still.prepared.problem, self.own
            strides = np.array([each.stride for each in problem.model.parameters[:count]])
            whole = np.concatenate([limited(own[:count], strides), step])
            moved.append(still.moved(within(problem, still.values, range(len(whole)), whole)))
        return moved, self.bordered.promised(step, owns)


def refine_stills(
    simulations: Sequence[Simulation],
    images: Iterable[Any],
    free: Sequence[str] | None,
    asked: Sequence[Asked],
    steps: int = 30,
    watch: Watch | None = None,
) -> RefinedStills:
    """Refine stills, first each alone and then all together; see `openbragg_tools.refine.stills.refine`.

    Parameters
    ----------
    simulations, images, asked
        Of each still; images may be read one by one.

    Raises
    ------
    OpenBraggError
        When no still can be used.
    """
    watch = watch or (lambda done, total: None)
    free = free if free is not None else usual(simulations[0])
    of_all = [name for name in dict.fromkeys(free) if is_shared(simulations[0], name)]
    of_each = [name for name in dict.fromkeys(free) if name not in of_all]
    stills: list[_Still] = []
    left_out: list[tuple[int, str]] = []
    notices: list[str] = []
    interrupted = False
    shared: tuple[Parameter, ...] = ()
    try:
        for number, (simulation, image, own_asked) in enumerate(zip(simulations, images, asked, strict=True)):
            try:
                prepared = prepare(simulation, image, [*of_each, *of_all], own_asked)
                shared = tuple(each for each in prepared.problem.model.parameters if each.group in of_all)
                still, ended = _alone(number, prepared, len(shared), steps)
            except InputError as error:
                left_out.append((number, str(error)))
                continue
            stills.append(still)
            notices += [line for line in prepared.notices if line not in notices]
            prepared.notices.clear()
            watch(number + 1, len(simulations))
            if ended:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        interrupted = True
        if not stills:
            raise
    if not stills:
        raise InputError(f"no still can be refined: {left_out[0][1]}")
    notices += [f"image {number + 1} is left out: {line}" for number, line in left_out]
    model = stills[0].prepared.problem.model
    places = list(range(len(model.parameters) - len(shared), len(model.parameters)))
    rows, lines = held_motions(model, places) if shared else (np.zeros((0, 0)), [])
    notices += lines
    joint = _Joint(stills, shared, rows, watch)
    if shared and not interrupted:
        try:
            joint.refine(steps)
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        notices.append("interrupted: what was best until then is kept")
    return _concluded(joint, left_out, notices, interrupted)


def to_come(saved: float, before: float) -> float:
    """What all further steps will save if each saves as small a part of the last one's as this one did.

    The part is the same for ten stills and for a thousand, what they save is not. It is what this one saved after a
    first step, and where steps were held back.
    """
    part = saved / before if before > 0.0 else 1.0
    return saved * min(1.0, part / (1.0 - part)) if part < 1.0 else saved


def is_shared(simulation: Simulation, name: str) -> bool:
    """Whether all stills have one value of what a word frees: settings of detector and beam, and motions of panels."""
    if name in PANEL_GROUPS:
        return True
    part, _, field = name.rpartition(".")
    parts: Mapping[str, Any] = {"beam": simulation.experiment.beam, "detector": simulation.experiment.detector}
    return any(part in ("", each) and field in dict(options_of(type(held))) for each, held in parts.items())


def _alone(number: int, prepared: Prepared, shared: int, steps: int) -> tuple[_Still, bool]:
    """A still refined by itself, with what is shared as it starts; and whether the user ended it.

    Raises
    ------
    InputError
        When its crystal does not explain it.
    """
    problem = prepared.problem
    parameters = problem.model.parameters
    count = len(parameters) - shared
    # What is known beforehand of what is shared counts once, not with every still.
    apart = tuple(attrs.evolve(each, prior=None) if place >= count else each for place, each in enumerate(parameters))
    problem.model = attrs.evolve(problem.model, parameters=apart)
    enough = _ENOUGH_ALONE if shared else 1e-2
    values, fit, ended = refine_alone(prepared, list(range(count)), steps, enough)
    refuse_unexplained(prepared, fit)
    return _Still(number, prepared, values, fit), ended


def _concluded(joint: _Joint, left_out: list[tuple[int, str]], notices: list[str], interrupted: bool) -> RefinedStills:
    """What came of it, with the errors of what is shared and of each still."""
    bordered = joint.bordered or joint.equations()
    complement = bordered.complement()
    errors = determined(complement, [still_open(each) for each in joint.parameters])
    if errors.open:
        names = ", ".join(joint.parameters[place].name for place in errors.open)
        notices.append(f"the data do not determine {names}: hold it, or give a prior")
    refined = []
    for number, still in enumerate(joint.stills):
        told = range(joint.own)
        one = concluded(still.prepared, still.values, still.fit, bordered.own(number, complement), told, interrupted)
        notices += [f"image {still.number + 1}: {line}" for line in one.notices]
        refined.append(one)
    return RefinedStills(
        tuple(refined),
        tuple(still.number for still in joint.stills),
        joint.parameters,
        np.array([each.start for each in joint.parameters]),
        joint.shared.copy(),
        errors,
        tuple(left_out),
        tuple(joint.history),
        tuple(notices),
        interrupted,
    )
