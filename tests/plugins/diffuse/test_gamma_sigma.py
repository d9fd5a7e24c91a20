"""Halos of correlated displacements: the shared properties, known answers, gradients, and where they turn up."""

import math
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
import torch

import command_line
from openbragg import Beam, Crystal, Detector, Experiment, InputError, Miller, Sampling, Simulation, plugin
from openbragg.testing import check_diffuse_model, diffuse_intensity, make_lattice
from openbragg_plugins.diffuse.gamma_sigma import GammaSigma
from openbragg_plugins.diffuse.laue import laue_rotations
from openbragg_plugins.diffuse.none import NoDiffuse

ANGSTROM = 1e-10
RIGHT = math.pi / 2


def angstroms(*values: float) -> tuple[float, ...]:
    return tuple(value * ANGSTROM for value in values)


ANISOTROPIC: dict[str, Any] = {"gamma": angstroms(20.0, 35.0, 50.0), "sigma": angstroms(0.2, 0.4, 0.3)}


def simulation(diffuse: Any, *, cell: Any = None, crystal: Any = None, **settings: Any) -> Simulation:
    """A few pixels between spots."""
    cell = cell or (*angstroms(30.0, 30.0, 50.0), RIGHT, RIGHT, RIGHT)
    made: dict[str, Any] = {"cell": cell, "cells": (4, 4, 4), "misset": (0.2, 0.5, 0.1)} | (crystal or {})
    return Simulation(
        Experiment(
            crystal=Crystal(**made),
            beam=Beam(polarization=0.5),
            detector=Detector(pixels=(6, 7), pixel_size=6e-3, distance=0.07),
            sampling=Sampling(oversample=1),
        ),
        structure_factors=plugin("structure_factors", "hkl", default_F=50.0),
        lattice_shape="gauss",
        diffuse=diffuse,
        **{"precision": "double", "engine": "eager"} | settings,
    )


@pytest.mark.parametrize(
    ("options", "turns"),
    [
        ({}, True),
        (ANISOTROPIC, True),
        ({**ANISOTROPIC, "symmetry": "P 2 2 2", "stencil": 1}, True),
        ({**ANISOTROPIC, "symmetry": "P 1 2 1", "principal_axes": (0.8, 0.6, 0, -0.6, 0.8, 0, 0, 0, 1.0)}, True),
        ({"stencil": 1, "diffbragg": True}, True),
        ({**ANISOTROPIC, "diffbragg": True}, False),
    ],
)
def test_halos_keep_the_contract_of_a_diffuse_model(options: Any, turns: bool) -> None:
    check_diffuse_model(GammaSigma(**options), turns=turns)


def test_none_keeps_the_contract_of_a_diffuse_model() -> None:
    check_diffuse_model(NoDiffuse())


def test_the_middle_of_a_halo_has_the_height_of_the_formula() -> None:
    # At 2 0 0 of a 30 A axis q is 1/15; 140 cells of 60,000 A^3.
    gamma, sigma = 40.0, 0.5
    x = (2 * math.pi * sigma / 15.0) ** 2
    size = 100.0 / (1 + 4 / 50)
    height = size**2 * x * math.exp(-x) * 8 * math.pi * gamma**3 * 140 / 60_000
    model = GammaSigma(gamma=angstroms(gamma), sigma=angstroms(sigma))
    middle = torch.tensor([[2.0, 0.0, 0.0], [2.0 + 30 / (2 * math.pi * gamma), 0.0, 0.0]], dtype=torch.float64)
    found = diffuse_intensity(model, middle)
    # Where 2 pi gamma q is 1 away, the halo has fallen to a quarter.
    np.testing.assert_allclose(found.numpy(), [height, height / 4], rtol=1e-12)


def test_halos_hold_what_displacements_take_from_the_spots() -> None:
    # All of a halo together is N F^2 x exp(-x), however far displacements are correlated.
    sigma = 0.3
    grid = (torch.arange(40, dtype=torch.float64) + 0.5) / 40 - 0.5
    around = torch.cartesian_prod(grid, grid, grid)
    for gamma in (60.0, 120.0):
        model = GammaSigma(gamma=angstroms(gamma), sigma=angstroms(sigma))
        mean = diffuse_intensity(model, around + torch.tensor([3.0, 0.0, 0.0], dtype=torch.float64)).mean()
        x = (2 * math.pi * sigma / 10.0) ** 2
        whole = 140 * (100 / (1 + 9 / 50)) ** 2 * x * math.exp(-x)
        # A part of about 4/(pi 2 pi gamma/30/2) of it is beyond the nearest cell.
        assert 1.0 - 60.0 / gamma * 0.25 < float(mean) / whole < 1.0


