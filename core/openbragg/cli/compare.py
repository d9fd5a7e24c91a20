"""``openbragg compare``: whether two simulators, or two images, agree."""

from __future__ import annotations

import json
import math
import os
import shlex
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from openbragg.cli.agreement import NAMES, PICTURES, SUMMARY, Agreement, Settings, ShapeError, Side
from openbragg.cli.words import warn
from openbragg.errors import InputError, UsageError
from openbragg.orchestrator.outputs import write_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbragg.orchestrator.previews import Scales

#: The rms difference of images that correlate so well is 1.4% of their own rms deviation from the mean.
_THRESHOLD = 0.9999
_PEAK_DISTANCE = 1.5


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command; it uses no plugins."""

    @click.command("compare", context_settings={"help_option_names": ["--help", "-h"]})
    @click.argument("words", nargs=-1, metavar="A B | -- FLAGS...")
    @click.option("--first", metavar="COMMAND", help="Simulator to run with the flags after --.")
    @click.option("--second", metavar="COMMAND", help="Simulator to run with the same flags.")
    @click.option(
        "--timeout", type=float, callback=_positive, metavar="SECONDS", help="End a command that takes longer."
    )
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
        "--no-pictures", "pictures", is_flag=True, flag_value=False, default=True, help="Write the summary only."
    )
    def compare(words: tuple[str, ...], first: str | None, second: str | None, **options: Any) -> None:
        """Compare two images, or those of two simulators run with the same flags.

        A and B are SMV, PGM, PNG, NumPy or raw float32 images. Exit status: 0 within the threshold, 3 below it, 4 for
        images of different shapes, 2 for a wrong command line, 1 when a command failed or a file is bad.
        """
        settings = Settings(flags=words if (first, second) != (None, None) else None, **options)
        _check_roi_order(settings.roi)
        _check_folder(settings.output)
        if settings.flags is None:
            sides = _read_files(words, settings)
        else:
            sides = _run_commands((first or "", second or ""), settings)
        _compare(*sides, settings)

    return compare


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

    from openbragg.orchestrator.comparison import compare_images
    from openbragg.orchestrator.resampling import resample

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


def _read_files(words: tuple[str, ...], settings: Settings) -> tuple[Side, Side]:
    from openbragg.orchestrator.pictures import read_picture

    if len(words) != 2:
        raise UsageError(f"expected two images, or --first and --second with flags after --, got {len(words)} images")
    for word in words:
        if any(_is_same(Path(word), output) for output in settings.outputs()):
            raise UsageError(f"{word} would be overwritten: choose another folder with --output")
    first, second = (Side(word, read_picture(Path(word), settings.shape).pixels) for word in words)
    return first, second


def _run_commands(commands: tuple[str, str], settings: Settings) -> tuple[Side, Side]:
    from openbragg.orchestrator.programs import run_program

    flags = settings.flags or ()
    if flags and not flags[0].startswith("-"):
        raise UsageError(f"expected two images or two commands: with --first and --second, {flags[0]!r} is neither")
    split = [_split(f"--{name}", text) for name, text in zip(NAMES, commands, strict=True)]
    sides = []
    for name, text, words in zip(NAMES, commands, split, strict=True):
        # The reference program finds flags within words, so the folder's name had better have no dash.
        with tempfile.TemporaryDirectory(prefix="openbragg_") as folder:
            run = run_program(words, flags, Path(folder), shape=settings.shape, timeout=settings.timeout)
        for message in run.messages:
            warn(f"{name}: {message}")
        sides.append(Side(text, run.picture.pixels, run.seconds))
    return sides[0], sides[1]


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _split(option: str, text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option}: {str(error).lower()} in {text!r}") from None
    if not words:
        raise UsageError(f"{option}: expected a command; two are compared, or two images")
    return words


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
    from openbragg.orchestrator.previews import common_scales, difference_colours, grey

    scales = common_scales(first, second)
    return scales, [grey(first, scales), grey(second, scales), difference_colours(first, second, scales)]


def _write(agreement: Agreement, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """The pictures and, when all of them are there, the summary."""
    from openbragg.orchestrator.previews import write_png

    folder = agreement.settings.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}") from None
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


def _positive(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0.0 < value < math.inf:
        raise UsageError(f"{parameter.opts[0]}: expected a number above 0, got {value:g}")
    return value


def _correlation(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not -1.0 <= value <= 1.0:
        raise UsageError(f"{parameter.opts[0]}: expected a number from -1 to 1, got {value:g}")
    return value
