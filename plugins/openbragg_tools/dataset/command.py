"""``openbragg dataset``: labelled images by the thousand."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from openbragg import InputError, UsageError, hookimpl
from openbragg_tools.dataset.words import HELP, PARAMETERS, Asked

if TYPE_CHECKING:
    from openbragg import Command, Registry
    from openbragg_tools.dataset.cluster import Cluster
    from openbragg_tools.dataset.recipe import Recipe
    from openbragg_tools.dataset.store import Store
    from openbragg_tools.dataset.work import Crew

#: What SLURM tells the tasks of a job array.
_ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")


@attrs.frozen
class Dataset:
    """The command that makes data sets."""

    name: ClassVar[str] = "dataset"
    summary: ClassVar[str] = "Make labelled images by the thousand from a recipe."
    flags: ClassVar[tuple[str, ...]] = ()
    python_name: ClassVar[str] = "datasets"

    @staticmethod
    def python() -> ModuleType:
        """See `openbragg.Command`: the module that reads what the command makes."""
        from openbragg_tools.dataset import reading

        return reading

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`; its recipe has flags of all plugins."""

        def run(**words: Any) -> None:
            _run(registry, Asked(**words))

        return click.Command(
            "dataset",
            callback=run,
            params=PARAMETERS,
            help=HELP,
            context_settings={"help_option_names": ["--help", "-h"]},
        )


def _run(registry: Registry, asked: Asked) -> None:
    if (asked.verify or _wants_files(asked)) and asked.source.is_file():
        raise UsageError(
            f"{asked.source}: expected the folder of a data set, with --verify, --coco, --yolo, --webdataset, --zarr "
            "or --sheet"
        )
    if asked.verify:
        _verify(asked)
    if _wants_files(asked):
        _write_files(asked)
    if asked.verify or _wants_files(asked):
        return
    from openbragg_tools.dataset.recipe import read_recipe
    from openbragg_tools.dataset.studio import Studio
    from openbragg_tools.dataset.work import seeded

    if asked.source.is_dir():
        raise UsageError(
            f"{asked.source}: expected a recipe; a folder goes with --verify, --coco, --yolo, --webdataset, --zarr or "
            "--sheet"
        )
    recipe = seeded(read_recipe(asked.source), asked.seed, asked.shots)
    studio = Studio(registry, recipe)
    if asked.explain:
        from openbragg_tools.dataset.explain import explained

        for line in explained(studio, asked.workers):
            click.echo(line)
        cluster = _cluster(asked)
        if cluster is not None and asked.cluster != "local" and asked.scheduler is None:
            from openbragg_tools.dataset.cluster import job_script

            click.echo(f"each job\n{job_script(cluster)}")
        return
    if asked.output is None:
        raise UsageError("-o: expected the folder of the data set")
    if asked.only is not None:
        _only(studio, asked.only, asked.output)
        return
    _make(registry, asked, recipe, asked.output)


def _make(registry: Registry, asked: Asked, recipe: Recipe, folder: Path) -> None:
    from openbragg.commands import progress_bar
    from openbragg_tools.dataset.hdf5 import libraries
    from openbragg_tools.dataset.masters import SUFFIX, linking_format
    from openbragg_tools.dataset.store import Store
    from openbragg_tools.dataset.tables import arrow
    from openbragg_tools.dataset.work import make_shots

    libraries(), arrow()
    part, parts = _part(asked.shard)
    # Workers on other machines stand in other folders.
    store = Store(folder.resolve(), recipe.shots, recipe.shard)
    crew = _crew(registry, asked, recipe, store)
    store.begin(recipe)
    mine = [shard for shard in store.shards() if shard % parts == part - 1]
    linking = linking_format(registry) if recipe.nxmx else None
    with progress_bar(asked.progress, "shots") as progress:
        made = make_shots(store, mine, crew, progress, linking)
    complete = store.close()
    shots = sum(len(store.numbers(shard)) for shard in mine)
    of_all = f" of {store.shots}" if parts > 1 else ""
    click.echo(f"{'shots':<16}{shots}{of_all}, {made} of them made now")
    click.echo(f"{'wrote':<16}{folder} ({'complete' if complete else 'other parts are not finished'})")
    masters = sum(name.endswith(SUFFIX) for shard in mine for name in store.note(shard))
    if masters > len(mine):
        click.echo(
            f"{'nxmx':<16}{masters} files of {shots} shots in {folder / 'shards'}: one has shots with one detector at "
            "one place, or one wedge; nxmx = false in the recipe makes none"
        )
    elif masters:
        click.echo(f"{'nxmx':<16}{masters} files, one of each shard, in {folder / 'shards'}")


