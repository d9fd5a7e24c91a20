"""Wilson amplitudes: their statistics, symmetry, absences, absolute scale, and the table they are written to."""

import itertools
import math
import os
from collections import Counter
from pathlib import Path

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from command_line import run
from openbragg import InputError, write_hkl_table
from openbragg_tools.wilson.content import RESIDUE_FORMULAS, CellContent
from openbragg_tools.wilson.statistics import mean_intensities, wilson_amplitudes
from openbragg_tools.wilson.symmetry import expand_to_p1

ANGSTROM = 1e-10
LYSOZYME = (
    "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLCNIPC"
    "SALLSSDITASVNCAKKIVSDGNGMNAWVAWRNRCKGTDVQAWIRGCRL"
)
LYSOZYME_CELL = gemmi.UnitCell(78.9, 78.9, 38.1, 90, 90, 90)
LYSOZYME_GROUP = gemmi.SpaceGroup("P 43 21 2")
LYSOZYME_CONTENT = CellContent.from_sequence(LYSOZYME, copies=8)
CARBON = CellContent({"C": 1000})
B_FACTOR = 20 * ANGSTROM**2

# A statistic may stray this many standard errors from its expected value: it does so by chance once in 16,000 trials,
# and the seeds are fixed, so that a test which passes once passes always.
SIGMAS = 4

SPACE_GROUPS = sorted(gemmi.spacegroup_table(), key=lambda group: group.ccp4)


def lysozyme(seed: int = 1, resolution: float = 2 * ANGSTROM) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    return wilson_amplitudes(LYSOZYME_CELL, LYSOZYME_GROUP, LYSOZYME_CONTENT, resolution, B_FACTOR, seed)


def small_cell(group: gemmi.SpaceGroup) -> gemmi.UnitCell:
    """A cell of about 8 A that the space group allows and that has no more symmetry than that."""
    match group.crystal_system_str():
        case "cubic":
            return gemmi.UnitCell(8.1, 8.1, 8.1, 90, 90, 90)
        case "hexagonal":
            return gemmi.UnitCell(8.1, 8.1, 9.3, 90, 90, 120)
        case "trigonal" if group.ext == "R":
            return gemmi.UnitCell(8.1, 8.1, 8.1, 77, 77, 77)
        case "trigonal":
            return gemmi.UnitCell(8.1, 8.1, 9.3, 90, 90, 120)
        case "tetragonal":
            return gemmi.UnitCell(8.1, 8.1, 9.3, 90, 90, 90)
        case "orthorhombic":
            return gemmi.UnitCell(7.2, 8.1, 9.3, 90, 90, 90)
        case "monoclinic":
            angles = [98.0 if axis == group.monoclinic_unique_axis() else 90.0 for axis in "abc"]
            return gemmi.UnitCell(7.2, 8.1, 9.3, *angles)
        case _:
            return gemmi.UnitCell(7.2, 8.1, 9.3, 83, 98, 104)


def count_of_sphere(cell: gemmi.UnitCell, group: gemmi.SpaceGroup, smallest_d: float) -> int:
    """Count reflections that are not absent, one by one, from the definition of an absence and nothing else.

    A reflection is absent when an operation leaves its indices as they are and shifts its phase.
    """
    operations = [(op.rot, op.tran) for op in group.operations()]
    reciprocal = cell.reciprocal()
    rows = np.asarray(reciprocal.orth.mat.tolist())
    limits = [range(-int(axis / smallest_d) - 1, int(axis / smallest_d) + 2) for axis in (cell.a, cell.b, cell.c)]
    count = 0
    for hkl in itertools.product(*limits):
        length = float(np.linalg.norm(rows @ hkl))
        if hkl == (0, 0, 0) or length > 1 / smallest_d:
            continue
        for rotation, translation in operations:
            same = all(sum(hkl[i] * rotation[i][j] for i in range(3)) == 24 * hkl[j] for j in range(3))
            if same and sum(hkl[i] * translation[i] for i in range(3)) % 24:
                break
        else:
            count += 1
    return count


