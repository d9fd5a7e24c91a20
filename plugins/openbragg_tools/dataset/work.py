"""Making shots, whoever makes them, until all that are wanted are there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import attrs

from openbragg import InputError, LinkingFormat, Registry
from openbragg.commands import keep_freed_memory, load_torch
from openbragg_tools.dataset.recipe import Recipe, read_recipe
from openbragg_tools.dataset.shots import Shot, render_shot
from openbragg_tools.dataset.store import Store
from openbragg_tools.dataset.studio import Studio

#: Makes shots of these numbers, keeps them in the store, and says of each that it is there, in any order.
Crew = Callable[[Sequence[int]], Iterator[int]]

#: Shots that are given out, for each worker: one that it makes, and one that waits.
WAITING = 2
#: How often workers may die with no shot made in between.
MOST_DEATHS = 3


@attrs.frozen
class Task:
    """What a worker needs to make shots.

    Attributes
    ----------
    recipe
        The recipe's file.
    identity, seed
        The recipe's, and the seed in place of the recipe's.
    store
        Where shots are put.
    blocked
        Plugins that are not loaded.
    """

    recipe: Path
    identity: str
    seed: int
    store: Store
    blocked: tuple[str, ...]


@attrs.frozen(eq=False)
class Worker:
    """What a process that makes shots keeps."""

    studio: Studio
    identity: str
    store: Store

    @classmethod
    def of(cls, task: Task) -> Worker:
        """A worker on one core, in a process of its own.

        Raises
        ------
        InputError
            When the recipe has been changed since the task was given.
        """
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        keep_freed_memory()
        load_torch()
        import torch

        torch.set_num_threads(1)
        recipe = attrs.evolve(read_recipe(task.recipe), seed=task.seed)
        if recipe.identity() != task.identity:
            raise InputError(f"{task.recipe}: changed while its shots are made")
        return cls(Studio(installed(task.blocked), recipe), task.identity, task.store)

    def use_device(self, place: int) -> None:
        """Compute on one of the graphics cards, if the recipe asks for such, that of the worker's place among others.

        It is the thread's, so that every thread that makes shots has to be told.
        """
        if "cuda" in self.studio.recipe.flags:
            import torch

            torch.cuda.set_device(place % max(1, torch.cuda.device_count()))

    def make(self, number: int) -> int:
        """Make a shot, keep it, and return its number."""
        self.store.put(render_shot(self.studio, number, self.identity))
        return number


@lru_cache(maxsize=1)
def worker_of(task: Task) -> Worker:
    """The worker that this process is, as long as it has the same task."""
    return Worker.of(task)


def here(studio: Studio, store: Store) -> Crew:
    """This process alone."""

    def make(numbers: Sequence[int]) -> Iterator[int]:
        keep_freed_memory()
        load_torch()
        worker = Worker(studio, studio.recipe.identity(), store)
        return map(worker.make, numbers)

    return make


def make_shots(
    store: Store,
    shards: Sequence[int],
    crew: Crew,
    progress: Callable[[int, int], None] | None = None,
    linking: LinkingFormat | None = None,
) -> int:
    """Make what is missing of some shards, and finish them.

    Parameters
    ----------
    store
        Where shots are kept.
    shards
        Their numbers.
    crew
        Who makes them.
    progress
        Called with the number of shots that are made and of all.
    linking
        Of files that show shards to other programs.

    Returns
    -------
    How many shots were made.

    Raises
    ------
    OpenBraggError
        When a shot cannot be made or stored, or workers die again and again. What is made stays.
    """
    open_shards = [shard for shard in shards if not store.is_finished(shard)]
    missing = {shard: store.missing(shard) for shard in open_shards}
    wanted = sorted(number for numbers in missing.values() for number in numbers)
    total = sum(len(store.numbers(shard)) for shard in shards)
    done = total - len(wanted)
    for shard in open_shards:
        store.open_shard(shard)
        if not missing[shard]:
            store.finish(shard, linking)
    if progress is not None:
        progress(done, total)
    for number in crew(wanted) if wanted else ():
        done += 1
        shard = number // store.shard
        missing[shard].discard(number)
        if not missing[shard]:
            store.finish(shard, linking)
        if progress is not None:
            progress(done, total)
    return len(wanted)


def make_one(studio: Studio, number: int) -> Shot:
    """A shot alone, in this process."""
    load_torch()
    return render_shot(studio, number, studio.recipe.identity())


def installed(blocked: tuple[str, ...]) -> Registry:
    """The plugins that are installed and not blocked."""
    from openbragg.commands import load_registry

    return load_registry(blocked)


def died(numbers: Sequence[int], workers: int) -> InputError:
    """What is said when workers die again and again."""
    return InputError(f"workers die before they have made shot {numbers[0]}; is there memory for {workers} of them?")


def seeded(recipe: Recipe, seed: int | None, shots: int | None) -> Recipe:
    """A recipe with another seed or number of shots, where they are given."""
    return attrs.evolve(
        recipe,
        seed=recipe.seed if seed is None else seed,
        shots=recipe.shots if shots is None else shots,
    )
