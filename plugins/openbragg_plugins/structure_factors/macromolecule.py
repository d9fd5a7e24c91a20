"""Structure factors of a macromolecule, through its electron density on a grid."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError
from openbragg_plugins.structure_factors.element_sums import Site, anisotropic, isotropic
from openbragg_plugins.structure_factors.kinds import PDB
from openbragg_plugins.structure_factors.pdb_columns import without_serials
from openbragg_plugins.structure_factors.reflection_data import checked_cell, checked_group
from openbragg_plugins.structure_factors.sources import complaints, text_of

if TYPE_CHECKING:
    import gemmi
    import numpy as np

#: Grid points for each d spacing, as a multiple of the two that the highest Fourier coefficient needs.
SHANNON_RATE = 1.5
_WAVELENGTH = re.compile(r"^REMARK 200  WAVELENGTH OR RANGE +\(A\) : *(\d*\.?\d+) *$")
#: B is so many U.
_B_OVER_U = 8.0 * math.pi**2
#: Electrons of which the B factor, in A^2, is as large as this have left the crystal.
_LARGEST_B = 1e5
_LARGEST_OCCUPANCY = 100.0
#: Atoms of traces of chains, and from which part of all on, of more than a few, a model is nothing else.
_TRACE = ("CA", "P")
_NEARLY_ALL = 0.9
_FEW_ATOMS = 10


@attrs.frozen(kw_only=True, eq=False)
class Macromolecule:
    """A model with its crystal.

    Attributes
    ----------
    path, structure, group
        The file, gemmi's structure, and its space group.
    wavelength
        Of the experiment, in angstroms, where the file has one.
    notices
        What the user should know.
    """

    path: Path
    structure: gemmi.Structure
    group: gemmi.SpaceGroup
    wavelength: float | None
    notices: tuple[str, ...] = ()

    @property
    def cell(self) -> gemmi.UnitCell:
        """The unit cell."""
        return self.structure.cell

    @property
    def resolution(self) -> float | None:
        """To which the file says that it was refined, in angstroms."""
        value = float(self.structure.resolution)
        return value if 0.0 < value < math.inf else None

    def amplitudes(
        self, indices: np.ndarray[Any, np.dtype[np.int32]], resolution: float, k_sol: float, b_sol: float
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """\\|F\\| of h k l (reflections, 3) that all have a d spacing of `resolution` angstroms or more."""
        import numpy as np

        return np.asarray(abs(self.factors(indices, resolution, k_sol, b_sol)), dtype=np.float64)

    def factors(
        self, indices: np.ndarray[Any, np.dtype[np.int32]], resolution: float, k_sol: float, b_sol: float
    ) -> np.ndarray[Any, np.dtype[np.complex128]]:
        """F of the same, without f' and f''.

        Atoms are Gaussians by the International Tables (1992), volume C, with their occupancies and B factors. Solvent
        of density `k_sol` (electrons/A^3), smeared by `b_sol` (A^2), fills what they leave: Jiang and Bruenger,
        J. Mol. Biol. 243, 100 (1994).
        """
        import gemmi
        import numpy as np

        model = self.structure[0]
        with complaints(self.path, "model"):
            density = gemmi.DensityCalculatorX()
            density.d_min = resolution
            density.rate = SHANNON_RATE
            density.set_grid_cell_and_spacegroup(self.structure)
            density.set_refmac_compatible_blur(model)
            density.put_model_density_on_grid(model)
            transform = gemmi.transform_map_to_f_phi(density.grid, half_l=True)
            factors = transform.get_value_by_hkl(indices, unblur=density.blur).astype(np.complex128)
            if k_sol > 0.0:
                masker = gemmi.SolventMasker(gemmi.AtomicRadiiSet.VanDerWaals)
                masker.put_mask_on_float_grid(density.grid, model)
                solvent = gemmi.transform_map_to_f_phi(density.grid, half_l=True).get_value_by_hkl(indices)
                stol_squared = self.cell.calculate_1_d2_array(indices) / 4.0
                factors += solvent * (k_sol * np.exp(-b_sol * stol_squared))
        return np.asarray(factors, dtype=np.complex128)

    def sites(self, element: str) -> Iterator[Site]:
        """The atoms of an element in the asymmetric unit."""
        for place in self.structure[0].all():
            atom = place.atom
            if atom.element.name != element:
                continue
            spread = atom.aniso.as_mat33().tolist() if atom.aniso.nonzero() else None
            yield Site(
                place=self.cell.fractionalize(atom.pos).tolist(),
                occupancy=atom.occ,
                displacement=isotropic(self.cell, atom.b_iso / _B_OVER_U)
                if spread is None
                else anisotropic(self.cell, spread),
            )


def read_macromolecule(path: Path, content: bytes, kind: str) -> Macromolecule:
    """Read a model from a PDB or mmCIF file.

    Raises
    ------
    InputError
        When it is no such file, or lacks atoms, the cell or the space group, or has atoms that cannot be.
    """
    import gemmi

    notices = []
    if kind == PDB:
        with complaints(path, "PDB file"):
            structure = gemmi.read_pdb_string(text_of(without_serials(content), columns=True))
        wavelength = _remarked(structure.raw_remarks)
    else:
        with complaints(path, "mmCIF model"):
            document = gemmi.cif.read_string(text_of(content))
            blocks = list(document)
            block = next((block for block in blocks if block.find_loop("_atom_site.id")), blocks[0] if blocks else None)
            if block is None:
                raise InputError(f"{path}: there are no atoms in the file")
            structure = gemmi.make_structure_from_block(block)
        wavelength = _single(block.find_values("_diffrn_radiation_wavelength.wavelength"))
    if not len(structure) or not any(True for _ in structure[0].all()):
        raise InputError(f"{path}: there are no atoms in the file")
    cell = checked_cell(path, structure.cell)
    if not structure.spacegroup_hm.strip():
        raise InputError(f"{path}: there is no space group in the file")
    group = checked_group(path, structure.find_spacegroup(), structure.spacegroup_hm, cell)
    if len(structure) > 1:
        notices.append(f"{path}: the first of {len(structure)} models is taken")
    if any(not operation.given for operation in structure.ncs):
        with complaints(path, "model"):
            structure.expand_ncs(gemmi.HowToNameCopiedChain.Short)
        notices.append(f"{path}: copies by non-crystallographic symmetry are made")
    _check_atoms(path, structure[0])
    notices.extend(_without_unknown(path, structure[0]))
    if (note := _trace_only(path, structure[0])) is not None:
        notices.append(note)
    structure.setup_cell_images()
    return Macromolecule(path=path, structure=structure, group=group, wavelength=wavelength, notices=tuple(notices))


def _check_atoms(path: Path, model: gemmi.Model) -> None:
    for number, place in enumerate(model.all(), start=1):
        atom = place.atom
        values = (*atom.pos.tolist(), atom.occ, atom.b_iso, *atom.aniso.elements_pdb())
        if not all(map(math.isfinite, values)) or atom.occ < 0.0 or atom.occ > _LARGEST_OCCUPANCY:
            raise InputError(f"{path}: atom {number} ({atom.name}) has a position, occupancy or B factor that is none")
        if not 0.0 <= atom.b_iso <= _LARGEST_B:
            raise InputError(f"{path}: atom {number} ({atom.name}) has a B factor of {atom.b_iso:g} A^2")


def _without_unknown(path: Path, model: gemmi.Model) -> list[str]:
    """Take out atoms of no element that scatters as is known, and say how many there were.

    Raises
    ------
    InputError
        When there is no other.
    """
    import gemmi

    unknown = 0
    for chain in model:
        for residue in chain:
            for place in reversed(range(len(residue))):
                element = residue[place].element
                if element.it92 is None or element == gemmi.Element("X"):
                    del residue[place]
                    unknown += 1
    if not unknown:
        return []
    if not any(True for _ in model.all()):
        raise InputError(f"{path}: none of the {unknown} atoms is of an element with known scattering factors")
    return [f"{path}: {unknown} atoms of no element with known scattering factors (X) are left out"]


def _trace_only(path: Path, model: gemmi.Model) -> str | None:
    """What is to be said of a model in which nearly all residues are one atom each, as in a trace of C-alpha atoms."""
    atoms = [place.atom.name for place in model.all()]
    traced = sum(1 for name in atoms if name in _TRACE)
    if len(atoms) < _FEW_ATOMS or traced < _NEARLY_ALL * len(atoms):
        return None
    return f"{path}: {traced} of {len(atoms)} atoms are CA or P, a trace of the chains: the amplitudes are no crystal's"


def _remarked(remarks: list[str]) -> float | None:
    """The wavelength that the remarks of a PDB file have, where it is one."""
    found = [match.group(1) for line in remarks if (match := _WAVELENGTH.match(line))]
    return _number(found[0]) if len(set(found)) == 1 else None


def _single(values: gemmi.cif.Column) -> float | None:
    words = {str(word) for word in values}
    return _number(words.pop()) if len(words) == 1 else None


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if 0.0 < value < 1e6 else None
