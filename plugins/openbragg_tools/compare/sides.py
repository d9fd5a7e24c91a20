"""The two images that are compared: from files, or from programs that are run for them."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from functools import partial
from pathlib import Path

from openbragg import InputError, UsageError, read_images, read_picture, write_file
from openbragg.commands import warn
from openbragg_tools.compare.agreement import NAMES, Settings, Side
from openbragg_tools.compare.programs import KEPT, run_program


def read_files(words: tuple[str, ...], settings: Settings) -> tuple[Side, Side]:
    """Two images from files.

    Raises
    ------
    OpenBraggError
        When there are not two names, a file cannot be read, or would be overwritten.
    """
    if settings.keep is not None:
        raise UsageError("--keep: expected with two commands; of two images there is nothing to keep")
    if len(words) != 2:
        raise UsageError(f"expected two images, or --first and --second with flags after --, got {len(words)} images")
    for word in words:
        if any(_is_same(Path(word), output) for output in settings.outputs()):
            raise UsageError(f"{word} would be overwritten: choose another folder with --output")
    first, second = (_side(word, settings) for word in words)
    return first, second


def _side(word: str, settings: Settings) -> Side:
    """An image from a file, the first one unless another is asked for."""
    if settings.image is None:
        count = len(read_images(Path(word), shape=settings.shape))
        if count > 1:
            warn(f"notice: {word} has {count} images: the first is compared; --image compares another")
    return Side(word, read_picture(Path(word), settings.shape, settings.image or 1).pixels)


def run_commands(commands: tuple[str, str], settings: Settings) -> tuple[Side, Side]:
    """Two images from two programs that are run one after the other with the same flags.

    Raises
    ------
    OpenBraggError
        When the commands make no sense, or one fails; what it wrote is kept then too.
    """
    flags = settings.flags or ()
    if flags and not flags[0].startswith("-"):
        raise UsageError(f"expected two images or two commands: with --first and --second, {flags[0]!r} is neither")
    split = [_split(f"--{name}", text) for name, text in zip(NAMES, commands, strict=True)]
    sides = []
    for name, text, words in zip(NAMES, commands, split, strict=True):
        # The reference program finds flags within words, so the folder's name had better have no dash.
        with tempfile.TemporaryDirectory(prefix="openbragg_") as folder:
            try:
                run = run_program(words, flags, Path(folder), shape=settings.shape, timeout=settings.timeout)
            finally:
                if settings.keep is not None:
                    _keep(Path(folder), settings.keep, name)
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


def _keep(folder: Path, where: Path, name: str) -> None:
    """Copy what a program wrote, as far as it came: its two streams, and its image."""
    make_folder(where)
    for source, ending in KEPT.items():
        if (folder / source).is_file():
            with (folder / source).open("rb") as stream:
                write_file(where / f"{name}{ending}", partial(shutil.copyfileobj, stream))


def make_folder(folder: Path) -> None:
    """Make a folder that may be there already.

    Raises
    ------
    InputError
        When the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}") from None