def _crew(registry: Registry, asked: Asked, recipe: Recipe, store: Store) -> Crew:
    from openbragg_tools.dataset.studio import Studio
    from openbragg_tools.dataset.work import Task, here

    task = Task(asked.source.resolve(), recipe.identity(), recipe.seed, store, registry.blocked)
    cluster = _cluster(asked)
    if cluster is not None:
        from openbragg_tools.dataset.cluster import on_cluster

        return on_cluster(task, cluster, click.echo)
    if asked.workers > 1:
        from openbragg_tools.dataset.processes import in_processes

        return in_processes(task, asked.workers)
    return here(Studio(registry, recipe), store)


def _cluster(asked: Asked) -> Cluster | None:
    """The cluster that is asked for, if one is."""
    from openbragg_tools.dataset.cluster import LOCAL, Cluster, read_options

    batch = asked.cluster not in (None, LOCAL)
    if asked.scheduler is not None and asked.cluster is not None:
        raise UsageError("--scheduler, --cluster: expected one of them, a cluster that runs or one that is started")
    if not batch and (asked.jobs > 1 or asked.cluster_option):
        raise UsageError("--jobs, --cluster-option: expected with a batch system, such as --cluster slurm")
    if asked.scheduler is None and asked.cluster is None:
        return None
    if asked.workers > 1 and asked.cluster != LOCAL:
        raise UsageError("--workers: a cluster has workers of its own; see --jobs and --cluster-option")
    jobs = asked.jobs if batch else asked.workers
    return Cluster(asked.scheduler, asked.cluster or LOCAL, jobs, read_options(asked.cluster_option))


def _only(studio: object, number: int, folder: Path) -> None:
    from openbragg_tools.dataset.single import write_single
    from openbragg_tools.dataset.studio import Studio
    from openbragg_tools.dataset.work import make_one

    assert isinstance(studio, Studio)
    written = write_single(folder, make_one(studio, number), studio.linking)
    click.echo(f"{'wrote':<16}{', '.join(map(str, written))} (shot {number})")


def _verify(asked: Asked) -> None:
    from openbragg_tools.dataset.store import opened

    store = opened(asked.source)
    faults = list(store.faults())
    for line in faults[:-1]:
        click.echo(line)
    if faults:
        raise InputError(faults[-1])
    click.echo(f"{'verified':<16}{store.shots} shots in {len(store.shards())} shards")


def _wants_files(asked: Asked) -> bool:
    return any(file is not None for file in (asked.coco, asked.yolo, asked.webdataset, asked.zarr, asked.sheet))


def _write_files(asked: Asked) -> None:
    """What is made of a data set that is there."""
    from openbragg_tools.dataset import reading
    from openbragg_tools.dataset.boxes import write_coco, write_yolo
    from openbragg_tools.dataset.sheet import write_sheet
    from openbragg_tools.dataset.tars import write_tars

    images = reading.open(asked.source)
    if asked.coco is not None:
        click.echo(f"{'wrote':<16}{asked.coco} ({write_coco(asked.coco, images)} boxes)")
    if asked.yolo is not None:
        click.echo(f"{'wrote':<16}{asked.yolo} ({write_yolo(asked.yolo, images)} boxes)")
    if asked.webdataset is not None:
        click.echo(f"{'wrote':<16}{asked.webdataset} ({write_tars(asked.webdataset, images)} archives)")
    if asked.zarr is not None:
        from openbragg_tools.dataset.zarrs import write_zarr

        click.echo(f"{'wrote':<16}{asked.zarr} ({write_zarr(asked.zarr, images)} shots)")
    if asked.sheet is not None:
        click.echo(f"{'wrote':<16}{asked.sheet} ({write_sheet(asked.sheet, images)} shots)")


def _part(word: str | None) -> tuple[int, int]:
    """Which part of how many is made, from 1."""
    if word is None:
        told = [os.environ.get(name, "") for name in _ARRAY]
        if not all(re.fullmatch(r"\d+", one) for one in told):
            return 1, 1
        task, first, count = map(int, told)
        if not first <= task < first + count:
            raise UsageError(f"{_ARRAY[0]}: expected tasks that are numbered without gaps, got {task} of {count}")
        return task - first + 1, count
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", word)
    part, parts = map(int, found.groups()) if found else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"--shard: expected I/N with I from 1 to N, got {word!r}")
    return part, parts


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Dataset]
