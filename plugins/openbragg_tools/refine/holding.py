"""Who holds stills that are refined together: each is asked for what its own pixels say, wherever it is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from openbragg import Beam, Crystal, InputError, OpenBraggError, ReadImage, Simulation
from openbragg_tools.refine.elimination import Fit
from openbragg_tools.refine.gauge import held_motions
from openbragg_tools.refine.parameters import Parameter
from openbragg_tools.refine.preparation import Asked, Prepared, prepare
from openbragg_tools.refine.refinement import concluded, refine_alone, refuse_unexplained
from openbragg_tools.refine.results import Refined

Array = np.ndarray[Any, np.dtype[np.float64]]
#: The loss that a step of a still alone has to save for another one: where it is joined with others, and where not.
_ENOUGH_ALONE, _ENOUGH = 1.0, 1e-2
#: Parts of a simulation in which a still may be like no other.
_OWN = ("crystal", "beam")
#: Types whose values can be compared.
_PLAIN = (str, int, float, frozenset, torch.device)
#: Fields that are no part of what is simulated, and those that are compared one by one.
_NO_PARTS = ("experiment", "words", "announce", "_prepared")


@attrs.frozen(kw_only=True, eq=False)
class Work:
    """What all stills have in common.

    Attributes
    ----------
    base
        A start, from which the others are made as far as they are like it.
    of_each, of_all
        What is refined of each crystal, and what all share.
    steps
        At most so many in each stage.
    """

    base: Simulation
    of_each: tuple[str, ...]
    of_all: tuple[str, ...]
    steps: int


@attrs.frozen(kw_only=True, eq=False)
class Task:
    """A still that is to be held.

    Attributes
    ----------
    number
        Which of the images it is, from 0.
    own
        Its crystal and beam, or its whole start where that is otherwise unlike the others' base.
    read
        Reads its image.
    asked
        What is said of it.
    """

    number: int
    own: tuple[Crystal, Beam] | Simulation
    read: Callable[[], ReadImage]
    asked: Asked

    def start(self, base: Simulation) -> Simulation:
        """Its start, which shares with the base what is the same."""
        return self.own if isinstance(self.own, Simulation) else base.evolve(**dict(zip(_OWN, self.own, strict=True)))


@attrs.frozen(kw_only=True, eq=False)
class Begun:
    """A still that has been refined alone.

    Attributes
    ----------
    values, loss
        Of all its parameters, what is shared last; and of its pixels.
    parameters
        These.
    shared
        The last of them, with what is known of them beforehand, which counts once for all stills.
    notices
        What the user should know.
    ended
        Whether the user ended it.
    """

    values: Array
    loss: float
    parameters: tuple[Parameter, ...]
    shared: tuple[Parameter, ...]
    notices: tuple[str, ...]
    ended: bool


@attrs.frozen(eq=False)
class LeftOut:
    """A still that cannot be refined, and why."""

    why: str


@attrs.frozen(eq=False)
class _Point:
    """Values of a still's parameters, and what goes with them."""

    values: Array
    fit: Fit


@attrs.define(eq=False)
class _Held:
    """A still: where it is, and where it was tried last."""

    prepared: Prepared
    now: _Point
    tried: _Point | None = None


#: Has a method of `Holder` called for some stills, by their numbers and what else it takes; answers are in that order.
Crew = Callable[[str, Sequence[tuple[Any, ...]]], Iterator[Any]]


