"""Structure factors of models: against a sum written out in Python, and against gemmi's own program."""

import gzip
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch

from crystal_files import CELL, WAVELENGTH, indices, model_cif, pdb, small_cif, structure, summed
from openbragg import Crystal, Experiment, InputError
from openbragg.testing import check_structure_factors
from openbragg_plugins.structure_factors.model import ModelFile
from openbragg_plugins.structure_factors.pdb_columns import without_serials

SHARED = Path(__file__).parents[4] / "shared" / "data"
RESOLUTION = 2.5e-10
#: Of the density's grid and Gaussians cut off at 1e-5 of an electron per cubic angstrom, as a part of the mean F; and
#: of three decimals in a coordinate of PDB and mmCIF files, half a thousandth of an angstrom at 2.5 A.
DENSITY = 2e-3
#: Of ten decimals of U, and of scattering factors that gemmi sums in single precision.
SUMMED = 1e-6


def table(factors: ModelFile) -> dict[tuple[int, ...], float]:
    listed = factors.listed()
    return {
        tuple(index): value for index, value in zip(listed.indices.tolist(), listed.amplitudes.tolist(), strict=True)
    }


def experiment(cells: int = 5) -> Experiment:
    cell = (*(length * 1e-10 for length in CELL[:3]), *np.radians(CELL[3:]).tolist())
    return Experiment(crystal=Crystal(cell=cell, cells=(cells, cells, cells)))


@pytest.mark.parametrize(
    ("write", "name", "tolerance"),
    [(pdb, "a.pdb", DENSITY), (model_cif, "a.cif", DENSITY), (small_cif, "small.cif", SUMMED)],
)
def test_every_kind_of_model_gives_the_sum_over_its_atoms(
    tmp_path: Path, write: Callable[[Path], Path], name: str, tolerance: float
) -> None:
    factors = ModelFile(file=write(tmp_path / name), resolution=RESOLUTION, interpolate=False)
    found, hkl = table(factors), indices()
    expected = summed(hkl)
    got = np.array([found[tuple(index)] for index in hkl.tolist()])
    assert abs(got - expected).max() <= tolerance * expected.mean()
    for h, k, l in hkl[::9].tolist():
        assert found[h, k, l] == found[-h, k, -l] == found[-h, -k, -l] == found[h, -k, l]
    assert found[0, 1, 0] == found[0, 3, 0] == found[0, 0, 0] == 0.0
    check_structure_factors(factors, experiment(), known=dict(list(found.items())[::200]))
    crystal = factors.crystal()
    assert crystal.cell == pytest.approx(experiment().crystal.cell, rel=1e-6)
    assert crystal.space_group == "P 1 21 1"
    if name == "small.cif":
        assert crystal.wavelength == pytest.approx(WAVELENGTH * 1e-10)


def test_the_direct_beam_has_all_electrons(tmp_path: Path) -> None:
    electrons = 2 * (6 + 0.5 * 7 + 8 + 16 + 0.75 * 6)
    found = table(ModelFile(file=pdb(tmp_path / "a.pdb"), resolution=RESOLUTION, direct_beam=True))
    assert found[0, 0, 0] == pytest.approx(
        electrons, rel=1e-3
    )  # as the parametrisation of the scattering factors has it


def test_bulk_solvent_is_the_transform_of_what_atoms_leave(tmp_path: Path) -> None:
    path = pdb(tmp_path / "a.pdb")
    bare = ModelFile(file=path, resolution=RESOLUTION, direct_beam=True)
    wet = ModelFile(file=path, resolution=RESOLUTION, direct_beam=True, solvent_density=0.3e30, solvent_b_factor=0.0)
    volume = gemmi.UnitCell(*CELL).volume
    added = table(wet)[0, 0, 0] - table(bare)[0, 0, 0]
    assert 0.3 * 0.5 * volume < added < 0.3 * volume  # five atoms leave most of the cell
    smeared = ModelFile(file=path, resolution=RESOLUTION, solvent_density=0.3e30, solvent_b_factor=5e-17)
    assert table(smeared)[2, 3, 1] == pytest.approx(table(bare)[2, 3, 1], rel=1e-6)


def test_a_packed_model_is_read_and_the_resolution_follows_the_detector(tmp_path: Path) -> None:
    path = tmp_path / "a.pdb.gz"
    path.write_bytes(gzip.compress(pdb(tmp_path / "a.pdb").read_bytes()))
    factors = ModelFile(file=path)
    assert factors.listed().resolution == pytest.approx(2e-10)
    reached = factors.reaching(3e-10, experiment())
    assert reached.resolution is not None and 2e-10 < reached.resolution < 3e-10
    interpolated = factors.reaching(3e-10, experiment(cells=1))
    assert interpolated.resolution is not None and interpolated.resolution < reached.resolution
    assert factors.reaching(1e-12, experiment()).resolution == pytest.approx(0.4e-10)
    given = ModelFile(file=path, resolution=RESOLUTION)
    assert given.reaching(1e-10, experiment()) is given


