"""From what recipes draw."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbragg import InputError
from openbragg_tools.dataset.expressions import parse
from openbragg_tools.dataset.values import distribution

BAD = [
    ({"uniform": [2, 1]}, "uniform: expected two numbers, the lower one first, got 2 and 1"),
    ({"uniform": [1]}, "uniform: expected 2 numbers, got [1]"),
    ({"loguniform": [0, 1]}, "loguniform: expected two numbers above 0, the lower one first, got 0 and 1"),
    ({"normal": [1, -1]}, "normal: expected mean and standard deviation, which is not below 0, got -1"),
    ({"normal": [1, 1], "minimum": 3, "maximum": 2}, "normal: the minimum 3 is above the maximum 2"),
    ({"integers": [1.5, 2]}, "integers: expected two whole numbers, the lower one first, got 1.5 and 2"),
    ({"choice": []}, "choice: expected a list of values, got []"),
    ({"choice": [1, 2], "weights": [1]}, "weights: expected 2 numbers, got [1]"),
    ({"choice": [1, 2], "weights": [0, 0]}, "weights: expected numbers from 0, and one above it, got [0.0, 0.0]"),
    ({"uniform": [1, 2], "chance": 2}, "chance: expected a number from 0 to 1, got 2"),
    ({"uniform": [1, 2], "mean": 2}, "uniform has no 'mean'"),
    ({"unifrom": [1, 2]}, "expected one of uniform, loguniform, normal"),
    ({"expression": "__import__('os')"}, "expression \"__import__('os')\": "),
    ({"expression": "a.b"}, "expression 'a.b': 'a.b' is no arithmetic"),
    ({"expression": "1 +"}, "expression '1 +': expected arithmetic"),
    ({"python": "nothing.such:draw"}, "python: nothing.such:draw: No module named 'nothing'"),
    ({"python": "math"}, "python: expected package.module:function, got 'math'"),
    ({"from-table": "none.csv", "column": "a"}, "cannot read "),
]


@pytest.mark.parametrize(("told", "line"), BAD)
def test_what_is_impossible_is_one_line(told, line, tmp_path):
    with pytest.raises(InputError) as refused:
        distribution(told, tmp_path)
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)


def drawn(told, folder, number=2000, **known):
    made = distribution(told, folder)
    random = np.random.default_rng(1)
    return [made.draw(random, known) for _ in range(number)]


def test_numbers_have_the_moments_of_their_distributions(tmp_path):
    # Of 2000 numbers a mean is off by more than 5 standard errors once in a million.
    flat = np.array(drawn({"uniform": [2.0, 6.0]}, tmp_path))
    assert flat.min() >= 2.0 and flat.max() < 6.0 and abs(flat.mean() - 4.0) < 5 * 4 / math.sqrt(12 * 2000)
    logs = np.log(drawn({"loguniform": [1.0, math.e**2]}, tmp_path))
    assert abs(logs.mean() - 1.0) < 5 * 2 / math.sqrt(12 * 2000)
    bell = np.array(drawn({"normal": [3.0, 2.0], "minimum": 0.0}, tmp_path))
    assert bell.min() >= 0.0 and bell.mean() > 3.0
    whole = drawn({"integers": [1, 3]}, tmp_path)
    assert set(whole) == {1, 2, 3} and all(isinstance(value, int) for value in whole)
    chosen = drawn({"choice": ["a", "b"], "weights": [3, 1]}, tmp_path)
    assert abs(chosen.count("a") / 2000 - 0.75) < 5 * math.sqrt(0.75 * 0.25 / 2000)
    there = drawn({"value": 7, "chance": 0.25}, tmp_path)
    assert set(there) == {7, None} and abs(there.count(7) / 2000 - 0.25) < 5 * math.sqrt(0.75 * 0.25 / 2000)


def test_orientations_are_rotations_of_which_all_are_alike_probable(tmp_path):
    angles = np.radians(drawn("random-orientation", tmp_path))
    x, y, z = angles.T
    # Rows of Rz Ry Rx: the images of the axes are spread evenly over the sphere, so that any component has the mean
    # square 1/3, whose own deviation is sqrt(4/45).
    for component in (-np.sin(y), np.cos(y) * np.sin(x), np.cos(y) * np.cos(z)):
        assert abs((component**2).mean() - 1 / 3) < 5 * math.sqrt(4 / 45 / 2000)
        assert abs(component.mean()) < 5 / math.sqrt(3 * 2000)


def test_values_come_from_tables_functions_and_other_values(tmp_path):
    (tmp_path / "cells.csv").write_text("a,name\n1.5,x\n2,y\n")
    assert set(drawn({"from-table": "cells.csv", "column": "a"}, tmp_path)) == {1.5, 2}
    assert set(drawn({"from-table": "cells.csv", "column": "name"}, tmp_path)) == {"x", "y"}
    assert drawn({"expression": "2 * distance + max(1, sqrt(4))"}, tmp_path, 1, distance=10) == [22.0]
    with pytest.raises(InputError, match="no column 'b'; there are a, name"):
        distribution({"from-table": "cells.csv", "column": "b"}, tmp_path)


@given(st.floats(-100, 100), st.floats(0.1, 100), st.floats(-3, 3))
def test_expressions_are_what_python_makes_of_them(a, b, c):
    text = "-a / b + (a - 2) * c % 7 - cos(c) ** 2"
    assert parse(text).value({"a": a, "b": b, "c": c}) == -a / b + (a - 2) * c % 7 - math.pow(math.cos(c), 2)


@pytest.mark.parametrize("text", ["1 / 0", "10 ** 400", "log(0)", "word", "missing"])
def test_an_expression_without_a_number_is_one_line(text):
    with pytest.raises(InputError, match=r"^expression '"):
        parse(text).value({"word": "text"})


@pytest.mark.parametrize("text", ["[1]", "a if b else c", "lambda: 1", "f'{a}'", "True", "a < b", "print(1)", "a := 1"])
def test_an_expression_has_nothing_but_arithmetic(text):
    with pytest.raises(InputError):
        parse(text)
