"""Structure-factor amplitudes on an absolute scale, for a crystal whose content is known but whose atoms are not.

Wilson statistics need only the number of atoms of each element in the unit cell: the amplitudes have the
strength, the fall-off with resolution, the symmetry and the systematic absences of a real crystal, and no
structure behind them. Atoms are taken as independent and evenly spread, so the dip and rise of a protein near
6 and 4 angstroms, bulk solvent and anomalous scattering are not in these numbers.

Source of the statistics: A. J. C. Wilson, Acta Cryst. 2 (1949) 318-321; of the scattering factors:
International Tables for Crystallography C (1992), table 6.1.1.4, as gemmi holds it.
"""

import math
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import Any, Self, TypeAlias

import attrs
import gemmi
import numpy as np
from numpy.typing import ArrayLike, NDArray

from openbragg.errors import InputError
from openbragg.units import unit

ANGSTROM = unit("A")

# The four-Gaussian fits of table 6.1.1.4 hold for sin(theta)/lambda up to 2 per angstrom, a d spacing of 0.25.
FINEST_RESOLUTION = ANGSTROM.to_si(0.25)

# About 3.5 GB of arrays and a 1 GB table: beyond any crystal that is simulated, below what makes a machine swap.
MOST_REFLECTIONS = 50_000_000

# Enough to write fast, few enough that the numbers as Python objects take no memory to speak of.
LINES_AT_ONCE = 100_000

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

Reflections: TypeAlias = NDArray[np.int32]
Amplitudes: TypeAlias = NDArray[np.float64]


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


def wilson_amplitudes(
    cell: gemmi.UnitCell,
    space_group: gemmi.SpaceGroup,
    content: CellContent,
    resolution: float,
    b_factor: float,
    seed: int,
) -> tuple[Reflections, Amplitudes]:
    """Draw the amplitude of every unique reflection from its Wilson distribution.

    Intensities of acentric reflections follow p(I) = exp(-I/S)/S and those of centric ones
    p(I) = exp(-I/2S)/sqrt(2 pi I S), where S is the mean of `mean_intensities` (Wilson 1949).

    F(000) is left out: it is the direct beam, which a beam stop takes away in any experiment. The simulation has no
    beam stop, so with F(000) in the table the beam centre would outshine, and set the scale of, the whole image.

    Parameters
    ----------
    cell : gemmi.UnitCell
        Unit cell, in angstroms and degrees as gemmi holds it.
    space_group : gemmi.SpaceGroup
        Space group, in the setting that the cell is in.
    content : CellContent
        Atoms in the whole unit cell.
    resolution : float
        Smallest d spacing, in metres.
    b_factor : float
        Isotropic displacement parameter B of all atoms, in square metres; 20e-20 is typical for a protein.
    seed : int
        Not negative. The same arguments and seed give the same table, a different seed a different one.

    Returns
    -------
    hkl : int32 array, (reflections, 3)
        Reflections in gemmi's reciprocal asymmetric unit, sorted, without systematic absences and without 0 0 0.
    F : float64 array, (reflections,)
        Amplitudes, in electrons per unit cell.

    Raises
    ------
    InputError
        For a cell that the space group does not allow, a resolution that gives no reflections or too many, or a
        negative B factor or seed.
    """
    if not (isinstance(seed, Integral) and seed >= 0):
        raise InputError(f"seed {seed!r}: expected a whole number of at least 0")
    _check_cell(cell, space_group)
    hkl = _unique_reflections(cell, space_group, resolution)
    mean = mean_intensities(hkl, cell, space_group, content, b_factor)
    centric = space_group.operations().centric_flag_array(hkl)
    return hkl, np.sqrt(mean * _normalized_intensities(centric, seed))


