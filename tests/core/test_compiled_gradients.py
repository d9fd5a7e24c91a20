"""Gradients through compiled code are those of torch's own operations, in bounded memory and one block at a time."""

from __future__ import annotations

import os
import shutil
import sys
from math import pi
from pathlib import Path

import attrs
import pytest
import torch

import openbragg
from mosaic_model import SENSOR
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan, Simulation
from openbragg.engine.compiled.block import block_plan, block_sums, tensors_in, with_tensors
from openbragg.engine.compiled.gradient import block_gradients
from openbragg.engine.compiled.kinds import arguments_of
from openbragg.engine.rays import Part
from openbragg.engine.summation import pixel_sums
from openbragg.errors import UsageError

COMPILER = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
A = 1e-10
SOURCES = ((-1.0, 0.002, 0.0, 1.0, 1.0 * A), (-1.0, -0.003, 0.0, 3.0, 1.02 * A), (-1.0, 0.0, 0.004, 0.5, 0.99 * A))
#: Of the gradient in mixed precision, as a part of it: terms of both signs cancel in it.
MIXED = 2e-5


def parameter(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def experiment(sources: bool = False) -> tuple[Experiment, dict[str, torch.Tensor]]:
    """An experiment of which crystal, beam and detector carry gradients, and these parameters by name.

    With `sources` the beam is three of them, of several directions, wavelengths and weights.
    """
    names = {
        "a": 20 * A, "b": 25 * A, "c": 30 * A, "alpha": 1.4, "beta": 1.5, "gamma": 1.7,
        "misset x": 0.1, "misset y": 0.2, "misset z": 0.3, "mosaic spread": 0.01, "phi": 0.1,
        "wavelength": 1.0 * A, "fluence": 1e29, "polarization": 0.5,
        "distance": 0.1, "beam x": 0.0031, "beam y": 0.0033, "rotation x": 0.01, "rotation y": 0.02, "rotation z": 0.03,
    }  # fmt: skip
    p = {name: parameter(value) for name, value in names.items()}
    made = Experiment(
        crystal=Crystal(
            cell=(p["a"], p["b"], p["c"], p["alpha"], p["beta"], p["gamma"]),
            misset=(p["misset x"], p["misset y"], p["misset z"]),
            cells=(5, 4, 3),
            mosaic_spread=p["mosaic spread"],
            mosaic_domains=4,
        ),
        beam=Beam(
            wavelength=p["wavelength"],
            fluence=p["fluence"],
            polarization=p["polarization"],
            sources=SOURCES if sources else None,
        ),
        detector=Detector(
            pixels=(12, 11),
            pixel_size=5e-4,
            distance=p["distance"],
            beam_centre=(p["beam x"], p["beam y"]),
            rotation=(p["rotation x"], p["rotation y"], p["rotation z"]),
        ),
        scan=Scan(start=p["phi"], range=pi / 180, steps=3),
        sampling=Sampling(oversample=2),
    )
    return made, p


@pytest.mark.parametrize("sources", [False, True])
@pytest.mark.parametrize("limit", [0.0, 20 * A])
def test_a_block_sums_what_a_pixel_sums(sources: bool, limit: float) -> None:
    """Without a compiler: sources beside orientations or, where a resolution limit tells them apart, below pixels."""
    made, _ = experiment(sources)
    made = attrs.evolve(made, sampling=attrs.evolve(made.sampling, resolution_limit=limit))
    factors = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
    plan = Simulation(made, structure_factors=factors, precision="double").layout().plan
    slow, fast = (torch.arange(11.0, dtype=torch.float64) for _ in range(2))
    for grad in (torch.no_grad(), torch.enable_grad()):
        with grad:
            block = block_plan(plan, plan.panels[0])
            found = block_sums(block, block.panels[0], slow, fast).photons
            wanted = pixel_sums(plan, plan.panels[0], slow, fast, [Part()]).photons
        assert block.sources_across == (limit == 0.0 and (sources or not found.requires_grad))
        assert float(wanted.detach().max()) > 0.0
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12 * float(wanted.detach().max()))


