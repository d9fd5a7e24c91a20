"""Workers of Dask that hold stills: processes of this machine, or those of a scheduler that runs."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import attrs

from openbragg import InputError, Simulation, UsageError
from openbragg.commands import keep_freed_memory, load_torch
from openbragg_tools.refine.holding import Crew, Holder, Task, Work
from openbragg_tools.refine.results import Refined

#: Seconds in which a scheduler has to answer, and in which workers that are gone are replaced.
_ANSWER, _REPLACED = 20.0, 60.0
#: Seconds between two looks whether a worker that is waited for is still there.
_LOOK = 1.0
#: How often workers may die with no answer in between.
_MOST_DEATHS = 3
#: Runs whose stills a worker may hold at once.
_MOST_RUNS = 4
#: A worker that is told to have several threads does one thing at a time, with all of them.
_ONE_AT_A_TIME = threading.Lock()
#: Fields of a simulation that a process has of its own.
_NOT_SENT = ("structure_factors", "words", "announce", "threads", "_prepared")


@attrs.frozen
class Cluster:
    """So many processes of this machine, or the workers of the scheduler at an address."""

    workers: int = 1
    scheduler: str | None = None


@contextmanager
def on_cluster(work: Work, tasks: Sequence[Task], cluster: Cluster) -> Iterator[Crew]:
    """Workers of Dask, each of which holds some of the stills; what a lost one held others make anew.

    Raises
    ------
    OpenBraggError
        When Dask is not there, the scheduler does not answer, or workers are lost again and again.
    """
    with _quiet(), _client(cluster, work.base) as client:
        calls = _Calls(client, work, tasks)
        try:
            yield calls.crew
        finally:
            # Those of a scheduler go on, and would hold the stills for good.
            with suppress(OSError, RuntimeError):
                client.run(_forget, calls.run)


@attrs.frozen(eq=False)
class _Place:
    """What a worker holds of a run."""

    holder: Holder
    tasks: dict[int, Task] = attrs.field(factory=dict)


@attrs.frozen(eq=False)
class _Light:
    """What came of a still, without the structure factors that all stills have."""

    refined: Refined
    parts: dict[str, Any]

    @classmethod
    def of(cls, refined: Refined, base: Simulation) -> _Light:
        """As it is sent."""
        simulation = refined.simulation
        names = [each.name for each in attrs.fields(Simulation) if each.name not in _NOT_SENT]
        parts = {name: getattr(simulation, name) for name in names}
        if simulation.structure_factors is not base.structure_factors:
            parts["structure_factors"] = simulation.structure_factors
        return cls(attrs.evolve(refined, simulation=None), parts)  # type: ignore[arg-type]

    def whole(self, base: Simulation) -> Refined:
        """As it was, where the base is at hand."""
        return attrs.evolve(self.refined, simulation=base.evolve(**self.parts))


@attrs.define(eq=False)
class _Calls:
    """What is asked of workers, and which still each holds."""

    client: Any
    work: Work
    tasks: Sequence[Task]
    run: str = attrs.field(factory=lambda: uuid.uuid4().hex)
    owners: dict[int, str] = attrs.field(factory=dict)
    told: set[str] = attrs.field(factory=set)
    given: set[tuple[str, int]] = attrs.field(factory=set)
    deaths: int = 0

    def crew(self, method: str, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """See `openbragg_tools.refine.holding.Crew`."""
        alive = self._alive()
        futures = [self._asked(method, call, alive) for call in calls]
        try:
            for place in range(len(calls)):
                answer = self._answer(method, calls, futures, place)
                futures[place] = None
                yield answer.whole(self.work.base) if isinstance(answer, _Light) else answer
        finally:
            self.client.cancel([future for future in futures if future is not None])

    def _answer(self, method: str, calls: Sequence[tuple[Any, ...]], futures: list[Any], place: int) -> Any:
        distributed = _dask()
        while True:
            try:
                known, answer = futures[place].result(timeout=_LOOK)
            except TimeoutError:
                self._ask_again(method, calls, futures, place)
            except distributed.KilledWorker:
                self._died()
                futures[place] = self._asked(method, calls[place], self._alive(), lost=True)
            except (distributed.client.CancelledError, OSError):
                raise InputError("the scheduler of Dask is gone") from None
            else:
                self.deaths = 0
                if known:
                    return answer
                # It was held by another process there, which is no more.
                owner = self.owners[calls[place][0]]
                self.told.discard(owner)
                self.given.discard((owner, calls[place][0]))
                futures[place] = self._asked(method, calls[place], self._alive())

    def _ask_again(self, method: str, calls: Sequence[tuple[Any, ...]], futures: list[Any], place: int) -> None:
        """Ask others for what was asked of workers that are lost."""
        alive = self._alive()
        lost = [each for each in range(place, len(calls)) if self.owners[calls[each][0]] not in alive]
        if lost:
            self._died()
            self.client.cancel([futures[each] for each in lost])
            for each in lost:
                futures[each] = self._asked(method, calls[each], alive)

    def _asked(self, method: str, call: tuple[Any, ...], alive: Sequence[str], lost: bool = False) -> Any:
        """The future answer to a question, of whoever holds the still or is to hold it."""
        number, *arguments = call
        if lost or self.owners.get(number) not in alive:
            busy = Counter(self.owners.values())
            others = [each for each in alive if not lost or each != self.owners.get(number)] or alive
            self.owners[number] = min(others, key=lambda each: busy[each])
        owner = self.owners[number]
        work = None if owner in self.told else self.work
        task = None if (owner, number) in self.given else self.tasks[number]
        self.told.add(owner)
        self.given.add((owner, number))
        said = (self.run, work, task, number, method, arguments)
        return self.client.submit(_answered, *said, workers=[owner], allow_other_workers=False, pure=False)

    def _alive(self) -> list[str]:
        """Addresses of the workers that there are.

        Raises
        ------
        InputError
            When there are none, and none come.
        """
        until = time.monotonic() + _REPLACED
        while time.monotonic() < until:
            found = sorted(self.client.nthreads())
            if found:
                return found
            time.sleep(_LOOK)
        raise InputError("no worker of Dask is there")

    def _died(self) -> None:
        self.deaths += 1
        if self.deaths >= _MOST_DEATHS:
            raise InputError("workers of Dask die again and again, perhaps for want of memory")


def _answered(
    run: str, work: Work | None, task: Task | None, number: int, method: str, arguments: Sequence[Any]
) -> tuple[bool, Any]:
    """What a worker says of a still that it holds; False where it would have to be told the work or the task anew."""
    worker = _dask().get_worker()
    threads = worker.state.nthreads
    with _ONE_AT_A_TIME:
        places = _places(run, worker.address)
        if not places:
            if work is None:
                return False, None
            keep_freed_memory()
            load_torch()
            base = work.base.evolve(threads=threads)
            base.layout()
            places.append(_Place(Holder(attrs.evolve(work, base=base))))
        import torch

        # Of this thread, which is not the process's first.
        torch.set_num_threads(threads)
        place = places[0]
        if task is not None:
            place.tasks[number] = task
        if number not in place.tasks:
            return False, None
        answer = getattr(place.holder, method)(place.tasks[number], *arguments)
        return True, _Light.of(answer, place.holder.work.base) if isinstance(answer, Refined) else answer


@lru_cache(maxsize=_MOST_RUNS)
def _places(run: str, worker: str) -> list[_Place]:
    """What a worker of this process holds of a run: nothing at first, then one place."""
    return []


def _forget(run: str, dask_worker: Any) -> None:
    _places(run, dask_worker.address).clear()


def _heed_no_interrupts() -> None:
    """Let the process that the user ends decide: it still asks for the best so far."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _client(cluster: Cluster, base: Simulation) -> Iterator[Any]:
    distributed = _dask()
    if cluster.scheduler is not None:
        try:
            client = distributed.Client(cluster.scheduler, timeout=_ANSWER)
        except (OSError, ValueError) as error:
            raise InputError(f"--scheduler {cluster.scheduler}: {str(error).splitlines()[0]}") from None
        with client:
            yield client
        return
    cores = base.threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    options = {
        "n_workers": cluster.workers,
        "threads_per_worker": max(1, cores // cluster.workers),
        "dashboard_address": None,
        # What goes wrong is said once, by this process.
        "silence_logs": logging.CRITICAL,
    }
    with distributed.LocalCluster(**options) as local, distributed.Client(local) as client:
        with suppress(OSError, RuntimeError):
            client.run(_heed_no_interrupts)
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask's own logs say nothing of workers that are lost, which are survived, nor of images that are sent."""
    _dask()
    handlers = list(logging.getLogger("distributed").handlers)
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")
            yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


def _dask() -> Any:
    try:
        import distributed
        import distributed.client
    except ImportError:
        raise UsageError("several processes need Dask: pip install 'openbragg[dask]'") from None
    return distributed
