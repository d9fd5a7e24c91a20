"""The shapes Gaussian in the index: the shared properties, and their formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import Crystal, Experiment, InputError, Miller, Simulation, UsageError, plugin
from openbragg.testing import check_lattice_shape, lattice_amplitude, make_lattice, run_command
from openbragg_plugins.lattice_shapes.gauss_argchk import GaussArgchk
from openbragg_plugins.lattice_shapes.gauss_index import GaussIndex

STEPS = st.floats(-0.4, 0.4)
CELLS = st.floats(0.5, 30.0)
#: Of the middle of the diagonal elements, so that N is positive definite.
BESIDE = st.floats(-0.3, 0.3)


def amplitude(shape: GaussIndex, tensor: np.ndarray, offset: tuple[float, ...], fudge: float = 1.0) -> float:
    steps, origin = (
        Miller(*(torch.tensor(float(value), dtype=torch.float64) for value in values))
        for values in (offset, (1, -2, 0))
    )
    lattice = make_lattice(
        tuple(np.diag(tensor)), offdiagonal=tuple(tensor[(0, 1, 0), (1, 2, 2)]), fudge=fudge, shape=shape
    )
    return float(lattice_amplitude(shape, steps, origin, lattice))


@pytest.mark.parametrize("shape", [GaussIndex(), GaussArgchk()])
def test_they_keep_the_contract_of_a_lattice_shape(shape: GaussIndex) -> None:
    check_lattice_shape(shape, separable=False)


@given(
    cells=st.tuples(CELLS, CELLS, CELLS),
    beside=st.tuples(BESIDE, BESIDE, BESIDE),
    offset=st.tuples(STEPS, STEPS, STEPS),
    fudge=st.floats(0.1, 3.0),
)
def test_the_amplitude_is_a_gaussian_of_the_tensor_times_the_offset(
    cells: tuple[float, ...], beside: tuple[float, ...], offset: tuple[float, ...], fudge: float
) -> None:
    tensor = np.diag(cells)
    for (one, other), part in zip(((0, 1), (1, 2), (0, 2)), beside, strict=True):
        tensor[one, other] = tensor[other, one] = part * math.sqrt(cells[one] * cells[other])
    height = np.linalg.det(tensor)
    exponent = fudge * np.linalg.norm(tensor @ np.array(offset)) ** 2 / 0.63
    wanted = height * math.exp(-exponent)
    assert amplitude(GaussIndex(), tensor, offset, fudge) == pytest.approx(wanted, abs=1e-12 * height)
    ended = wanted if exponent < 35.0 else 0.0
    found = amplitude(GaussArgchk(), tensor, offset, fudge)
    assert found == pytest.approx(ended, abs=1e-12 * height)
    assert (found == 0.0) == (exponent >= 35.0) or abs(exponent - 35.0) < 1e-9


def test_a_tensor_that_is_not_positive_definite_is_refused() -> None:
    crystal = Crystal(cell=(5e-9, 5e-9, 5e-9, *(math.pi / 2,) * 3), cells=(5, 5, 5), cells_offdiagonal=(6.0, 0.0, 0.0))
    simulation = Simulation(
        Experiment(crystal=crystal),
        lattice_shape="gauss_index",
        structure_factors=plugin("structure_factors", "hkl", default_F=1.0),
    )
    with pytest.raises(InputError, match="N is not positive definite with 6 0 0"):
        simulation.layout()
    with pytest.raises(UsageError, match="-N_offdiagonal has no part in the lattice shape round"):
        simulation.evolve(lattice_shape="round").layout()


def test_the_command_line_has_the_shapes_and_the_tensor(tmp_path) -> None:
    words = ["-cell", 50, "-N", 5.5, "-default_F", 100, "-detpixels", 8, "-pixel", 1, "-nonoise", "-nopgm"]
    plain, tilted = tmp_path / "plain.bin", tmp_path / "tilted.bin"
    for flags, file in (((), plain), (("-N_offdiagonal", 1, -0.5, 0), tilted)):
        finished = run_command(["simulate", *words, "-gauss_index", *flags, "-floatfile", file])
        assert finished.status == 0, finished.err
    assert plain.read_bytes() != tilted.read_bytes()
