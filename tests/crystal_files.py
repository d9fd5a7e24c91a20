"""Small files of crystals, made by gemmi: reflections and models."""

from pathlib import Path

import gemmi
import numpy as np

CELL = (12.0, 15.0, 18.0, 90.0, 103.0, 90.0)
GROUP = "P 1 21 1"
WAVELENGTH = 0.9
#: Elements and fractional coordinates, occupancies and B factors (A^2).
ATOMS = (
    ("C", (0.1, 0.2, 0.3), 1.0, 10.0),
    ("N", (0.25, 0.05, 0.45), 0.5, 15.0),
    ("O", (0.6, 0.7, 0.1), 1.0, 12.0),
    ("S", (0.8, 0.4, 0.55), 1.0, 20.0),
    ("C", (0.33, 0.91, 0.77), 0.75, 8.0),
)

Columns = dict[str, tuple[str, np.ndarray]]


def indices(resolution: float = 2.5) -> np.ndarray:
    return gemmi.make_miller_array(gemmi.UnitCell(*CELL), gemmi.SpaceGroup(GROUP), resolution, unique=True)


def mtz(path: Path, columns: Columns, hkl: np.ndarray | None = None) -> Path:
    """Write an MTZ file with columns: label to type and values."""
    hkl = indices() if hkl is None else hkl
    made = gemmi.Mtz(with_base=True)
    made.spacegroup = gemmi.SpaceGroup(GROUP)
    made.set_cell_for_all(gemmi.UnitCell(*CELL))
    made.add_dataset("crystal").wavelength = WAVELENGTH
    made.set_cell_for_all(gemmi.UnitCell(*CELL))
    for label, (kind, _) in columns.items():
        made.add_column(label, kind)
    made.set_data(np.column_stack([hkl, *(values for _, values in columns.values())]).astype(np.float32))
    made.write_to_file(str(path))
    return path


def reflection_cif(path: Path, items: dict[str, list[str]], name: str = "first", before: str = "") -> Path:
    """Write an mmCIF reflection file with items of the category _refln as words."""
    a, b, c, alpha, beta, gamma = CELL
    tags = "".join(f"_refln.{item}\n" for item in ("index_h", "index_k", "index_l", *items))
    rows = zip(indices()[: len(next(iter(items.values())))].tolist(), zip(*items.values(), strict=True), strict=True)
    lines = "".join(f"{h} {k} {l} {' '.join(words)}\n" for (h, k, l), words in rows)
    path.write_text(
        f"{before}data_{name}\n_cell.length_a {a}\n_cell.length_b {b}\n_cell.length_c {c}\n_cell.angle_alpha {alpha}\n"
        f"_cell.angle_beta {beta}\n_cell.angle_gamma {gamma}\n_symmetry.space_group_name_H-M '{GROUP}'\n"
        f"_diffrn_radiation_wavelength.id 1\n_diffrn_radiation_wavelength.wavelength {WAVELENGTH}\n"
        f"loop_\n{tags}{lines}",
        encoding="utf-8",
    )
    return path


def structure() -> gemmi.Structure:
    """The atoms above as a model."""
    made = gemmi.Structure()
    made.cell, made.spacegroup_hm, made.name = gemmi.UnitCell(*CELL), GROUP, "1ABC"
    chain = gemmi.Chain("A")
    for number, (element, place, occupancy, b_factor) in enumerate(ATOMS, start=1):
        residue = gemmi.Residue()
        residue.name, residue.seqid, residue.het_flag = "UNL", gemmi.SeqId(str(number)), "H"
        atom = gemmi.Atom()
        atom.name, atom.element = f"{element}1", gemmi.Element(element)
        atom.pos = made.cell.orthogonalize(gemmi.Fractional(*place))
        atom.occ, atom.b_iso = occupancy, b_factor
        residue.add_atom(atom)
        chain.add_residue(residue)
    model = gemmi.Model("1") if gemmi.__version__ < "0.7" else gemmi.Model(1)
    model.add_chain(chain)
    made.add_model(model)
    made.setup_entities()
    return made


def pdb(path: Path) -> Path:
    path.write_text(structure().make_pdb_string(), encoding="ascii")
    return path


def model_cif(path: Path) -> Path:
    structure().make_mmcif_document().write_file(str(path))
    return path


def small_cif(path: Path) -> Path:
    a, b, c, alpha, beta, gamma = CELL
    rows = "".join(
        f"{element}{number} {element} {x} {y} {z} {occupancy} {b_factor / (8 * np.pi**2):.10f}\n"
        for number, (element, (x, y, z), occupancy, b_factor) in enumerate(ATOMS)
    )
    items = "label type_symbol fract_x fract_y fract_z occupancy U_iso_or_equiv".split()
    path.write_text(
        f"data_small\n_cell_length_a {a}\n_cell_length_b {b}\n_cell_length_c {c}\n_cell_angle_alpha {alpha}\n"
        f"_cell_angle_beta {beta}\n_cell_angle_gamma {gamma}\n_space_group_name_H-M_alt '{GROUP}'\n"
        f"_diffrn_radiation_wavelength {WAVELENGTH}\nloop_\n"
        + "".join(f"_atom_site_{item}\n" for item in items)
        + rows,
        encoding="ascii",
    )
    return path


def summed(hkl: np.ndarray) -> np.ndarray:
    """\\|F\\| of the atoms above."""
    return abs(summed_factors(hkl))


def summed_factors(
    hkl: np.ndarray, corrections: dict[str, complex] | None = None, but: tuple[str, ...] = ()
) -> np.ndarray:
    """F of the atoms above: the sum over atoms and symmetry, written out in Python.

    `corrections` are f' + i f'' by element; elements named in `but` have no other scattering factor.
    """
    cell = gemmi.UnitCell(*CELL)
    # P 1 21 1, by hand.
    mates = [lambda x, y, z: (x, y, z), lambda x, y, z: (-x, y + 0.5, -z)]
    amplitudes = []
    for h, k, l in hkl.tolist():
        stol_squared = cell.calculate_1_d2([h, k, l]) / 4.0
        total = 0.0 + 0.0j
        for element, place, occupancy, b_factor in ATOMS:
            coefficients = gemmi.Element(element).it92
            scattering = (corrections or {}).get(element, 0.0)
            if element not in but:
                scattering += coefficients.c + sum(
                    a * np.exp(-b * stol_squared) for a, b in zip(coefficients.a, coefficients.b, strict=True)
                )
            for mate in mates:
                x, y, z = mate(*place)
                phase = 2.0 * np.pi * (h * x + k * y + l * z)
                total += occupancy * scattering * np.exp(-b_factor * stol_squared) * np.exp(1j * phase)
        amplitudes.append(total)
    return np.array(amplitudes)
