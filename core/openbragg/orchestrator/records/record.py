"""The record of a run: what went in, what was chosen, what came out, and where; see `docs/how-to/record.md`."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError, quoted
from openbragg.orchestrator.reading.strict_json import layout, read_json
from openbragg.orchestrator.records.machine import Machine
from openbragg.orchestrator.records.serialise import JsonObject, from_plain, to_plain

#: What the first key of a record says, and the version of its layout, which grows when old readers would misread it.
FORMAT = "openbragg run record"
SCHEMA = 1
#: A larger file is something else; a longer record could not be read.
_LARGEST_FILE = 1 << 26
_WHAT = "a record of a run"


#: What the schema says of a field beside its type.
_HASH = {"schema": {"pattern": "^[0-9a-f]{64}$"}}
_SIZE = {"schema": {"minimum": 0}}
_TIME = {"schema": {"format": "date-time", "pattern": "(Z|[+-]00:00)$"}}


def _check_word(thing: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A word that the system takes for an argument or a path."""
    for word in [value] if isinstance(value, str) else value or ():
        try:
            good = b"\0" not in os.fsencode(word)
        except UnicodeEncodeError:
            good = False
        if not good:
            raise InputError(f"{attribute.name}: expected a word that a command line can have, got {quoted(word)}")


def _check_hash(thing: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not re.fullmatch("[0-9a-f]{64}", value):
        raise InputError(f"{attribute.name}: expected 64 hexadecimal digits, got {quoted(value)}")


def _check_size(thing: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and value < 0:
        raise InputError(f"{attribute.name}: expected a whole number of 0 or more, got {value}")


def _check_time(thing: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    try:
        offset = datetime.fromisoformat(value).utcoffset()
    except ValueError:
        offset = None
    if offset != timedelta(0):
        raise InputError(f"{attribute.name}: expected a time in UTC like 2026-01-31T12:00:00Z, got {quoted(value)}")


@attrs.frozen(kw_only=True)
class InputFile:
    """A file that was read.

    Attributes
    ----------
    flag
        The flag that named it, in its first spelling.
    path
        Its name as it was given.
    absolute
        Its name from the root of the file system.
    sha256
        SHA-256 of its content before the run, in hexadecimal digits; None for what is no regular file.
    bytes
        Its size before the run; None for what is no regular file.
    """

    flag: str
    path: str = attrs.field(validator=_check_word)
    absolute: str = attrs.field(validator=_check_word)
    sha256: str | None = attrs.field(validator=_check_hash, metadata=_HASH)
    bytes: int | None = attrs.field(validator=_check_size, metadata=_SIZE)


@attrs.frozen(kw_only=True)
class OutputFile:
    """A file that was written.

    Attributes
    ----------
    flag
        The flag that named it; None for a file that is written when none is asked for.
    path
        Its name as it was given.
    format
        Name of the image format; None for what is no image.
    content
        What is in it: photons, counts or a trace.
    sha256
        SHA-256 of its content, in hexadecimal digits; None for what is no regular file.
    bytes
        Its size; None for what is no regular file.
    """

    flag: str | None
    path: str = attrs.field(validator=_check_word)
    format: str | None
    content: str
    sha256: str | None = attrs.field(validator=_check_hash, metadata=_HASH)
    bytes: int | None = attrs.field(validator=_check_size, metadata=_SIZE)


@attrs.frozen(kw_only=True)
class UsedPlugin:
    """A plugin that took part.

    Attributes
    ----------
    role
        Name of the role's hook.
    name
        The plugin's own name.
    options
        The plugin's fields, in SI units and radians.
    distribution
        The installed distribution that offered it.
    version
        Version of the distribution.
    """

    role: str
    name: str
    options: JsonObject
    distribution: str
    version: str


@attrs.frozen(kw_only=True)
class Seeds:
    """Seeds of everything that was drawn.

    Attributes
    ----------
    noise
        Of the noise; None where none was drawn.
    mosaic
        Of the orientations of the mosaic domains.
    misset
        Of a random orientation of the crystal; None where it was given.
    """

    noise: int | None
    mosaic: int | None
    misset: int | None


@attrs.frozen(kw_only=True)
class Record:
    """The record of a run.

    Attributes
    ----------
    format
        Says that this is a record.
    schema
        Version of the record's layout.
    openbragg
        Version of the program.
    created
        When the run ended, in UTC.
    arguments
        Words of a command line that repeats the run: its flags in their order, then the seeds that the clock chose.
    folder
        The working folder.
    experiment
        The experiment with every default resolved, in SI units and radians.
    plugins
        The plugin of each role, the backgrounds, the tracers, and each image format that wrote a file.
    seeds
        What was drawn with which seed.
    quirks
        The reference's quirks that were reproduced.
    precision
        How exactly the image was computed.
    device
        Where it was computed.
    notices
        What the run said on stderr.
    inputs
        Files that were read.
    outputs
        Files that were written.
    machine
        Where the run was made.
    cull
        The part of the largest pixel by which pixels may differ from the full sum; None for a full sum.
    """

    format: str = attrs.field(metadata={"schema": {"const": FORMAT}})
    schema: int = attrs.field(metadata={"schema": {"const": SCHEMA}})
    openbragg: str
    created: str = attrs.field(validator=_check_time, metadata=_TIME)
    arguments: tuple[str, ...] = attrs.field(validator=_check_word)
    folder: str = attrs.field(validator=_check_word)
    experiment: JsonObject
    plugins: tuple[UsedPlugin, ...]
    seeds: Seeds
    quirks: tuple[str, ...]
    precision: str
    device: str
    notices: tuple[str, ...]
    inputs: tuple[InputFile, ...]
    outputs: tuple[OutputFile, ...]
    machine: Machine
    cull: float | None = None

    def plugin(self, role: str) -> UsedPlugin:
        """The plugin of a role of which one takes part.

        Raises
        ------
        InputError
            When there is none, or more than one.
        """
        found = [plugin for plugin in self.plugins if plugin.role == role]
        if len(found) != 1:
            raise InputError(f"plugins: expected one of the role {role}, got {len(found)}")
        return found[0]


def read_record(path: Path) -> Record:
    """Read a record and check that it is one.

    The experiment and the options of the plugins are left as they are, for they belong to the versions that wrote
    them; `openbragg.load_run` reads those too.

    Raises
    ------
    InputError
        When the file cannot be read, or something in it is missing, unknown or of the wrong kind; one line that names
        the file and the place.
    """
    value = read_json(path, _LARGEST_FILE, _WHAT)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f"{path}: not {_WHAT}: expected an object with the format {FORMAT!r}")
    schema = value.get("schema")
    if type(schema) is not int or schema < 1:
        raise InputError(f"{path}: schema: expected a whole number above 0, got {quoted(schema)}")
    if schema > SCHEMA:
        raise InputError(f"{path}: a record of schema {schema}, from a later version; this one reads up to {SCHEMA}")
    try:
        return from_plain(Record, value)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def record_text(record: Record) -> bytes:
    """A record as it stands in a file: JSON in ASCII, short lists and objects on one line."""
    return (layout(to_plain(record)) + "\n").encode("ascii")


def refuse_too_large(parts: Any) -> None:
    """Refuse what makes a record larger than one that can be read.

    Raises
    ------
    InputError
        With both sizes.
    """
    size = len(layout(parts))
    # What else is in a record is small beside what makes one large.
    if size > _LARGEST_FILE // 2:
        raise InputError(f"the run is too large to be recorded: {size} bytes of JSON, {_LARGEST_FILE // 2} fit")
