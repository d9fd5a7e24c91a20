"""Files of crystallography: what kind one is, by how it begins, and its content in memory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from openbragg import InputError

MTZ, REFLECTION_CIF, MODEL_CIF, SMALL_CIF, PDB = "mtz", "reflection-cif", "model-cif", "small-cif", "pdb"

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
#: No file of these kinds is larger; a small packed one that claims to be is refused before memory is taken.
_LARGEST = 1 << 30
_PIECE = 1 << 16
#: Records that a PDB file may begin with.
_PDB_RECORDS = frozenset(
    b"""
    HEADER OBSLTE TITLE SPLIT CAVEAT COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT SPRSDE JRNL REMARK DBREF
    SEQRES MODRES HET HELIX SHEET SSBOND LINK CISPEP CRYST1 ORIGX1 SCALE1 MTRIX1 MODEL ATOM HETATM USER
    """.split()
)
#: How gemmi names the place of a mistake in a CIF, and a file that was made for it.
_CIF_PLACE = re.compile(r"^(?:data|string|):(\d+):\d+(?:\(\d+\))?:? ")
_TEMPORARY = re.compile(r":? ?\S*openbragg-\S*\.mtz")
_BLOCK = re.compile(rb"(?im)^data_\S*")
_REFLECTIONS = re.compile(rb"(?im)^\s*_refln\.")
_MACROMOLECULE = re.compile(rb"(?im)^\s*_(atom_site|cell|entry|audit_conform|struct|entity|citation)\.")
_SMALL = re.compile(rb"(?im)^\s*_(atom_site_|cell_length_|symmetry_|space_group_|chemical_)")


def kind_of(beginning: bytes) -> str | None:
    """The kind of a file that begins so, unpacked; None for one that is of none of these kinds."""
    if beginning.startswith(b"MTZ "):
        return MTZ
    if b"\0" in beginning:
        return None
    if _BLOCK.search(beginning) and _is_cif(beginning):
        if _REFLECTIONS.search(beginning):
            return REFLECTION_CIF
        if _MACROMOLECULE.search(beginning):
            return MODEL_CIF
        return SMALL_CIF if _SMALL.search(beginning) else None
    return PDB if beginning.lstrip()[:6].split(b"\n")[0].strip() in _PDB_RECORDS else None


def _is_cif(beginning: bytes) -> bool:
    """Whether the first line that is no comment opens a block, as it does in every CIF."""
    for line in beginning.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            return stripped.lower().startswith(b"data_")
    return False


def content_of(path: Path) -> bytes:
    """What is in a file, unpacked if it is packed by gzip.

    Raises
    ------
    InputError
        When the file cannot be read, is empty, is damaged, or is too large.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    content = _unpacked(path, raw) if raw.startswith(_GZIP) else raw
    if len(content) > _LARGEST:
        raise InputError(f"{path}: more than {_LARGEST} bytes are too large for a crystallographic file")
    if not content.strip(b"\0 \t\r\n"):
        raise InputError(f"{path}: the file is empty")
    return content


def _unpacked(path: Path, raw: bytes) -> bytes:
    pieces = []
    size = 0
    try:
        while raw.startswith(_GZIP):
            packed = zlib.decompressobj(_GZIP_WINDOW)
            while not packed.eof and (piece := packed.decompress(raw, _PIECE)):
                pieces.append(piece)
                size += len(piece)
                if size > _LARGEST:
                    raise InputError(f"{path}: unpacks to more than {_LARGEST} bytes, too large for what it should be")
                raw = packed.unconsumed_tail
            if not packed.eof:
                raise InputError(f"{path}: the gzip file ends too early")
            raw = packed.unused_data
    except zlib.error as error:
        raise InputError(f"{path}: a damaged gzip file: {error}") from None
    return b"".join(pieces)


def text_of(content: bytes, *, columns: bool = False) -> str:
    """Text, also where a letter is in no known code; with `columns`, each byte is a letter, and odd ones are marks."""
    if columns:
        return content.decode("ascii", "replace").replace("\ufffd", "?")
    return content.decode("utf-8", "replace")


@contextmanager
def as_file(content: bytes, suffix: str) -> Iterator[str]:
    """The name of a file with this content, for libraries that only read files; it goes again."""
    with NamedTemporaryFile(prefix="openbragg-", suffix=suffix) as stream:
        stream.write(content)
        stream.flush()
        yield stream.name


@contextmanager
def complaints(path: Path, what: str) -> Iterator[None]:
    """What gemmi says of a file that it cannot read, as one line that names the file.

    Raises
    ------
    InputError
        In place of gemmi's exception.
    """
    try:
        yield
    except InputError:
        raise
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError, OverflowError, OSError, MemoryError) as error:
        reason = _TEMPORARY.sub("", " ".join(str(error).split()) or type(error).__name__)
        place = _CIF_PLACE.match(reason)
        where = f"{path}, line {place.group(1)}" if place is not None else f"{path}"
        raise InputError(f"{where}: not a readable {what}: {_CIF_PLACE.sub('', reason)[:160]}") from None
