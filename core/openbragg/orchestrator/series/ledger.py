"""The list of the images of a series that are done: how a series goes on after an interruption."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError, quoted
from openbragg.orchestrator.outputs.outputs import place_of, write_text
from openbragg.orchestrator.reading.strict_json import parse_json
from openbragg.orchestrator.reading.textfile import read_content

#: What the first line says of a list, and the version of its layout.
FORMAT = "openbragg series"
SCHEMA = 1
_WHAT = "the list of a series"
#: A larger file is something else: a line of it has about a hundred bytes.
_LARGEST_FILE = 1 << 28
_HASH = re.compile("[0-9a-f]{64}")


@attrs.frozen(kw_only=True)
class Made:
    """How the images of a series are made.

    Attributes
    ----------
    settings
        A hash of each part of what decides the images, by the part's name.
    noise_seed, misset_seed
        Seeds that the clock chose; None for those that were given or are not used.
    """

    settings: dict[str, str]
    noise_seed: int | None = None
    misset_seed: int | None = None

    def differences(self, other: Made) -> list[str]:
        """Names of the parts that are not the same."""
        names = [
            name for name in {**self.settings, **other.settings} if self.settings.get(name) != other.settings.get(name)
        ]
        if (self.noise_seed, self.misset_seed) != (other.noise_seed, other.misset_seed):
            names.append("seed")
        return names


class Ledger:
    """A file with a line for each image that is whole; a line is added when the image has its name.

    Parameters
    ----------
    path
        The file.
    made
        How the images are made.
    done
        SHA-256 of the file of each image, by its number.
    files
        SHA-256 of each file in which the whole series is, by its name; empty until they are written.
    """

    def __init__(
        self, path: Path, made: Made, done: dict[int, str] | None = None, files: dict[str, str] | None = None
    ) -> None:
        self.path, self.made = path, made
        self.done, self.files = done or {}, files or {}

    def begin(self) -> None:
        """Write the file anew, with what is known to be done."""
        lines = [{"format": FORMAT, "schema": SCHEMA, **attrs.asdict(self.made)}]
        lines += [_image(number, sha256) for number, sha256 in sorted(self.done.items())]
        if self.files:
            lines.append({"files": self.files})
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))

    def add(self, number: int, sha256: str) -> None:
        """Note that an image is whole."""
        self._append(_image(number, sha256))
        self.done[number] = sha256

    def add_files(self, files: dict[str, str]) -> None:
        """Note that the whole series is in these files."""
        self._append({"files": files})
        self.files = files

    def _append(self, line: dict[str, Any]) -> None:
        try:
            with place_of(self.path).open("a", encoding="ascii") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror or error}") from None


def read_ledger(path: Path) -> Ledger:
    """Read a list; a last line that was not written to its end is left out.

    Raises
    ------
    InputError
        When the file cannot be read or is something else, with the line.
    """
    *lines, _ = read_content(path, _LARGEST_FILE, _WHAT).split(b"\n")
    ledger: Ledger | None = None
    for number, line in enumerate(lines, start=1):
        try:
            value = parse_json(line, path, _WHAT)
            if ledger is None:
                ledger = Ledger(path, _made(value))
            elif isinstance(value, dict) and value.keys() == {"files"}:
                ledger.files = {str(name): _hash(sha256) for name, sha256 in value["files"].items()}
            else:
                ledger.done[_number(value["image"])] = _hash(value["sha256"])
        except (InputError, KeyError, TypeError, AttributeError):
            raise InputError(f"{path}, line {number}: not {_WHAT}: {quoted(line)}") from None
    if ledger is None:
        raise InputError(f"{path}: not {_WHAT}: it has no first line")
    return ledger


def _made(value: Any) -> Made:
    if value["format"] != FORMAT or value["schema"] != SCHEMA:
        raise TypeError
    settings = {str(name): str(sha256) for name, sha256 in value["settings"].items()}
    return Made(settings=settings, noise_seed=_seed(value["noise_seed"]), misset_seed=_seed(value["misset_seed"]))


def _seed(value: Any) -> int | None:
    return value if value is None else _number(value)


def _number(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _hash(value: Any) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise TypeError
    return value


def _image(number: int, sha256: str) -> dict[str, Any]:
    return {"image": number, "sha256": sha256}