@attrs.define(eq=False)
class Holder:
    """Stills that are held in one process, by their numbers.

    Whoever asks says where the still is; one that is not held is made anew there, for another process may have had it.
    """

    work: Work
    held: dict[int, _Held] = attrs.field(factory=dict, init=False)

    def begin(self, task: Task) -> Begun | LeftOut:
        """Prepare a still, refine it by itself, with what is shared as it starts, and hold it.

        Raises
        ------
        OpenBraggError
            When its image cannot be read.
        """
        image = task.read()
        try:
            prepared, shared = self._prepared(task, image)
            parameters = prepared.problem.model.parameters
            free = list(range(len(parameters) - len(shared)))
            enough = _ENOUGH_ALONE if shared else _ENOUGH
            values, fit, ended = refine_alone(prepared, free, self.work.steps, enough)
            refuse_unexplained(prepared, fit)
        except InputError as error:
            return LeftOut(str(error))
        self.held[task.number] = _Held(prepared, _Point(values, fit))
        notices = tuple(prepared.notices)
        prepared.notices.clear()
        return Begun(
            values=values,
            loss=prepared.problem.loss(values, fit),
            parameters=parameters,
            shared=shared,
            notices=notices,
            ended=ended,
        )

    def motions(self, task: Task, values: Array, places: list[int]) -> tuple[Array, list[str]]:
        """See `held_motions`."""
        return held_motions(self._at(task, values).prepared.problem.model, places)

    def equations(self, task: Task, values: Array) -> tuple[Array, Array]:
        """The normal matrix and the gradient of all parameters, and the scale's logarithm last."""
        held = self._at(task, values)
        problem = held.prepared.problem
        made = problem.equations(values, held.now.fit, list(range(len(values))))
        # Of a thousand stills what can be made again would fill the memory.
        problem.last = None
        return made

    def loss(self, task: Task, values: Array, moved: Array) -> float:
        """The loss after a step from values to others; infinite where there is no such crystal."""
        held = self._at(task, values)
        try:
            fit = held.prepared.problem.fit(moved, held.now.fit)
        except OpenBraggError:
            return np.inf
        held.tried = _Point(moved, fit)
        return held.prepared.problem.loss(moved, fit)

    def conclude(self, task: Task, values: Array, matrix: Array, own: int, interrupted: bool) -> Refined:
        """What came of a still; arguments as of `concluded`, of which the first `own` parameters are told."""
        held = self._at(task, values)
        held.tried = None
        return concluded(held.prepared, values, held.now.fit, matrix, range(own), interrupted)

    def _prepared(self, task: Task, image: ReadImage) -> tuple[Prepared, tuple[Parameter, ...]]:
        """The still before it is refined, without priors of what it shares, and what that is, with them."""
        free = [*self.work.of_each, *self.work.of_all]
        prepared = prepare(task.start(self.work.base), image, free, task.asked)
        model = prepared.problem.model
        shared = tuple(each for each in model.parameters if each.group in self.work.of_all)
        bare = tuple(attrs.evolve(each, prior=None) if each in shared else each for each in model.parameters)
        prepared.problem.model = attrs.evolve(model, parameters=bare)
        return prepared, shared

    def _at(self, task: Task, values: Array) -> _Held:
        held = self.held.get(task.number)
        if held is None:
            prepared, _ = self._prepared(task, task.read())
            prepared.notices.clear()
            problem = prepared.problem
            problem.remember(problem.model.start(), problem.fit(problem.model.start()), "all")
            held = self.held[task.number] = _Held(prepared, _Point(values, problem.fit(values)))
        elif held.tried is not None and np.array_equal(held.tried.values, values):
            held.now = held.tried
        elif not np.array_equal(held.now.values, values):
            held.now = _Point(values, held.prepared.problem.fit(values, held.now.fit))
        return held


def tasks_of(
    starts: Sequence[Simulation], reads: Sequence[Callable[[], ReadImage]], asked: Sequence[Asked]
) -> list[Task]:
    """A task for each still."""
    base = starts[0]
    return [
        Task(number=number, own=_own(base, start), read=read, asked=said)
        for number, (start, read, said) in enumerate(zip(starts, reads, asked, strict=True))
    ]


def here(work: Work, tasks: Sequence[Task]) -> Crew:
    """This process alone."""
    holder = Holder(work)

    def call(method: str, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        for number, *arguments in calls:
            yield getattr(holder, method)(tasks[number], *arguments)

    return call


def _own(base: Simulation, start: Simulation) -> tuple[Crystal, Beam] | Simulation:
    """What a start has of its own, if it is crystal and beam alone."""
    parts = [each.name for each in attrs.fields(Simulation) if each.name not in _NO_PARTS]
    rest = [each.name for each in attrs.fields(type(base.experiment)) if each.name not in _OWN]
    alike = all(_same(getattr(base, name), getattr(start, name)) for name in parts) and all(
        _same(getattr(base.experiment, name), getattr(start.experiment, name)) for name in rest
    )
    return (start.experiment.crystal, start.experiment.beam) if alike else start


def _same(one: Any, other: Any) -> bool:
    """Whether two parts are one, or plain values that are equal."""
    return one is other or (isinstance(one, _PLAIN) and type(one) is type(other) and one == other)
