"""Many stills refined together: each crystal has parameters of its own, detector and beam are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from openbragg import InputError, Simulation, options_of
from openbragg_tools.refine.bordered import Block, Bordered
from openbragg_tools.refine.determined import Determined, determined
from openbragg_tools.refine.gauge import held
from openbragg_tools.refine.holding import Begun, Crew, LeftOut
from openbragg_tools.refine.levenberg import limited, within
from openbragg_tools.refine.panels import PANEL_GROUPS
from openbragg_tools.refine.parameters import Parameter
from openbragg_tools.refine.refinement import still_open
from openbragg_tools.refine.results import Named, Refined

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Damping at the start, and what it is multiplied by after a step that went down and one that did not.
_DAMPING, _LESS, _MORE, _HOPELESS = 1e-3, 0.1, 8.0, 1e8
#: The loss of all stills that further steps have to save to be made.
_ENOUGH = 0.1
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
    """A still as it is known here: where it is, and the loss of its pixels there."""

    number: int
    begun: Begun
    values: Array
    loss: float


@attrs.define(eq=False)
class _Joint:
    """Stills, and what they share: the last parameters of each."""

    stills: list[_Still]
    parameters: tuple[Parameter, ...]
    held: Array
    crew: Crew
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
        return sum(still.loss for still in stills) + priors

    def equations(self) -> Bordered:
        """The normal equations; of each still but its block is kept."""
        count, own = len(self.parameters), self.own
        shared, gradient, blocks = np.zeros((count, count)), np.zeros(count), []
        found = self.crew("equations", [(still.number, still.values) for still in self.stills])
        for number, (matrix, slopes) in enumerate(found):
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
            if self.bordered is not None:
                return

    def _trial(self, damping: float) -> tuple[list[_Still], float]:
        """The stills after a step, and what it should save."""
        assert self.bordered is not None
        step, owns = self.bordered.step(damping, np.array([each.stride for each in self.parameters]))
        places = []
        for still, own in zip(self.stills, owns, strict=True):
            parameters = still.begun.parameters
            strides = np.array([each.stride for each in parameters[: self.own]])
            whole = np.concatenate([limited(own[: self.own], strides), step])
            places.append(within(parameters, still.values, range(len(whole)), whole))
        calls = [(still.number, still.values, moved) for still, moved in zip(self.stills, places, strict=True)]
        moved = [
            _Still(still.number, still.begun, values, loss)
            for still, values, loss in zip(self.stills, places, self.crew("loss", calls), strict=True)
        ]
        return moved, self.bordered.promised(step, owns)


def refine_stills(count: int, crew: Crew, steps: int = 30, watch: Watch | None = None) -> RefinedStills:
    """Refine stills, first each alone and then all together; see `openbragg_tools.refine.stills.refine`.

    Parameters
    ----------
    count
        How many there are.
    crew
        Who holds them.

    Raises
    ------
    OpenBraggError
        When no still can be used.
    """
    watch = watch or (lambda done, total: None)
    stills: list[_Still] = []
    left_out: list[tuple[int, str]] = []
    notices: list[str] = []
    interrupted = False
    try:
        for number, begun in enumerate(crew("begin", [(number,) for number in range(count)])):
            if isinstance(begun, LeftOut):
                left_out.append((number, begun.why))
                continue
            stills.append(_Still(number, begun, begun.values, begun.loss))
            notices += [line for line in begun.notices if line not in notices]
            watch(number + 1, count)
            if begun.ended:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        interrupted = True
        if not stills:
            raise
    if not stills:
        raise InputError(f"no still can be refined: {left_out[0][1]}")
    notices += [f"image {number + 1} is left out: {line}" for number, line in left_out]
    first = stills[0]
    shared = first.begun.shared
    rows = np.zeros((0, 0))
    if shared:
        places = list(range(len(first.values) - len(shared), len(first.values)))
        ((rows, lines),) = crew("motions", [(first.number, first.values, places)])
        notices += lines
    joint = _Joint(stills, shared, rows, crew, watch)
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


def _concluded(joint: _Joint, left_out: list[tuple[int, str]], notices: list[str], interrupted: bool) -> RefinedStills:
    """What came of it, with the errors of what is shared and of each still."""
    bordered = joint.bordered or joint.equations()
    complement = bordered.complement()
    errors = determined(complement, [still_open(each) for each in joint.parameters])
    if errors.open:
        names = ", ".join(joint.parameters[place].name for place in errors.open)
        notices.append(f"the data do not determine {names}: hold it, or give a prior")
    calls = [
        (still.number, still.values, bordered.own(number, complement), joint.own, interrupted)
        for number, still in enumerate(joint.stills)
    ]
    refined = list(joint.crew("conclude", calls))
    for still, one in zip(joint.stills, refined, strict=True):
        notices += [f"image {still.number + 1}: {line}" for line in one.notices]
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
