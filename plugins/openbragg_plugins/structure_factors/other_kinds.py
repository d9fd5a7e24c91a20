"""Files that come as structure factors and are of no kind that is read: what they are."""

from __future__ import annotations

#: Beginnings, and what a file is that has one.
_BEGINNINGS = (
    (b"\x1f\x8b", "a damaged gzip file"),
    (b"BZh", "packed by bzip2: unpack it first"),
    (b"\xfd7zXZ\0", "packed by xz: unpack it first"),
    (b"\x1f\x9d", "packed by compress (.Z): unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it first"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"%PDF-", "a PDF document"),
    (b"CrystFEL stream format", "a CrystFEL stream of single patterns: merge it first, as by partialator"),
    (b"CrystFEL unit cell file", "a CrystFEL cell file, without reflections: name it with -crystal_file beside some"),
    (b"!OUTPUT_FILE=INTEGRATE.HKL", "INTEGRATE.HKL of XDS, not scaled yet: take XDS_ASCII.HKL"),
    (b"###CBF", "a CBF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\x89PNG", "a PNG image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x02", "a pickle of Python"),
    (b"\x80\x03", "a pickle of Python"),
    (b"\x80\x04", "a pickle of Python"),
    (b"\x80\x05", "a pickle of Python"),
    (b"<?xml", "an XML file"),
    (b"{\nHEADER_BYTES", "an SMV image"),
    (b"{", "a JSON file"),
    (b"[", "a JSON file"),
)
#: First words of the lines of CNS files, and of pages of the web.
_CNS = (b"nref", b"anom", b"decl", b"inde")
_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")
_CELL_WORDS, _COLUMNS = 8, 4
_DIALS = b"dials::af::reflection_table"
_CCP4_MAP = slice(208, 212)
_SHOWN = 1 << 12
_LONGEST_NUMBER = 30


def other_kind(beginning: bytes) -> str | None:
    """What a file is that begins so, for people, as the end of "it is ..."; None where that is not known."""
    text = beginning[:_SHOWN].lstrip()
    for mark, name in _BEGINNINGS:
        if beginning.startswith(mark) or text.startswith(mark):
            return name
    if _DIALS in beginning[:_SHOWN]:
        return "a DIALS reflection table: export it as MTZ first"
    if beginning[_CCP4_MAP] == b"MAP ":
        return "a CCP4 map"
    if text[:20].lower().startswith(_PAGE):
        return "a page of the web: a download that went wrong"
    if b"\0" in text:
        return None
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if lines and lines[0][0][:4].lower() in _CNS and (b"=" in text or lines[0][0][:4].lower() == b"inde"):
        return "a CNS reflection file: convert it to MTZ first"
    if any(words[0].upper() == b"CELL" and len(words) == _CELL_WORDS for words in lines):
        return "instructions of SHELX (.ins, .res): name the .hkl beside them"
    if lines and len(lines[0]) > _COLUMNS and all(map(_is_number, lines[0])):
        return (
            f"a table of {len(lines[0])} columns: leave h k l F alone, or write h k l, I and its deviation in SHELX's "
            "columns (3I4, 2F8)"
        )
    return None


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return len(word) < _LONGEST_NUMBER
