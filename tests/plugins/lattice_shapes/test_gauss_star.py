"""The shape that is Gaussian and round in reciprocal space: the shared properties, and its formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import InputError, Miller
from openbragg.testing import check_lattice_shape, lattice_amplitude, make_lattice
from openbragg_plugins.lattice_shapes.gauss_index import GaussIndex
from openbragg_plugins.lattice_shapes.gauss_star import GaussStar

PER_ANGSTROM = 1e10
#: Reciprocal vectors of an oblique cell in 1/angstrom, rows.
OBLIQUE = np.array([[0.02, 0.0, 0.0], [0.006, 0.025, 0.0], [-0.004, 0.003, 0.03]])
STEPS = st.floats(-0.3, 0.3)


def amplitude(shape, cells: tuple[float, ...], offset: tuple[float, ...], vectors=OBLIQUE, fudge: float = 1.0) -> float:
    steps, origin = (
        Miller(*(torch.tensor(float(value), dtype=torch.float64) for value in values)) for values in (offset, (0, 3, 1))
    )
    lattice = make_lattice(cells, fudge=fudge, reciprocal_vectors=vectors * PER_ANGSTROM, shape=shape)
    return float(lattice_amplitude(shape, steps, origin, lattice))


@pytest.mark.parametrize("shape", [GaussStar(), GaussStar(width=2e7)])
def test_it_keeps_the_contract_of_a_lattice_shape(shape: GaussStar) -> None:
    check_lattice_shape(shape, separable=False)


@given(offset=st.tuples(STEPS, STEPS, STEPS), width=st.floats(1e-3, 1e-2), fudge=st.floats(0.1, 3.0))
def test_the_amplitude_is_a_gaussian_of_one_width_whatever_the_cell_and_the_cells(
    offset: tuple[float, ...], width: float, fudge: float
) -> None:
    distance = np.linalg.norm(np.array(offset) @ OBLIQUE)
    for cells in ((2, 3, 4), (7.5, 1.0, 1.0)):
        height = math.prod(cells)
        wanted = height * math.exp(-fudge * (distance / width) ** 2 / 0.63)
        found = amplitude(GaussStar(width=width * PER_ANGSTROM), cells, offset, fudge=fudge)
        assert found == pytest.approx(wanted, abs=1e-12 * height)


@given(offset=st.tuples(STEPS, STEPS, STEPS))
def test_by_default_a_cube_of_a_cubic_cell_has_the_spots_of_its_cells(offset: tuple[float, ...]) -> None:
    cubic = np.eye(3) / 40.0
    wanted = amplitude(GaussIndex(), (6, 6, 6), offset, cubic)
    assert amplitude(GaussStar(), (6, 6, 6), offset, cubic) == pytest.approx(wanted, abs=1e-11 * 216)


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="expected a number above 0"):
        GaussStar(width=0.0)
