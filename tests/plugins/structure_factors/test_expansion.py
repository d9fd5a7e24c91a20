"""Reflections of an asymmetric unit, expanded: against gemmi's own operations, over all space groups."""

import gemmi
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openbragg_plugins.structure_factors.expansion import expanded, unique, with_absences

GROUPS = [group for group in gemmi.spacegroup_table() if group.is_reference_setting() or group.number < 75]
#: A draw costs a hundredth of a second; among so many there are all crystal systems.
draws = settings(max_examples=60, deadline=None)


def cell_of(group: gemmi.SpaceGroup) -> gemmi.UnitCell:
    """A small cell of the group's system; gemmi's conventional axes."""
    system = group.crystal_system_str()
    a, b, c = (6.0, 7.0, 8.0)
    if system == "cubic":
        return gemmi.UnitCell(a, a, a, 90, 90, 90)
    if system in ("hexagonal", "trigonal") and group.ext != "R":
        return gemmi.UnitCell(a, a, c, 90, 90, 120)
    if system == "trigonal":
        return gemmi.UnitCell(a, a, a, 80, 80, 80)
    if system == "tetragonal":
        return gemmi.UnitCell(a, a, c, 90, 90, 90)
    return gemmi.UnitCell(a, b, c, 90, 90, 90)


def drawn(group: gemmi.SpaceGroup, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.random.Generator]:
    random = np.random.default_rng(seed)
    indices = gemmi.make_miller_array(cell_of(group), group, 2.2, unique=True).astype(np.int64)
    return indices, random.uniform(1.0, 100.0, len(indices)), random.uniform(1.0, 100.0, len(indices)), random


@draws
@given(group=st.sampled_from(GROUPS), seed=st.integers(0, 2**32))
def test_every_mate_has_the_amplitude_of_its_own_sign_in_the_asymmetric_unit(
    group: gemmi.SpaceGroup, seed: int
) -> None:
    indices, plus, minus, random = drawn(group, seed)
    operations, asu = group.operations(), gemmi.ReciprocalAsu(group)
    centric = operations.centric_flag_array(indices.astype(np.int32))
    # The file may list any mate of each reflection; a rotation keeps the sign.
    rotation = operations.sym_ops[int(random.integers(len(operations.sym_ops)))]
    listed = np.array([rotation.apply_to_hkl(index) for index in indices.tolist()])
    found = unique(listed, plus, minus, group)
    assert found.repeated == 0
    whole, amplitudes = expanded(found, group)
    assert len(np.unique(whole, axis=0)) == len(whole)

    signs = {}
    for index, place in zip(indices.tolist(), range(len(indices)), strict=True):
        home, symmetry = asu.to_asu(index, operations)
        signs[tuple(home)] = (place, symmetry % 2 == 1)
    for index, amplitude in zip(whole.tolist(), amplitudes.tolist(), strict=True):
        home, symmetry = asu.to_asu(index, operations)
        place, positive = signs[tuple(home)]
        if centric[place]:
            expected = (plus[place] + minus[place]) / 2.0
        else:
            expected = plus[place] if (symmetry % 2 == 1) == positive else minus[place]
        assert abs(amplitude - expected) <= 1e-12 * expected  # one addition and one division
    assert {tuple(index) for index in (-whole).tolist()} == {tuple(index) for index in whole.tolist()}
    assert {tuple(asu.to_asu(index, operations)[0]) for index in whole.tolist()} == set(signs)


@draws
@given(group=st.sampled_from(GROUPS), seed=st.integers(0, 2**32))
def test_with_one_amplitude_friedel_mates_are_equal_and_absences_zero(group: gemmi.SpaceGroup, seed: int) -> None:
    indices, plus, _, _ = drawn(group, seed)
    cell, unknown = cell_of(group), np.full(len(indices), np.nan)
    absent = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 0, 3)])
    absent = absent[group.operations().systematic_absences(absent.astype(np.int32))]
    # What a file has where nothing can be was measured by mistake.
    found = unique(
        np.concatenate([indices, absent]),
        np.concatenate([plus, np.full(len(absent), 50.0)]),
        np.concatenate([unknown, np.full(len(absent), np.nan)]),
        group,
    )
    whole, amplitudes = with_absences(*expanded(found, group), cell, group, 2.2)
    table = {tuple(index): value for index, value in zip(whole.tolist(), amplitudes.tolist(), strict=True)}
    assert all(table[-h, -k, -l] == value for (h, k, l), value in table.items())
    forbidden = group.operations().systematic_absences(whole.astype(np.int32))
    assert not amplitudes[forbidden].any()
    assert amplitudes[~forbidden].all()
    everything = gemmi.make_miller_array(cell, gemmi.SpaceGroup("P 1"), 2.2, unique=False)
    assert set(table) == {tuple(index) for index in everything.tolist()}


def test_what_is_listed_twice_is_averaged_and_what_has_no_value_is_left_out() -> None:
    group = gemmi.SpaceGroup("P 1 2 1")
    indices = np.array([[1, 2, 3], [-1, 2, -3], [1, -2, 3], [2, 0, 1], [4, 1, 1]])
    plus = np.array([10.0, 20.0, 7.0, 5.0, np.nan])
    found = unique(indices, plus, np.full(5, np.nan), group)
    table = {
        tuple(index): value for index, value in zip(*(part.tolist() for part in expanded(found, group)), strict=True)
    }
    assert found.repeated == 1
    assert table[1, 2, 3] == table[-1, 2, -3] == 15.0
    assert table[1, -2, 3] == table[-1, -2, -3] == 7.0  # the Friedel mate, listed by itself, stays itself
    assert table[2, 0, 1] == table[-2, 0, -1] == 5.0
    assert (4, 1, 1) not in table
