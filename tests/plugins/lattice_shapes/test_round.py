"""The round shape: the shared properties, and the transform of a sphere."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import Miller
from openbragg.testing import check_lattice_shape, lattice_amplitude, make_lattice
from openbragg_plugins.lattice_shapes.round import Round

PEAK = 0.723601254558268
#: The smallest positive x with tan x = x: the first zero of sin x / x - cos x.
FIRST_ZERO = 4.493409457909064

OFFSETS = st.floats(-0.5, 0.5)
CELLS = st.integers(1, 40)


def amplitude(cells: tuple[int, ...], offset: tuple[float, ...], fudge: float = 1.0) -> float:
    steps, origin = (
        Miller(*(torch.tensor(float(value), dtype=torch.float64) for value in values)) for values in (offset, (0, 0, 0))
    )
    return float(lattice_amplitude(Round(), steps, origin, make_lattice(cells, fudge=fudge)))


def test_round_keeps_the_contract_of_a_lattice_shape() -> None:
    check_lattice_shape(Round(), separable=False, peak=PEAK)


def test_the_peak_makes_the_spot_as_strong_as_that_of_the_square_shape() -> None:
    # A sphere's transform has 6 pi^2 in its square; over (pi N)^3 and times the peak's square that is 1/N^3.
    assert pytest.approx(math.pi / 6, rel=1e-14) == PEAK**2


def test_the_intensity_of_a_spot_is_the_number_of_cells() -> None:
    # The square shape's integral over a period is Na Nb Nc; this one's over all space is the same.
    count = 1000
    step = torch.linspace(0.0, 0.5, 400_001, dtype=torch.float64)
    zero = torch.zeros_like(step)
    height = lattice_amplitude(
        Round(), Miller(step, zero, zero), Miller(zero, zero, zero), make_lattice((count, count, count))
    )
    inner = float(torch.trapezoid(4 * math.pi * step**2 * height**2, step))
    # Beyond x = pi N / 2 the square of 3 cos x / x^2 is 9 / (2 x^4) on average; what that leaves out is of order 1/x^2.
    x = math.pi * count / 2
    outer = count**3 * PEAK**2 * 18 * math.pi / (math.pi**3 * x)
    assert inner + outer == pytest.approx(count**3, rel=2 / x**2)


@given(cells=st.tuples(CELLS, CELLS, CELLS), offset=st.tuples(OFFSETS, OFFSETS, OFFSETS), fudge=st.floats(0.1, 10.0))
def test_the_amplitude_is_the_transform_of_an_ellipsoid(
    cells: tuple[int, ...], offset: tuple[float, ...], fudge: float
) -> None:
    radius = math.sqrt(fudge * sum((count * step) ** 2 for count, step in zip(cells, offset, strict=True)))
    x = math.pi * radius
    height = PEAK * math.prod(cells)
    if x < 0.1:
        # Series of the same function; its next term is below 1e-9 here.
        wanted = 1 - x * x / 10 + x**4 / 280
        tolerance = 1e-9
    else:
        # The closed form cancels to about eps / x^2.
        wanted = 3 * (math.sin(x) / x - math.cos(x)) / (x * x)
        tolerance = 1e-12
    assert amplitude(cells, offset, fudge) == pytest.approx(height * wanted, abs=tolerance * height)


@given(count=st.integers(3, 40))
def test_the_first_dark_ring_is_that_of_a_sphere(count: int) -> None:
    ring = FIRST_ZERO / (math.pi * count)
    assert amplitude((count, 1, 1), (ring, 0, 0)) == pytest.approx(0.0, abs=1e-13 * count)


@given(offset=st.tuples(OFFSETS, OFFSETS, OFFSETS), fudge=st.floats(0.1, 4.0))
def test_the_fudge_scales_the_squared_distance(offset: tuple[float, ...], fudge: float) -> None:
    stretched = tuple(math.sqrt(fudge) * step for step in offset)
    wanted = amplitude((5, 6, 7), stretched)
    assert amplitude((5, 6, 7), offset, fudge) == pytest.approx(wanted, abs=1e-11 * 210)
