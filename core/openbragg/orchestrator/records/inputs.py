"""Input files: what a run reads, and where a repeat finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from openbragg.errors import InputError, shown
from openbragg.orchestrator.outputs.files import fingerprint, short
from openbragg.orchestrator.records.record import InputFile


def describe(flag: str, path: str) -> InputFile:
    """An input as a record has it, by the flag that names it and its name.

    Raises
    ------
    InputError
        When it is a file that cannot be read.
    """
    sha256, size = fingerprint(Path(path))
    return InputFile(flag=flag, path=path, absolute=str(Path(path).absolute()), sha256=sha256, bytes=size)


@attrs.frozen(kw_only=True)
class Finder:
    """Finds the inputs of a recorded run.

    Attributes
    ----------
    file, folder
        The record, and the working folder of its run.
    force
        Whether to go on with a file that is another one than recorded.
    notices
        Gets a line for each input that could not be checked, or is another one.
    forced
        Inputs that are other files than recorded.
    """

    file: Path
    folder: str
    force: bool = False
    notices: list[str] = attrs.field(factory=list)
    forced: list[InputFile] = attrs.field(factory=list)

    def find(self, recorded: InputFile) -> Path:
        """Where an input is now: where it was, or beside the record, or where its name leads from here.

        Of several files the first whose content is the recorded one.

        Raises
        ------
        InputError
            When there is none, or, without `force`, only others; the message has the flag, the file and both hashes.
        """
        flagged = f"{shown(recorded.flag)} {shown(recorded.path)}"
        there = [path for path in self._places(recorded) if exists(path)]
        if recorded.sha256 is None:
            self.notices.append(f"{flagged} cannot be checked: it was no regular file in the run of {self.file}")
            return _as_named(there[0], recorded.path) if there else Path(recorded.path)
        hashes = {path: _hash(path) for path in there}
        for path, found in hashes.items():
            if found == recorded.sha256:
                return _as_named(path, recorded.path)
        if not there:
            raise InputError(
                f"{flagged}: there is no such file, and the run of {self.file} read one with "
                f"SHA-256 {short(recorded.sha256)}; name it again after --from"
            )
        self.compare(recorded, hashes[there[0]])
        return _as_named(there[0], recorded.path)

    def compare(self, recorded: InputFile, sha256: str | None) -> None:
        """Refuse an input with another fingerprint than recorded, or note that it has one.

        Raises
        ------
        InputError
            When it has, without `force`.
        """
        if sha256 == recorded.sha256:
            return
        other = (
            f"{shown(recorded.flag)} {shown(recorded.path)} is not what the run of {self.file} read: "
            f"SHA-256 {short(sha256)} here, {short(recorded.sha256)} there"
        )
        if not self.force:
            raise InputError(f"{other}; --force to go on")
        self.notices.append(other)
        self.forced.append(recorded)

    def _places(self, recorded: InputFile) -> Iterator[Path]:
        absolute = Path(recorded.absolute)
        yield absolute
        if absolute.is_relative_to(self.folder):
            # The folder of the run may have moved, with all that is in it.
            yield self.file.parent / absolute.relative_to(self.folder)
        yield Path(recorded.path)


def _as_named(found: Path, name: str) -> Path:
    """A file by the name it had in the run, where that leads to it from here too."""
    return Path(name) if exists(Path(name)) and Path(name).samefile(found) else found


def exists(path: Path) -> bool:
    """Whether there is something of a name; of one that no file can have there is nothing."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _hash(path: Path) -> str | None:
    try:
        return fingerprint(path)[0]
    except InputError:
        return None
