"""Reflections as text and of other programs: SHELX, XDS, CrystFEL, SCALEPACK, .fcf; known answers by hand."""

from math import sqrt
from pathlib import Path

import pytest

from openbragg import Crystal, Experiment, InputError
from openbragg_plugins.structure_factors.reflections import ReflectionFile

Table = dict[tuple[int, int, int], float]
ORTHORHOMBIC = "10.000 12.000 14.000 90.000 90.000 90.000"


def table(path: Path, **options: object) -> Table:
    listed = ReflectionFile(file=path, **options).listed()
    return {(h, k, l): value for (h, k, l), value in zip(listed.indices.tolist(), listed.amplitudes, strict=True)}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="ascii")
    return path


def shelx(*rows: tuple[float, ...]) -> str:
    """Lines in SHELX's columns, the reflection 0 0 0 that ends them, and what programs write below."""
    lines = [f"{h:4d}{k:4d}{l:4d}{value:8.2f}{sigma:8.2f}   1\n" for h, k, l, value, sigma in rows]
    return "".join(lines) + "   0   0   0    0.00    0.00\n\nTITL what SADABS did\n"


INS = f"""TITL a small molecule in P2(1)2(1)2(1)
CELL 0.71073 {ORTHORHOMBIC}
ZERR 4 0.001 0.001 0.001 0 0 0
LATT -1
SYMM 0.5-X, -Y, 0.5+Z
SYMM -X, 0.5+Y, 0.5-Z
SYMM 0.5+X, 0.5-Y, -Z
SFAC C H =
  N
HKLF 4
END
"""


def test_shelx_observations_are_averaged_by_their_deviations_and_mates_kept_apart(tmp_path: Path) -> None:
    # 1 2 3 and its mate -1 -2 3 (the twofold screw along c) are 100(1) and 110(2): weights 1 and 1/4, so 102.
    rows = [(1, 2, 3, 100.0, 1.0), (-1, -2, 3, 110.0, 2.0), (-1, -2, -3, 81.0, 1.0), (2, 0, 0, 50.0, 1.0)]
    rows += [(-2, 0, 0, 70.0, 1.0), (1, 0, 0, 9.0, 1.0), (0, 1, 1, -4.0, 1.0)]
    path = write(tmp_path / "a.hkl", shelx(*rows))
    write(tmp_path / "a.ins", INS)
    known = table(path)
    for mate in ((1, 2, 3), (-1, -2, 3), (-1, 2, -3), (1, -2, -3)):
        assert known[mate] == pytest.approx(sqrt(102.0))
    for mate in ((-1, -2, -3), (1, 2, -3), (1, -2, 3), (-1, 2, 3)):
        assert known[mate] == pytest.approx(9.0)
    assert known[2, 0, 0] == known[-2, 0, 0] == pytest.approx(sqrt(60.0))  # centric
    assert known[1, 0, 0] == 0.0  # forbidden by the screw along a
    assert known[0, 1, 1] == 0.0
    crystal = ReflectionFile(file=path).crystal()
    assert crystal.space_group == "P 21 21 21"
    assert crystal.wavelength == pytest.approx(0.71073e-10)
    assert crystal.cell is not None and crystal.cell[:3] == pytest.approx((10e-10, 12e-10, 14e-10))
    said = " ".join(crystal.notices)
    assert "1 reflections of negative intensity" in said and "a.ins" in said and "square roots" in said


