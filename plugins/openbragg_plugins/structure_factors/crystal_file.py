"""Cell and symmetry from another file, for reflections whose own has none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from openbragg import InputError
from openbragg_plugins.structure_factors.kinds import MODEL_CIF, MTZ, PDB, REFLECTION_CIF, SMALL_CIF, kind_of
from openbragg_plugins.structure_factors.reflection_data import checked_cell
from openbragg_plugins.structure_factors.sources import as_file, complaints, content_of, lines_of, text_of
from openbragg_plugins.structure_factors.symmetry import CENTRINGS, Symmetry, listed_group

if TYPE_CHECKING:
    import gemmi

_BEGINNING = 1 << 20
#: Centrings by the numbers of SHELX's LATT; 3 is the obverse setting on hexagonal axes.
_LATT = {1: "P", 2: "I", 3: "H", 4: "F", 5: "A", 6: "B", 7: "C"}
#: Tags of lists of symmetry operations in a CIF.
_OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop.operation_xyz",
    "_symmetry_equiv.pos_as_xyz",
)
_NAMES = (
    *("_symmetry_space_group_name_H-M", "_space_group_name_H-M_alt"),
    *("_symmetry.space_group_name_H-M", "_space_group.name_H-M_alt"),
)
_HALL = ("_symmetry_space_group_name_Hall", "_space_group_name_Hall", "_symmetry.space_group_name_Hall")
_MEASURE = re.compile(r"(\d+\.?\d*(?:[eE][-+]?\d{1,2})?)\s*([a-zA-Z]*)")
_UNITS_OF_LENGTH = {"": 1.0, "A": 1.0, "nm": 10.0}
_UNITS_OF_ANGLE = {"": 1.0, "deg": 1.0}
_CELL_KEYS = ("a", "b", "c", "al", "be", "ga")


@attrs.frozen(kw_only=True)
class CrystalFile:
    """What a file says of a crystal; None for what it does not say.

    Attributes
    ----------
    path
        The file.
    cell, group
        The cell in angstroms and degrees, and the space group.
    centring
        Of its lattice, a letter, where that is known and the group is not; H for a rhombohedral one on hexagonal axes.
    wavelength
        In angstroms.
    reflections
        Which reflections SHELX reads: the number behind HKLF.
    scale, transformation
        Of these: a factor of all intensities, and rows of a matrix that indices are multiplied by.
    """

    path: Path
    cell: gemmi.UnitCell | None = None
    group: gemmi.SpaceGroup | Symmetry | None = None
    centring: str = "P"
    wavelength: float | None = None
    reflections: int = 4
    scale: float = 1.0
    transformation: tuple[tuple[float, ...], ...] | None = None


def beside(path: Path, suffixes: Iterable[str]) -> Path | None:
    """A file of the same name with one of these ends beside a file, the first that is there."""
    stem = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    for suffix in suffixes:
        for end in (suffix, suffix.upper()):
            try:
                found = stem.with_suffix(end)
                if found != path and found.is_file():
                    return found
            except (OSError, ValueError):
                return None
    return None


def read_crystal_file(path: Path) -> CrystalFile:
    """Cell and symmetry from a file of any kind that has them: SHELX, CrystFEL, CIF, PDB or MTZ.

    Raises
    ------
    InputError
        When it cannot be read, or has no cell.
    """
    content = content_of(path)
    kind = kind_of(content[:_BEGINNING])
    with complaints(path, "file of a crystal"):
        if kind in (SMALL_CIF, REFLECTION_CIF, MODEL_CIF):
            return _of_cif(path, content)
        if kind in (MTZ, PDB):
            return _of_gemmi(path, content, kind)
        if content[:_BEGINNING].lstrip().startswith(b"CrystFEL unit cell file"):
            return _of_crystfel(path, content)
        if re.search(rb"(?im)^\s*CELL\s", content[:_BEGINNING]):
            return _of_shelx(path, content)
    raise InputError(f"{path}: no file of a crystal: expected SHELX's .ins or .res, CrystFEL's .cell, CIF, PDB or MTZ")


def operations_of(path: Path, block: gemmi.cif.Block, cell: gemmi.UnitCell) -> gemmi.SpaceGroup | Symmetry | None:
    """The symmetry of a block of a CIF: its operations, or else the group of its name; None where it has neither."""
    import gemmi

    name = next((text for tag in _NAMES if (text := _text(block, tag))), "")
    for tag in _OPERATIONS:
        triplets = [gemmi.cif.as_string(word) for word in block.find_values(tag)]
        if triplets:
            return listed_group(path, triplets, name)
    for tag in _HALL:
        if hall := _text(block, tag):
            found = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall))
            if found is not None:
                return found
    return gemmi.find_spacegroup_by_name(name, cell.alpha, cell.gamma) if name else None


def cell_of(path: Path, block: gemmi.cif.Block) -> gemmi.UnitCell | None:
    """The cell of a block of a CIF; None where it has none."""
    import gemmi

    tags = [f"length_{axis}" for axis in "abc"] + [f"angle_{angle}" for angle in ("alpha", "beta", "gamma")]
    for category in ("_cell_", "_cell."):
        words = [block.find_value(f"{category}{tag}") for tag in tags]
        if all(words):
            return checked_cell(path, gemmi.UnitCell(*(gemmi.cif.as_number(word) for word in words)))
    return None


def wavelength_of(block: gemmi.cif.Block) -> float | None:
    """The wavelength of a block of a CIF in angstroms; None where it has none, or several."""
    import gemmi

    for tag in ("_diffrn_radiation_wavelength", "_diffrn_radiation_wavelength.wavelength"):
        words = set(block.find_values(tag))
        if len(words) == 1:
            value = gemmi.cif.as_number(words.pop())
            return float(value) if 0.0 < value < 1e6 else None
    return None


def _of_cif(path: Path, content: bytes) -> CrystalFile:
    import gemmi

    for block in gemmi.cif.read_string(text_of(content)):
        cell = cell_of(path, block)
        if cell is not None:
            group = operations_of(path, block, cell)
            return CrystalFile(path=path, cell=cell, group=group, wavelength=wavelength_of(block))
    raise InputError(f"{path}: there is no unit cell in the file")


def _of_gemmi(path: Path, content: bytes, kind: str) -> CrystalFile:
    import gemmi

    if kind == PDB:
        structure = gemmi.read_pdb_string(text_of(content, columns=True))
        return CrystalFile(path=path, cell=checked_cell(path, structure.cell), group=structure.find_spacegroup())
    with as_file(content, ".mtz") as name:
        mtz = gemmi.read_mtz_file(name, with_data=False)
    return CrystalFile(path=path, cell=checked_cell(path, mtz.cell), group=mtz.spacegroup)


def _of_crystfel(path: Path, content: bytes) -> CrystalFile:
    """CrystFEL's own form: ``a = 77.05 A``, ``al = 90 deg``, ``centering = P``."""
    import gemmi

    words: dict[str, tuple[int, str]] = {}
    for number, line in lines_of(path, content):
        key, equals, value = line.partition(";")[0].partition("=")
        if equals:
            words[key.strip()] = (number, value.strip())
    numbers = []
    for key in _CELL_KEYS:
        if key not in words:
            raise InputError(f"{path}: there is no {key} in the cell file")
        place, word = words[key]
        found = _MEASURE.fullmatch(word)
        scale = _UNITS_OF_ANGLE if len(key) > 1 else _UNITS_OF_LENGTH
        size = float(found[1]) * scale.get(found[2], 0.0) if found else 0.0
        if not size > 0.0:
            unit = "deg" if len(key) > 1 else "A"
            raise InputError(f"{path}, line {place}: expected {key} = a number above 0 and {unit}, got {word[:40]!r}")
        numbers.append(size)
    number, centring = words.get("centering", (0, "P"))
    if centring not in (*CENTRINGS, "R"):
        raise InputError(f"{path}, line {number}: expected a centering of {' '.join(CENTRINGS)} or R")
    # R is a primitive cell, on rhombohedral axes.
    return CrystalFile(
        path=path, cell=checked_cell(path, gemmi.UnitCell(*numbers)), centring="P" if centring == "R" else centring
    )


