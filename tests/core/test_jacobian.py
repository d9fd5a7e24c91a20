"""Derivatives of pixels by many parameters: the compiled way is the eager one, and both are finite differences."""

import math
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import torch

import openbragg
from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan, Simulation
from openbragg.engine.compiled.block import block_plan
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.compiled.jacobian import motions_of
from openbragg.engine.compiled.kinds import Kind
from openbragg.engine.plan import Plan
from openbragg.orchestrator import parameters

RIGHT = math.pi / 2.0
NAMES = ("cell", "misset", "mosaic_spread", "wavelength", "distance", "fluence", "polarization")
#: Two panels above each other, with a gap between them.
PANELS = {
    "pixels": (None, None),
    "layout": (
        openbragg.Panel(pixels=(11, 24), pixel_size=2e-3, offset=(-0.024, 0.0, 0.001), slab=(0, 0)),
        openbragg.Panel(pixels=(11, 24), pixel_size=2e-3, offset=(0.002, 0.0, -0.001), slab=(13, 0)),
    ),
}
FLAT = openbragg.plugin("structure_factors", "hkl", default_F=50.0)


def simulation(shape: str, **options: Any) -> Simulation:
    """Two sources, three steps and two domains of a small crystal on a tilted sensor of two layers."""
    beam = Beam(wavelength=1e-10, polarization=0.4, **options.pop("beam", {}))
    crystal = Crystal(
        cell=(50e-10, 60e-10, 70e-10, RIGHT, 1.1 * RIGHT, RIGHT),
        cells=(5, 4, 3),
        misset=(0.1, 0.2, 0.3),
        mosaic_spread=0.01,
        mosaic_domains=2,
    )
    settings = {"pixels": (24, 24), "pixel_size": 2e-3} | options.pop("detector", {})
    detector = Detector(
        distance=0.1,
        rotation=(0.05, 0.1, 0.0),
        sensor_thickness=4e-4,
        sensor_layers=2,
        attenuation_length=3e-4,
        **settings,
    )
    sampling = Sampling(oversample=2, **options.pop("sampling", {}))
    made = Experiment(crystal=crystal, beam=beam, detector=detector, scan=Scan(range=0.02, steps=3), sampling=sampling)
    computed: dict[str, Any] = {"precision": "double", "engine": "compiled", "structure_factors": FLAT} | options
    return Simulation(made, lattice_shape=shape, **computed)


def places() -> tuple[torch.Tensor, torch.Tensor]:
    slow, fast = torch.meshgrid(torch.arange(3, 20), torch.arange(5, 22), indexing="ij")
    return slow, fast


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be compiled is run as it is written; the list gets what that is."""
    used: list[str] = []

    def kernels(self: Engine, wanted: Sequence[tuple[Plan, Kind]], seconds: float) -> Any:
        used.extend(kind.title for _, kind in wanted)
        made = [kind.function(plan) for plan, kind in wanted]
        return [lambda tensors, each=each: each(*tensors) for each in made]

    monkeypatch.setattr(Engine, "kernels", kernels)
    return used


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], part: float) -> None:
    assert one.keys() == other.keys()
    for name, mine in one.items():
        assert mine.shape == other[name].shape
        largest = float(other[name].abs().max())
        assert largest > 0.0, name
        assert float((mine - other[name]).abs().max()) <= part * largest, name


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ("round", {}),
        ("square", {}),
        ("round", {"beam": {"dispersion": 0.02, "dispersion_steps": 2}}),
        ("round", {"sampling": {"resolution_limit": 4e-10}}),
        ("round", {"sampling": {"oversample_polarization": True, "oversample_capture": True}}),
        ("round", {"backgrounds": ["water"]}),
        ("round", {"backgrounds": ["water"], "detector": PANELS}),
        ("round", {"sampling": {"oversample_solid_angle": True, "oversample_capture": True}, "detector": PANELS}),
        ("round", {"detector": {"curved": True}}),
    ],
    ids=[
        *("round", "square", "two wavelengths", "resolution limit", "oversampled", "background", "panels"),
        *("panels oversampled", "curved"),
    ],
)
def test_the_compiled_jacobian_is_the_eager_one(shape: str, options: dict[str, Any], uncompiled: list[str]) -> None:
    whole = simulation(shape, **options)
    names = NAMES if shape == "square" else (*NAMES, "cells", "fudge")
    compiled = whole.jacobian(names, places())
    assert set(uncompiled) == {"Jacobian"}
    # Double precision; what is left is the order of sums.
    assert_same(compiled, whole.evolve(engine="eager").jacobian(names, places()), 1e-9)


def test_each_parameter_alone_has_the_derivatives_that_it_has_among_others(uncompiled: list[str]) -> None:
    """A wavelength without others moves nothing that a pixel sees: the columns of orientations have it."""
    whole = simulation("square")
    together = whole.jacobian(NAMES, places())
    assert uncompiled
    for name in NAMES:
        assert_same(whole.jacobian((name,), places()), {name: together[name]}, 1e-9)


def test_single_precision_has_the_derivatives_to_a_ten_thousandth(uncompiled: list[str]) -> None:
    whole = simulation("round", precision="mixed")
    exact = simulation("round").evolve(engine="eager").jacobian(NAMES, places())
    assert_same({name: each.double() for name, each in whole.jacobian(NAMES, places()).items()}, exact, 1e-4)


def test_the_jacobian_is_what_finite_differences_say(uncompiled: list[str]) -> None:
    # Of this shape nothing jumps where another index is the nearest.
    whole = simulation("square")
    found = whole.jacobian(("misset", "distance"), places())
    step = 1e-7

    def moved(by: float, length: float = 0.0) -> torch.Tensor:
        parts = whole.experiment
        crystal = attrs.evolve(parts.crystal, misset=(0.1 + by, 0.2, 0.3))
        detector = attrs.evolve(parts.detector, distance=0.1 + length)
        return whole.evolve(engine="eager", crystal=crystal, detector=detector).pixels(*places())

    turned = (moved(step) - moved(-step)) / (2.0 * step)
    assert_same({"x": found["misset"][..., 0]}, {"x": turned}, 1e-5)
    further = (moved(0.0, step) - moved(0.0, -step)) / (2.0 * step)
    assert_same({"x": found["distance"]}, {"x": further}, 1e-5)


def test_parameters_that_no_term_reads_have_derivatives(uncompiled: list[str]) -> None:
    whole = simulation("square")
    found = whole.jacobian("distance", places())
    assert uncompiled == ["Jacobian"]
    assert_same(found, whole.evolve(engine="eager").jacobian("distance", places()), 1e-9)


def moved_weights(whole: Simulation, weights: torch.Tensor) -> Simulation:
    """The weights of the beam's two sources."""
    places = ((-10.0, 0.0, 0.0), (-10.0, 0.0, 0.02))
    sources = tuple((*place, weight, 1e-10) for place, weight in zip(places, weights, strict=True))
    return whole.evolve(beam=attrs.evolve(whole.experiment.beam, sources=sources))


