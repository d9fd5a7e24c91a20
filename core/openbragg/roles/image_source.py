"""The file that an image is read from: its bytes, unpacked where they are packed, and no more than are wanted."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

import attrs

from openbragg.errors import InputError

_GZIP = b"\x1f\x8b"
_BZIP2 = b"BZh"
#: Files that unpack to more than this hold no image: four bytes for each pixel of one that is far larger than any.
MOST_UNPACKED = 1 << 30
_PIECE = 1 << 16


@attrs.frozen(kw_only=True)
class ImageSource:
    """A regular file that is about to be read, and what the user says of it.

    Attributes
    ----------
    path
        The file, for messages; a format that needs more than a stream may open it itself where it is not packed.
    shape
        Pixels (slow, fast), for formats whose files do not say them; None where nothing is said.
    follow_links
        Whether images may be taken from wherever the file says they are; else from its own folder and below alone.
    """

    path: Path
    shape: tuple[int, int] | None = None
    follow_links: bool = False

    def open(self) -> BinaryIO:
        """The file from its beginning, unpacked from gzip or bzip2; to go back in a packed one is slow.

        Raises
        ------
        OSError
            When it cannot be opened. What is wrong with a packed file comes when it is read, as EOFError, OSError or
            zlib.error, which whoever calls a format's `read` makes into a line.
        """
        packing = self.packing()
        if packing == "gzip":
            import gzip

            return cast(BinaryIO, gzip.open(self.path, "rb"))
        if packing == "bzip2":
            import bz2

            return cast(BinaryIO, bz2.open(self.path, "rb"))
        return self.path.open("rb")

    def packing(self) -> str:
        """``gzip``, ``bzip2``, or nothing for a file that is as it is."""
        with self.path.open("rb") as stream:
            start = stream.read(len(_BZIP2))
        return "gzip" if start.startswith(_GZIP) else "bzip2" if start == _BZIP2 else ""

    def size(self) -> int:
        """Bytes of the file, unpacked: counted, in little memory, where it is packed.

        Raises
        ------
        InputError
            When there are more than any image has.
        """
        if not self.packing():
            return self.path.stat().st_size
        size = 0
        with self.open() as stream:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > MOST_UNPACKED:
                    raise InputError(f"{self.path}: it unpacks to more than {MOST_UNPACKED} bytes, which is no image")
        return size

    def content(self, largest: int, what: str) -> bytes:
        """All bytes, unpacked.

        Raises
        ------
        InputError
            When there are more than `largest`, so that it cannot be `what`.
        """
        pieces, size = [], 0
        with self.open() as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > largest:
                    raise InputError(f"{self.path}: too large for {what}")
        return b"".join(pieces)
