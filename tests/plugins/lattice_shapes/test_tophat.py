"""The tophat shape: the shared properties, and its edge."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import Miller
from openbragg.testing import check_lattice_shape, lattice_amplitude, make_lattice
from openbragg_plugins.lattice_shapes.tophat import Tophat

PER_ANGSTROM = 1e10
#: Radius of the spot in 1/angstrom, times Na Nb Nc.
RADIUS = 0.63


def amplitude(count: int, distance: float, direction: tuple[float, ...], edge: float, fudge: float = 1.0) -> float:
    """F_latt of a cubic cell at a distance in 1/angstrom from the spot along a direction."""
    along = np.array(direction) / np.linalg.norm(direction)
    steps = Miller(*(torch.tensor(distance * edge * part, dtype=torch.float64) for part in along))
    origin = Miller(*(torch.zeros((), dtype=torch.float64) for _ in range(3)))
    lattice = make_lattice((count, 1, 1), fudge=fudge, reciprocal_vectors=np.eye(3) / edge * PER_ANGSTROM)
    return float(lattice_amplitude(Tophat(), steps, origin, lattice))


def test_tophat_keeps_the_contract_of_a_lattice_shape() -> None:
    check_lattice_shape(Tophat(), separable=False, differentiable=False)


@given(
    count=st.integers(1, 500),
    direction=st.tuples(*(st.floats(-1.0, 1.0) for _ in range(3))).filter(lambda d: np.linalg.norm(d) > 0.1),
    edge=st.floats(20.0, 300.0),
    fudge=st.floats(0.1, 10.0),
)
def test_the_spot_is_a_sphere_of_one_height_with_a_sharp_edge(
    count: int, direction: tuple[float, ...], edge: float, fudge: float
) -> None:
    radius = RADIUS / count / math.sqrt(fudge)
    # The edge is decided in float64, so a billionth on either side of it is enough.
    assert amplitude(count, radius * (1 - 1e-9), direction, edge, fudge) == count
    assert amplitude(count, radius * (1 + 1e-9), direction, edge, fudge) == 0.0


def test_the_edge_falls_alike_in_every_precision() -> None:
    step = torch.linspace(-0.5, 0.5, 100_001, dtype=torch.float64)
    zero = torch.zeros_like(step)
    single, double = (
        lattice_amplitude(
            Tophat(), Miller(step, zero, zero), Miller(zero, zero, zero), make_lattice((200, 1, 1), dtype=dtype)
        )
        for dtype in (torch.float32, torch.float64)
    )
    assert torch.equal(single.double(), double)
    assert 0 < int((double > 0).sum()) < len(step)


def test_the_intensity_of_a_spot_is_its_height_squared_times_its_volume() -> None:
    edge, count = 80.0, 40
    step = torch.linspace(0.0, 4.0, 400_001, dtype=torch.float64)
    zero = torch.zeros_like(step)
    lattice = make_lattice((count, 1, 1), reciprocal_vectors=np.eye(3) / edge * PER_ANGSTROM)
    height = lattice_amplitude(Tophat(), Miller(step, zero, zero), Miller(zero, zero, zero), lattice)
    intensity = float(torch.trapezoid(4 * math.pi * step**2 * height**2, step))
    wanted = count**2 * 4 / 3 * math.pi * (RADIUS / count * edge) ** 3
    # The edge lies within half a step of 1e-5 in a radius of 1.26.
    assert intensity == pytest.approx(wanted, rel=3e-5)
