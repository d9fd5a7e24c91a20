"""``openbragg view``: images to look at, as a page for any browser or as a PNG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from openbragg import UsageError, hookimpl, write_file
from openbragg.commands import Output, check_outputs, load_torch, warn

if TYPE_CHECKING:
    from openbragg import Command, Recorded, Registry
    from openbragg_tools.view.page import Look
    from openbragg_tools.view.reading import Files, Shown

_COLOURS = ("inverse", "grey", "cubehelix")
#: Images of a page: browsers refuse larger files than some hundred MB.
_MOST_IMAGES = 1000


@attrs.frozen(kw_only=True)
class _Request:
    """What is asked for."""

    images: tuple[Path, ...]
    record: Path | None
    shape: tuple[int, int] | None
    numbers: tuple[int, ...] | None
    follow_links: bool
    registry: Registry

    def files(self, recorded: Recorded | None) -> Files:
        """How they are read."""
        from openbragg_tools.view.reading import Files

        return Files(recorded=recorded, shape=self.shape, follow_links=self.follow_links, registry=self.registry)


@attrs.frozen
class View:
    """Images to look at."""

    name: ClassVar[str] = "view"
    summary: ClassVar[str] = "Look at images: a page for any browser, or a PNG."
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""
        return _command(registry)


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [View]


def _command(registry: Registry) -> click.Command:

    @click.command("view", context_settings={"help_option_names": ["--help", "-h"]})
    @click.argument("images", nargs=-1, type=Path, metavar="IMAGE...")
    @click.option(
        "--html", type=Path, metavar="FILE", help="Page to write. Default: the first image's name with .html."
    )
    @click.option("--png", type=Path, metavar="FILE", help="Write the image as a PNG instead; with --html, both.")
    @click.option(
        "--record",
        type=Path,
        metavar="FILE",
        help="Record of the run that made the images. Default: one that lies beside each and names it.",
    )
    @click.option(
        "--shape",
        nargs=2,
        type=click.IntRange(min=1),
        metavar="SLOW FAST",
        help="Pixels of raw images. Default: what the record says; else square.",
    )
    @click.option(
        "--images",
        "numbers",
        callback=_numbers,
        metavar="LIST",
        help="Images of an NXmx file, from 1, such as 1-5,9. Default: the first 20.",
    )
    @click.option(
        "--follow-links",
        is_flag=True,
        help="Follow links of an HDF5 file to wherever they lead. Default: into its own folder, and below, only.",
    )
    @click.option(
        "--colours",
        type=click.Choice(_COLOURS),
        default=_COLOURS[0],
        show_default=True,
        help="Colour map: dark spots on white, bright ones on black, or colours of growing brightness.",
    )
    @click.option(
        "--contrast",
        nargs=2,
        type=float,
        callback=_contrast,
        metavar="LOW HIGH",
        help="Values at the ends of the colour map. Default: the 0.5th and 99.9th percentiles of each image.",
    )
    def view(images: tuple[Path, ...], html: Path | None, png: Path | None, **options: Any) -> None:
        """Look at images: write a page that any browser opens, or a PNG.

        IMAGE is an SMV, miniCBF, TIFF, NXmx, PGM, NumPy or raw float32 image, or, with the extra images, one of many
        other formats; gzip or bzip2 may have packed it. Several make one page. The page is one file that needs nothing
        else: zoom, contrast, resolution rings, and at the cursor counts, resolution and h k l. Geometry and crystal are
        from the record of the run that made the image, else the geometry is from the image's header, and no h k l is
        known.
        """
        look = _look(options["colours"], options["contrast"])
        request = _Request(
            images=images,
            record=options["record"],
            shape=options["shape"],
            numbers=options["numbers"],
            follow_links=options["follow_links"],
            registry=registry,
        )
        _view(request, html, png, look)

    return view


def _look(colours: str, contrast: tuple[float, float] | None) -> Callable[[], Look]:
    """How it looks, once what is needed for that is loaded."""

    def made() -> Look:
        from openbragg_tools.view.page import Look

        return Look(colours=colours, contrast=contrast)

    return made


def _view(request: _Request, html: Path | None, png: Path | None, look: Callable[[], Look]) -> None:
    if not request.images:
        raise UsageError("no image to look at: name one or more")
    if png is not None and len(request.images) > 1:
        raise UsageError(f"--png {png}: a PNG has one image, got {len(request.images)}")
    if html is None and png is None:
        first_name = request.images[0]
        html = first_name.with_suffix(".html") if first_name.name else Path("view.html")
    wanted = [Output(path, None, "view", flag) for path, flag in ((html, "--html"), (png, "--png")) if path is not None]
    check_outputs(wanted)
    for output in wanted:
        for file in (*request.images, *([request.record] if request.record else [])):
            if _is_same(file, output.path):
                raise UsageError(f"{output.flag} {output.path} would overwrite {file}")
    load_torch()
    from openbragg import read_recorded
    from openbragg_tools.view.page import write_page
    from openbragg_tools.view.png import write_picture

    recorded = read_recorded(request.record) if request.record is not None else None
    if png is not None:
        first = next(_shown(request, recorded, said=html is None))
        write_file(png, partial(write_picture, image=first, look=look()))
        _report(png)
    if html is not None:
        counted: list[str] = []
        title = request.images[0].name + (f" and {len(request.images) - 1} more" if len(request.images) > 1 else "")
        images = _counted(_shown(request, recorded, said=True), counted)
        write_file(html, partial(write_page, images=images, title=title, look=look()))
        for line in counted:
            click.echo(line)
        _report(html)


def _shown(request: _Request, recorded: Recorded | None, *, said: bool) -> Iterator[Shown]:
    """The images, with their notices on stderr where `said`."""
    from openbragg_tools.view.reading import read_images

    count, files = 0, request.files(recorded)
    for path in request.images:
        choose = partial(_chosen, request.numbers, path, said)
        for image in read_images(path, choose, files):
            count += 1
            if count > _MOST_IMAGES:
                raise UsageError(f"more than {_MOST_IMAGES} images are too many for a page")
            for line in image.notices if said else ():
                warn(f"notice: {line}")
            yield image


def _counted(images: Iterator[Shown], lines: list[str]) -> Iterator[Shown]:
    """The images again, with a line on each."""
    for image in images:
        slow, fast = image.frame.pixels.shape
        known = "no geometry" if image.geometry is None else f"geometry from {image.geometry.source}"
        spots = "" if image.spots is None else f", {len(image.spots.fast)} predicted spots"
        lines.append(f"{'image':<16}{image.name}: {fast} x {slow} pixels, {known}{spots}")
        yield image


def _chosen(numbers: tuple[int, ...] | None, path: Path, said: bool, count: int) -> Sequence[int]:
    """Which of the images of a file are wanted."""
    from openbragg_tools.view.reading import MOST_IMAGES

    if numbers is None:
        if count > MOST_IMAGES and said:
            warn(f"notice: {path} has {count} images; the first {MOST_IMAGES} are shown, --images picks others")
        return range(1, min(count, MOST_IMAGES) + 1)
    if max(numbers) > count:
        raise UsageError(f"--images: {path} has {count} images, got {max(numbers)}")
    return numbers


def _report(path: Path) -> None:
    click.echo(f"{'wrote':<16}{click.format_filename(path)} ({path.stat().st_size} bytes)")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Numbers from a list such as 1-5,9."""
    if text is None:
        return None
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (_is_count(first) and (not dash or _is_count(last))):
            raise UsageError(f"--images: expected numbers from 1 such as 1-5,9, got {text[:60]!r}")
        begin, end = int(first), int(last) if dash else int(first)
        if not 0 < begin <= end or end - begin >= _MOST_IMAGES or len(numbers) > _MOST_IMAGES:
            raise UsageError(
                f"--images: expected numbers from 1 such as 1-5,9, {_MOST_IMAGES} at most, got {text[:60]!r}"
            )
        numbers.extend(range(begin, end + 1))
    return tuple(numbers)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _contrast(
    context: click.Context, parameter: click.Parameter, value: tuple[float, float] | None
) -> tuple[float, float] | None:
    if value is not None and not (-math.inf < value[0] < value[1] < math.inf):
        raise UsageError(f"--contrast: expected two numbers, the second above the first, got {value[0]:g} {value[1]:g}")
    return value
