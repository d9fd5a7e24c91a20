"""Structure factors of a small molecule, summed over its atoms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError
from openbragg_plugins.structure_factors.element_sums import Site, isotropic
from openbragg_plugins.structure_factors.reflection_data import checked_cell, checked_group
from openbragg_plugins.structure_factors.sources import complaints, text_of

if TYPE_CHECKING:
    import gemmi
    import numpy as np

_LARGEST_U = 1e3
_LARGEST_OCCUPANCY = 100.0


@attrs.frozen(kw_only=True, eq=False)
class SmallMolecule:
    """A small-molecule structure with its crystal; the attributes are those of `Macromolecule`."""

    path: Path
    structure: gemmi.SmallStructure
    group: gemmi.SpaceGroup
    wavelength: float | None
    notices: tuple[str, ...] = ()

    @property
    def cell(self) -> gemmi.UnitCell:
        """The unit cell."""
        return self.structure.cell

    @property
    def resolution(self) -> float | None:
        """Such a file does not say to which resolution it was refined in a way that is kept."""
        return None

    @property
    def terms(self) -> int:
        """Terms in the sum of one structure factor."""
        return len(self.structure.sites) * max(1, len(self.group.operations()))

    def amplitudes(
        self, indices: np.ndarray[Any, np.dtype[np.int32]], resolution: float, k_sol: float, b_sol: float
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """\\|F\\| of h k l (reflections, 3)."""
        import numpy as np

        return np.asarray(np.abs(self.factors(indices, resolution, k_sol, b_sol)), dtype=np.float64)

    def factors(
        self, indices: np.ndarray[Any, np.dtype[np.int32]], resolution: float, k_sol: float, b_sol: float
    ) -> np.ndarray[Any, np.dtype[np.complex128]]:
        """F of the same, without f' and f'': the sum over all atoms with their occupancies and displacements.

        Scattering factors are those of the International Tables (1992), volume C. There is no solvent.
        """
        import gemmi
        import numpy as np

        with complaints(self.path, "small-molecule CIF"):
            calculator = gemmi.StructureFactorCalculatorX(self.cell)
            factors = [
                calculator.calculate_sf_from_small_structure(self.structure, index) for index in indices.tolist()
            ]
        return np.array(factors, dtype=np.complex128)

    def sites(self, element: str) -> Iterator[Site]:
        """The atoms of an element in the asymmetric unit."""
        import numpy as np

        for site in self.structure.sites:
            if site.element.name != element:
                continue
            place = site.fract.tolist()
            if site.aniso.nonzero():
                # A CIF has U along the reciprocal axes, each of length 1.
                lengths = np.array(self.cell.reciprocal().parameters[:3])
                displacement = np.array(site.aniso.as_mat33().tolist()) * np.outer(lengths, lengths)
            else:
                displacement = isotropic(self.cell, site.u_iso)
            yield Site(place=place, occupancy=site.occ, displacement=displacement)


def read_small_molecule(path: Path, content: bytes) -> SmallMolecule:
    """Read a structure from a small-molecule CIF, from the first block with atoms.

    Raises
    ------
    InputError
        When it is no such file, or lacks atoms, the cell or the space group, or has atoms that cannot be.
    """
    import gemmi

    with complaints(path, "small-molecule CIF"):
        document = gemmi.cif.read_string(text_of(content))
        structures = [gemmi.make_small_structure_from_block(block) for block in document]
    filled = [structure for structure in structures if len(structure.sites)]
    if not filled:
        raise InputError(f"{path}: there are no atoms in the file")
    structure = filled[0]
    cell = checked_cell(path, structure.cell)
    group = checked_group(path, structure.spacegroup, structure.spacegroup_hm or structure.spacegroup_hall, cell)
    for site in structure.sites:
        values = (*site.fract.tolist(), site.occ, site.u_iso, *site.aniso.elements_pdb())
        if not all(map(math.isfinite, values)):
            raise InputError(f"{path}: the atom {site.label} has a coordinate, occupancy or displacement that is none")
        if not (0.0 <= site.occ <= _LARGEST_OCCUPANCY and -_LARGEST_U <= site.u_iso <= _LARGEST_U):
            raise InputError(f"{path}: the atom {site.label} has an occupancy of {site.occ:g} and U of {site.u_iso:g}")
    notices = [f"{path}: the first of {len(filled)} structures is taken"] if len(filled) > 1 else []
    unknown = [
        place
        for place, site in enumerate(structure.sites)
        if site.element.it92 is None or site.element == gemmi.Element("X")
    ]
    if len(unknown) == len(structure.sites):
        raise InputError(f"{path}: none of the {len(unknown)} atoms is of an element with known scattering factors")
    for place in reversed(unknown):
        del structure.sites[place]
    if unknown:
        notices.append(f"{path}: {len(unknown)} atoms of no element with known scattering factors (X) are left out")
    structure.setup_cell_images()
    structure.change_occupancies_to_crystallographic()
    wavelength = float(structure.wavelength)
    return SmallMolecule(
        path=path,
        structure=structure,
        group=group,
        wavelength=wavelength if 0.0 < wavelength < 1e6 else None,
        notices=tuple(notices),
    )
