"""The case that makes data sets."""

from pathlib import Path

import pytest

from benchmarks.dataset import _larger
from benchmarks.report import case_lines, dataset_result
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


def test_what_is_said_has_the_shots_and_how_the_rate_grows_with_the_workers() -> None:
    measured = {
        "shots": 40,
        "images_per_second": [6.5],
        "half_per_second": [3.4],
        "processor_seconds_an_image": [0.31],
        "peak_memory_bytes": 500_000_000,
        "reading_seconds": {"opened": [0.5, 0.5], "by_hand": [0.6, 0.6]},
    }
    lines = list(case_lines(dataset_result(measured)))
    assert lines[0].startswith("dataset: 40 stills of 1024 x 1024 pixels")
    assert any("an image takes 0.31" in line for line in lines)
    assert any("rate of twice the workers >= 1.8, got 1.91" in line and line.endswith(": met") for line in lines)
    assert any("by openbragg.datasets.open, in 0.5" in line for line in lines)
    assert any("rate of arrays over that of files read by hand >= 1, got 1.2" in line for line in lines)
    one = list(case_lines(dataset_result({**measured, "half_per_second": []})))
    assert not any("twice" in line for line in one)
