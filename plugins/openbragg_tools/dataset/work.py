"""Making shots: in this process or in several, whichever comes first, until all that are wanted are there."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import attrs

from openbragg import InputError, Registry
from openbragg.commands import load_torch
from openbragg_tools.dataset.recipe import Recipe, read_recipe
from openbragg_tools.dataset.shots import Shot, render_shot
from openbragg_tools.dataset.store import Store
from openbragg_tools.dataset.studio import Studio

#: Shots that wait for a worker, for each worker.
_WAITING = 2
#: How often workers may die with no shot made in between.
_MOST_DEATHS = 3
#: Seconds between two looks whether the process that started a worker is alive.
_LOOK = 1.0


@attrs.frozen
class Task:
    """What a worker needs to make shots.

    Attributes
    ----------
    recipe
        The recipe's file.
    seed
        In place of the recipe's.
    store
        Where shots are put.
    blocked
        Plugins that are not loaded.
    """

    recipe: Path
    seed: int
    store: Store
    blocked: tuple[str, ...]


def make_shots(
    task: Task,
    studio: Studio,
    shards: Sequence[int],
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make what is missing of some shards, and finish them.

    Parameters
    ----------
    task, studio
        What is made, for workers and for this process.
    shards
        Their numbers.
    workers
        Processes; with 1 it is this one.
    progress
        Called with the number of shots that are made and of all.

    Returns
    -------
    How many shots were made.

    Raises
    ------
    OpenBraggError
        When a shot cannot be made or stored, or workers die again and again. What is made stays.
    """
    store = task.store
    open_shards = [shard for shard in shards if not store.is_finished(shard)]
    missing = {shard: {number for number in store.numbers(shard) if not store.has(number)} for shard in open_shards}
    wanted = sorted(number for numbers in missing.values() for number in numbers)
    total = sum(len(store.numbers(shard)) for shard in shards)
    done = total - len(wanted)
    for shard in open_shards:
        if not missing[shard]:
            store.finish(shard)
    if progress is not None:
        progress(done, total)
    made = _in_processes(task, wanted, workers) if workers > 1 and wanted else _here(task, studio, wanted)
    for number in made:
        done += 1
        shard = number // store.shard
        missing[shard].discard(number)
        if not missing[shard]:
            store.finish(shard)
        if progress is not None:
            progress(done, total)
    return len(wanted)


def make_one(studio: Studio, number: int) -> Shot:
    """A shot alone, in this process."""
    load_torch()
    return render_shot(studio, number, studio.recipe.identity())


def _here(task: Task, studio: Studio, numbers: Sequence[int]) -> Iterator[int]:
    if numbers:
        load_torch()
    identity = studio.recipe.identity()
    for number in numbers:
        task.store.put(render_shot(studio, number, identity))
        yield number


def _in_processes(task: Task, numbers: Sequence[int], workers: int) -> Iterator[int]:
    left, deaths = list(numbers), 0
    while left:
        finished: set[int] = set()
        try:
            for number in _pooled(task, left, workers):
                finished.add(number)
                yield number
        except BrokenProcessPool:
            deaths = 0 if finished else deaths + 1
            if deaths >= _MOST_DEATHS:
                raise InputError(
                    f"workers die before they have made shot {left[0]}; is there memory for {workers} of them?"
                ) from None
        left = [number for number in left if number not in finished]


def _pooled(task: Task, numbers: Sequence[int], workers: int) -> Iterator[int]:
    """Shots from one set of workers, in the order in which they are ready."""
    waiting = iter(numbers)
    running: set[Future[int]] = set()
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(task, os.getpid())
    )
    try:
        # Whoever makes the first shot compiles the model, if need be; the others find the code in the cache.
        first = next(waiting)
        yield pool.submit(_make, first).result()
        while True:
            for number in waiting:
                running.add(pool.submit(_make, number))
                if len(running) >= _WAITING * workers:
                    break
            if not running:
                return
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """What a worker process keeps."""

    studio: Studio
    identity: str
    store: Store


def _begin(task: Task, parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    load_torch()
    import torch

    torch.set_num_threads(1)
    recipe = attrs.evolve(read_recipe(task.recipe), seed=task.seed)
    _Worker.studio = Studio(installed(task.blocked), recipe)
    _Worker.identity, _Worker.store = recipe.identity(), task.store


def installed(blocked: tuple[str, ...]) -> Registry:
    """The plugins that are installed and not blocked."""
    from openbragg.commands import load_registry

    return load_registry(blocked)


def _make(number: int) -> int:
    _Worker.store.put(render_shot(_Worker.studio, number, _Worker.identity))
    return number


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone, even if nothing could tell."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def seeded(recipe: Recipe, seed: int | None, shots: int | None) -> Recipe:
    """A recipe with another seed or number of shots, where they are given."""
    return attrs.evolve(
        recipe,
        seed=recipe.seed if seed is None else seed,
        shots=recipe.shots if shots is None else shots,
    )