def stretched(whole: Simulation, axes: torch.Tensor) -> Simulation:
    """The lengths of a pixel's sides, in pixels."""
    fast, slow = axes.unbind(0)
    panel = Panel(pixels=(24, 24), pixel_size=2e-3, axes=((fast, 0.0, 0.0), (0.0, slow, 0.0), (0.0, 0.0, 1.0)))
    return whole.evolve(detector=attrs.evolve(whole.experiment.detector, layout=(panel,)))


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("change", [moved_weights, stretched])
def test_numbers_that_happen_to_be_one_have_derivatives(change: Any, engine: str, uncompiled: list[str]) -> None:
    whole = simulation("square", engine=engine)
    ones, step = torch.ones(2, dtype=torch.float64), torch.tensor([1e-6, 0.0], dtype=torch.float64)
    found = whole.derivatives(change, ones, places())[..., 0]
    eager = whole.evolve(engine="eager")
    turned = (change(eager, ones + step).pixels(*places()) - change(eager, ones - step).pixels(*places())) / 2e-6
    assert_same({"x": found}, {"x": turned}, 1e-5)


def test_a_jacobian_of_all_pixels_has_the_shape_of_the_frame(uncompiled: list[str]) -> None:
    found = simulation("round").jacobian(("misset", "fluence"))
    assert found["misset"].shape == (24, 24, 3)
    assert found["fluence"].shape == (24, 24)


def test_numbers_of_cells_of_the_square_shape_have_one_derivative_backwards_and_forwards() -> None:
    whole = simulation("square").evolve(engine="eager")
    forwards = whole.jacobian("cells", places())["cells"]
    cells = [torch.tensor(float(count), dtype=torch.float64, requires_grad=True) for count in (5, 4, 3)]
    moved = whole.evolve(crystal=attrs.evolve(whole.experiment.crystal, cells=tuple(cells)))
    backwards = torch.autograd.grad(moved.pixels(*places()).sum(), cells)
    assert [float(each) for each in backwards] == pytest.approx(forwards.sum(dim=(0, 1)).tolist(), rel=1e-9)


@pytest.mark.xdist_group("compiled")
def test_the_jacobian_is_compiled() -> None:
    """By the compiler itself, once."""
    whole = simulation("round", threads=1)
    found = whole.jacobian(NAMES, places())
    assert_same(found, whole.evolve(engine="eager").jacobian(NAMES, places()), 1e-9)


def test_parameters_together_move_the_sum_as_one_by_one(uncompiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = simulation("gauss", beam={"dispersion": 0.01, "dispersion_steps": 2})
    together = made.jacobian(NAMES, places())
    monkeypatch.setattr(parameters, "motions_of", lambda prepared, numbers: None)
    apart = made.jacobian(NAMES, places())
    assert uncompiled == ["Jacobian"] * 2
    for name, column in together.items():
        # Parts that nearly cancel, as of a cell in metres, are rounded in another order.
        torch.testing.assert_close(column, apart[name], rtol=0.0, atol=1e-9 * float(column.abs().max()))


def test_what_has_no_second_derivative_moves_nothing_together() -> None:
    class Cubed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, number: torch.Tensor) -> torch.Tensor:
            return number**3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient

    plan = block_plan(simulation("gauss").layout().plan, simulation("gauss").layout().plan.panels[0])
    number = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    moved = attrs.evolve(plan, kahn=number * plan.kahn)
    ((motion,),) = motions_of([moved], [number]) or ()
    assert set(motion.tangents) == {"kahn"} and float(motion.tangents["kahn"]) == float(plan.kahn)
    assert motions_of([attrs.evolve(plan, kahn=Cubed.apply(number))], [number]) is None
