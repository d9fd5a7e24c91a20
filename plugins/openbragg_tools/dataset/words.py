"""The words of ``openbragg dataset`` on the command line."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

_EXISTING = click.Path(exists=True, path_type=Path)


@attrs.frozen
class Asked:
    """What the words on the command line ask for."""

    source: Path
    output: Path | None
    shots: int | None
    seed: int | None
    only: int | None
    workers: int
    scheduler: str | None
    cluster: str | None
    jobs: int
    cluster_option: tuple[str, ...]
    shard: str | None
    explain: bool
    verify: bool
    coco: Path | None
    yolo: Path | None
    webdataset: Path | None
    zarr: Path | None
    sheet: Path | None
    progress: bool | None


HELP = """Make labelled images by the thousand.

SOURCE is a recipe in TOML: flags of openbragg simulate, and distributions from which each shot draws others. The same
command goes on where an earlier one was stopped, however it was. With --verify, --coco, --yolo,
--webdataset, --zarr and --sheet SOURCE is the folder of a data set."""
_NAMED = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1)
PARAMETERS: list[click.Parameter] = [
    click.Argument(["source"], type=_EXISTING),
    click.Option(["-o", "--output"], type=click.Path(path_type=Path), metavar="DIR", help="Folder of the data set."),
    click.Option(["--shots"], type=_COUNT, help="Make so many shots. Default: what the recipe says."),
    click.Option(["--seed"], type=click.IntRange(min=0), help="Seed of all that is drawn. Default: the recipe's."),
    click.Option(
        ["--only"],
        type=click.IntRange(min=0),
        metavar="NUMBER",
        help="Make this shot alone, as it is in the data set: DIR gets a data set of one.",
    ),
    click.Option(
        ["--workers"], type=_COUNT, default=1, show_default=True, help="Processes that make shots, each on one core."
    ),
    click.Option(
        ["--scheduler"],
        metavar="ADDRESS",
        help="Have the workers of a cluster of Dask make them: the address of its scheduler, such as tcp://node:8786.",
    ),
    click.Option(
        ["--cluster"],
        type=click.Choice(["local", "htcondor", "lsf", "moab", "oar", "pbs", "sge", "slurm"]),
        help="Start a cluster of Dask: in --workers processes of this machine, or in --jobs of a batch system.",
    ),
    click.Option(["--jobs"], type=_COUNT, default=1, show_default=True, help="Jobs of the batch system."),
    click.Option(
        ["--cluster-option"],
        multiple=True,
        metavar="NAME=VALUE",
        help="An option of dask-jobqueue, such as queue=long; may be given several times. With --explain the script of "
        "a job is shown.",
    ),
    click.Option(
        ["--shard"],
        metavar="I/N",
        help="Make part I of N alone, from 1. Default: that of a task of a SLURM job array, or all.",
    ),
    click.Option(
        ["--explain"],
        is_flag=True,
        help="Say what will be drawn, and how much disk and time it takes; a few shots are made, and none kept.",
    ),
    click.Option(["--verify"], is_flag=True, help="Compare all files of a data set with what was written."),
    click.Option(["--coco"], type=_NAMED, metavar="FILE", help="Write the boxes of a data set as COCO's JSON."),
    click.Option(["--yolo"], type=_NAMED, metavar="FOLDER", help="Write them as YOLO's text, a file for each shot."),
    click.Option(
        ["--webdataset"],
        type=_NAMED,
        metavar="FOLDER",
        help="Write its shards as tar archives that WebDataset streams.",
    ),
    click.Option(["--zarr"], type=_NAMED, metavar="FOLDER", help="Write its arrays and tables as a Zarr store."),
    click.Option(
        ["--sheet"],
        type=_NAMED,
        metavar="FILE",
        help="Draw some of its shots with their boxes, as .png, or as .html with histograms of what was drawn.",
    ),
    click.Option(
        ["--progress/--noprogress"], default=None, help="Show how far it is. Default: when stderr is a terminal."
    ),
]
