"""``openbragg compare``: whether two simulators, or two images, agree."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs
import click

from openbragg import InputError, UsageError, hookimpl, write_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbragg import Command, Registry
    from openbragg_tools.compare.agreement import Agreement, Settings, Side
    from openbragg_tools.compare.previews import Scales

#: The rms difference of images that correlate so well is 1.4% of their own rms deviation from the mean.
_THRESHOLD = 0.9999
_PEAK_DISTANCE = 1.5
#: Environment variables that name the first and the second command: those of this program, and before them in age
#: those of the field's nb-compare, which count where the others are not set.
_VARIABLES = (("OPENBRAGG_COMPARE_FIRST", "NB_C_BIN"), ("OPENBRAGG_COMPARE_SECOND", "NB_PY_BIN"))


@attrs.frozen
class Compare:
    """The command that compares two simulators, or two images."""

    name: ClassVar[str] = "compare"
    summary: ClassVar[str] = "Compare two images, or two simulators run with the same flags."
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`; it uses no plugins."""
        return _command


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Compare]


def _variables(side: int) -> str:
    return " or ".join(_VARIABLES[side])


def _positive(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0.0 < value < math.inf:
        raise UsageError(f"{parameter.opts[0]}: expected a number above 0, got {value:g}")
    return value


def _correlation(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not -1.0 <= value <= 1.0:
        raise UsageError(f"{parameter.opts[0]}: expected a number from -1 to 1, got {value:g}")
    return value


@click.command("compare", context_settings={"help_option_names": ["--help", "-h"]})
@click.argument("words", nargs=-1, metavar="A B | -- FLAGS...")
@click.option(
    "--first",
    metavar="COMMAND",
    help=f"Simulator to run with the flags after --. Default: what {_variables(0)} names.",
)
@click.option(
    "--second",
    metavar="COMMAND",
    help=f"Simulator to run with the same flags. Default: what {_variables(1)} names.",
)
@click.option("--timeout", type=float, callback=_positive, metavar="SECONDS", help="End a command that takes longer.")
@click.option(
    "--shape",
    nargs=2,
    type=click.IntRange(min=1),
    metavar="SLOW FAST",
    help="Pixels of raw images. Default: what a command's -intfile says; else square.",
)
@click.option(
    "--roi", nargs=4, type=int, metavar="XMIN XMAX YMIN YMAX", help="Compare these pixels only; x is fast, y slow."
)
@click.option(
    "--image",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which image of files with several. Default: the first.",
)
@click.option("--resample", is_flag=True, help="Bring the second image to the first's shape, keeping its sum.")
@click.option(
    "--threshold",
    type=float,
    default=_THRESHOLD,
    show_default=True,
    callback=_correlation,
    metavar="C",
    help="Correlation below which the exit status is 3.",
)
@click.option(
    "--peak-distance",
    type=float,
    default=_PEAK_DISTANCE,
    show_default=True,
    callback=_positive,
    metavar="PIXELS",
    help="Peaks further apart than this are not the same.",
)
@click.option(
    "--output",
    type=Path,
    default=Path("compare"),
    show_default=True,
    metavar="FOLDER",
    help="Where the summary and the pictures go; made when it is not there.",
)
@click.option(
    "--keep",
    type=Path,
    metavar="FOLDER",
    help="Keep there what each command wrote to stdout and stderr, and its image as float32.",
)
@click.option("--no-pictures", "pictures", is_flag=True, flag_value=False, default=True, help="Write the summary only.")
def _command(words: tuple[str, ...], first: str | None, second: str | None, **options: Any) -> None:
    """Compare two images, or those of two simulators run with the same flags.

    A and B are SMV, PGM, PNG, NumPy or raw float32 images. Exit status: 0 within the threshold, 3 below it, 4 for
    images of different shapes, 2 for a wrong command line, 1 when a command failed or a file is bad.
    """
    from openbragg_tools.compare.agreement import Settings
    from openbragg_tools.compare.sides import read_files, run_commands

    commands = _commands(words, first, second)
    settings = Settings(flags=words if commands is not None else None, **options)
    _check_roi_order(settings.roi)
    _check_folder(settings.output)
    if settings.keep is not None:
        _check_folder(settings.keep)
    sides = read_files(words, settings) if commands is None else run_commands(commands, settings)
    _compare(*sides, settings)


def _commands(words: tuple[str, ...], first: str | None, second: str | None) -> tuple[str, str] | None:
    """The two commands to run; None where two images are compared.

    Environment variables stand in for a command that is not given; of themselves they count before flags only, so that
    two names of files stay two images.
    """
    given = (first, second)
    named = [next((os.environ[name] for name in names if os.environ.get(name)), "") for names in _VARIABLES]
    if given == (None, None) and not (any(named) and words and words[0].startswith("-")):
        return None
    one, other = (default if word is None else word for word, default in zip(given, named, strict=True))
    return one, other


def _compare(first: Side, second: Side, settings: Settings) -> None:
    """Compare, write and report.

    Raises
    ------
    ShapeError
        After the summary was written.
    click.exceptions.Exit
        With the status of images that are not alike enough.
    """
    import numpy as np

    from openbragg_tools.compare.agreement import Agreement, ShapeError
    from openbragg_tools.compare.comparison import compare_images
    from openbragg_tools.compare.resampling import resample

    ours, theirs = (side.pixels.astype(np.float64) for side in (first, second))
    if first.shape() != second.shape():
        if not settings.resample:
            _write(Agreement(first, second, settings), [])
            shapes = " and ".join("{} x {}".format(*side.shape()) for side in (first, second))
            raise ShapeError(
                f"the images have different shapes: {shapes} (slow x fast); --resample brings the second to the first's"
            )
        theirs = resample(theirs, first.shape())
    part, origin = _region(settings.roi, first.shape())
    ours, theirs = ours[part], theirs[part]
    comparison = compare_images(ours, theirs, origin=origin, peak_distance=settings.peak_distance)
    scales, pictures = _pictures(ours, theirs) if settings.pictures else (None, [])
    agreement = Agreement(first, second, settings, comparison, ours.shape, scales)
    _write(agreement, pictures)
    for word, value in agreement.table().items():
        click.echo(f"{word:<16}{value}")
    for path in settings.outputs():
        click.echo(f"{'wrote':<16}{click.format_filename(path)}")
    if agreement.exit_status():
        raise click.exceptions.Exit(agreement.exit_status())


def _region(
    roi: tuple[int, int, int, int] | None, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The part of an image to compare, and its first pixel (slow, fast)."""
    slow, fast = shape
    left, right, top, bottom = roi or (0, fast - 1, 0, slow - 1)
    if right >= fast or bottom >= slow:
        raise UsageError(
            f"--roi: expected pixels up to {fast - 1} along x and {slow - 1} along y, got {right}, {bottom}"
        )
    return (slice(top, bottom + 1), slice(left, right + 1)), (top, left)


def _pictures(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[Scales, list[NDArray[np.uint8]]]:
    """What the shades stand for, and the pictures: two of grey values, one of colours."""
    from openbragg_tools.compare.previews import common_scales, difference_colours, grey

    scales = common_scales(first, second)
    return scales, [grey(first, scales), grey(second, scales), difference_colours(first, second, scales)]


def _write(agreement: Agreement, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """The pictures and, when all of them are there, the summary."""
    from openbragg import write_png
    from openbragg_tools.compare.agreement import PICTURES, SUMMARY
    from openbragg_tools.compare.sides import make_folder

    folder = agreement.settings.output
    make_folder(folder)
    for name, pixels in zip(PICTURES, pictures, strict=False):
        write_file(folder / name, partial(write_png, pixels=pixels))
    write_file(folder / SUMMARY, partial(_write_json, content=agreement.summary()))


def _write_json(stream: BinaryIO, content: dict[str, Any]) -> None:
    stream.write(json.dumps(content, indent=2, allow_nan=False).encode("ascii") + b"\n")


def _check_roi_order(roi: tuple[int, int, int, int] | None) -> None:
    if roi is not None and not (0 <= roi[0] <= roi[1] and 0 <= roi[2] <= roi[3]):
        raise UsageError(f"--roi: expected 0 <= XMIN <= XMAX and 0 <= YMIN <= YMAX, got {' '.join(map(str, roi))}")


def _check_folder(folder: Path) -> None:
    """Refuse, before the work begins, a folder that cannot be written to in the end."""
    try:
        there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from None
    if not there.is_dir():
        raise InputError(f"cannot write to {folder}: {there} is not a folder")
    if not os.access(there, os.W_OK):
        raise InputError(f"cannot write to {folder}: permission denied")
