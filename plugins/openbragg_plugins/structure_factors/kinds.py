"""What kind a file of crystallography is, by how it begins."""

from __future__ import annotations

import re

MTZ, REFLECTION_CIF, MODEL_CIF, SMALL_CIF, PDB = "mtz", "reflection-cif", "model-cif", "small-cif", "pdb"
CRYSTFEL, XDS_ASCII, SHELX, SCALEPACK = "crystfel", "xds-ascii", "shelx", "scalepack"
#: Kinds of reflections.
REFLECTIONS = (MTZ, REFLECTION_CIF, CRYSTFEL, XDS_ASCII, SHELX, SCALEPACK)


#: Records that a PDB file may begin with.
_PDB_RECORDS = frozenset(
    b"""
    HEADER OBSLTE TITLE SPLIT CAVEAT COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT SPRSDE JRNL REMARK DBREF
    SEQRES MODRES HET HELIX SHEET SSBOND LINK CISPEP CRYST1 ORIGX1 SCALE1 MTRIX1 MODEL ATOM HETATM USER
    FTNOTE TURN SITE LINK
    """.split()
)
_BLOCK = re.compile(rb"(?im)^data_\S*")
_REFLECTIONS = re.compile(rb"(?im)^\s*_(refln\.|refln_index_h\b)")
_ATOMS = re.compile(rb"(?im)^\s*_atom_site_fract_x\b")
_MACROMOLECULE = re.compile(rb"(?im)^\s*_(atom_site|cell|entry|audit_conform|struct|entity|citation)\.")
_SMALL = re.compile(rb"(?im)^\s*_(atom_site_|cell_length_|symmetry_|space_group_|chemical_)")
#: So much is looked at of files that have no name of their own in them.
_FIRST_LINES = 1 << 12
_OLD_CRYSTFEL = re.compile(rb"\s*h\s+k\s+l\s+I\s+phase\s+sigma\(I\)")
_WHOLE_NUMBERS = re.compile(rb"\s*-?\d+(\s+-?\d+)*\s*")
_UNMERGED_SCALEPACK = re.compile(rb"\s*\d{1,3} +[a-zA-Z][a-zA-Z0-9/: -]{1,14}\s*")
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_INDEX = re.compile(rb" *-?\d+")
_AFTER_SHELX = re.compile(rb"[ \d.+-]*\r?")


def kind_of(beginning: bytes) -> str | None:
    """The kind of a file that begins so, unpacked; None for one that is of none of these kinds."""
    if beginning.startswith(b"MTZ "):
        return MTZ
    if b"\0" in beginning:
        return None
    if _BLOCK.search(beginning) and _is_cif(beginning):
        # A structure's own file may have its reflections below the atoms.
        if _REFLECTIONS.search(beginning) and not _ATOMS.search(beginning):
            return REFLECTION_CIF
        if _MACROMOLECULE.search(beginning):
            return MODEL_CIF
        return SMALL_CIF if _SMALL.search(beginning) else None
    if beginning.lstrip()[:6].split(b"\n")[0].strip() in _PDB_RECORDS:
        return PDB
    if beginning.startswith(b"!FORMAT=XDS_ASCII"):
        return XDS_ASCII
    lines = beginning[:_FIRST_LINES].splitlines()
    if len(beginning) > _FIRST_LINES:
        lines = lines[:-1]
    if lines and (lines[0].startswith(b"CrystFEL reflection list") or _OLD_CRYSTFEL.match(lines[0])):
        return CRYSTFEL
    if is_scalepack(lines):
        return SCALEPACK
    return SHELX if _is_shelx(lines) else None


def is_scalepack(lines: list[bytes]) -> bool:
    """Whether lines begin as SCALEPACK writes them: merged with a cell, or unmerged with symmetry operations."""
    if len(lines) < 3:
        return False
    if _UNMERGED_SCALEPACK.fullmatch(lines[0]):
        return bool(_WHOLE_NUMBERS.fullmatch(lines[1]))
    words = lines[2].split()
    return (
        lines[0].strip().isdigit()
        and _WHOLE_NUMBERS.fullmatch(lines[1]) is not None
        and len(words) >= 7
        and all(_NUMBER.fullmatch(word) for word in words[:6])
        and words[6][:1].isalpha()
    )


def _is_shelx(lines: list[bytes]) -> bool:
    """Whether lines have three indices of 4 letters, and an intensity and its deviation of 8, as SHELX reads them."""
    seen = 0
    for line in lines:
        if not line.strip():
            break
        indices, values = [line[place : place + 4] for place in (0, 4, 8)], (line[12:20], line[20:28])
        if not all(_INDEX.fullmatch(word) for word in indices):
            return False
        if not any(int(word) for word in indices):
            break
        if not all(_NUMBER.fullmatch(word.strip()) for word in values) or not _AFTER_SHELX.fullmatch(line[28:]):
            return False
        seen += 1
    return seen > 0


def _is_cif(beginning: bytes) -> bool:
    """Whether the first line that is no comment opens a block, as it does in every CIF."""
    for line in beginning.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            return stripped.lower().startswith(b"data_")
    return False
