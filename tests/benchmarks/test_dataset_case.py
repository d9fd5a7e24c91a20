"""The case that makes data sets."""

from pathlib import Path

import pytest

from benchmarks.dataset import _larger
from openbragg.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples" / "datasets"


def test_the_recipe_is_that_of_the_examples_with_a_million_pixels() -> None:
    recipe = (EXAMPLES / "spot-finding.toml").read_text()
    larger = _larger(recipe)
    assert "-detpixels 1024 -pixel 0.1 " in larger
    assert larger.replace("-detpixels 1024 -pixel 0.1 ", "-detpixels 512 -pixel 0.2 ") == recipe


def test_a_recipe_of_another_detector_is_one_line() -> None:
    with pytest.raises(InputError, match=r"spot-finding\.toml: expected .* once"):
        _larger("shots = 3\n")