def as_dictionary(hkl: NDArray[np.int32], F: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    return {tuple(index): amplitude for index, amplitude in zip(hkl.tolist(), F.tolist(), strict=True)}


# Content of the cell


def test_content_of_lysozyme_from_its_sequence_is_the_known_formula() -> None:
    # Hen egg-white lysozyme is C613 H951 N193 O185 S10 with its four disulfide bonds; a sequence knows of none, and
    # the eight hydrogens of the reduced cysteines are there.
    assert CellContent.from_sequence(LYSOZYME).formula == "C613 H959 N193 O185 S10"


def test_content_from_sequence_and_from_formula_agree() -> None:
    assert CellContent.from_formula("C613 H959 N193 O185 S10", copies=8) == LYSOZYME_CONTENT


@pytest.mark.parametrize("letter", sorted(RESIDUE_FORMULAS))
def test_content_of_single_amino_acid_matches_gemmis_residue(letter: str) -> None:
    # gemmi's table follows the PDB's component dictionary, which protonates the side chains of these three.
    protons = 1 if letter in "RHK" else 0
    residue = gemmi.find_tabulated_residue(gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA))
    atoms = dict(CellContent.from_sequence(letter).atoms)
    assert atoms["H"] + protons == residue.hydrogen_count
    weight = sum(gemmi.Element(element).weight * number for element, number in atoms.items())
    # Atomic weights of two editions of the standard differ by 0.01 for selenium and less for the rest.
    assert weight + protons * gemmi.Element("H").weight == pytest.approx(residue.weight, abs=0.02)


@given(st.text("ACDEFGHIKLMNPQRSTVWY", min_size=2, max_size=60), st.data())
def test_cutting_a_chain_adds_one_water(sequence: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(sequence) - 1))
    whole = Counter(dict(CellContent.from_sequence(sequence).atoms))
    pieces = CellContent.from_sequence(f">one\n{sequence[:cut]}\n>two\n{sequence[cut:]}\n")
    assert Counter(dict(pieces.atoms)) - whole == Counter({"H": 2, "O": 1})


def test_sequence_may_be_fasta_in_lines_and_lower_case() -> None:
    fasta = f">sp|P00698|LYSC_CHICK\n{LYSOZYME[:70]}\r\n{LYSOZYME[70:].lower()}*\n\n"
    assert CellContent.from_sequence(fasta) == CellContent.from_sequence(LYSOZYME)


def test_formula_without_spaces_and_with_repeated_elements_is_read() -> None:
    assert CellContent.from_formula("CH3CH2OH Cl2", copies=3).formula == "C6 H18 Cl6 O3"