def _of_shelx(path: Path, content: bytes) -> CrystalFile:
    """SHELX's instructions: CELL, LATT, SYMM and HKLF."""
    import gemmi

    cell: gemmi.UnitCell | None = None
    wavelength, latt, hklf = 0.0, 1, [4.0]
    triplets: list[str] = []
    for number, line in _instructions(path, content):
        name, *words = line.split()
        keyword = name.upper()[:4]
        if keyword == "CELL":
            values = _numbers(path, number, words, 7)
            wavelength, cell = values[0], checked_cell(path, gemmi.UnitCell(*values[1:7]))
        elif keyword == "LATT":
            latt = int(_numbers(path, number, words, 1)[0])
        elif keyword == "SYMM":
            triplets.append(line[4:].strip().lower())
        elif keyword == "HKLF":
            hklf = _numbers(path, number, words, 1)
            break
        elif keyword == "END":
            break
    if cell is None:
        raise InputError(f"{path}: there is no CELL in the instructions")
    if abs(latt) not in _LATT:
        raise InputError(f"{path}: expected LATT of 1 to 7 or -1 to -7, got {latt}")
    shifts = CENTRINGS[_LATT[abs(latt)]]
    inversion = ["-x,-y,-z"] if latt > 0 else []
    _, scale, *rest = [*hklf, *([1.0] if len(hklf) == 1 else [])]
    matrix = tuple(tuple(rest[3 * row : 3 * row + 3]) for row in range(3)) if len(rest) >= 9 else None
    return CrystalFile(
        path=path,
        cell=cell,
        group=listed_group(path, [*triplets, *shifts, *inversion]),
        wavelength=wavelength if 0.0 < wavelength < 1e6 else None,
        reflections=int(hklf[0]),
        scale=scale,
        transformation=matrix,
    )


def _instructions(path: Path, content: bytes) -> Iterator[tuple[int, str]]:
    """SHELX's lines, those that end in = with the ones below them."""
    held, first = "", 0
    for number, line in lines_of(path, content):
        text = line.partition("!")[0].rstrip()
        first = first if held else number
        if text.endswith("=") and not text.upper().startswith(("REM", "TITL")):
            held += f"{text[:-1]} "
            continue
        whole, held = held + text, ""
        if whole.strip() and not whole.startswith(" "):
            yield first, whole


def _numbers(path: Path, number: int, words: list[str], least: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) < least or not all(abs(value) < 1e9 for value in values):
        raise InputError(f"{path}, line {number}: expected {least} numbers, got {' '.join(words)[:60]!r}")
    return values


def _text(block: gemmi.cif.Block, tag: str) -> str:
    import gemmi

    value = block.find_value(tag)
    return "" if not value or gemmi.cif.is_null(value) else str(gemmi.cif.as_string(value)).strip()