def mean_intensities(
    hkl: Reflections,
    cell: gemmi.UnitCell,
    space_group: gemmi.SpaceGroup,
    content: CellContent,
    b_factor: float,
) -> NDArray[np.float64]:
    """Find the expected intensity <F^2> of reflections, over all structures with this content and symmetry.

    <F^2> = epsilon sum_j n_j f_j(s)^2 exp(-2 B s^2), with s = sin(theta)/lambda = 1/2d (Wilson 1949).

    Parameters
    ----------
    hkl : int32 array, (reflections, 3)
        Reflections that are not systematically absent.
    cell, space_group, content, b_factor
        As for `wilson_amplitudes`.

    Returns
    -------
    float64 array, (reflections,)
        Mean intensities, in electrons squared per unit cell.

    Raises
    ------
    InputError
        For a B factor that is negative or not finite.
    """
    if not (math.isfinite(b_factor) and b_factor >= 0):
        raise InputError(f"B factor {_square_angstroms(b_factor):g} A^2: expected a finite number of 0 or more")
    hkl = np.ascontiguousarray(hkl, dtype=np.int32)
    s_squared = cell.calculate_1_d2_array(hkl) / 4  # per square angstrom, as the scattering factors want it
    scattering = sum(number * _scattering_factors(element, s_squared) ** 2 for element, number in content.atoms)
    # F is per conventional cell and the content counts that whole cell. The atoms related by the e operations that
    # leave h as it is, and those related by the c centring vectors, all scatter in phase: N atoms act as N/(e c) groups
    # of strength e c, so <F^2> is e c times the sum of f^2. Without c a centred crystal would be c times too weak.
    epsilon = space_group.operations().epsilon_factor_array(hkl)
    falloff = np.exp(-2 * _square_angstroms(b_factor) * s_squared)
    return np.asarray(epsilon * scattering * falloff, dtype=np.float64)


def expand_to_p1(hkl: ArrayLike, F: ArrayLike, space_group: gemmi.SpaceGroup) -> tuple[Reflections, Amplitudes]:
    """Give every symmetry mate and Friedel mate of each reflection the amplitude of that reflection.

    Parameters
    ----------
    hkl : integer array, (reflections, 3)
        Reflections; mates of one another may be among them if their amplitudes are equal.
    F : float array, (reflections,)
        Amplitudes, in electrons per unit cell.
    space_group : gemmi.SpaceGroup
        Space group in the setting of the indices.

    Returns
    -------
    hkl : int32 array, (mates, 3)
        Each reflection once, sorted by h, then k, then l.
    F : float64 array, (mates,)
        Amplitudes, in electrons per unit cell.

    Raises
    ------
    InputError
        For arrays that are no reflection table, or two mates that differ in amplitude.
    """
    hkl, F = _checked_table(hkl, F)
    rotations = np.array([operation.rot for operation in space_group.operations().sym_ops]) // gemmi.Op.DEN
    # Friedel's law adds the inversion; a centrosymmetric group has it already, so only distinct matrices are kept.
    laue_group = np.unique(np.concatenate([rotations, -rotations]), axis=0).astype(np.int32)
    # h (R x) = (h R) x: an index row is multiplied from the right.
    mates = (hkl[None] @ laue_group).reshape(-1, 3)
    amplitudes = np.tile(F, len(laue_group))
    order = np.lexsort(mates.T[::-1])
    mates, amplitudes = mates[order], amplitudes[order]
    first = np.ones(len(mates), dtype=bool)
    first[1:] = np.any(mates[1:] != mates[:-1], axis=1)
    conflicts = np.flatnonzero(~first[1:] & (amplitudes[1:] != amplitudes[:-1]))
    if len(conflicts):
        one, other = amplitudes[conflicts[0] : conflicts[0] + 2]
        raise InputError(
            f"reflection {_indices(mates[conflicts[0]])}: expected its mates in {space_group.xhm()} to have equal F, "
            f"found {one:g} and {other:g}"
        )
    return mates[first], amplitudes[first]