def test_shelx_takes_the_matrix_and_the_kind_that_hklf_says(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hkl", shelx((1, 2, 4, 7.0, 1.0)))
    write(tmp_path / "a.res", INS.replace("HKLF 4", "HKLF 3 2 0 1 0 1 0 0 0 0 -1"))
    # h and k exchanged, l reversed, and all amplitudes doubled.
    assert table(path)[2, 1, -4] == table(path)[-2, -1, -4] == 14.0
    assert (1, 2, 4) not in table(path)


def test_shelx_takes_a_centred_group_with_inversion_and_a_crystal_from_a_cif(tmp_path: Path) -> None:
    path = write(tmp_path / "b.hkl", shelx((1, 1, 3, 16.0, 1.0), (-1, -1, -3, 36.0, 1.0), (1, 0, 3, 5.0, 1.0)))
    a, b, c, *angles = ORTHORHOMBIC.split()
    cell = f"_cell_length_a {a}\n_cell_length_b {b}(2)\n_cell_length_c {c}\n" + "".join(
        f"_cell_angle_{name} {angle}\n" for name, angle in zip(("alpha", "beta", "gamma"), angles, strict=True)
    )
    operations = "loop_\n_space_group_symop_operation_xyz\nx,y,z\n-x,y,-z\n-x,-y,-z\nx,-y,z\n" + "".join(
        f"'{text}'\n" for text in ("x+1/2,y+1/2,z", "-x+1/2,y+1/2,-z", "-x+1/2,-y+1/2,-z", "x+1/2,-y+1/2,z")
    )
    write(tmp_path / "b.cif", f"data_b\n{cell}{operations}_atom_site_label C1\n")
    known = table(path)
    for mate in ((1, 1, 3), (-1, 1, -3), (-1, -1, -3), (1, -1, 3)):
        assert known[mate] == pytest.approx(sqrt(26.0))
    assert known[1, 0, 3] == 0.0  # h + k is odd
    assert ReflectionFile(file=path).crystal().space_group == "C 1 2/m 1"
    write(tmp_path / "b.ins", INS.replace("LATT -1", "LATT 7").replace("0.5", "0"))
    assert ReflectionFile(file=path).crystal().space_group == "C m m m"


def test_reflections_of_shelx_need_a_crystal_and_are_no_twins(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hkl", shelx((1, 2, 3, 100.0, 1.0)))
    with pytest.raises(InputError, match=r"without cell and symmetry: put .* \(a.ins, a.res, a.cif\).*-crystal_file"):
        ReflectionFile(file=path).crystal()
    # The symmetry by name, and the cell of the experiment, are enough.
    factors = ReflectionFile(file=path, symmetry="P 21 21 21", default_F=5.0, interpolate=False)
    assert factors.crystal().cell is None
    cell = (10e-10, 12e-10, 14e-10, *(1.5707963267948966,) * 3)
    indices, amplitudes = factors.arrays(Experiment(crystal=Crystal(cell=cell, cells=(5, 5, 5))), absences=True)
    known = {tuple(index): value for index, value in zip(indices.tolist(), amplitudes, strict=True)}
    assert known[1, 0, 0] == 0.0 and known[-1, -2, 3] == 10.0
    write(tmp_path / "a.ins", INS.replace("HKLF 4", "HKLF 5"))
    with pytest.raises(InputError, match="HKLF 5: reflections of twins are not read"):
        ReflectionFile(file=path).crystal()
    write(tmp_path / "c.hkl", shelx((1, 2, 3, 100.0, 1.0)).replace("   1\n", "  -2\n"))
    write(tmp_path / "c.ins", INS)
    with pytest.raises(InputError, match="line 1: reflections of twins"):
        ReflectionFile(file=tmp_path / "c.hkl").crystal()


def crystfel(symmetry: str, *rows: str) -> str:
    return (
        f"CrystFEL reflection list version 2.0\nSymmetry: {symmetry}\n"
        "   h    k    l          I    phase   sigma(I)   nmeas\n"
        + "".join(f"{row}\n" for row in rows)
        + "End of reflections\nGenerated by CrystFEL\n"
    )


ROWS = (
    "   1    2    3      64.00        -       2.50      12",
    "  -1   -2   -3      49.00        -       2.50      12",
)


def test_crystfel_s_intensities_are_expanded_by_their_point_group(tmp_path: Path) -> None:
    known = table(write(tmp_path / "a.hkl", crystfel("422", *ROWS)))
    # h k l goes to -k h l and to k h -l; the inversion is not among them.
    for mate in ((1, 2, 3), (-2, 1, 3), (-1, -2, 3), (2, 1, -3), (1, -2, -3), (-2, -1, -3)):
        assert known[mate] == 8.0
        assert known[tuple(-index for index in mate)] == 7.0
    assert len(known) == 16
    known = table(write(tmp_path / "b.hkl", crystfel("4/mmm", *ROWS)))
    assert set(known.values()) == {sqrt((64.0 + 49.0) / 2.0)} and len(known) == 16
    known = table(write(tmp_path / "c.hkl", crystfel("2_uab", *ROWS)))
    assert known == {(1, 2, 3): 8.0, (-1, 2, -3): 8.0, (-1, -2, -3): 7.0, (1, -2, 3): 7.0}
    # Where no symbol says otherwise, c is the unique axis.
    assert table(write(tmp_path / "d.hkl", crystfel("2", *ROWS)))[-1, -2, 3] == 8.0


def test_a_cell_file_beside_crystfel_s_list_gives_cell_and_centring(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hkl", crystfel("4/mmm", *ROWS))
    cell = "CrystFEL unit cell file version 1.0\n\nlattice_type = tetragonal ; 4\ncentering = I\nunique_axis = c\n"
    cell += "a = 7.70 nm\nb = 77.0 A\nc = 37.2 A\nal = 90.0 deg\nbe = 90 deg\nga = 90.00 deg\n"
    write(tmp_path / "a.cell", cell)
    crystal = ReflectionFile(file=path).crystal()
    assert crystal.cell is not None and crystal.cell[:3] == pytest.approx((77e-10, 77e-10, 37.2e-10))
    assert "a.cell" in crystal.notices[0]
    known = table(path)
    assert known[1, 2, 3] == known[2, -1, -3] > 0.0
    assert known[1, 0, 0] == 0.0  # h + k + l is odd
    other = write(tmp_path / "other.cell", cell.replace("b = 77.0", "b = 80.0"))
    with pytest.raises(InputError, match=r"77 80 37.2 90 90 90 is impossible in the space group point group 4/mmm"):
        table(path, crystal_file=other)


def test_a_crystfel_list_that_is_cut_or_has_no_symmetry_is_refused(tmp_path: Path) -> None:
    whole = crystfel("4/mmm", *ROWS)
    for text, expected in (
        (whole.partition("End")[0], "ends too early"),
        (whole.replace("64.00", "64.0x"), "line 4: expected h k l, an intensity"),
        (whole.replace("4/mmm", "5/mmm"), "'5/mmm' is no point group"),
        (whole.replace("4/mmm", "unknown"), "give it with -symmetry"),
        (whole.replace("   1    2    3", "   1    2  3.5"), "expected three whole indices"),
    ):
        with pytest.raises(InputError, match=expected):
            table(write(tmp_path / "a.hkl", text))
    text = crystfel("unknown", *ROWS)
    assert len(table(write(tmp_path / "a.hkl", text), symmetry="4/mmm")) == 16


def test_scalepack_keeps_mates_apart_and_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    header = "    1\n -985\n" + "".join(f"{value:>10}" for value in ORTHORHOMBIC.split())
    rows = (
        "   1   2   3   100.0     2.0    81.0     2.0",
        "   2   0   0    49.0     2.0",
        "   1   1   1     0.0    -1.0    25.0     2.0",
        "   3   1   2123456.7   123.4 99999.0   123.4",
    )
    path = write(tmp_path / "a.sca", f"{header} p212121\n" + "".join(f"{row}\n" for row in rows))
    known = table(path)
    assert known[1, 2, 3] == known[-1, -2, 3] == 10.0
    assert known[-1, -2, -3] == known[1, 2, -3] == 9.0
    assert known[2, 0, 0] == known[-2, 0, 0] == 7.0
    assert known[1, 1, 1] == known[-1, -1, -1] == 5.0
    assert known[3, 1, 2] == pytest.approx(sqrt(123456.7))
    assert known[1, 0, 0] == 0.0
    assert ReflectionFile(file=path).crystal().space_group == "P 21 21 21"
    merged = write(tmp_path / "b.sca", f"{header} p212121\n   1   2   3   100.0     2.0\n")
    assert set(table(merged).values()) == {10.0, 0.0}
    unmerged = write(tmp_path / "c.sca", "    4 p212121\n  1  0  0  0  1  0  0  0  1\n  0  0  0\n   1   2   3\n")
    with pytest.raises(InputError, match=r"unmerged \(of SCALEPACK\)"):
        table(unmerged)


def xds(law: str, *rows: str, merged: str = "FALSE") -> str:
    items = "H K L IOBS SIGMA(IOBS) XD YD ZD RLP PEAK CORR MAXC PSI".split()[: 5 if merged == "TRUE" else 13]
    return (
        f"!FORMAT=XDS_ASCII    MERGE={merged:8}FRIEDEL'S_LAW={law}\n!OUTPUT_FILE=XDS_ASCII.HKL  DATE= 1-Jan-2026\n"
        f"!SPACE_GROUP_NUMBER=   19\n!UNIT_CELL_CONSTANTS=  {ORTHORHOMBIC}\n!X-RAY_WAVELENGTH=  0.979500\n"
        f"!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD={len(items)}\n"
        + "".join(f"!ITEM_{item}={place}\n" for place, item in enumerate(items, start=1))
        + "!END_OF_HEADER\n"
        + "".join(f"{row}{' 1.0 2.0 3.0 1.0 100 50 10 1.0' if merged == 'FALSE' else ''}\n" for row in rows)
        + "!END_OF_DATA\n"
    )


def test_xds_observations_are_averaged_and_misfits_do_not_count(tmp_path: Path) -> None:
    rows = ("1 2 3 1.000E+02 1.0", "-1 -2 3 110.0 2.0", "1 2 3 9000.0 -1.0", "-1 2 3 81.0 1.0")
    path = write(tmp_path / "XDS_ASCII.HKL", xds("FALSE", *rows))
    known = table(path)
    assert known[1, 2, 3] == known[1, -2, -3] == pytest.approx(sqrt(102.0))
    assert known[-1, -2, -3] == known[-1, 2, 3] == pytest.approx(9.0)
    crystal = ReflectionFile(file=path).crystal()
    assert crystal.space_group == "P 21 21 21" and crystal.wavelength == pytest.approx(0.9795e-10)
    # With Friedel's law all of them are one reflection: (100 + 110/4 + 81) / 2.25.
    one = table(write(tmp_path / "b.HKL", xds("TRUE", *rows)))
    assert one[1, 2, 3] == one[-1, -2, -3] == pytest.approx(sqrt(208.5 / 2.25))
    merged = table(write(tmp_path / "c.HKL", xds("FALSE", "1 2 3 100 1", "-1 -2 -3 81 1", merged="TRUE")))
    assert merged[1, 2, 3] == 10.0 and merged[-1, -2, -3] == 9.0
    with pytest.raises(InputError, match="no space group in the file"):
        table(write(tmp_path / "d.HKL", xds("TRUE", *rows).replace("NUMBER=   19", "NUMBER=    0")))


FCF = f"""#
# h,k,l, Fc-squared, Fo-squared, sigma(Fo-squared) and status (o/x)
#
data_a
_shelx_refln_list_code          4
loop_
 _space_group_symop_operation_xyz
 'x, y, z'
 'x+1/2, -y+1/2, -z'
 '-x, y+1/2, -z+1/2'
 '-x+1/2, -y, z+1/2'

_cell_length_a   {ORTHORHOMBIC.split()[0]}
_cell_length_b   {ORTHORHOMBIC.split()[1]}
_cell_length_c   {ORTHORHOMBIC.split()[2]}
_cell_angle_alpha  90
_cell_angle_beta   90
_cell_angle_gamma  90

loop_
 _refln_index_h
 _refln_index_k
 _refln_index_l
 _refln_F_squared_calc
 _refln_F_squared_meas
 _refln_F_squared_sigma
 _refln_observed_status
   1   2   3      98.00      100.00        1.00 o
  -1  -2  -3      80.00       81.00        1.00 o
   2   0   0      36.00       49.00        1.00 o
   4   0   0      36.00     9000.00        1.00 x
"""


def test_an_fcf_has_measured_and_calculated_intensities(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fcf", FCF)
    known = table(path)
    assert known[1, 2, 3] == known[-1, -2, 3] == 10.0
    assert known[-1, -2, -3] == known[1, 2, -3] == 9.0
    assert known[2, 0, 0] == 7.0 and known.get((4, 0, 0), 0.0) == 0.0
    assert ReflectionFile(file=path).crystal().space_group == "P 21 21 21"
    assert "F_squared_meas is taken, of F_squared_meas, F_squared_calc" in " ".join(
        ReflectionFile(file=path).crystal().notices
    )
    assert table(path, intensities="F_squared_calc")[2, 0, 0] == 6.0
    lists = FCF.replace("_F_squared_calc", "_F_calc").replace("_F_squared_meas", "_F_meas")
    assert table(write(tmp_path / "b.fcf", lists))[1, 2, 3] == 100.0
    assert table(tmp_path / "b.fcf", amplitudes="F_calc")[1, 2, 3] == 98.0


def test_a_group_that_has_no_name_is_taken_by_its_operations(tmp_path: Path) -> None:
    # P 2 with its axis along the diagonal a + b, which exchanges h and k: on these axes it has no name.
    odd = FCF.replace("'x+1/2, -y+1/2, -z'", "'y, x, -z'").replace(" '-x, y+1/2, -z+1/2'\n", "")
    odd = odd.replace(" '-x+1/2, -y, z+1/2'\n", "").replace("_b   12", "_b   10")
    path = write(tmp_path / "a.fcf", odd)
    known = table(path)
    assert known[1, 2, 3] == known[2, 1, -3] == 10.0 and known[-1, -2, -3] == known[-2, -1, 3] == 9.0
    listed = ReflectionFile(file=path).listed()
    # 1 2 3 and 2 1 -3 with their mates, and the four of 2 0 0, of the 180 in a sphere down to 1 2 3.
    assert len(known) == 8 and listed.completeness == pytest.approx(8 / 180)
    with pytest.raises(InputError, match="impossible in the space group"):
        table(write(tmp_path / "b.fcf", odd.replace("_b   10", "_b   11")))
