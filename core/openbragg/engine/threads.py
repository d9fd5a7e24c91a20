"""Cores share the pieces of a sum."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Generic, TypeVar

import attrs
import torch

Result = TypeVar("Result")

#: Seconds after which results are handed on that are there: a thread that waits for each would hold up those that work.
_PATIENCE = 0.05


class Workers:
    """Threads that are started when they are first needed, and then wait for more to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._count, self._process = 0, 0

    def __reduce__(self) -> tuple[type[Workers], tuple[()]]:
        return Workers, ()

    def start(self, work: Callable[[], None], times: int, threads: int) -> list[Future[None]]:
        """Have a piece of work done so many times, at once as far as there are threads: so many at least."""
        with self._lock:
            # Of the threads of a process, another one that was forked from it has none.
            if self._pool is None or self._count < threads or self._process != os.getpid():
                self._pool = ThreadPoolExecutor(threads, thread_name_prefix="openbragg")
                self._count, self._process = threads, os.getpid()
            return [self._pool.submit(work) for _ in range(times)]


@attrs.frozen
class Team:
    """So many threads that work at a time, and where they come from."""

    size: int
    workers: Workers = attrs.field(factory=Workers)


def in_threads(
    work: Callable[[tuple[int, int]], Result], pieces: list[tuple[int, int]], device: torch.device, team: Team
) -> Iterator[Result]:
    """Have a team do pieces of work; on a GPU, whose queue is one, in turn. Results come in the pieces' order.

    Each piece is one thread's: torch's own threads would wait for each other, and for cores that are taken.
    """
    threads = min(team.size, len(pieces))
    if device.type != "cpu":
        yield from map(work, pieces)
        return
    with operations_in_one_thread():
        if threads <= 1:
            yield from map(work, pieces)
            return
        shared: _Shared[Result] = _Shared(work, pieces)
        started: list[Future[None]] = []
        try:
            started = team.workers.start(shared.work_off, threads, threads)
            yield from shared.results()
        finally:
            shared.stopped = True
            wait(started)


class _Shared(Generic[Result]):
    """Pieces that several threads work off, and what comes of them."""

    def __init__(self, work: Callable[[tuple[int, int]], Result], pieces: list[tuple[int, int]]) -> None:
        self._work, self._pieces = work, pieces
        self._taken, self._ready = 0, 0
        self._found: dict[int, Result] = {}
        self._failure: BaseException | None = None
        self._lock, self._over = threading.Lock(), threading.Event()
        self.stopped = False

    def work_off(self) -> None:
        """Take pieces and do them until there are no more, or one fails."""
        torch.set_num_threads(1)
        while not self.stopped:
            with self._lock:
                place, self._taken = self._taken, self._taken + 1
            if place >= len(self._pieces):
                return
            try:
                self._found[place] = self._work(self._pieces[place])
            except BaseException as error:
                self._failure, self.stopped = error, True
                self._over.set()
                return
            with self._lock:
                self._ready += 1
                if self._ready == len(self._pieces):
                    self._over.set()

    def results(self) -> Iterator[Result]:
        """What the pieces gave, in their order; the first failure, when it comes, is raised."""
        for place in range(len(self._pieces)):
            while place not in self._found:
                if self._failure is not None:
                    raise self._failure
                self._over.wait(_PATIENCE)
            yield self._found.pop(place)


def default_threads() -> int:
    """Cores to use when nobody says: all that this process may use, one in a worker of another process.

    What OMP_NUM_THREADS or `torch.set_num_threads` allow is an upper limit.
    """
    from multiprocessing import parent_process

    if parent_process() is not None:
        return 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), allowed))


@contextmanager
def operations_in_one_thread() -> Iterator[None]:
    """Keep torch's threads, which would wait for more work and turn in circles, out of the way of ours."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
