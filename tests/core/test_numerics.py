"""The functions of the kernel against Python's own, and their derivatives."""

import math
from collections.abc import Callable
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from openbragg.engine.numerics import cos_pi, exp_minus, interference, interference_product, sin_pi
from openbragg.engine.pixels import choose_pixels

DOUBLE, SINGLE = torch.float64, torch.float32
TURNS = torch.linspace(-0.5, 0.5, 100_001, dtype=DOUBLE)


@pytest.mark.parametrize(("dtype", "error"), [(DOUBLE, 5e-16), (SINGLE, 2e-7)])
@pytest.mark.parametrize(("ours", "exact"), [(sin_pi, torch.sin), (cos_pi, torch.cos)])
def test_sine_and_cosine_of_half_a_turn(
    ours: Callable[..., torch.Tensor], exact: Callable[..., torch.Tensor], dtype: torch.dtype, error: float
) -> None:
    turns = TURNS.to(dtype)
    found = ours(turns).to(DOUBLE)
    assert float((found - exact(math.pi * turns.to(DOUBLE))).abs().max()) < error


@pytest.mark.parametrize("compiling", [False, True])
def test_a_falling_exponential_in_single_precision(compiling: bool) -> None:
    exponent = torch.linspace(0.0, 38.0, 100_001, dtype=SINGLE)
    with mock.patch("torch.compiler.is_compiling", return_value=compiling):
        found = exp_minus(exponent).to(DOUBLE)
        floor = float(exp_minus(torch.tensor([1e30], dtype=SINGLE)))
    exact = (-exponent.to(DOUBLE)).exp()
    assert float((found - exact).abs().max()) < 2e-7
    # The exponent's own rounding, 6e-8 of up to 55 powers of 2, and a little more.
    assert float(((found - exact) / exact).abs().max()) < 4e-6
    assert floor == 2.0**-56


def test_a_falling_exponential_in_double_precision() -> None:
    exponent = torch.linspace(0.0, 300.0, 10_001, dtype=DOUBLE)
    exact = torch.tensor([math.exp(-x) for x in exponent.tolist()], dtype=DOUBLE)
    assert float(((exp_minus(exponent) - exact) / exact).abs().max()) < 1e-13
    assert float(exp_minus(torch.tensor(1e300, dtype=DOUBLE))) == 2.0**-500


@pytest.mark.parametrize("cells", [1, 2, 7, 20])
def test_derivatives_of_the_interference_function_of_first_and_second_order(cells: int) -> None:
    """At whole indices, on both sides of where the power series ends, and on to half way to the next one."""
    turns = torch.tensor([0.0, 1e-4, 0.0099, 0.0101, 0.3, 0.41 * cells, 0.45 * cells], dtype=DOUBLE)
    offset = (turns / cells).requires_grad_()
    count = torch.tensor(float(cells), dtype=DOUBLE)
    nearest = torch.arange(len(turns), dtype=DOUBLE)

    def ratio(step: torch.Tensor) -> torch.Tensor:
        return interference(step, nearest, count, DOUBLE)

    assert gradcheck(ratio, [offset], eps=1e-7, atol=1e-5, rtol=1e-5)
    assert gradgradcheck(ratio, [offset], eps=1e-7, atol=1e-3, rtol=1e-4)


def test_the_derivative_of_the_interference_function_by_the_number_of_cells() -> None:
    offset = torch.tensor([0.0, 1e-4, 0.001, 0.013, 0.2], dtype=DOUBLE)
    count = torch.tensor(7.0, dtype=DOUBLE, requires_grad=True)
    # Unsigned, for the sign is defined for whole numbers only.
    for step in offset:
        (found,) = torch.autograd.grad(interference(step, 0.0 * step, count, DOUBLE, signed=False), count)
        # sin(pi N h) / sin(pi h) is this function up to the sign that halves of a turn bring.
        sign = (-1.0) ** round(7.0 * float(step))
        waves = math.pi * float(step)
        wanted = 1.0 if waves == 0.0 else waves * math.cos(7.0 * waves) / math.sin(waves)
        assert float(found) == pytest.approx(sign * wanted, rel=1e-9)


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE])
@pytest.mark.parametrize("cells", [(1, 1, 1), (7, 20, 3), (1000, 999, 998)])
def test_the_product_of_interference_functions(cells: tuple[int, int, int], dtype: torch.dtype) -> None:
    # In the beam and at lattice points, where numerators and denominators vanish; beside them, and between them.
    steps = torch.tensor([0.0, 1e-15, 1e-9, 1e-5, 3e-4, 0.013, -0.02, 0.25, 0.5, -0.5], dtype=DOUBLE)
    offset = torch.cartesian_prod(steps, steps, steps).unbind(1)
    counts = torch.tensor(cells, dtype=DOUBLE)
    found = interference_product(offset, counts, dtype)
    assert found.dtype == dtype
    rows = zip(offset, counts, strict=True)
    separate = math.prod(interference(step, step, count, DOUBLE, signed=False).abs() for step, count in rows)
    peak = math.prod(cells)
    assert float((found.to(DOUBLE).abs() - separate).abs().max()) < peak * (1e-12 if dtype == DOUBLE else 4e-7)
    assert float(found[0]) == pytest.approx(peak, rel=1e-6)


def test_derivatives_of_the_product_are_those_of_its_factors() -> None:
    offset = [torch.tensor(step, dtype=DOUBLE, requires_grad=True) for step in ([0.0, 0.01], [0.2, 1e-4], [0.05, 0.3])]
    counts = torch.tensor([7.0, 5.0, 6.0], dtype=DOUBLE)
    assert gradcheck(lambda *steps: interference_product(steps, counts, DOUBLE) ** 2, offset, eps=1e-7, atol=1e-3)


@given(
    shape=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    place=st.floats(0.0, 1.0, exclude_max=True),
    count=st.integers(1, 200),
)
def test_coordinates_are_quotient_and_remainder(shape: tuple[int, int], place: float, count: int) -> None:
    pixels = choose_pixels(shape, None, None, torch.device("cpu"))
    start = int(place * pixels.count)
    numbers = torch.arange(start, min(start + count, pixels.count))
    slow, fast = pixels.coordinates(start, start + len(numbers))
    assert torch.equal(slow, (numbers // shape[1]).to(DOUBLE))
    assert torch.equal(fast, (numbers % shape[1]).to(DOUBLE))
