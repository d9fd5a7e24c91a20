"""Mosaicity in closed form: the mean over all orientations, for any spread, with its gradients."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from command_line import SMALL
from openbragg import Beam, Crystal, Detector, Experiment, InputError, Miller, Sampling, Scan, Simulation, plugin
from openbragg.testing import lattice_amplitude, make_lattice, run_command
from openbragg_plugins.lattice_shapes.gauss import Gauss
from openbragg_plugins.lattice_shapes.gauss_index import GaussIndex
from openbragg_plugins.lattice_shapes.gauss_star import GaussStar
from openbragg_plugins.mosaic.closed import Closed

A = 1e-10
SHAPES = (GaussIndex(), GaussStar(), Gauss())
BESIDE = (2.0, -1.0, 1.5)


def point(*values: float) -> Miller:
    return Miller(*(torch.tensor(float(value), dtype=torch.float64) for value in values))


def smeared(shape: Any, spread: Any, cells: tuple[float, ...] = (9.0, 12.0, 7.5), dtype: torch.dtype = torch.float64):
    """The shape of the spots, and the lattice that it is asked about."""
    lattice = make_lattice(
        cells, offdiagonal=BESIDE, fudge=1e-4 if isinstance(shape, Gauss) else 1.0, shape=shape, dtype=dtype
    )
    crystal = Crystal(reciprocal_vectors=torch.eye(3, dtype=torch.float64), mosaic_spread=spread)
    return Closed().smeared(shape, crystal, lattice), lattice


def by_the_definition(lattice: Any, shape: Any, spread: float, offset: np.ndarray, nearest: np.ndarray) -> float:
    """F_latt from the covariance C0 + s^2 (|g|^2 G - h h'), by matrices and with 50 digits."""
    import mpmath

    with mpmath.workdps(50):
        peak, inverse = shape.gaussian(lattice)
        before = mpmath.inverse(mpmath.matrix(inverse.tolist()))
        dual = mpmath.matrix(lattice.reciprocal_metric.tolist())
        real, h = mpmath.inverse(dual), mpmath.matrix(nearest.tolist())
        square = (h.T * dual * h)[0]
        after = before + mpmath.mpf(spread) ** 2 * (square * real - h * h.T)
        d = mpmath.matrix(offset.tolist())
        exponent = (d.T * mpmath.inverse(after) * d)[0] / 2
        intensity = float(peak) ** 2 * mpmath.sqrt(mpmath.det(before) / mpmath.det(after)) * mpmath.exp(-exponent)
        return float(mpmath.sqrt(intensity))


@given(
    shape=st.sampled_from(SHAPES),
    spread=st.sampled_from([0.0, 1e-9, 1e-5, 1e-3, 0.02, 0.1]),
    offset=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    part=st.sampled_from([1.0, 0.1, 0.01]),
    nearest=st.tuples(*[st.integers(-100, 100)] * 3),
)
def test_it_is_the_definition_for_any_spread_and_any_index(
    shape: Any, spread: float, offset: tuple[float, ...], part: float, nearest: tuple[int, ...]
) -> None:
    pytest.importorskip("mpmath")
    (made, asked), lattice = smeared(shape, spread)
    step = part * np.array(offset)
    found = float(lattice_amplitude(made, point(*step), point(*nearest), asked))
    wanted = by_the_definition(lattice, shape, spread, step, np.array(nearest))
    top = by_the_definition(lattice, shape, spread, np.zeros(3), np.array(nearest))
    # The exponent is of a few hundred at most, and its error that of some ten roundings of the whitened offset.
    assert found == pytest.approx(wanted, abs=1e-11 * top)


# Below what single precision knows of a spot at the origin.
@example(GaussIndex(), 0.001, (0.0, 0.5, 0.0), 1.0, (0, 4, 1), torch.float32, 30.0)
@given(
    shape=st.sampled_from(SHAPES),
    spread=st.sampled_from([0.0, 1e-5, 1e-3, 0.02, 0.1]),
    offset=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    part=st.sampled_from([1.0, 0.3, 0.1, 0.01]),
    nearest=st.tuples(*[st.integers(-100, 100)] * 3),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    times=st.sampled_from([1.0, 1.5, 30.0]),
)
def test_nothing_above_a_level_is_beyond_its_reach(
    shape: Any,
    spread: float,
    offset: tuple[float, ...],
    part: float,
    nearest: tuple[int, ...],
    dtype: torch.dtype,
    times: float,
) -> None:
    (made, asked), lattice = smeared(shape, spread, dtype=dtype)
    step, metric = part * torch.tensor(offset, dtype=torch.float64), lattice.reciprocal_metric
    found = float(lattice_amplitude(made, point(*step.tolist()), point(*nearest), asked)) ** 2
    index = torch.tensor(nearest, dtype=torch.float64)
    away, length = float((step @ metric @ step).sqrt()), (index @ metric @ index).sqrt()
    level = torch.tensor(max(0.9999 * found, 1e-30), dtype=torch.float64)
    reach = float(made.reach(level, length, asked))
    assert found <= float(level) or away <= reach
    # As the search for reflections relies on: nothing is missed that is nearer to the origin, or stronger.
    assert float(made.reach(level, times * length, asked)) >= reach * (1.0 - 1e-12)
    assert float(made.reach(level / times, length, asked)) >= reach


def test_a_smeared_spot_is_lower_so_that_it_reaches_less_far_than_its_width_alone_says() -> None:
    (made, asked), _ = smeared(GaussIndex(), 0.02, cells=(10.0, 10.0, 10.0))
    level = 1e-6 * asked.parameters[0] ** 2
    lengths = torch.tensor([0.0, 1e9, 3e9, 1e10], dtype=torch.float64)
    near, *far = made.reach(level.expand(4), lengths, asked).tolist()
    own = near**2 / (2.0 * math.log(1e6))
    for length, reach in zip(lengths.tolist()[1:], far, strict=True):
        wider = 1.0 + (0.02 * length) ** 2 / own
        assert reach == pytest.approx(math.sqrt(2.0 * own * wider * math.log(1e6 / wider)), rel=1e-4)


def test_single_precision_costs_next_to_nothing() -> None:
    step = torch.linspace(-0.3, 0.3, 41, dtype=torch.float64)
    offset = Miller(*torch.meshgrid(step, step, step, indexing="ij"))
    nearest = Miller(*(torch.full_like(offset.h, value) for value in (30.0, -41.0, 77.0)))
    amplitudes = []
    for dtype in (torch.float32, torch.float64):
        (made, asked), _ = smeared(GaussIndex(), 0.02, dtype=dtype)
        amplitudes.append(lattice_amplitude(made, offset, nearest, asked))
    assert amplitudes[0].dtype == torch.float32
    assert torch.allclose(amplitudes[0].double(), amplitudes[1], rtol=0, atol=1e-6 * float(amplitudes[1].max()))


def test_without_a_spread_it_is_the_shape_itself() -> None:
    (made, asked), lattice = smeared(GaussIndex(), None)
    for offset in ((0.0, 0.0, 0.0), (0.1, -0.2, 0.05), (0.01, 0.02, -0.03)):
        found, wanted = (
            float(lattice_amplitude(each, point(*offset), point(3, -4, 5), here))
            for each, here in ((made, asked), (GaussIndex(), lattice))
        )
        assert found == pytest.approx(wanted, abs=1e-12 * float(lattice.tensor.det()))


def test_covariances_are_those_of_the_amplitude_and_the_integral_stays() -> None:
    (made, asked), lattice = smeared(GaussIndex(), 0.01)
    nearest = torch.tensor([[0.0, 0.0, 0.0], [3.0, -2.0, 7.0], [40.0, 1.0, -1.0]], dtype=torch.float64)
    integral, covariances = made.gaussians(nearest, asked)
    peak, inverse = GaussIndex().gaussian(lattice)
    assert float(integral) == pytest.approx(float(peak) ** 2 * (2 * math.pi) ** 1.5 / math.sqrt(float(inverse.det())))
    for covariance, index in zip(covariances, nearest, strict=True):
        height = float(integral) / ((2 * math.pi) ** 1.5 * math.sqrt(float(covariance.det())))
        for offset in ((0.0, 0.0, 0.0), (0.03, -0.02, 0.01)):
            step = torch.tensor(offset, dtype=torch.float64)
            wanted = height * math.exp(-0.5 * float(step @ torch.linalg.inv(covariance) @ step))
            found = float(lattice_amplitude(made, point(*offset), point(*index.tolist()), asked)) ** 2
            assert found == pytest.approx(wanted, rel=1e-10)


def a_simulation(
    mosaic: Any, spread: Any, domains: int | None = None, shape: Any = "gauss_index", **more: Any
) -> Simulation:
    experiment = Experiment(
        crystal=Crystal(
            cell=(40 * A, 50 * A, 60 * A, 1.4, 1.7, 1.5),
            cells=(16.0, 12.0, 10.0),
            misset=(0.1, 0.2, 0.3),
            mosaic_spread=spread,
            mosaic_domains=domains,
            **more,
        ),
        beam=Beam(wavelength=1.2 * A),
        detector=Detector(pixels=(60, 64), pixel_size=4e-4, distance=0.09),
        scan=Scan(start=0.2),
        sampling=Sampling(oversample=1),
    )
    factors = plugin("structure_factors", "hkl", default_F=100.0)
    return Simulation(
        experiment, structure_factors=factors, lattice_shape=shape, mosaic=mosaic, precision="double", engine="eager"
    )


@pytest.mark.parametrize("shape", ["gauss_index", "gauss_star"])
def test_an_image_is_the_one_of_many_domains(shape: str) -> None:
    spread = math.radians(0.1)
    closed = a_simulation("closed", spread, shape=shape).photons()
    sampled = a_simulation("normal", spread, 1024, shape=shape).photons()
    random = a_simulation(plugin("mosaic_models", "normal", sequence="random"), spread, 100, shape=shape).photons()
    peak = float(sampled.max())
    # What is left is of the second order in rotations of some mrad.
    assert float((closed - sampled).abs().max()) < 6e-4 * peak
    assert float((random - sampled).abs().max()) > 6e-3 * peak


def test_a_shape_that_is_not_gaussian_is_refused() -> None:
    with pytest.raises(InputError, match="has no closed form for the lattice shape square: expected a Gaussian one"):
        a_simulation("closed", 0.01, shape="square").layout()


def test_another_spread_is_another_image_without_laying_out_anew() -> None:
    simulation = a_simulation("closed", 0.002)
    before = simulation.photons()
    crystal = simulation.experiment.crystal
    changed = simulation.evolve(
        crystal=Crystal(cell=crystal.cell, cells=crystal.cells, misset=crystal.misset, mosaic_spread=0.004)
    )
    assert not torch.equal(changed.photons(), before)
    assert torch.equal(changed.photons(), a_simulation("closed", 0.004).photons())


def test_what_shapes_are_asked_with_is_laid_out_as_compiled_code_expects() -> None:
    """Transposed matrices would be read by rows."""
    assert all(each.is_contiguous() for each in a_simulation("closed", 0.002).layout().plan.lattice.parameters)


def test_a_trace_has_one_term_and_a_notice_says_so() -> None:
    simulation = a_simulation("closed", 0.002, 50)
    trace = simulation.trace(30, 30)
    assert trace.photons == pytest.approx(float(simulation.photons()[30, 30]), rel=1e-12)
    assert trace.cell_vectors.shape[1] == 1
    assert "the mosaic model closed takes one orientation for all of the 50 domains" in simulation.notices
    assert trace.plan.closed_mosaic and plugin("tracers", "scaling").values(trace)["mosaic_closed_form"] == 1.0
    sampled = a_simulation("nanobragg", 0.002, 3).trace(30, 30)
    assert not sampled.plan.closed_mosaic and "mosaic_closed_form" not in plugin("tracers", "scaling").values(sampled)


@pytest.mark.parametrize(
    ("model", "spread", "said"),
    [("closed", "0.1", "all orientations in one term, in closed form"), ("closed", "0", "1"), ("sobol", "0", "1")],
)
def test_a_run_says_that_its_domains_are_in_closed_form(model: str, spread: str, said: str, tmp_path: Path) -> None:
    words = ("-mosaic_model", model, "-mosaic", spread, "-gauss_index", "-N", "5", "-oversample", "1")
    finished = run_command(["simulate", *SMALL, *words, "-floatfile", tmp_path / "x.bin"])
    assert finished.status == 0
    assert f"mosaic domains  {said}" in finished.out.splitlines()


PIXELS = (np.array([20, 30, 31, 41]), np.array([25, 31, 17, 40]))


@pytest.mark.parametrize(
    "parameter", ["spread", "zero spread", "tensor", "width", "spreads", "spiral", "normal", "sobol"]
)
def test_gradients_are_those_of_differences(parameter: str) -> None:
    def photons(values: torch.Tensor) -> torch.Tensor:
        match parameter:
            case "spread" | "zero spread":
                made = a_simulation("closed", values[0].abs() * 1e-3)
            case "tensor":
                made = a_simulation("closed", 0.002, cells_offdiagonal=tuple(values.unbind(0)))
            case "width":
                star = plugin("lattice_shapes", "gauss_star", width=values[0] * 1e7)
                made = a_simulation("nanobragg", None, shape=star)
            case "spreads":
                axes = plugin("mosaic_models", "anisotropic", spreads=tuple((values * 1e-3).unbind(0)), axes="crystal")
                made = a_simulation(axes, None, 10)
            case _:
                made = a_simulation(parameter, values[0] * 1e-3, 4)
        return made.pixels(*PIXELS) / scale

    start = {"tensor": [1.0, -0.5, 0.7], "spreads": [1.0, 2.0, 3.0], "zero spread": [0.0]}.get(parameter, [2.0])
    values = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    scale = 1.0
    scale = float(photons(values).detach().max())
    assert torch.autograd.gradcheck(photons, (values,), eps=1e-5, atol=1e-6, rtol=1e-5)
    assert parameter == "zero spread" or bool((torch.autograd.grad(photons(values).sum(), values)[0] != 0.0).all())


def test_gradients_flow_to_all_elements_of_a_tensor() -> None:
    def photons(cells: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        made = a_simulation("nanobragg", None, cells_offdiagonal=tuple(beside.unbind(0)))
        crystal = made.experiment.crystal
        crystal = Crystal(cell=crystal.cell, cells=cells, misset=crystal.misset, cells_offdiagonal=beside)
        return made.evolve(crystal=crystal).pixels(*PIXELS) / 1e8

    cells = torch.tensor([8.0, 7.0, 6.0], dtype=torch.float64, requires_grad=True)
    beside = torch.tensor(BESIDE, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(photons, (cells, beside), eps=1e-5, atol=1e-5, rtol=1e-5)
