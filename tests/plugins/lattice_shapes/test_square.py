"""The square shape: the shared properties, and von Laue's sum over the cells."""

import cmath
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import Miller
from openbragg.testing import check_lattice_shape, lattice_amplitude, make_lattice
from openbragg_plugins.lattice_shapes.square import Square

OFFSETS = st.floats(-0.5, 0.5, allow_subnormal=False)
CELLS = st.integers(1, 60)


def point(*values: float) -> Miller:
    return Miller(*(torch.tensor(float(value), dtype=torch.float64) for value in values))


def laue_sum(count: int, index: float) -> complex:
    """The sum over a row of cells whose middle is the origin: real, and sin(pi N h) / sin(pi h)."""
    middle = (count - 1) / 2
    return sum(cmath.exp(2j * math.pi * (cell - middle) * index) for cell in range(count))


def test_square_keeps_the_contract_of_a_lattice_shape() -> None:
    check_lattice_shape(Square(), separable=True)


@given(count=CELLS, offset=OFFSETS, whole=st.integers(-9, 9))
def test_a_factor_is_the_sum_over_a_row_of_cells(count: int, offset: float, whole: int) -> None:
    lattice = make_lattice((count, 3, 5))
    factor = Square().factors(point(offset, 0.1, -0.2), point(whole, 2, 7), lattice)[0]
    wanted = laue_sum(count, whole + offset)
    # The literal sum has N terms, and its phases lose what whole + offset loses: a few 1e-15 of a turn, N times.
    tolerance = 1e-14 * count * count
    assert abs(wanted.imag) < tolerance
    assert float(factor) == pytest.approx(wanted.real, abs=tolerance)


@given(counts=st.tuples(CELLS, CELLS, CELLS), offsets=st.tuples(OFFSETS, OFFSETS, OFFSETS))
def test_the_amplitude_is_that_of_the_whole_crystal(
    counts: tuple[int, int, int], offsets: tuple[float, float, float]
) -> None:
    amplitude = lattice_amplitude(Square(), point(*offsets), point(0, 0, 0), make_lattice(counts))
    wanted = math.prod(laue_sum(count, offset).real for count, offset in zip(counts, offsets, strict=True))
    assert float(amplitude) == pytest.approx(wanted, abs=1e-14 * math.prod(counts) * max(counts))


@given(count=CELLS)
def test_the_intensity_of_one_period_is_the_number_of_cells(count: int) -> None:
    # The squared sum has no frequency above N - 1, so its mean over 2 N equal steps is its integral.
    steps = torch.arange(2 * count, dtype=torch.float64) / (2 * count) - 0.5
    zero = torch.zeros_like(steps)
    factor = Square().factors(Miller(steps, zero, zero), Miller(zero, zero, zero), make_lattice((count, 1, 1)))[0]
    assert float(factor.square().mean()) == pytest.approx(count, rel=1e-12)


@given(offsets=st.tuples(OFFSETS, OFFSETS, OFFSETS))
def test_one_cell_has_no_lattice(offsets: tuple[float, float, float]) -> None:
    amplitude = lattice_amplitude(Square(), point(*offsets), point(3, -4, 5), make_lattice((1, 1, 1)))
    assert float(amplitude) == pytest.approx(1.0, abs=1e-12)


@given(count=st.integers(2, 60), whole=st.integers(-9, 9), data=st.data())
def test_zeros_lie_between_the_spots(count: int, whole: int, data: st.DataObject) -> None:
    zero = data.draw(st.integers(1, count - 1)) / count
    offset = zero if zero <= 0.5 else zero - 1.0
    factor = Square().factors(point(offset, 0, 0), point(whole, 0, 0), make_lattice((count, 1, 1)))[0]
    assert float(factor) == pytest.approx(0.0, abs=1e-12 * count)


@given(offsets=st.tuples(OFFSETS, OFFSETS, OFFSETS), fudge=st.floats(0.1, 10.0))
def test_the_fudge_does_not_touch_whole_cells(offsets: tuple[float, float, float], fudge: float) -> None:
    plain, fudged = (
        lattice_amplitude(Square(), point(*offsets), point(0, 0, 0), make_lattice(fudge=factor))
        for factor in (1.0, fudge)
    )
    assert torch.equal(plain, fudged)