@pytest.mark.parametrize(
    ("formula", "complaint"),
    [
        ("", "at least one atom"),
        ("C6 h12", "'h12'"),
        ("C6 13", "'13'"),
        ("C6H12O6-", "'C6H12O6-'"),
        ("C1.5", "'C1.5'"),
        ("C9999999999", "'C9999999999'"),
        ("C٣", "'C٣'"),
        ("C6 Qq2", "'Qq'"),
        ("X2", "'X'"),
        ("Es", "'Es'"),
        ("C0 H2", "number of C atoms 0"),
    ],
)
def test_bad_formula_gives_one_line_with_the_culprit(formula: str, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        CellContent.from_formula(formula)
    assert complaint in str(error.value)
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("sequence", "complaint"),
    [
        ("", "at least one amino acid"),
        (">header only\n", "at least one amino acid"),
        ("KVFXRC", "residue 4 is 'X'"),
        ("KV*FG", "residue 3 is '*'"),
        ("1 KVFG", "residue 1 is '1'"),
    ],
)
def test_bad_sequence_gives_one_line_with_the_culprit(sequence: str, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        CellContent.from_sequence(sequence)
    assert complaint in str(error.value)
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("copies", [0, -8, 1.5])
def test_copies_must_be_a_positive_whole_number(copies: int) -> None:
    with pytest.raises(InputError, match="copies per unit cell"):
        CellContent.from_formula("C", copies=copies)


# Absolute scale


def test_mean_intensity_at_low_angle_is_the_sum_of_squared_electron_numbers() -> None:
    # In the limit s = 0 the scattering factor is the number of electrons; a cell of 10,000 A brings s to 5e-5 per A.
    cell = gemmi.UnitCell(10_000, 10_000, 10_000, 90, 90, 90)
    content = CellContent({"C": 6, "H": 12, "O": 6, "S": 2})
    electrons_squared = 6 * 6**2 + 12 * 1**2 + 6 * 8**2 + 2 * 16**2
    mean = mean_intensities(np.array([[1, 0, 0]], dtype=np.int32), cell, gemmi.SpaceGroup("P 1"), content, B_FACTOR)
    # The tabulated four-Gaussian fits miss the number of electrons by up to 5e-4 of it.
    assert mean[0] == pytest.approx(electrons_squared, rel=1e-3)


def test_mean_intensity_follows_the_formula_term_by_term() -> None:
    hkl, _ = lysozyme(resolution=6 * ANGSTROM)
    mean = mean_intensities(hkl, LYSOZYME_CELL, LYSOZYME_GROUP, LYSOZYME_CONTENT, B_FACTOR)
    operations = LYSOZYME_GROUP.operations()
    for index, found in zip(hkl.tolist(), mean, strict=True):
        s_squared = 1 / (2 * LYSOZYME_CELL.calculate_d(index)) ** 2
        expected = 0.0
        for element, number in LYSOZYME_CONTENT.atoms:
            expected += number * gemmi.Element(element).it92.calculate_sf(s_squared) ** 2
        expected *= operations.epsilon_factor(index) * math.exp(-2 * 20 * s_squared)
        assert found == pytest.approx(expected, rel=1e-5)  # gemmi's scattering factor is in single precision


@pytest.mark.parametrize(
    "name", ["P 1", "P -1", "C 1 2 1", "P 43 21 2", "F d d 2", "R 3 :H", "I 41 3 2", "F d -3 m :2"]
)
def test_mean_intensity_is_that_of_random_atoms_with_this_symmetry(name: str) -> None:
    """The physics behind epsilon and the centring, from structure factors summed over every atom of the cell."""
    group = gemmi.SpaceGroup(name)
    cell = small_cell(group)
    operations = group.operations()
    rotations = np.array([op.rot for op in operations]) / gemmi.Op.DEN
    translations = np.array([op.tran for op in operations]) / gemmi.Op.DEN
    hkl = gemmi.make_miller_array(cell, group, 2.4)[:40]
    atoms, structures = 8, 1000
    positions = np.random.default_rng(5).random((structures * atoms, 3))
    scattered = np.zeros((structures * atoms, len(hkl)), dtype=complex)
    for rotation, translation in zip(rotations, translations, strict=True):
        scattered += np.exp(2j * np.pi * ((positions @ rotation.T + translation) @ hkl.T))
    structure_factors = scattered.reshape(structures, atoms, -1).sum(axis=1)
    content = CellContent({"C": atoms * len(rotations)})
    factors = np.array([gemmi.Element("C").it92.calculate_sf(1 / (2 * cell.calculate_d(index)) ** 2) for index in hkl])
    ratio = (np.abs(structure_factors) ** 2).mean(axis=0) * factors**2 / mean_intensities(hkl, cell, group, content, 0)
    # A centric intensity has a variance of at most 2 <I>^2, so the mean of 1000 strays by 0.045; a wrong epsilon or
    # centring would be off by a factor of 1.5 at least.
    assert np.abs(ratio - 1).max() < SIGMAS * math.sqrt(2 / structures) * 1.2


def test_b_factor_lowers_intensity_by_the_debye_waller_factor() -> None:
    sharp = wilson_amplitudes(LYSOZYME_CELL, LYSOZYME_GROUP, LYSOZYME_CONTENT, 3 * ANGSTROM, 0, 1)
    blurred = wilson_amplitudes(LYSOZYME_CELL, LYSOZYME_GROUP, LYSOZYME_CONTENT, 3 * ANGSTROM, B_FACTOR, 1)
    s_squared = LYSOZYME_CELL.calculate_1_d2_array(sharp[0]) / 4
    np.testing.assert_array_equal(sharp[0], blurred[0])
    np.testing.assert_allclose(blurred[1] / sharp[1], np.exp(-20 * s_squared), rtol=1e-12)  # rounding only


# Distribution


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_intensities_average_to_their_mean_in_every_resolution_shell(seed: int) -> None:
    hkl, F = lysozyme(seed)
    ratio = F**2 / mean_intensities(hkl, LYSOZYME_CELL, LYSOZYME_GROUP, LYSOZYME_CONTENT, B_FACTOR)
    # The variance of I/<I> is 1 for an acentric reflection and 2 for a centric one.
    variance = np.where(LYSOZYME_GROUP.operations().centric_flag_array(hkl), 2.0, 1.0)
    for shell in np.array_split(np.argsort(LYSOZYME_CELL.calculate_1_d2_array(hkl)), 10):
        error = math.sqrt(variance[shell].sum()) / len(shell)
        assert abs(ratio[shell].mean() - 1) < SIGMAS * error


@pytest.mark.parametrize(
    ("name", "second_moment", "fourth_moment"),
    # Of I/<I>: 2! and 4! for the exponential distribution, 3!! and 7!! for the centric one.
    [("P 1", 2, 24), ("P -1", 3, 105)],
)
def test_second_moment_tells_centric_from_acentric(name: str, second_moment: int, fourth_moment: int) -> None:
    cell, group = gemmi.UnitCell(80, 90, 100, 80, 95, 100), gemmi.SpaceGroup(name)
    hkl, F = wilson_amplitudes(cell, group, CARBON, 2.5 * ANGSTROM, B_FACTOR, seed=7)
    ratio = F**2 / mean_intensities(hkl, cell, group, CARBON, B_FACTOR)
    error = math.sqrt((fourth_moment - second_moment**2) / len(hkl))
    assert error < 0.1  # there are reflections enough to tell 2 from 3
    assert (ratio**2).mean() == pytest.approx(second_moment, abs=SIGMAS * error)


def test_centric_zones_of_p43212_have_centric_statistics_and_the_rest_acentric() -> None:
    cell = gemmi.UnitCell(300, 300, 280, 90, 90, 90)
    hkl, F = wilson_amplitudes(cell, LYSOZYME_GROUP, CARBON, 3.5 * ANGSTROM, B_FACTOR, seed=7)
    ratio = F**2 / mean_intensities(hkl, cell, LYSOZYME_GROUP, CARBON, B_FACTOR)
    h, k, index_l = hkl.T
    # Twofold and screw axes along the cell axes and the diagonals make the zones across them centric.
    centric = (h == 0) | (k == 0) | (index_l == 0) | (np.abs(h) == np.abs(k))
    for chosen, second_moment, fourth_moment in ((centric, 3, 105), (~centric, 2, 24)):
        error = math.sqrt((fourth_moment - second_moment**2) / chosen.sum())
        assert error < 0.1
        assert (ratio[chosen] ** 2).mean() == pytest.approx(second_moment, abs=SIGMAS * error)


def test_same_seed_gives_the_same_table_and_another_seed_another() -> None:
    hkl, F = lysozyme(seed=1)
    hkl_again, F_again = lysozyme(seed=1)
    hkl_other, F_other = lysozyme(seed=2)
    np.testing.assert_array_equal(hkl, hkl_again)
    np.testing.assert_array_equal(F, F_again)
    np.testing.assert_array_equal(hkl, hkl_other)
    assert np.all(F_other != F)  # two draws of a continuous distribution coincide with a probability of about 1e-12


# Symmetry


def test_absences_of_p43212_are_absent_in_the_expanded_table() -> None:
    hkl, F = expand_to_p1(*lysozyme(), LYSOZYME_GROUP)
    table = as_dictionary(hkl, F)
    limit = int(78.9 / 2)
    axial_h = {h for h in range(-limit, limit + 1) if (h, 0, 0) in table}
    axial_k = {k for k in range(-limit, limit + 1) if (0, k, 0) in table}
    axial_l = {index_l for index_l in range(-limit, limit + 1) if (0, 0, index_l) in table}
    assert axial_h == axial_k == {h for h in range(-39, 40) if h % 2 == 0 and h != 0}
    assert axial_l == {index_l for index_l in range(-19, 20) if index_l % 4 == 0 and index_l != 0}


def test_table_without_the_direct_beam() -> None:
    assert (0, 0, 0) not in as_dictionary(*expand_to_p1(*lysozyme(), LYSOZYME_GROUP))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPACE_GROUPS), st.integers(0, 2**32))
