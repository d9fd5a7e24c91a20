"""Files: complete under their name, or not there at all."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from openbragg.errors import InputError, UsageError, shown
from openbragg.options import options_of

#: What stands for standard output in place of a file's name, where an option allows it.
STDOUT = "-"
#: Permissions of a new file before the user's mask.
_NEW_FILE = 0o666
#: The device that takes nothing.
_FULL = Path("/dev/full")


@attrs.frozen
class Output:
    """A file to write: where, by which format, which image (``photons`` or ``counts``), and the flag that named it.

    `stdout` says that it is none, but standard output.
    """

    path: Path
    format: Any
    content: str
    flag: str = attrs.field(default="", eq=False)
    stdout: bool = False


def requested(formats: Iterable[Any]) -> list[Output]:
    """Files that the formats' options name, and what a format writes to standard output where they name none."""
    found = []
    for format_ in formats:
        files = {name: spec for name, spec in options_of(type(format_)) if spec.output}
        named = [
            Output(Path(path), format_, spec.output, spec.flags[0], stdout=spec.stdout and path == STDOUT)
            for name, spec in files.items()
            if (path := getattr(format_, name))
        ]
        unasked: Any = getattr(format_, "unasked", None)
        if not named and unasked is not None and (field := unasked()) is not None:
            spec = files[field]
            named.append(Output(Path(STDOUT), format_, spec.output, spec.flags[0], stdout=True))
        found += named
    return found


def defaults(formats: Iterable[Any], contents: Iterable[str]) -> list[Output]:
    """Files of a run in which none was asked for."""
    wanted = list(contents)
    return [
        Output(Path(name), format_, content)
        for format_ in formats
        for content in wanted
        if (name := format_.default_file(content)) is not None
    ]


def check(outputs: Iterable[Output]) -> None:
    """Refuse, before the work begins, files that cannot be written in the end.

    Raises
    ------
    InputError
        When a folder is missing or closed, or the name is a folder's or can be no file's.
    UsageError
        When two outputs have one name.
    """
    seen: set[Path] = set()
    for output in outputs:
        path = output.path
        try:
            # A file of the name that stands for standard output is not told from it.
            special, place = (False, path.resolve()) if output.stdout else (is_special(path), _checked(path))
        except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
            raise InputError(f"cannot write {shown(str(path))}: {getattr(error, 'strerror', None) or error}") from None
        if not special and place in seen:
            raise UsageError(f"two outputs are to be written to {'standard output' if output.stdout else path}")
        seen.add(place)


#: Refuses files that are not to be written, by an error.
Guard = Callable[[Path], None]


class Together:
    """Files that appear under their names together, or not at all; see `together`."""

    def __init__(self, guard: Guard | None = None) -> None:
        self.guard = guard
        self._made: dict[Path, tuple[Path, int]] = {}
        self._folders: list[Path] = []

    def add(self, path: Path, temporary: Path, mode: int) -> None:
        """Take a complete file under a temporary name, which is to be `path` with these permissions."""
        former = self._made.pop(path, None)
        if former is not None:
            former[0].unlink(missing_ok=True)
        self._made[path] = temporary, mode

    def add_folder(self, path: Path) -> None:
        """Take a folder that was made for files."""
        self._folders.append(path)

    def place(self, path: Path) -> Path:
        """Where a file is now."""
        made = self._made.get(path)
        return path if made is None else made[0]

    def appear(self) -> None:
        """Give all files their names."""
        self._folders.clear()
        while self._made:
            path = next(iter(self._made))
            temporary, mode = self._made[path]
            try:
                temporary.chmod(mode)
                temporary.replace(path)
            except OSError as error:
                raise InputError(f"cannot write {path}: {error.strerror or error}") from None
            del self._made[path]

    def withdraw(self) -> None:
        """Leave nothing of them."""
        for temporary, _ in self._made.values():
            temporary.unlink(missing_ok=True)
        self._made.clear()
        for folder in reversed(self._folders):
            with suppress(OSError):
                folder.rmdir()
        self._folders.clear()


_TOGETHER: ContextVar[Together | None] = ContextVar("together", default=None)


@contextmanager
def together(guard: Guard | None = None) -> Iterator[None]:
    """All files that are written within appear at its end, or at `appear`; none when something is raised before.

    Each is shown to the guard first. Pipes, devices and standard output are written as ever. Within another one it does
    nothing.
    """
    if _TOGETHER.get() is not None:
        yield
        return
    files = Together(guard)
    token = _TOGETHER.set(files)
    try:
        yield
        files.appear()
    finally:
        _TOGETHER.reset(token)
        files.withdraw()


def appear() -> None:
    """Within `together`, give the files so far their names; whatever is written from now on appears at once."""
    files = _TOGETHER.get()
    if files is not None:
        files.appear()
        _TOGETHER.set(None)


def place_of(path: Path) -> Path:
    """Where a file that was written is now, which within `together` is under another name."""
    files = _TOGETHER.get()
    return path if files is None or is_special(path) else files.place(path.resolve())


def make_folder(path: Path) -> None:
    """Make a folder for files, unless it is there.

    Raises
    ------
    InputError
        When the system refuses.
    """
    try:
        if not path.is_dir():
            path.mkdir()
            files = _TOGETHER.get()
            if files is not None:
                files.add_folder(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def write_file(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file under a temporary name in its folder and rename it when it is complete, or with others: `together`.

    Pipes and devices are written directly; of a link, the file it points to is written.

    Raises
    ------
    InputError
        When the system refuses; an existing file is untouched then.
    """
    files = _TOGETHER.get()
    try:
        if files is not None and files.guard is not None:
            files.guard(path)
        if is_special(path):
            with path.open("wb") as stream:
                write(stream)
            return
        # A link stays one: what it points to is replaced.
        path = _followed(path)
        handle, temporary = tempfile.mkstemp(prefix=".openbragg-", dir=path.parent)
        try:
            # What is written may be read again, as writers of some formats do.
            with os.fdopen(handle, "w+b") as stream:
                write(stream)
            mode = path.stat().st_mode & 0o777 if path.exists() else _NEW_FILE & ~_mask()
            if files is not None:
                files.add(path, Path(temporary), mode)
                return
            Path(temporary).chmod(mode)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def write_output(output: Output, write: Callable[[BinaryIO], None]) -> None:
    """Write an output whole, to its file or, as text in UTF-8, to standard output; see `write_file`."""
    if not output.stdout:
        write_file(output.path, write)
        return
    stream = io.BytesIO()
    write(stream)
    sys.stdout.write(stream.getvalue().decode())


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, in UTF-8; see `write_file`."""

    def write(stream: BinaryIO) -> None:
        stream.write(text.encode())

    write_file(path, write)


def _followed(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as error:  # links in a circle
        raise InputError(f"cannot write {shown(str(path))}: {error}") from None


def _checked(path: Path) -> Path:
    """Where a file would be written, all links followed."""
    place = path.resolve()
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    if not place.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {place.parent}")
    if not os.access(path if is_special(path) else place.parent, os.W_OK):
        raise InputError(f"cannot write {path}: permission denied")
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"cannot write {path}: permission denied")
    if is_special(path) and _FULL.exists() and path.samefile(_FULL):
        raise InputError(f"cannot write {path}: {os.strerror(errno.ENOSPC)}")
    return place


def is_special(path: Path) -> bool:
    """Whether there is something under a name that is neither a file nor a folder: a pipe, a device."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
