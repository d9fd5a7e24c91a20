"""Several processes of this machine that make shots."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue

from openbragg_tools.dataset.work import MOST_DEATHS, WAITING, Crew, Task, died, worker_of

#: Seconds between two looks whether the process that started a worker is alive.
_LOOK = 1.0


def in_processes(task: Task, workers: int) -> Crew:
    """So many processes of this machine, of one thread each; those that die are replaced."""

    def make(numbers: Sequence[int]) -> Iterator[int]:
        left, deaths = list(numbers), 0
        while left:
            finished: set[int] = set()
            try:
                for number in _pooled(task, left, workers):
                    finished.add(number)
                    yield number
            except BrokenProcessPool:
                deaths = 0 if finished else deaths + 1
                if deaths >= MOST_DEATHS:
                    raise died(left, workers) from None
            left = [number for number in left if number not in finished]

    return make


def _pooled(task: Task, numbers: Sequence[int], workers: int) -> Iterator[int]:
    """Shots from one set of workers, in the order in which they are ready."""
    waiting = iter(numbers)
    running: set[Future[int]] = set()
    context, count = multiprocessing.get_context("spawn"), min(workers, len(numbers))
    places = context.SimpleQueue()
    for place in range(count):
        places.put(place)
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(task, os.getpid(), places))
    try:
        while True:
            for number in waiting:
                running.add(pool.submit(_make, task, number))
                if len(running) >= WAITING * workers:
                    break
            if not running:
                return
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(task: Task, parent: int, places: SimpleQueue[int]) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    worker_of(task).use_device(places.get())


def _make(task: Task, number: int) -> int:
    return worker_of(task).make(number)


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone, even if nothing could tell."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