def write_hkl_table(path: str | os.PathLike[str], hkl: ArrayLike, F: ArrayLike) -> None:
    """Write a reflection table as text: h k l F, one reflection a line, and nothing else.

    There is no comment or title line, since nanoBragg.c reads the file as bare numbers. The table is written beside
    `path` and then renamed, so that an interrupted run leaves an existing file as it was.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced.
    hkl : integer array, (reflections, 3)
        Reflections. Simulators take the table as one for P1: pass it through `expand_to_p1` first.
        One that is not in the table has the simulator's default amplitude: 0 keeps systematic absences absent.
    F : float array, (reflections,)
        Amplitudes, in electrons per unit cell, written to nine digits.

    Raises
    ------
    InputError
        For arrays that are no reflection table, or a file that cannot be written.
    """
    hkl, F = _checked_table(hkl, F)
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a rename would put a plain file in the place of a device or pipe
            raise InputError(f"{path}: expected a plain file, or none yet, to write the reflections to")
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            with partial.open("x", encoding="ascii", newline="\n") as table:
                for start in range(0, len(F), LINES_AT_ONCE):
                    block = slice(start, start + LINES_AT_ONCE)
                    numbers = tuple(chain.from_iterable(zip(*hkl[block].T.tolist(), F[block].tolist(), strict=True)))
                    # One format for the whole block is several times faster than one per line.
                    table.write("%d %d %d %.9g\n" * (len(numbers) // 4) % numbers)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot write the reflections: {error.strerror}") from error


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


def _check_cell(cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup) -> None:
    described = " ".join(f"{value:g}" for value in cell.parameters)
    # gemmi takes any six numbers: negative lengths, angles beyond a half turn, angles that leave the cell flat but for
    # rounding (volume / abc near 1e-8) or without a volume at all. A zero angle gives its default cell, no crystal.
    lengths, angles = cell.parameters[:3], cell.parameters[3:]
    within_bounds = min(cell.parameters) > 0 and max(angles) < 180
    if not (within_bounds and cell.is_crystal() and cell.volume > 1e-6 * math.prod(lengths)):
        raise InputError(f"unit cell {described}: expected three lengths in angstroms and three possible angles")
    if not cell.is_compatible_with_spacegroup(space_group):
        system = space_group.crystal_system_str()
        raise InputError(f"unit cell {described}: expected a {system} cell, for space group {space_group.xhm()}")


def _unique_reflections(cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup, resolution: float) -> Reflections:
    smallest_d = ANGSTROM.from_si(resolution)
    if not (math.isfinite(resolution) and resolution >= FINEST_RESOLUTION):
        limit = ANGSTROM.from_si(FINEST_RESOLUTION)
        raise InputError(f"resolution {smallest_d:g} A: expected a finite d spacing of at least {limit:g} A")
    in_sphere = 4 / 3 * math.pi * cell.volume / smallest_d**3
    if in_sphere > MOST_REFLECTIONS:
        raise InputError(
            f"resolution {smallest_d:g} A: gives {in_sphere:.2g} reflections, more than {MOST_REFLECTIONS:.2g}; "
            "expected a coarser one"
        )
    # A reflection right at the limit belongs to the table, however the limit was rounded on its way to metres.
    hkl = gemmi.make_miller_array(cell, space_group, smallest_d * (1 - 1e-9), unique=True)
    if len(hkl) == 0:
        raise InputError(
            f"resolution {smallest_d:g} A: no reflection has so large a d spacing; "
            f"expected a finer one, for a cell of {cell.a:g} x {cell.b:g} x {cell.c:g} A"
        )
    return hkl


def _normalized_intensities(centric: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """Draw I/<I>, two uniform deviates a reflection.

    The structure factor of an acentric reflection is a complex number with normal real and imaginary parts, drawn
    here by radius and angle (Box and Muller, Ann. Math. Stat. 29 (1958) 610); of a centric one only the real part is
    there, with twice the variance. Only uniform deviates are used since numpy keeps their stream from one version to
    the next, which it does not promise for normal ones.
    """
    uniform = np.random.default_rng(seed).random((len(centric), 2))
    radius_squared = -np.log1p(-uniform[:, 0])
    return np.where(centric, 2 * np.cos(2 * np.pi * uniform[:, 1]) ** 2, 1.0) * radius_squared


def _square_angstroms(square_metres: float) -> float:
    return ANGSTROM.from_si(ANGSTROM.from_si(square_metres))


def _scattering_factors(element: str, s_squared: NDArray[np.float64]) -> NDArray[np.float64]:
    coefficients: Any = gemmi.Element(element).it92
    factors = np.full_like(s_squared, coefficients.c)
    for a, b in zip(coefficients.a, coefficients.b, strict=True):
        factors += a * np.exp(-b * s_squared)
    return factors


def _checked_table(hkl: ArrayLike, F: ArrayLike) -> tuple[Reflections, Amplitudes]:
    indices, amplitudes = np.asarray(hkl), np.asarray(F, dtype=np.float64)
    shapes_agree = amplitudes.ndim == 1 and indices.shape == (len(amplitudes), 3)
    if not (np.issubdtype(indices.dtype, np.integer) and shapes_agree):
        raise InputError(
            f"reflection table: expected whole numbers (n, 3) and amplitudes (n,), "
            f"found {indices.dtype} {indices.shape} and {amplitudes.shape}"
        )
    if amplitudes.size == 0:
        raise InputError("reflection table: expected at least one reflection")
    wrong = np.flatnonzero(~(np.isfinite(amplitudes) & (amplitudes >= 0)))
    if len(wrong):
        found = amplitudes[wrong[0]]
        raise InputError(
            f"reflection {_indices(indices[wrong[0]])}: F is {found:g}, expected a finite number of 0 or more"
        )
    return indices.astype(np.int32), amplitudes


def _indices(reflection: NDArray[Any]) -> str:
    return " ".join(str(index) for index in reflection)