def test_a_wider_stencil_follows_halos_further() -> None:
    index = torch.tensor([[2.4, 1.3, 0.8]], dtype=torch.float64)
    found = [float(diffuse_intensity(GammaSigma(gamma=angstroms(10.0), stencil=reach), index)) for reach in range(4)]
    assert found == sorted(found)
    assert found[3] > 1.1 * found[0]


@pytest.mark.parametrize(
    ("group", "number"),
    [("", 1), ("P -1", 1), ("P 21 21 21", 4), ("C 1 2/m 1", 2), ("I 4/m m m", 8), ("R 3 2", 6), ("P 63/m m c", 12)],
)
def test_a_laue_class_has_its_rotations(group: str, number: int) -> None:
    found = laue_rotations(group)
    assert len(found) == number
    assert torch.equal(found[0], torch.eye(3, dtype=torch.float64))
    np.testing.assert_allclose(found.det().numpy(), 1.0)
    # They permute equivalent reflections of gemmi's.
    operations = gemmi.find_spacegroup_by_name(group or "P 1").operations()
    mates = {tuple(op.apply_to_hkl([3, 1, 2])) for op in operations}
    mates |= {tuple(-index for index in mate) for mate in mates}
    turned = {
        tuple(int(value) for value in each @ torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64)) for each in found
    }
    assert turned <= mates
    assert len(turned) == number


def test_equivalent_places_scatter_alike_and_others_do_not() -> None:
    edges = torch.tensor([30.0, 30.0, 50.0], dtype=torch.float64) * ANGSTROM
    reciprocal, experiment = edges.reciprocal().diag(), simulation("none").experiment
    lattice = make_lattice((4, 4, 4), reciprocal_vectors=reciprocal)
    # The second is the first turned by 90 degrees.
    places = torch.tensor([[1.2, 2.3, -0.7], [-2.3, 1.2, -0.7]], dtype=torch.float64)
    index = Miller(*places.unbind(1))
    nearest = Miller(*(value.round() for value in index))
    for group, alike in (("P 4", True), ("P 2 2 2", False)):
        model = GammaSigma(**ANISOTROPIC)
        prepared = model.prepare(experiment, reciprocal, group, places.device)
        first, second = model.intensity(index, nearest, lambda at: torch.ones_like(at.h), lattice, prepared)
        assert (float(first) == pytest.approx(float(second), rel=1e-12)) == alike


def test_halos_take_the_space_group_of_the_structure_factors_unless_told_otherwise() -> None:
    index = torch.tensor([[1.2, 2.3, -0.7]], dtype=torch.float64)
    named = diffuse_intensity(GammaSigma(symmetry="P 2 2 2", **ANISOTROPIC), index)
    torch.testing.assert_close(diffuse_intensity(GammaSigma(**ANISOTROPIC), index, space_group="P 21 21 21"), named)
    torch.testing.assert_close(
        diffuse_intensity(GammaSigma(symmetry="P 2 2 2", **ANISOTROPIC), index, space_group="P 1 2 1"), named
    )


def test_alike_rotations_are_summed_once() -> None:
    reciprocal = torch.diag(torch.tensor([1 / 30, 1 / 30, 1 / 50], dtype=torch.float64)) / ANGSTROM
    experiment = simulation("none").experiment
    for options, number in (({}, 1), ({"gamma": angstroms(20.0, 30.0, 40.0)}, 2)):
        prepared = GammaSigma(symmetry="P 4 2 2", **options).prepare(experiment, reciprocal, "", torch.device("cpu"))
        assert len(prepared) == number
        assert float(sum(each[12] for each in prepared)) > 0.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"symmetry": "Q 9"}, "there is no space group Q 9"),
        ({"symmetry": "P 4 3 2"}, "does not have the symmetry of P 4 3 2"),
        ({"gamma": angstroms(1.0, 2.0)}, "one number, or three"),
        ({"gamma": (0.0,)}, "above 0"),
        ({"stencil": 4}, "from 0 to 3"),
        ({"principal_axes": (1.0, 2.0)}, "nine numbers"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        simulation(GammaSigma(**options)).photons()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("diffbragg", [False, True])
def test_gradients_by_gamma_sigma_and_the_cell_are_those_of_differences(diffbragg: bool) -> None:
    def photons(*numbers: torch.Tensor) -> torch.Tensor:
        gamma, sigma, edge = numbers[0] * ANGSTROM, numbers[1] * ANGSTROM, numbers[2] * ANGSTROM
        model = GammaSigma(gamma=tuple(gamma), sigma=tuple(sigma), symmetry="P 1 2 1", stencil=1, diffbragg=diffbragg)
        cell = (edge, *angstroms(30.0, 50.0), RIGHT, 1.6, RIGHT)
        image = simulation(model, cell=cell).photons()
        return image[1::2, ::3] / scale

    scale = float(simulation(GammaSigma()).photons().max())
    start = [torch.tensor(values, dtype=torch.float64) for values in ((20.0, 30.0, 45.0), (0.2, 0.3, 0.5), 31.0)]
    assert torch.autograd.gradcheck(photons, [each.requires_grad_() for each in start], eps=1e-5, atol=1e-5)


def test_one_number_for_all_axes_may_carry_a_gradient() -> None:
    gamma = torch.tensor(30.0 * ANGSTROM, dtype=torch.float64, requires_grad=True)
    image = simulation(GammaSigma(gamma=gamma, sigma=angstroms(0.3))).photons()
    (slope,) = torch.autograd.grad(image.sum(), gamma)
    step = 1e-4 * ANGSTROM
    ends = [simulation(GammaSigma(gamma=30.0 * ANGSTROM + sign * step)).photons().sum() for sign in (1.0, -1.0)]
    assert float(slope) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), rel=1e-6)


