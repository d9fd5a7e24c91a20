"""The folder in which compiled code is kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

#: The variable that names the folder.
FOLDER_VARIABLE = "OPENBRAGG_CACHE"
#: Of the entries; one of another format is not looked at.
FORMAT = 1
_KERNELS, _COMPILER = "kernels", "compiler"
_DESCRIPTION, _LIBRARY = "entry.json", "kernel.so"
#: Digits of a hash in a name.
_DIGITS = 32


@attrs.frozen(kw_only=True)
class Entry:
    """Compiled code in the cache.

    Attributes
    ----------
    folder
        Where its files lie.
    signature
        All on which the code depends, by name.
    options
        Values of the plugins' options that the code was made with: those that the plugins read.
    shapes, dtypes, outputs
        See `openbragg.engine.kernel.Kernel`.
    sha256
        Of the library.
    seconds
        How long it took to compile.
    made
        When, in seconds since 1970.
    """

    folder: Path
    signature: dict[str, Any]
    options: dict[str, str]
    shapes: list[list[int | str]]
    dtypes: list[str]
    outputs: int
    sha256: str
    seconds: float
    made: float

    @property
    def library(self) -> Path:
        """The shared library."""
        return self.folder / _LIBRARY

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return _size(self.folder)

    def intact(self) -> bool:
        """Whether the library is the one that was compiled."""
        try:
            return hashlib.sha256(self.library.read_bytes()).hexdigest() == self.sha256
        except OSError:
            return False


class Cache:
    """The entries in a folder, which is made when the first one is kept.

    Parameters
    ----------
    folder
        Where; by default what OPENBRAGG_CACHE says, else ``openbragg`` in the user's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def usable(self) -> str | None:
        """Why code from the folder must not be run, in a few words; None where it may.

        Code is run as whoever runs it: a folder into which others can write is not trusted.
        """
        try:
            found = self.folder.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.strerror or str(error)
        if not stat.S_ISDIR(found.st_mode):
            return "not a folder"
        if hasattr(os, "getuid") and found.st_uid not in (os.getuid(), 0):
            return "it belongs to somebody else"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
            return "others may write into it"
        return None

    def entries(self) -> list[Entry]:
        """All entries, oldest first; what is no entry is passed over."""
        return sorted(self._read("*"), key=lambda entry: entry.made)

    def find(self, signature: Mapping[str, Any], options: Callable[[str], str | None]) -> Entry | None:
        """The entry for a signature, made with the values that `options` gives for their names."""
        for entry in self._read(f"{key(signature)}-*"):
            same = entry.signature == signature and all(options(name) == value for name, value in entry.options.items())
            if same and entry.intact():
                return entry
        return None

    def keep(
        self, signature: Mapping[str, Any], options: Mapping[str, str], library: Path, described: Mapping[str, Any]
    ) -> Entry:
        """Keep a library; `described` has the entry's shapes, dtypes, outputs and seconds.

        The entry appears whole or not at all, whatever else is compiling at the same time.

        Raises
        ------
        OSError
            When the folder cannot be written to.
        """
        kernels = self.folder / _KERNELS
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kernels.mkdir(mode=0o700, exist_ok=True)
        content = library.read_bytes()
        description = {
            "format": FORMAT,
            "signature": dict(signature),
            "options": dict(options),
            **described,
            "sha256": hashlib.sha256(content).hexdigest(),
            "made": time.time(),
        }
        scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=kernels))
        try:
            (scratch / _LIBRARY).write_bytes(content)
            (scratch / _DESCRIPTION).write_text(json.dumps(description, indent=1))
            place = kernels / f"{key(signature)}-{secrets.token_hex(4)}"
            scratch.rename(place)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        (entry,) = self._read(place.name)
        return entry

    def compiler_folder(self) -> Path:
        """Where the compiler may keep what makes the next compilation quicker."""
        return self.folder / _COMPILER

    def size(self) -> int:
        """Bytes of everything in the folder."""
        return _size(self.folder)

    def clear(self) -> int:
        """Remove everything that a cache holds; returns the number of bytes.

        Raises
        ------
        OSError
            When something cannot be removed.
        """
        freed = 0
        for part in (self.folder / _KERNELS, self.compiler_folder()):
            if part.exists():
                freed += _size(part)
                shutil.rmtree(part)
        return freed

    def _read(self, pattern: str) -> list[Entry]:
        entries = []
        for place in sorted((self.folder / _KERNELS).glob(pattern)):
            try:
                described = json.loads((place / _DESCRIPTION).read_text())
                if described.pop("format") == FORMAT:
                    entries.append(Entry(folder=place, **described))
            except (OSError, ValueError, TypeError, AttributeError, KeyError):
                continue
        return entries


def default_folder() -> Path:
    """What OPENBRAGG_CACHE names, else ``openbragg`` in the user's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "openbragg"


def key(signature: Mapping[str, Any]) -> str:
    """The name under which a signature is looked for."""
    return hashlib.sha256(json.dumps(signature, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
