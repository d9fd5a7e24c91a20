"""What a unit cell contains: numbers of atoms, from a chemical formula or a protein sequence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Self

import attrs
import gemmi

from openbragg import InputError

# What each amino acid contributes within a chain: the neutral molecule less the water of its peptide bond.
RESIDUE_FORMULAS = {
    "A": "C3 H5 N O",
    "C": "C3 H5 N O S",
    "D": "C4 H5 N O3",
    "E": "C5 H7 N O3",
    "F": "C9 H9 N O",
    "G": "C2 H3 N O",
    "H": "C6 H7 N3 O",
    "I": "C6 H11 N O",
    "K": "C6 H12 N2 O",
    "L": "C6 H11 N O",
    "M": "C5 H9 N O S",
    "N": "C4 H6 N2 O2",
    "O": "C12 H19 N3 O2",
    "P": "C5 H7 N O",
    "Q": "C5 H8 N2 O2",
    "R": "C6 H12 N4 O",
    "S": "C3 H5 N O2",
    "T": "C4 H7 N O2",
    "U": "C3 H5 N O Se",
    "V": "C5 H9 N O",
    "W": "C11 H10 N2 O",
    "Y": "C9 H9 N O2",
}
# A chain of n residues has n - 1 peptide bonds, so one water is left over: the H and OH at its ends.
CHAIN_ENDS = "H2 O"


def _elements_in_order(atoms: Mapping[str, int] | Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Check elements and numbers of atoms; carbon and hydrogen come first, as in any chemical formula (Hill)."""
    numbers = dict(atoms)
    if not numbers:
        raise InputError("content of the unit cell: expected at least one atom")
    for element, number in numbers.items():
        known = gemmi.Element(element)
        if known.name != element or known.atomic_number == 0 or known.it92 is None:
            raise InputError(f"element {element!r}: expected the symbol of an element from H to Cf")
        if not isinstance(number, Integral) or number < 1:
            raise InputError(f"number of {element} atoms {number!r}: expected a whole number of at least 1")
    leading = {"C": 0, "H": 1} if "C" in numbers else {}
    return tuple(sorted(numbers.items(), key=lambda item: (leading.get(item[0], 2), item[0])))


@attrs.frozen
class CellContent:
    """The number of atoms of each element in one unit cell.

    Attributes
    ----------
    atoms : tuple of (str, int)
        Element symbol and number of atoms, carbon and hydrogen first, then by symbol. A mapping is accepted too.

    Raises
    ------
    InputError
        For no atoms, an unknown element, or a number of atoms that is not a positive whole number.
    """

    atoms: tuple[tuple[str, int], ...] = attrs.field(converter=_elements_in_order)

    @classmethod
    def from_formula(cls, formula: str, copies: int = 1) -> Self:
        """Content of a cell that holds `copies` molecules of one chemical formula.

        Parameters
        ----------
        formula : str
            Elements, each with its count where that is not 1: ``"C6 H12 O6"``. Spaces between elements are
            optional; an element may occur more than once.
        copies : int
            Molecules per unit cell: those in the asymmetric unit times the number of symmetry operations, centring
            included.

        Raises
        ------
        InputError
            For text that is no formula, or an unknown element.
        """
        return cls(_times(_count_formula(formula), copies))

    @classmethod
    def from_sequence(cls, sequence: str, copies: int = 1) -> Self:
        """Content of a cell that holds `copies` of a protein, from its one-letter sequence.

        The protein is reduced and neutral: no disulfide bonds (each would take away two hydrogens), no charges, no
        ligands, no solvent. U is selenocysteine and O pyrrolysine.

        Parameters
        ----------
        sequence : str
            One-letter amino-acid codes in either case, or FASTA text: each header line, which begins with ``>``, starts
            a new chain, and a ``*`` at the end of a chain is passed over.
        copies : int
            Proteins (all chains of the sequence together) per unit cell.

        Raises
        ------
        InputError
            For a letter that stands for no single amino acid, or no residues at all.
        """
        chains = [residues for residues in _chains(sequence) if residues]
        if not chains:
            raise InputError("protein sequence: expected at least one amino acid, found none")
        protein: dict[str, int] = {}
        for residues in chains:
            _add(protein, _count_formula(CHAIN_ENDS))
            for letter in sorted(set(residues)):
                _add(protein, _times(_count_formula(RESIDUE_FORMULAS[letter]), residues.count(letter)))
        return cls(_times(protein, copies))

    @property
    def formula(self) -> str:
        """The content as a chemical formula, such as ``"C6 H12 O6"``."""
        return " ".join(f"{element}{number}" if number > 1 else element for element, number in self.atoms)


def _count_formula(formula: str) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for word in formula.split():
        # Nine digits are more atoms than any cell has, and keep a mistyped number from becoming a huge integer.
        if not re.fullmatch(r"([A-Z][a-z]?([0-9]{1,9})?)+", word):
            raise InputError(f"formula, at {word!r}: expected elements and numbers of atoms, such as 'C6 H12 O6'")
        for element, number in re.findall(r"([A-Z][a-z]?)([0-9]*)", word):
            _add(numbers, {element: int(number or 1)})
    return numbers


def _chains(sequence: str) -> list[str]:
    chains = [""]
    for line in sequence.splitlines():
        if line.lstrip().startswith(">"):
            chains.append("")
        else:
            chains[-1] += "".join(line.split()).upper()
    chains = [residues.removesuffix("*") for residues in chains]
    for residues in chains:
        for place, letter in enumerate(residues, start=1):
            if letter not in RESIDUE_FORMULAS:
                expected = "".join(RESIDUE_FORMULAS)
                raise InputError(f"protein sequence, residue {place} is {letter!r}: expected one of {expected}")
    return chains


def _add(numbers: dict[str, int], more: Mapping[str, int]) -> None:
    for element, number in more.items():
        numbers[element] = numbers.get(element, 0) + number


def _times(numbers: Mapping[str, int], copies: int) -> dict[str, int]:
    if not isinstance(copies, Integral) or copies < 1:
        raise InputError(f"copies per unit cell {copies!r}: expected a whole number of at least 1")
    return {element: number * copies for element, number in numbers.items()}