@pytest.mark.xdist_group("compiled")
def test_compiled_code_gives_the_same_halos() -> None:
    model = GammaSigma(gamma=angstroms(20.0, 35.0, 50.0), sigma=angstroms(0.3), symmetry="P1")
    image, wanted = (simulation(model, engine=engine).photons() for engine in ("compiled", "eager"))
    torch.testing.assert_close(image, wanted, rtol=1e-10, atol=0.0)


@pytest.mark.nightly
def test_compiled_code_gives_the_same_gradients() -> None:
    def slope(engine: str) -> torch.Tensor:
        sigma = torch.tensor(0.3 * ANGSTROM, dtype=torch.float64, requires_grad=True)
        model = GammaSigma(gamma=angstroms(20.0, 35.0, 50.0), sigma=sigma, symmetry="P1")
        return torch.autograd.grad(simulation(model, engine=engine).photons().square().sum(), sigma)[0]

    torch.testing.assert_close(slope("compiled"), slope("eager"), rtol=1e-9, atol=0.0)


def test_a_turned_crystal_takes_its_halos_along() -> None:
    for diffbragg in (False, True):
        first = simulation(GammaSigma(diffbragg=diffbragg, **ANISOTROPIC))
        first.photons()
        other = {"misset": (0.9, -0.2, 0.3)}
        crystal = Crystal(cell=first.experiment.crystal.cell, cells=(4, 4, 4), **other)
        evolved = first.evolve(crystal=crystal).photons()
        anew = simulation(GammaSigma(diffbragg=diffbragg, **ANISOTROPIC), crystal=other).photons()
        torch.testing.assert_close(evolved, anew, rtol=1e-12, atol=0.0)


def test_a_trace_has_the_halo_of_each_term(tmp_path: Path) -> None:
    made = simulation(GammaSigma())
    terms = made.trace(2, 3).terms
    assert terms.diffuse is not None
    spots = (terms.cell_amplitude * terms.lattice_amplitude) ** 2
    torch.testing.assert_close(terms.intensity, spots + terms.diffuse)
    assert simulation("none").trace(2, 3).terms.diffuse is None
    columns = plugin("tracers", "per-phi").steps(made.trace(2, 3))
    assert torch.equal(columns["diffuse"], terms.diffuse)


FLAGS = "-cell 30 30 50 -N 4 -default_F 50 -detpixels 8 -pixel 5 -oversample 1 -engine eager -nonoise"
HALOS = "-diffuse gamma_sigma -diffuse_gamma 20 30 40 -diffuse_sigma 0.4 -diffuse_symmetry P422 -diffuse_stencil 1"


def test_flags_are_those_of_python_and_a_record_brings_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*FLAGS.split(), *HALOS.split(), "-diffuse_diffbragg"]
    finished = command_line.run("simulate", *words, "-floatfile", "image.bin", "-record", "run.json")
    assert finished.status == 0, finished.err
    assert "diffuse         gamma_sigma" in finished.out.splitlines()
    found = np.fromfile("image.bin", "<f4")
    model = GammaSigma(
        gamma=angstroms(20.0, 30.0, 40.0), sigma=angstroms(0.4), symmetry="P422", stencil=1, diffbragg=True
    )
    line = command_line.selected(*FLAGS.split())
    made = Simulation(
        command_line.experiment(*FLAGS.split()),
        convention=line.roles["geometry_conventions"],
        structure_factors=line.roles["structure_factors"],
        diffuse=model,
        engine="eager",
    )
    np.testing.assert_array_equal(found, made.photons().numpy().reshape(-1))
    Path("image.bin").unlink()
    again = command_line.run("simulate", "--from", "run.json")
    assert again.status == 0, again.err
    np.testing.assert_array_equal(np.fromfile("image.bin", "<f4"), found)
