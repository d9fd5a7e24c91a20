"""The folder in which compiled code is kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

#: The variable that names the folder.
FOLDER_VARIABLE = "OPENBRAGG_CACHE"
#: What tells torch where its compiler keeps things.
COMPILER_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
#: Of the entries; one of another format is not looked at.
FORMAT = 1
_KERNELS, _COMPILER = "kernels", "torchinductor"
_DESCRIPTION, _LIBRARY = "entry.json", "kernel.so"
#: Digits of a hash in a name.
_DIGITS = 32
#: How folders are called that are being filled or emptied.
_MAKING, _REMOVING = ".making-", ".removing-"
#: And a file that is locked while code is compiled.
_COMPILING = ".compiling-"
#: Of all folders that a cache makes among its entries: nothing else is ever removed.
_OWN = re.compile(rf"[0-9a-f]{{{_DIGITS}}}-[0-9a-f]{{8}}|\.(making|removing)-\w+")
#: Seconds after which a folder that is still being filled is one that was left behind.
_LEFT_BEHIND = 3600.0


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
        See `openbragg.engine.compiled.kernel.Kernel`.
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

        Code is run as whoever runs it: a folder into which others can write is not trusted, nor one in which others
        may have made the folders before.
        """
        for folder in (self.folder, self.folder / _KERNELS, self.compiler_folder()):
            reason = _distrusted(folder)
            if reason is not None:
                return reason
        return None

    def state(self) -> int | None:
        """A number that changes when entries come or go; None where the system does not say."""
        try:
            return (self.folder / _KERNELS).stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        except OSError:
            return None

    def entries(self) -> list[Entry]:
        """All entries, oldest first; what is no entry is passed over.

        Raises
        ------
        OSError
            When the folder cannot be read.
        """
        found = (_entry(place) for place in self._places())
        return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.made)

    def remains(self) -> list[Path]:
        """Folders that are no entries: half made, half removed, damaged or of another format.

        One that somebody may be filling at this moment is not among them.

        Raises
        ------
        OSError
            When the folder cannot be read.
        """
        return [place for place in self._places() if _entry(place) is None and not _in_work(place)]

    def find(
        self,
        signature: Mapping[str, Any],
        options: Callable[[str], str | None],
        fits: Callable[[Entry], bool] = lambda entry: True,
    ) -> Entry | None:
        """The entry for a signature, made with the values that `options` gives for their names, that fits.

        Of one signature there are several where code is made for lengths that differ, as those of two tables.
        """
        beginning = f"{key(signature)}-"
        try:
            places = [place for place in self._places() if place.name.startswith(beginning)]
        except OSError:
            return None
        for place in places:
            entry = _entry(place)
            if entry is None or entry.signature != signature:
                continue
            same = all(options(name) == value for name, value in entry.options.items())
            if same and fits(entry) and entry.intact():
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
            "signature": dict(signature),
            "options": dict(options),
            **described,
            "sha256": hashlib.sha256(content).hexdigest(),
            "made": time.time(),
        }
        text = json.dumps({"format": FORMAT, **description}, indent=1)
        scratch = Path(tempfile.mkdtemp(prefix=_MAKING, dir=kernels))
        try:
            (scratch / _LIBRARY).write_bytes(content)
            (scratch / _DESCRIPTION).write_text(text)
            place = kernels / f"{key(signature)}-{secrets.token_hex(4)}"
            scratch.rename(place)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        # Not read back: somebody may have removed it already.
        return Entry(folder=place, **description)

    @contextmanager
    def alone(self, signature: Mapping[str, Any]) -> Iterator[None]:
        """Let one process or thread at a time compile for a signature; where files cannot be locked, all may."""
        with ExitStack() as stack:
            try:
                import fcntl

                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                file = self.folder / f"{_COMPILING}{key(signature)}"
                lock = stack.enter_context(file.open("wb"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            except (ImportError, OSError):
                yield
                return
            # The compiler's own processes have the file open too, so that closing it frees nothing.
            stack.callback(fcntl.flock, lock, fcntl.LOCK_UN)
            # Whoever waits has the file open, and whoever comes later finds the code.
            stack.callback(file.unlink, missing_ok=True)
            yield

    def compiler_folder(self) -> Path:
        """Where the compiler may keep what makes the next compilation quicker."""
        return self.folder / _COMPILER

    def size(self) -> int:
        """Bytes of everything that it holds."""
        return sum(_size(place) for place in (self.folder / _KERNELS, self.compiler_folder()))

    def remove(self, places: Iterable[Path]) -> int:
        """Remove folders of entries, or of what is left of such; returns the number of bytes.

        Raises
        ------
        OSError
            When something cannot be removed.
        """
        return sum(_removed(place) for place in places)

    def clear(self) -> int:
        """Remove everything that a cache holds, and nothing else in its folder; returns the number of bytes.

        Raises
        ------
        OSError
            When something cannot be removed.
        """
        # What the compiler keeps may have been left half removed beside it.
        left = [place for prefix in (_REMOVING, _COMPILING) for place in self.folder.glob(f"{prefix}*")]
        freed = self.remove([*self._places(), self.compiler_folder(), *left])
        for folder in (self.folder / _KERNELS, self.folder):
            try:
                folder.rmdir()
            except OSError:
                break  # somebody keeps something there
        return freed

    def _places(self) -> list[Path]:
        try:
            return sorted(place for place in (self.folder / _KERNELS).iterdir() if _OWN.fullmatch(place.name))
        except FileNotFoundError:
            return []


def default_folder() -> Path:
    """What OPENBRAGG_CACHE names, else ``openbragg`` in the user's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "openbragg"
    try:
        return Path.home() / ".cache" / "openbragg"
    except RuntimeError:
        # A user without a home, as in some containers.
        return Path(tempfile.gettempdir()) / f"openbragg-{os.getuid() if hasattr(os, 'getuid') else ''}"


def key(signature: Mapping[str, Any]) -> str:
    """The name under which a signature is looked for."""
    return hashlib.sha256(json.dumps(signature, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _distrusted(folder: Path) -> str | None:
    """Why a folder is not the user's own; None where it is, or is not there."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if not stat.S_ISDIR(found.st_mode):
        return "not a folder"
    if hasattr(os, "getuid") and found.st_uid not in (os.getuid(), 0):
        return "it belongs to somebody else"
    # Not even where each may remove only what is theirs: what is missing, anybody could make.
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write into it"
    return None


def _entry(place: Path) -> Entry | None:
    """The entry in a folder, if what describes it is whole."""
    if place.name.startswith((_MAKING, _REMOVING)):
        return None
    try:
        described = json.loads((place / _DESCRIPTION).read_text())
        if described.pop("format") != FORMAT:
            return None
        entry = Entry(folder=place, **described)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    return entry if _is_whole(entry) else None


def _is_whole(entry: Entry) -> bool:
    """Whether everything in an entry is of its kind: a file may hold anything."""
    return (
        isinstance(entry.signature, dict)
        and isinstance(entry.options, dict)
        and all(isinstance(value, str) for value in entry.options.values())
        and isinstance(entry.shapes, list)
        and all(isinstance(shape, list) for shape in entry.shapes)
        and all(type(length) in (int, str) for shape in entry.shapes for length in shape)
        and isinstance(entry.dtypes, list)
        and len(entry.dtypes) == len(entry.shapes)
        and type(entry.outputs) is int
        and entry.outputs > 0
        and isinstance(entry.sha256, str)
        and all(type(number) in (int, float) for number in (entry.seconds, entry.made))
    )


def _in_work(place: Path) -> bool:
    try:
        return place.name.startswith(_MAKING) and time.time() - place.stat().st_mtime < _LEFT_BEHIND
    except OSError:
        return True  # gone meanwhile


def _removed(place: Path) -> int:
    """Remove a folder, if it is there; nobody sees it half removed. Returns the number of bytes."""
    freed = 0 if place.is_symlink() else _size(place)
    away = place.with_name(f"{_REMOVING}{secrets.token_hex(8)}")
    try:
        place.rename(away)
    except FileNotFoundError:
        return 0
    while os.path.lexists(away):
        try:
            if away.is_dir() and not away.is_symlink():
                shutil.rmtree(away)
            else:
                away.unlink()
        except FileNotFoundError:
            continue  # somebody else removes it too
    return freed


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except OSError:
            continue  # gone meanwhile
        if stat.S_ISREG(found.st_mode):
            total += found.st_size
    return total