def test_expanded_table_is_the_whole_sphere_with_equal_mates(group: gemmi.SpaceGroup, seed: int) -> None:
    cell = small_cell(group)
    unique, amplitudes = wilson_amplitudes(cell, group, CARBON, 2.3 * ANGSTROM, B_FACTOR, seed)
    hkl, F = expand_to_p1(unique, amplitudes, group)
    table = as_dictionary(hkl, F)
    assert len(table) == len(hkl) == count_of_sphere(cell, group, 2.3)
    assert [tuple(index) for index in hkl.tolist()] == sorted(table)
    assert hkl.dtype == np.int32
    assert F.dtype == np.float64
    for index, amplitude in table.items():
        assert table[tuple(-i for i in index)] == amplitude
        for operation in group.operations():
            assert table[tuple(operation.apply_to_hkl(index))] == amplitude
    # The order decides which random numbers a reflection gets, so it is part of what a seed stands for.
    assert [tuple(index) for index in unique.tolist()] == sorted(as_dictionary(unique, amplitudes))
    for index, amplitude in as_dictionary(unique, amplitudes).items():
        assert table[index] == amplitude


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPACE_GROUPS))
def test_expanding_an_expanded_table_changes_nothing(group: gemmi.SpaceGroup) -> None:
    once = expand_to_p1(*wilson_amplitudes(small_cell(group), group, CARBON, 2.3 * ANGSTROM, B_FACTOR, 1), group)
    twice = expand_to_p1(*once, group)
    np.testing.assert_array_equal(once[0], twice[0])
    np.testing.assert_array_equal(once[1], twice[1])


