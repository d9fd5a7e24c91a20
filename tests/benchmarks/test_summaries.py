"""Medians, paired ratios and power laws."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.summaries import exponent, ratio, slope, summarise

SECONDS = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9)


@given(SECONDS)
def test_median_lies_between_the_ends(values: list[float]) -> None:
    found = summarise(values)
    assert (found.smallest, found.largest) == (min(values), max(values))
    assert found.smallest <= found.median <= found.largest


@given(SECONDS, st.floats(0.1, 50.0))
def test_a_program_that_is_always_as_much_slower_has_that_ratio_without_spread(
    values: list[float], factor: float
) -> None:
    found = ratio([factor * value for value in values], values)
    # A product and a quotient, each rounded once.
    assert all(end == pytest.approx(factor, rel=1e-14) for end in (found.median, found.smallest, found.largest))


def test_ratio_is_that_of_medians_and_its_spread_that_of_pairs() -> None:
    found = ratio([10.0, 20.0, 90.0], [1.0, 4.0, 3.0])
    assert (found.median, found.smallest, found.largest) == (20.0 / 3.0, 5.0, 30.0)


def test_what_took_no_time_is_infinitely_faster() -> None:
    assert ratio([1.0], [0.0]).median == math.inf


@given(st.floats(-2.0, 2.0), st.floats(1e-3, 1e3))
def test_exponent_of_a_power_law_is_found(power: float, scale: float) -> None:
    sizes = [10.0, 30.0, 100.0, 1000.0]
    # Logarithms of numbers near 1e6 at worst, each right to 1e-15.
    assert exponent(sizes, [scale * size**power for size in sizes]) == pytest.approx(power, abs=1e-12)


@given(st.floats(-1e3, 1e3), st.floats(0.0, 1e9))
def test_slope_of_a_line_is_found(each: float, constant: float) -> None:
    sizes = [10.0, 30.0, 100.0, 1000.0]
    # Cancellation against the constant leaves 1e-16 of it.
    assert slope(sizes, [constant + each * size for size in sizes]) == pytest.approx(each, rel=1e-9, abs=1e-8)
