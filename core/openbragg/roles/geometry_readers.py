"""The contract of readers of geometry files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    from pathlib import Path

    from openbragg.model.described import Geometry


@runtime_checkable
class GeometryReader(Plugin, Protocol):
    """Where panels, beam, spindle and crystal are, from a file: what ``-geometry FILE`` reads.

    Option fields of the class are flags that say how a file is to be read. A class whose files have several experiments
    may have a method ``read_all(path)``, which gives the `Geometry` of each in a list.
    """

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """Whether a file of this name that begins so is of the kind that the class reads.

        `beginning` is up to a million bytes, unpacked if the file is packed by gzip. The name may decide where the
        content cannot. It is called for any file given as ``-geometry``, so it should be quick, import no heavy
        library, and be sure: where two classes recognise a file the user has to choose by name.
        """

    def read(self, path: Path) -> Geometry:
        """What is in a file.

        Raises
        ------
        InputError
            When it cannot be used; one line that names the file, and the line or the key.
        """
