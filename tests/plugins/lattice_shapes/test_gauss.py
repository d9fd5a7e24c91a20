"""The gauss shape: the shared properties, and its formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import Miller
from openbragg.testing import check_lattice_shape, lattice_amplitude, make_lattice
from openbragg_plugins.lattice_shapes.gauss import Gauss

PER_ANGSTROM = 1e10
#: Reciprocal vectors of an oblique cell in 1/angstrom, rows.
OBLIQUE = np.array([[0.02, 0.0, 0.0], [0.006, 0.025, 0.0], [-0.004, 0.003, 0.03]])

SMALL = st.floats(-0.05, 0.05)
CELLS = st.integers(1, 6)


def amplitude(
    cells: tuple[int, ...], offset: tuple[float, ...], vectors: np.ndarray = OBLIQUE, fudge: float = 1.0
) -> float:
    steps, origin = (
        Miller(*(torch.tensor(float(value), dtype=torch.float64) for value in values)) for values in (offset, (0, 0, 0))
    )
    lattice = make_lattice(cells, fudge=fudge, reciprocal_vectors=vectors * PER_ANGSTROM)
    return float(lattice_amplitude(Gauss(), steps, origin, lattice))


def test_gauss_keeps_the_contract_of_a_lattice_shape() -> None:
    check_lattice_shape(Gauss(), separable=False)


@given(cells=st.tuples(CELLS, CELLS, CELLS), offset=st.tuples(SMALL, SMALL, SMALL), fudge=st.floats(0.1, 10.0))
def test_the_amplitude_is_a_gaussian_of_the_distance_to_the_spot(
    cells: tuple[int, ...], offset: tuple[float, ...], fudge: float
) -> None:
    count = math.prod(cells)
    distance = np.linalg.norm(np.array(offset) @ OBLIQUE)
    wanted = count * math.exp(-fudge * (count * distance) ** 2 / 0.63)
    assert amplitude(cells, offset, fudge=fudge) == pytest.approx(wanted, abs=1e-12 * count)


def test_the_amplitude_falls_to_a_part_e_at_the_square_root_of_the_width() -> None:
    edge = 100.0
    offset = math.sqrt(0.63) / 8 * edge
    cubic = np.eye(3) / edge
    assert amplitude((2, 2, 2), (offset, 0, 0), cubic) == pytest.approx(8 / math.e, rel=1e-12)


def test_the_intensity_of_a_spot_is_that_of_its_gaussian() -> None:
    # The integral of N^2 exp(-2 N^2 r^2 / 0.63) over reciprocal space, in indices: times the cell's volume.
    edge, cells = 60.0, (3, 4, 2)
    count = math.prod(cells)
    step = torch.linspace(-20.0, 20.0, 20_001, dtype=torch.float64)
    zero = torch.zeros_like(step)
    lattice = make_lattice(cells, reciprocal_vectors=np.eye(3) / edge * PER_ANGSTROM)
    row = lattice_amplitude(Gauss(), Miller(step, zero, zero), Miller(zero, zero, zero), lattice) / count
    along_one_axis = float(torch.trapezoid(row**2, step))
    assert count**2 * along_one_axis**3 == pytest.approx((0.315 * math.pi) ** 1.5 * edge**3 / count, rel=1e-10)


def test_one_cell_is_a_wide_gaussian() -> None:
    cubic = np.eye(3) / 50.0
    assert amplitude((1, 1, 1), (0.5, 0, 0), cubic) == pytest.approx(math.exp(-(0.01**2) / 0.63), rel=1e-12)
