"""Lattices with more symmetry than their crystals: intensities say which setting is the crystal's."""

import math

import attrs
import gemmi
import numpy as np
import pytest
import torch
from test_refine import READOUT, truth

import openbragg
from openbragg import Crystal, plugin
from openbragg_tools.refine.model import make_model
from openbragg_tools.refine.settings import other_settings

CELL = (62e-10, 62e-10, 66e-10, math.pi / 2, math.pi / 2, math.pi / 2)
MISSET = (0.3, 0.7, -0.4)


def tetragonal():
    """A crystal of P 4, whose amplitudes are the same only after quarter turns."""
    draws = np.random.default_rng(2)
    indices = np.stack(np.meshgrid(*[np.arange(-20, 21)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    h, k, l = indices.T
    turned = np.stack([(h, k, l), (-k, h, l), (-h, -k, l), (k, -h, l)])
    equivalent = np.concatenate([turned, -turned]).transpose(0, 2, 1)
    code = (equivalent + 50) @ np.array([10000, 100, 1])
    groups, member = np.unique(code.min(axis=0), return_inverse=True)
    amplitudes = np.sqrt(draws.exponential(4e4, len(groups)))[member]
    table = plugin("structure_factors", "hkl", reflections=(indices, amplitudes), default_F=0.0)
    return truth().evolve(crystal=Crystal(cell=CELL, misset=MISSET, cells=(9.0, 9.0, 8.0)), structure_factors=table)


def turned_over(simulation):
    """The same lattice with -a, b and -c for its axes."""
    vectors = torch.linalg.inv(simulation.layout().experiment.crystal.oriented_vectors()).T
    over = torch.diag(torch.tensor([-1.0, 1.0, -1.0], dtype=torch.float64)) @ vectors
    crystal = attrs.evolve(simulation.experiment.crystal, cell=None, misset=None, reciprocal_vectors=over)
    return simulation.evolve(crystal=crystal)


def test_a_start_in_the_wrong_setting_ends_in_the_right_one():
    true = tetragonal()
    draws = np.random.default_rng(4)
    photons = draws.poisson(true.photons().double().numpy() + 8.0)
    image = np.rint(photons + draws.normal(0.0, READOUT, photons.shape))
    found = openbragg.refine(
        turned_over(true), image, ("misset", "cell", "scale"), space_group="P 4", readout=READOUT, steps=4
    )
    assert any("another setting" in line for line in found.notices)
    assert abs(found.reduced_chi_squared() - 1.0) < 0.1
    # Away from the start in the right setting it is nothing but noise.
    assert abs(found.value("misset_x")) < 0.1
    right = openbragg.refine(true, image, ("scale",), space_group="P 4", readout=READOUT)
    assert found.value("scale") == pytest.approx(right.value("scale"), rel=0.02)
    assert not any("setting" in line for line in right.notices)


@pytest.mark.parametrize(
    ("space_group", "cell", "number"),
    [
        ("P 3", (68, 68, 90, 90, 90, 120), 3),
        ("P 4", (70, 70, 95, 90, 90, 90), 1),
        ("P 4 2 2", (70, 70, 95, 90, 90, 90), 0),
        ("I 2 3", (80, 80, 80, 90, 90, 90), 1),
        ("R 3:H", (98, 98, 85, 90, 90, 120), 1),
        ("P 1 21 1", (60, 75, 60.2, 90, 104, 90), 1),
        ("P 1", (48, 61, 70, 82, 98, 105), 0),
    ],
)
def test_settings_are_those_of_the_lattice_that_are_not_the_crystals(space_group, cell, number):
    inside = (*(edge * 1e-10 for edge in cell[:3]), *map(math.radians, cell[3:]))
    simulation = truth().evolve(crystal=Crystal(cell=inside, misset=MISSET, cells=(9.0, 9.0, 9.0)))
    model = make_model(simulation, ("misset",), space_group)
    spots = simulation.reflections().pixel[:30, ::-1]
    found = other_settings(model, simulation.layout(), spots)
    assert len(found) == number
    group = gemmi.find_spacegroup_by_name(space_group)
    own = {operation.triplet() for operation in group.operations().derive_symmorphic().sym_ops}
    assert not {each.operation for each in found} & own


def test_of_settings_that_are_equivalent_the_starts_is_kept():
    true = tetragonal()
    image = np.random.default_rng(4).poisson(true.photons().double().numpy() + 8.0)
    # Nothing is known of the symmetry that the amplitudes have.
    found = openbragg.refine(true, image, ("misset", "scale"), space_group="P 1", readout=0.0)
    assert not any("setting" in line for line in found.notices)
    assert abs(found.value("misset_x")) < 0.1