def in_old_form(content: bytes, first: int = 1) -> bytes:
    """A PDB file as before 1996: the entry's name and a line number in columns 73 to 80."""
    lines = content.decode("ascii").splitlines()
    return "".join(f"{line[:72]:72}1ABC{number:4d}\n" for number, line in enumerate(lines, start=first)).encode("ascii")


@pytest.mark.parametrize("first", [1, 95, 1070, 9000])
def test_a_pdb_file_of_before_1996_is_read_as_one_of_today(tmp_path: Path, first: int) -> None:
    new = pdb(tmp_path / "new.pdb")
    old = tmp_path / "old.pdb"
    old.write_bytes(in_old_form(new.read_bytes(), first))
    factors = [ModelFile(file=path, resolution=RESOLUTION) for path in (new, old)]
    assert table(factors[0]) == table(factors[1])
    assert factors[1].crystal().space_group == "P 1 21 1"
    assert without_serials(new.read_bytes()) == new.read_bytes()
    charged = new.read_bytes().replace(b"           C  ", b"           C1+")
    assert without_serials(charged) == charged


def test_atoms_of_no_known_element_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = pdb(tmp_path / "a.pdb").read_bytes()
    lines = [line for line in whole.splitlines() if line.startswith(b"HETATM")]
    unknown = [lines[1][:12] + b" X1 " + lines[1][16:76] + b" X" + lines[1][78:], lines[1][:76] + b" X" + lines[1][78:]]
    path = tmp_path / "x.pdb"
    path.write_bytes(whole.replace(lines[0], b"\n".join([unknown[0], lines[0], unknown[1]])))
    factors = ModelFile(file=path, resolution=RESOLUTION)
    assert table(factors) == table(ModelFile(file=tmp_path / "a.pdb", resolution=RESOLUTION))
    (line,) = factors.crystal().notices
    assert "2 atoms of no element with known scattering factors (X) are left out" in line
    small = small_cif(tmp_path / "a.cif")
    odd = tmp_path / "x.cif"
    odd.write_text(small.read_text() + "Q1 X 0.5 0.5 0.5 1 0.1\n", encoding="ascii")
    assert table(ModelFile(file=odd, resolution=RESOLUTION)) == table(ModelFile(file=small, resolution=RESOLUTION))
    assert "1 atoms of no element" in ModelFile(file=odd).crystal().notices[0]


def test_a_trace_of_chains_and_a_model_used_far_beyond_its_data_are_noticed(tmp_path: Path) -> None:
    text = pdb(tmp_path / "a.pdb").read_text()
    refined = tmp_path / "b.pdb"
    refined.write_text(f"REMARK   2\nREMARK   2 RESOLUTION.    6.00 ANGSTROMS.\n{text}", encoding="ascii")
    (line,) = ModelFile(file=refined, resolution=1.2e-10).crystal().notices
    assert "refined at 6 A and used to 1.2 A" in line
    assert ModelFile(file=refined, resolution=4e-10).crystal().notices == ()
    reached = ModelFile(file=refined).reaching(1.5e-10, experiment())
    assert reached.resolution is not None and "refined at 6 A" in reached.crystal().notices[0]
    atom = next(line for line in text.splitlines() if " C1 " in line)
    trace = "\n".join(f"{atom[:12]} CA  ALA A{number:4d}{atom[26:]}" for number in range(1, 13))
    path = tmp_path / "c.pdb"
    path.write_text(text.split("HETATM")[0] + trace + "\nEND\n", encoding="ascii")
    (line,) = ModelFile(file=path, resolution=RESOLUTION).crystal().notices
    assert "12 of 12 atoms are CA or P" in line