@pytest.mark.parametrize("sources", [False, True])
@pytest.mark.parametrize("shape", ["square", "gauss", "round"])
def test_the_written_out_chain_gives_the_gradient_of_the_sum(shape: str, sources: bool) -> None:
    """Without a compiler: the function that is compiled, against torch's own differentiation of the same block."""
    made, _ = experiment(sources)
    factors = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
    layout = Simulation(made, structure_factors=factors, lattice_shape=shape, precision="double").layout()
    plan = block_plan(layout.plan, layout.plan.panels[0])
    named = list(tensors_in(plan))
    wanted = [name for name, tensor in named if tensor.is_floating_point() and not name.startswith("tables.")]
    if shape == "square":  # of which the number of cells is whole
        wanted.remove("lattice.cells")
    slow, fast = torch.meshgrid(*[torch.arange(3.0, 7.0, dtype=torch.float64)] * 2, indexing="ij")
    slow, fast = slow.reshape(-1), fast.reshape(-1)
    cotangent = torch.rand(slow.numel(), dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    leaves = {name: tensor.detach().clone().requires_grad_(name in wanted) for name, tensor in named}
    whole = with_tensors(plan, list(leaves.values()))
    photons = block_sums(whole, whole.panels[0], slow, fast).photons
    expected = torch.autograd.grad(
        photons, [leaves[name] for name in wanted], cotangent, allow_unused=True, materialize_grads=True
    )
    with torch.no_grad():
        found = block_gradients(plan, wanted, [tensor.detach() for _, tensor in named], slow, fast, cotangent)
    assert any(bool(each.any()) for each in expected)
    for name, mine, theirs in zip(wanted, found, expected, strict=True):
        # Sums in another order.
        scale = float(theirs.abs().max())
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11 * scale, msg=name)


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_the_written_out_chain_goes_through_an_interpolated_table(precision: str) -> None:
    """Derivatives by the offsets and those by the indices, which are of another precision, come together."""
    made, _ = experiment()
    index = torch.cartesian_prod(*[torch.arange(-12, 13)] * 3)
    size = 50.0 + 20.0 * torch.rand(len(index), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    factors = openbragg.plugin("structure_factors", "hkl", reflections=(index, size), interpolate=True)
    slow, fast = torch.arange(12.0, dtype=torch.float64), torch.arange(11.0, -1.0, -1.0, dtype=torch.float64)
    cotangent = torch.rand(12, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    plans = {}
    for name in ("double", precision):
        plan = Simulation(made, structure_factors=factors, precision=name).layout().plan
        plans[name] = block_plan(plan, plan.panels[0])
    with torch.no_grad():
        found = block_gradients(plans[precision], ["columns"], arguments_of(plans[precision]), slow, fast, cotangent)[0]
    columns = plans["double"].columns.detach().requires_grad_()
    whole = attrs.evolve(plans["double"], columns=columns)
    photons = block_sums(whole, whole.panels[0], slow, fast).photons
    (expected,) = torch.autograd.grad(photons, columns, cotangent)
    largest = float(expected.abs().max())
    assert largest > 0.0
    tolerance = 1e-9 if precision == "double" else MIXED
    torch.testing.assert_close(found, expected, rtol=0.0, atol=tolerance * largest)


@pytest.fixture
def code_folder(common_code: Path) -> Path:
    """The folder of compiled code that these tests share with others."""
    return common_code


def of_common_structure() -> tuple[Experiment, dict[str, torch.Tensor]]:
    """The same with two wavelengths and a sensor of layers: of one structure with what others compile."""
    made, parameters = experiment()
    beam = attrs.evolve(made.beam, dispersion=0.01, dispersion_steps=2)
    return attrs.evolve(made, beam=beam, detector=attrs.evolve(made.detector, **SENSOR)), parameters


@pytest.mark.xdist_group("compiled")
@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"there is no C++ compiler {COMPILER}")
class TestCompiled:
    def test_gradients_of_crystal_beam_and_detector_are_those_of_the_eager_engine(self) -> None:
        factors = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
        made, parameters = of_common_structure()
        weights = torch.rand(12, 11, generator=torch.Generator().manual_seed(1))
        gradients = {}
        for engine, precision in (("compiled", "mixed"), ("eager", "double")):
            simulation = openbragg.Simulation(made, structure_factors=factors, engine=engine, precision=precision)
            rendering = simulation.rendering()
            assert rendering.use.compiled == (engine == "compiled"), rendering.choices.notices
            image = rendering.images[0]
            gradients[engine] = torch.autograd.grad((image * weights).sum(), list(parameters.values()))
        for name, mine, theirs in zip(parameters, gradients["compiled"], gradients["eager"], strict=True):
            assert float(theirs) != 0.0, name
            assert float(mine) == pytest.approx(float(theirs), rel=MIXED), name

    def test_a_second_derivative_is_refused_and_not_wrong(self) -> None:
        factors = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
        made, parameters = of_common_structure()
        image = openbragg.simulate(made, structure_factors=factors, engine="compiled")
        with pytest.raises(UsageError, match="first derivatives"):
            torch.autograd.grad(image.sum(), parameters["distance"], create_graph=True)
