"""Point spread: conserved light, known profiles, nothing that wraps around."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg_noise.point_spread import PROFILES, pixel_shares, spread

CPU = torch.device("cpu")
WIDTHS = st.floats(0.05, 8.0)


def convolved(image: torch.Tensor, profile: str, width: float) -> torch.Tensor:
    """By two loops, in the place of a Fourier transform."""
    slow, fast = image.shape
    shares = pixel_shares((2 * slow - 1, 2 * fast - 1), profile, width, CPU)
    out = torch.zeros_like(image)
    for row in range(slow):
        for column in range(fast):
            rows, columns = torch.arange(slow) - row, torch.arange(fast) - column
            out += image[row, column] * shares[rows][:, columns]
    return out


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    profile=st.sampled_from(PROFILES),
    width=WIDTHS,
    seed=st.integers(0, 99),
)
def test_a_transform_gives_what_loops_give(shape: tuple[int, int], profile: str, width: float, seed: int) -> None:
    image = 1e4 * torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    # A transform rounds to some 1e-16 of the brightest pixel.
    assert torch.allclose(spread(image, profile, width), convolved(image, profile, width), rtol=1e-9, atol=1e-10)


@given(profile=st.sampled_from(PROFILES), width=st.floats(0.05, 3.0))
def test_a_spot_far_from_the_edge_keeps_its_light_but_for_what_goes_over_it(profile: str, width: float) -> None:
    image = torch.zeros((101, 101), dtype=torch.float64)
    image[50, 50] = 1e6
    lost = 0.0
    if profile == "fibre":
        # Beyond the square of half side 50.5: one less four times the integral over a quadrant.
        depth = width / (2 * math.sqrt(2 ** (2 / 3) - 1))
        side = 50.5
        lost = 1 - 4 * math.atan(side * side / (depth * math.sqrt(2 * side * side + depth * depth))) / (2 * math.pi)
    assert float(spread(image, profile, width).sum()) == pytest.approx(1e6 * (1 - lost), rel=1e-9)


@pytest.mark.parametrize("profile", PROFILES)
def test_half_the_peak_is_half_a_width_away(profile: str) -> None:
    # Pixels of a fortieth of the width: their integral is the profile, but for 1e-3 of it.
    shares = pixel_shares((401, 401), profile, 40.0, CPU)
    assert float(shares[20, 0] / shares[0, 0]) == pytest.approx(0.5, abs=2e-3)
    assert float(shares[0, -20] / shares[0, 0]) == pytest.approx(0.5, abs=2e-3)
    diagonal = 20 / math.sqrt(2)
    low, high = int(diagonal), int(diagonal) + 1
    part = diagonal - low
    between = (1 - part) * shares[low, low] + part * shares[high, high]
    assert float(between / shares[0, 0]) == pytest.approx(0.5, abs=4e-3)


def test_the_fibre_s_tail_falls_off_with_the_third_power() -> None:
    shares = pixel_shares((4001, 3), "fibre", 1.0, CPU)
    depth = 1 / (2 * math.sqrt(2 ** (2 / 3) - 1))
    for distance in (50, 400):
        wanted = depth / (2 * math.pi) * (distance**2 + depth**2) ** -1.5
        assert float(shares[distance, 0]) == pytest.approx(wanted, rel=1e-3)
    assert float(pixel_shares((4001, 3), "gauss", 1.0, CPU)[50, 0]) < 1e-30


@pytest.mark.parametrize("profile", PROFILES)
def test_light_that_leaves_one_edge_does_not_come_in_at_the_other(profile: str) -> None:
    image = torch.zeros((60, 60), dtype=torch.float64)
    image[0] = 1.0
    found = spread(image, profile, 3.0)
    assert float(found[-1, 30]) < 2e-3 * float(found[3, 30])
    # By symmetry as much leaves the row outwards as inwards.
    inwards = float(found[1:, 30].sum())
    assert float(found[0, 30]) + inwards < 1.0 - 0.9 * inwards


@pytest.mark.parametrize("profile", PROFILES)
def test_a_narrow_spread_leaves_the_image_as_it_is(profile: str) -> None:
    image = torch.rand((20, 30), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = spread(image, profile, 1e-4)
    # The fibre's tails carry a part of the width over a pixel's edges.
    assert torch.allclose(found, image, atol=1e-3)