def wrong_files(folder: Path) -> dict[str, bytes]:
    """Files that are no models, though they come as such."""
    good, cif, small = (
        write(folder / name).read_bytes()
        for write, name in ((pdb, "good.pdb"), (model_cif, "good.cif"), (small_cif, "small.cif"))
    )
    atom = next(line for line in good.splitlines() if line.startswith((b"ATOM", b"HETATM")))
    return {
        "empty.pdb": b"",
        "blank.pdb": b"\n  \n",
        "noise.pdb": b"CRYST1\n" + bytes(range(256)) * 9,
        "no_atoms.pdb": b"\n".join(line for line in good.splitlines() if not line.startswith((b"ATOM", b"HETATM"))),
        "no_cell.pdb": good.replace(b"CRYST1", b"REMARK"),
        "no_group.pdb": good.replace(b"P 1 21 1", b"        "),
        "other_group.pdb": good.replace(b"P 1 21 1", b"Q 1 99 1"),
        "cubic.pdb": good.replace(b"P 1 21 1", b"I 2 3   "),
        "flat.pdb": good.replace(b"103.00", b"  0.00"),
        "large.pdb": good.replace(b"   12.000   15.000", b"999999.9999999.999"),
        "nan.pdb": good.replace(atom, atom[:30] + b"     nan" + atom[38:]),
        "infinite.pdb": good.replace(atom, atom[:60] + b"   inf" + atom[66:]),
        "occupancy.pdb": good.replace(atom, atom[:54] + b" -1.00" + atom[60:]),
        "elements.pdb": b"\n".join(
            line[:76] + b" X" + line[78:] if line.startswith(b"HETATM") else line for line in good.splitlines()
        ),
        "cut.pdb.gz": gzip.compress(good)[:100],
        "cut.cif": cif[: cif.index(b"_atom_site.") + 200],
        "no_atoms.cif": cif[: cif.index(b"_atom_site.") - 6],
        "no_cell.cif": cif.replace(b"_cell.length_a", b"_cell.length_x"),
        "nan_cell.cif": small.replace(b"_cell_length_a 12.0", b"_cell_length_a nan"),
        "zero_cell.cif": small.replace(b"_cell_length_a 12.0", b"_cell_length_a 0"),
        "no_group.cif": small.replace(b"_space_group_name_H-M_alt", b"_space_group_x"),
        "no_cell_small.cif": small.replace(b"_cell_length_", b"_cell_width_"),
        "no_atoms_small.cif": small[: small.index(b"loop_")],
        "word_small.cif": small.replace(b" 0.1 0.2 0.3 ", b" here and there "),
        "wide_small.cif": small.replace(b" 0.1 0.2 0.3 ", b" 0.1 0.2 1e999 "),
        "rows_small.cif": small + b"C9 C 0.1\n",
        "table.pdb": b"1 2 3 4\n",
        "mtz.pdb": b"MTZ " + bytes(100),
    }


def test_files_that_are_no_models_are_one_line_each(tmp_path: Path) -> None:
    for name, content in wrong_files(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        factors = ModelFile(file=path, resolution=5e-10)
        with pytest.raises(InputError) as caught:
            factors.prepare(experiment(), torch.device("cpu"), torch.float64)
        line = str(caught.value)
        assert str(path) in line and "\n" not in line and len(line) < len(str(path)) + 250, (name, line)
    with pytest.raises(InputError, match="cannot read"):
        ModelFile(file=tmp_path).crystal()


def test_a_resolution_beyond_reason_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    large = structure()
    large.cell = gemmi.UnitCell(900, 900, 900, 90, 90, 90)
    path = tmp_path / "large.pdb"
    path.write_text(large.make_pdb_string(), encoding="ascii")
    with pytest.raises(InputError, match=r"-resolution 0.5: expected 5\.\d+ A or more, for this cell"):
        ModelFile(file=path, resolution=0.5e-10).listed()
    with pytest.raises(InputError, match=r"-resolution 0.01: expected 0.25 A or more"):
        ModelFile(file=small_cif(tmp_path / "a.cif"), resolution=0.01e-10).listed()
    assert ModelFile(file=path).reaching(1e-10, experiment()).resolution > 5e-10


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not here")
def test_a_real_model_agrees_with_its_measured_amplitudes_as_gemmi_s_own_program_does() -> None:
    hkl, measured = _measured()
    found = table(ModelFile(file=SHARED / "5e5z.pdb", resolution=1.66e-10))
    computed = np.array([found[tuple(index)] for index in hkl.tolist()])
    # gemmi sfcalc -w0 --dmin=1.66 --to-mtz=out.mtz 5e5z.pdb (gemmi 0.7.5), its FC against FP of 5e5z.mtz.
    assert np.corrcoef(computed, measured)[0, 1] == pytest.approx(CORRELATION_OF_GEMMI_S_PROGRAM, abs=1e-6)


def _measured() -> tuple[np.ndarray, np.ndarray]:
    """h k l and amplitudes of the MTZ file, where there are some."""
    mtz = gemmi.read_mtz_file(str(SHARED / "5e5z.mtz"))
    amplitudes = np.array(mtz.column_with_label("FP").array, dtype=float)
    there = np.isfinite(amplitudes)
    return mtz.make_miller_array()[there], amplitudes[there]


#: Made by gemmi's program, not by this one.
CORRELATION_OF_GEMMI_S_PROGRAM = 0.9087958864848266
