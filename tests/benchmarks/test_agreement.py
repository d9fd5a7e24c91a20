"""The gate: programs whose images differ have no times."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.agreement import compare
from openbragg.errors import InputError


def image(file: Path, *changed: tuple[int, float], size: int = 100_000) -> Path:
    """An image with a peak of 50, longer than what is read at once."""
    pixels = np.ones(size, dtype="<f4")
    pixels[7] = 50.0
    for place, value in changed:
        pixels[place] = value
    pixels.tofile(file)
    return file


@pytest.mark.parametrize("place", [0, 65535, 65536, 99_999])
def test_largest_difference_is_found_wherever_it_is_and_taken_over_the_peak_of_the_standard(
    tmp_path: Path, place: int
) -> None:
    standard, other = image(tmp_path / "a"), image(tmp_path / "b", (place, 1.5), (1234, 0.75))
    found = compare(standard, other, 1e-6, "reference")
    assert found.difference == 0.01  # powers of two over the peak
    assert not found.holds()


def test_equal_images_agree_without_tolerance(tmp_path: Path) -> None:
    assert compare(image(tmp_path / "a"), image(tmp_path / "b"), 0.0, "reference").holds()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spoilt", ["a", "b"])
@pytest.mark.parametrize("place", [0, 3, 65536, 99_999])
def test_what_is_no_number_never_agrees(tmp_path: Path, bad: float, spoilt: str, place: int) -> None:
    files = [image(tmp_path / name, *([(place, bad)] if name == spoilt else [])) for name in "ab"]
    assert not compare(files[0], files[1], 1e30, "reference").holds()


def test_images_of_other_sizes_and_empty_ones_are_refused(tmp_path: Path) -> None:
    whole, half = image(tmp_path / "a"), image(tmp_path / "b", size=70_000)
    with pytest.raises(InputError, match="different sizes"):
        compare(whole, half, 1.0, "reference")
    np.zeros(100_000, dtype="<f4").tofile(tmp_path / "dark")
    with pytest.raises(InputError, match="empty"):
        compare(tmp_path / "dark", whole, 1.0, "reference")
    with pytest.raises(InputError, match="cannot read"):
        compare(tmp_path / "missing", whole, 1.0, "reference")
