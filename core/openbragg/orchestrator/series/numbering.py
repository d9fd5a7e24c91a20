"""Names of the files of a series: a number for each image."""

from __future__ import annotations

import re
from pathlib import Path

from openbragg.errors import UsageError, shown

#: Digits of a number in a name without a place for it.
_DIGITS = 4
_PLACE = re.compile("#+")


def template(path: Path) -> Path:
    """The name with a place for the number: ``#`` for each digit, before the extension where there is none.

    Raises
    ------
    UsageError
        When there are two places, or one in the name of a folder; or no name.
    """
    name = path.name
    if name in ("", ".."):
        raise UsageError(f"{shown(str(path))}: expected the name of a file, not of a folder")
    places = _PLACE.findall(name)
    if len(places) > 1 or "#" in str(path.parent):
        raise UsageError(f"{shown(str(path))}: expected one row of # in the name of the file, for the image's number")
    return path if places else path.with_name(f"{path.stem}_{'#' * _DIGITS}{path.suffix}")


def numbered(path: Path, number: int) -> Path:
    """The name of image `number`; a number that has more digits than the template gets them."""
    made = template(path)
    return made.with_name(_PLACE.sub(lambda place: f"{number:0{len(place[0])}d}", made.name))


def ledger_of(path: Path) -> Path:
    """The name of the list of the images that are done, beside the files."""
    made = template(path)
    return made.with_name(f"{_PLACE.sub('series', made.name)}.jsonl")


def whole_ledger_of(path: Path) -> Path:
    """The same for a series in one file."""
    return path.with_name(f"{path.name}.series.jsonl")


def parts_of(path: Path) -> Path:
    """The folder that has the images of a series in one file until all are there."""
    return path.with_name(f"{path.name}.parts")


def part(path: Path, number: int) -> Path:
    """The name of one of them."""
    return parts_of(path) / f"image_{number:0{_DIGITS}d}"
