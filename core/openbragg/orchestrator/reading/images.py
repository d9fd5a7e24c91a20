"""Images read from files: which plugin reads one, and what is in it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from openbragg.errors import InputError, UsageError, shown
from openbragg.orchestrator.finding.recognition import refuse_unreadable
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.reading.textfile import read_at_most
from openbragg.roles import Found, ImageReader, ImageSource, ReadImage, Registry

_HOOK = "image_formats"
#: The format of files that none recognises: nothing tells numbers without a header.
_HEADERLESS = "raw"
#: So much of a file is shown to the formats.
_BEGINNING = 1 << 18


def read_image(
    path: Path | str, *, number: int = 1, shape: tuple[int, int] | None = None, follow_links: bool = False
) -> ReadImage:
    """Read an image of any format that an installed plugin reads; of which one it is, the content says.

    Files may be packed by gzip or bzip2. What no plugin recognises is taken for raw float32 pixels.

    Parameters
    ----------
    path
        The file.
    number
        Which image of a file that holds several, from 1.
    shape
        Pixels (slow, fast) of a raw image; without it, a raw image is square. Other formats have theirs in the file.
    follow_links
        Take images from wherever a file says they are. Otherwise a file may only lead to files in its own folder and
        below, so that one from a stranger shows nothing else.

    Returns
    -------
    ReadImage
        Pixels, mask, and what the file says of the camera.

    Raises
    ------
    InputError
        When it cannot be read, in one line that names the file.
    UsageError
        When it has no image of this number, or more than one plugin recognises it.
    """
    images = read_images(path, shape=shape, follow_links=follow_links)
    if not 1 <= number <= len(images):
        raise UsageError(f"{shown(str(path))}: there is no image {number}, it has {len(images)}")
    return images[number - 1]


def read_images(
    path: Path | str,
    *,
    shape: tuple[int, int] | None = None,
    follow_links: bool = False,
    registry: Registry | None = None,
) -> Sequence[ReadImage]:
    """All images of a file, as `read_image` reads one; of a file of many, each is read when it is asked for.

    `registry` has the plugins to choose from; without it, all that are installed.
    """
    source = ImageSource(path=Path(path), shape=shape, follow_links=follow_links)
    reader: ImageReader = image_reader(source, registry or default_registry()).cls()
    with _refusing_damage(source.path):
        return reader.read(source)


def image_reader(source: ImageSource, registry: Registry) -> Found:
    """The plugin that reads an image.

    Raises
    ------
    InputError
        When the file cannot be read, is empty, or no plugin reads it.
    UsageError
        When more than one recognises it.
    """
    refuse_unreadable(source.path)
    with _refusing_damage(source.path), source.open() as stream:
        beginning = read_at_most(stream, _BEGINNING)
    if not beginning:
        raise InputError(f"{shown(str(source.path))}: the file is empty")
    readers = [found for found in registry.of_role(_HOOK) if hasattr(found.cls, "read")]
    named = [found for found in readers if found.cls.recognises(beginning, source.path.name)]
    made_for_it = [found for found in named if not getattr(found.cls, "general", False)]
    chosen = made_for_it or named
    if len(chosen) > 1:
        names = " and ".join(found.name for found in chosen)
        raise UsageError(f"{shown(str(source.path))} is recognised by {names}: block one with --no-plugin")
    if chosen:
        return chosen[0]
    headerless = next((found for found in readers if found.name == _HEADERLESS), None)
    if headerless is None:
        known = ", ".join(found.name for found in readers) or "none"
        raise InputError(f"{shown(str(source.path))} is no image that an installed format reads; installed: {known}")
    return headerless


@contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    """What a stream has to say, as a line."""
    try:
        yield
    except (EOFError, zlib.error):
        raise InputError(f"{shown(str(path))}: the packed file is cut short or damaged") from None
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()) or "it is damaged"
        raise InputError(f"cannot read {shown(str(path))}: {reason}") from None
