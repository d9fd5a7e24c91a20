"""HDF5 files whose links lead only where they may: a file from a stranger shows nothing that lies elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

from openbragg import InputError, OpenBraggError, shown

_INSTALL = "pip install 'openbragg[hdf5]'"
#: More links one after another go round in a circle.
_MOST_LINKS = 32
#: More blocks than any series has, each an open file.
_MOST_FILES = 4096


@attrs.define(eq=False)
class Linked:
    """An open HDF5 file, and those that it leads to.

    HDF5 itself would follow links anywhere, and take the bytes of any file for numbers. Here each link is looked at
    before it is followed, and every data set before it is read.

    Attributes
    ----------
    path
        The file, for messages.
    root
        The file, open.
    everywhere
        Whether links may lead anywhere; else only into the file's own folder, and below.
    """

    path: Path
    root: Any
    everywhere: bool
    _stack: ExitStack
    _open: dict[Path, Any] = attrs.field(factory=dict)
    _virtual: set[tuple[str, str]] = attrs.field(factory=set)

    def get(self, name: str, place: Any = None) -> Any:
        """The group or data set of a name, which may be a path, in a group; None where there is none.

        Raises
        ------
        InputError
            When it, or what leads to it, lies where no link may lead, or in a file that is not there.
        """
        return self._walk(self.root if place is None else place, name, _MOST_LINKS)

    def _walk(self, place: Any, name: str, links: int) -> Any:
        import h5py

        found = place.file["/"] if name.startswith("/") else place
        for part in (part for part in name.split("/") if part not in ("", ".")):
            if not isinstance(found, h5py.Group):
                return None
            link = found.get(part, getlink=True)
            if link is None:
                return None
            if isinstance(link, h5py.HardLink):
                found = found.get(part)
            elif links == 0:
                raise InputError(f"{self.path}: its links go round in a circle")
            elif isinstance(link, h5py.ExternalLink):
                there = self._file(found.file, link.filename)
                found = self._walk(there["/"], link.path, links - 1)
            elif isinstance(link, h5py.SoftLink):
                found = self._walk(found, link.path, links - 1)
            else:
                return None
            if found is None:
                return None
        if isinstance(found, h5py.Dataset):
            self._check_storage(found, links)
        return found

    def _file(self, beside: Any, name: str, *, is_pattern: bool = False) -> Any:
        """A file that a link names, open; a pattern stands for many, of which HDF5 would choose."""
        import h5py

        folder = Path(beside.filename).parent
        path = folder / name
        try:
            target = path.resolve()
            there = target.is_file()
        except (OSError, ValueError):
            there = False
        if there and not self.everywhere and not target.is_relative_to(self.path.resolve().parent):
            raise InputError(
                f"{shown(str(self.path))}: it leads to {shown(str(path))}, which is not in its own folder; "
                "--follow-links goes there all the same"
            )
        if not there or is_pattern:
            # HDF5 would show zeros in place of what is not there.
            wanted = shown(str(self.path.parent / name))
            raise InputError(f"{self.path}: cannot read its images: there is no {wanted}")
        if target == Path(self.root.filename).resolve():
            return self.root
        if target not in self._open:
            if len(self._open) == _MOST_FILES:
                raise InputError(f"{self.path}: it leads to more than {_MOST_FILES} files")
            self._open[target] = self._stack.enter_context(h5py.File(target, "r"))
        return self._open[target]

    def _check_storage(self, data: Any, links: int) -> None:
        """Refuse numbers that lie outside HDF5 files, and follow those that are put together from other data sets."""
        if data.external and not self.everywhere:
            raise InputError(
                f"{shown(str(self.path))}: its numbers are the bytes of another file, "
                f"{shown(str(data.external[0][0]))}; --follow-links reads them all the same"
            )
        key = data.file.filename, data.name
        if not data.is_virtual or key in self._virtual:
            return
        self._virtual.add(key)
        if links == 0:
            raise InputError(f"{self.path}: its links go round in a circle")
        for source in data.virtual_sources():
            name = source.file_name
            there = data.file if name == "." else self._file(data.file, name, is_pattern="%" in name)
            self._walk(there["/"], source.dset_name, links - 1)


@contextmanager
def opened(path: Path, *, everywhere: bool) -> Iterator[Linked]:
    """Open an HDF5 file for reading.

    Raises
    ------
    InputError
        When a library is missing, or the file is damaged, or anything that is read of it while it is open.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: h5py is not installed, which reads HDF5: {_INSTALL}") from None
    with suppress(ImportError):
        # Registers the compressions of detectors; without it, files with other ones can be read.
        import hdf5plugin  # noqa: F401
    try:
        with ExitStack() as stack:
            root = stack.enter_context(h5py.File(path.resolve(), "r"))
            yield Linked(path=path, root=root, everywhere=everywhere, stack=stack)
    except (OpenBraggError, MemoryError):
        raise
    except Exception as error:
        # What the library raises over a spoilt file is of many classes.
        if "filter" in str(error).lower() and "hdf5plugin" not in sys.modules:
            raise InputError(f"{path}: hdf5plugin is not installed, which unpacks the images: {_INSTALL}") from None
        raise InputError(f"{path}: the HDF5 file is damaged, or no NXmx file") from None
