"""Atoms beside a table of amplitudes: those whose scattering differs with the wavelength."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError, unit
from openbragg_plugins.structure_factors.corrections import elements_of
from openbragg_plugins.structure_factors.kinds import MODEL_CIF, PDB, kind_of
from openbragg_plugins.structure_factors.macromolecule import read_macromolecule
from openbragg_plugins.structure_factors.sources import content_of, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gemmi

_BEGINNING = 1 << 20
_SQUARE_ANGSTROM = unit("A^2").to_si
#: Each is a term of its own at each index.
_MOST = 96
_LARGEST_COORDINATE, _LARGEST_B, _LARGEST_OCCUPANCY = 1e4, 1e5, 100.0
#: Element, three coordinates, B factor and occupancy.
_WORDS = 6


@attrs.frozen
class Atom:
    """An atom of the unit cell.

    Attributes
    ----------
    element
        As in the periodic table.
    place
        Fractional coordinates.
    b_factor
        In square metres.
    occupancy
        From 0 to 1, as a rule.
    """

    element: str
    place: tuple[Any, Any, Any]
    b_factor: Any = 0.0
    occupancy: Any = 1.0


def read_atoms(path: Path) -> tuple[Atom, ...]:
    """Read all atoms of the unit cell: of a PDB or mmCIF file by its symmetry, or of a list as they stand there.

    Lines of a list are an element, fractional x y z, a B factor in A^2 and an occupancy.

    Raises
    ------
    InputError
        When the file cannot be read, or has none, too many, or what is no atom; the message names the line.
    """
    content = content_of(path)
    kind = kind_of(content[:_BEGINNING])
    if kind in (PDB, MODEL_CIF):
        model = read_macromolecule(path, content, kind)
        atoms = tuple(_everywhere(model.structure, model.group))
    else:
        atoms = tuple(_listed(path, content))
    if not atoms:
        raise InputError(f"{path}: there are no atoms in the file")
    return atoms


def refuse_too_many(atoms: tuple[Atom, ...]) -> None:
    """Refuse more atoms than are summed one by one.

    Raises
    ------
    InputError
        With their number.
    """
    if len(atoms) > _MOST:
        raise InputError(
            f"{len(atoms)} atoms in the cell are too many beside a table: {_MOST} are taken at most; -anomalous names "
            "the elements that count, and a model with -hkl has any number of atoms"
        )


def _everywhere(structure: gemmi.Structure, group: gemmi.SpaceGroup) -> Iterator[Atom]:
    operations = list(group.operations())
    for found in structure[0].all():
        atom = found.atom
        place = structure.cell.fractionalize(atom.pos).tolist()
        for operation in operations:
            x, y, z = operation.apply_to_xyz(place)
            yield Atom(
                element=atom.element.name,
                place=(x, y, z),
                b_factor=_SQUARE_ANGSTROM(atom.b_iso),
                occupancy=atom.occ,
            )


def _listed(path: Path, content: bytes) -> Iterator[Atom]:
    for number, line in lines_of(path, content):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            values = [float(word) for word in words[1:]]
        except ValueError:
            values = []
        x, y, z, b_factor, occupancy = values if len(words) == _WORDS == len(values) + 1 else (math.nan,) * 5
        good = all(abs(part) <= _LARGEST_COORDINATE for part in (x, y, z)) and 0.0 <= b_factor <= _LARGEST_B
        if not (good and 0.0 <= occupancy <= _LARGEST_OCCUPANCY):
            shown = " ".join(words)[:60]
            raise InputError(
                f"{path}, line {number}: expected an element, fractional x y z, B (A^2) and occupancy, got {shown!r}"
            )
        (element,) = elements_of(words[0], f"{path}, line {number}")
        yield Atom(element, (x, y, z), _SQUARE_ANGSTROM(b_factor), occupancy)