def test_mates_with_unequal_amplitudes_are_refused() -> None:
    with pytest.raises(InputError, match=r"reflection -1 -2 -3: .* equal F, found 5 and 6"):
        expand_to_p1([[1, 2, 3], [-1, -2, -3]], [5.0, 6.0], gemmi.SpaceGroup("P 1"))


def test_reflection_right_at_the_resolution_limit_is_in_the_table() -> None:
    # 10 A / 5 is exactly 2 A, however 2 A was rounded on its way to metres.
    cell, group = gemmi.UnitCell(10, 10, 10, 90, 90, 90), gemmi.SpaceGroup("P 1")
    for resolution in (2e-10, 2 / 1e10, math.nextafter(2e-10, 1)):
        hkl, _ = wilson_amplitudes(cell, group, CARBON, resolution, B_FACTOR, 1)
        assert [5, 0, 0] in hkl.tolist()


# The file


def test_written_table_reads_back_as_four_bare_numbers_a_line(tmp_path: Path) -> None:
    hkl, F = expand_to_p1(*lysozyme(), LYSOZYME_GROUP)
    write_hkl_table(tmp_path / "lysozyme.hkl", hkl, F)
    lines = (tmp_path / "lysozyme.hkl").read_text().splitlines()
    assert len(lines) == len(hkl)
    rows = [line.split() for line in lines]
    assert [[int(index) for index in row[:3]] for row in rows] == hkl.tolist()
    # Nine significant digits leave a relative error of at most 5e-9.
    np.testing.assert_allclose([float(row[3]) for row in rows], F, rtol=5e-9)
    assert {len(row) for row in rows} == {4}


def test_table_longer_than_a_block_is_written_whole_and_in_order(tmp_path: Path) -> None:
    hkl = np.arange(3 * 250_001).reshape(-1, 3)
    write_hkl_table(tmp_path / "long.hkl", hkl, np.arange(250_001.0))
    written = np.loadtxt(tmp_path / "long.hkl")
    np.testing.assert_array_equal(written[:, :3], hkl)
    np.testing.assert_array_equal(written[:, 3], np.arange(250_001))


def test_writing_replaces_a_table_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    table = tmp_path / "table.hkl"
    table.write_text("an older one")
    write_hkl_table(table, [[1, -2, 3]], [1.5])
    assert table.read_text() == "1 -2 3 1.5\n"
    assert list(tmp_path.iterdir()) == [table]


def test_failed_write_leaves_an_existing_table_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    table = tmp_path / "table.hkl"
    table.write_text("1 2 3 4\n")
    monkeypatch.setattr(Path, "replace", disk_full)
    with pytest.raises(InputError, match=r"table\.hkl: cannot write the reflections: No space left on device"):
        write_hkl_table(table, [[1, -2, 3]], [1.5])
    assert table.read_text() == "1 2 3 4\n"
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of POSIX systems")
def test_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="expected a plain file"):
        write_hkl_table(pipe, [[1, 2, 3]], [1.0])
    assert pipe.is_fifo()


def test_unwritable_places_give_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "table.hkl"):
        with pytest.raises(InputError) as error:
            write_hkl_table(path, [[1, 2, 3]], [1.0])
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("hkl", "F", "complaint"),
    [
        ([], [], "reflection table"),
        (np.empty((0, 3), dtype=int), [], "at least one reflection"),
        ([[1, 2, 3]], [1.0, 2.0], r"\(1, 3\) and \(2,\)"),
        ([[1, 2]], [1.0], r"\(1, 2\)"),
        ([[1.5, 2, 3]], [1.0], "float64"),
        ([[1, 2, 3]], [math.nan], "reflection 1 2 3: F is nan"),
        ([[1, 2, 3]], [math.inf], "reflection 1 2 3: F is inf"),
        ([[1, 2, 3]], [-1.0], "reflection 1 2 3: F is -1"),
    ],
)
def test_arrays_that_are_no_table_are_refused(
    hkl: list[list[int]], F: list[float], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        write_hkl_table(tmp_path / "table.hkl", hkl, F)
    with pytest.raises(InputError, match=complaint):
        expand_to_p1(hkl, F, gemmi.SpaceGroup("P 1"))


# Limits


@pytest.mark.parametrize(
    ("resolution", "complaint"),
    [
        (0.0, "resolution 0 A: expected a finite d spacing of at least 0.25 A"),
        (-2 * ANGSTROM, "resolution -2 A: expected"),
        (math.nan, "resolution nan A: expected"),
        (math.inf, "resolution inf A: expected"),
        (0.2 * ANGSTROM, "resolution 0.2 A: expected"),
        (79 * ANGSTROM, "resolution 79 A: no reflection has so large a d spacing; expected a finer one"),
        (2.0, "resolution 2e+10 A: no reflection has so large a d spacing"),
    ],
)
def test_resolution_outside_its_limits_is_refused(resolution: float, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        lysozyme(resolution=resolution)
    assert str(error.value).startswith(complaint)
    assert "\n" not in str(error.value)


def test_more_reflections_than_memory_holds_are_refused_before_they_are_made() -> None:
    cell, group = gemmi.UnitCell(1000, 1000, 1000, 90, 90, 90), gemmi.SpaceGroup("P 1")
    with pytest.raises(InputError, match=r"resolution 0\.25 A: gives 2\.7e\+11 reflections, more than 5e\+07"):
        wilson_amplitudes(cell, group, CARBON, 0.25 * ANGSTROM, B_FACTOR, 1)


@pytest.mark.parametrize(
    ("parameters", "name", "complaint"),
    [
        ((78.9, 70, 38.1, 90, 90, 90), "P 43 21 2", "unit cell 78.9 70 38.1 90 90 90: expected a tetragonal cell"),
        ((80, 80, 80, 90, 90, 90), "R 3 :H", "unit cell 80 80 80 90 90 90: expected a trigonal cell"),
        ((-80, 80, 80, 90, 90, 90), "P 1", "unit cell -80 80 80 90 90 90: expected three lengths"),
        ((-80, -80, 80, 90, 90, 90), "P 1", "unit cell -80 -80 80 90 90 90: expected three lengths"),
        ((0, 80, 80, 90, 90, 90), "P 1", "unit cell 0 80 80 90 90 90: expected three lengths"),
        ((math.inf, 80, 80, 90, 90, 90), "P 1", "unit cell inf 80 80 90 90 90: expected three lengths"),
        ((80, 80, 80, 90, 90, 200), "P 1", "unit cell 80 80 80 90 90 200: expected three lengths"),
        ((80, 80, 80, 90, 90, 0), "P 1", "unit cell 1 1 1 90 90 90: expected three lengths"),
        ((80, 80, 80, 120, 120, 120), "P 1", "unit cell 80 80 80 120 120 120: expected three lengths"),
        ((80, 80, 80, 30, 30, 90), "P 1", "unit cell 80 80 80 30 30 90: expected three lengths"),
        ((math.nan, 80, 80, 90, 90, 90), "P 1", "unit cell nan 80 80 90 90 90: expected three lengths"),
    ],
)
def test_impossible_cells_are_refused(parameters: tuple[float, ...], name: str, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        wilson_amplitudes(gemmi.UnitCell(*parameters), gemmi.SpaceGroup(name), CARBON, 4 * ANGSTROM, B_FACTOR, 1)
    assert str(error.value).startswith(complaint)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("b_factor", [-B_FACTOR, math.nan, math.inf])
def test_bad_b_factor_is_refused(b_factor: float) -> None:
    with pytest.raises(InputError, match=r"B factor (-20|nan|inf) A\^2: expected a finite number of 0 or more"):
        wilson_amplitudes(LYSOZYME_CELL, LYSOZYME_GROUP, LYSOZYME_CONTENT, 4 * ANGSTROM, b_factor, 1)


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_bad_seed_is_refused(seed: int) -> None:
    with pytest.raises(InputError, match="seed"):
        lysozyme(seed)


# --- the command


COMMAND = ("wilson", "--cell", 40, 40, 60, 90, 90, 90, "--space-group", "P 43 21 2", "--formula", "C20 H30 N6 O8 S")


def test_an_mtz_file_has_the_unique_reflections_with_cell_and_space_group(tmp_path: Path) -> None:
    file = tmp_path / "wilson.MTZ"
    finished = run(*COMMAND, "--resolution", 3, "--seed", 5, "-o", file)
    assert (finished.status, finished.err) == (0, "")
    cell, group = gemmi.UnitCell(40, 40, 60, 90, 90, 90), gemmi.SpaceGroup("P 43 21 2")
    content = CellContent.from_formula("C20 H30 N6 O8 S", copies=8)
    hkl, amplitudes = wilson_amplitudes(cell, group, content, 3 * ANGSTROM, B_FACTOR, 5)
    table = gemmi.read_mtz_file(str(file))
    assert table.spacegroup.xhm() == "P 43 21 2"
    assert table.cell.parameters == pytest.approx(cell.parameters)
    assert [(column.label, column.type) for column in table.columns] == [
        ("H", "H"), ("K", "H"), ("L", "H"), ("F", "F")
    ]  # fmt: skip
    np.testing.assert_array_equal(table.make_miller_array(), hkl)
    # Single precision has 24 bits.
    np.testing.assert_allclose(table.column_with_label("F").array, amplitudes, rtol=2**-23)
    assert f"{file} ({len(hkl)} unique reflections)" in finished.out


def test_a_table_and_an_mtz_file_give_the_same_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("wilson.hkl", "wilson.mtz"):
        assert run(*COMMAND, "--resolution", 3, "-o", name).status == 0
    common = "-cell 40 40 60 90 90 90 -N 3 -detpixels 24 -pixel 2 -distance 60 -oversample 2 -default_F 0".split()
    images = []
    for name in ("wilson.hkl", "wilson.mtz"):
        finished = run("simulate", *common, "-hkl", name, "-floatfile", "image.bin")
        assert finished.status == 0, finished.err
        images.append(np.fromfile("image.bin", "<f4"))
    assert images[0].max() > 0.0
    # Amplitudes in single precision, squared.
    np.testing.assert_allclose(images[1], images[0], rtol=0, atol=1e-6 * images[0].max())


def test_an_mtz_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    finished = run(*COMMAND, "--resolution", 3, "-o", tmp_path / "nowhere" / "wilson.mtz")
    assert (finished.status, finished.out) == (1, "")
    (line,) = finished.complaints()
    assert "nowhere" in line
