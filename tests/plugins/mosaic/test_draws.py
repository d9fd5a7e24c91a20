"""The numbers that mosaic models are made of."""

import math
from statistics import NormalDist

import pytest
import torch

from openbragg_plugins.mosaic.draws import normal_deviates, random_points, scrambled_sobol


@pytest.mark.parametrize("seed", [1, 7, 2**31 - 2])
def test_a_sobol_sequence_has_a_number_in_each_interval_and_a_point_in_each_box(seed: int) -> None:
    """Owen's scrambling keeps it a net: of 2^m points one in each of 2^m intervals, and boxes in two dimensions."""
    points = scrambled_sobol(64, seed)
    for column in points.T:
        assert sorted((column * 64.0).floor().int().tolist()) == list(range(64))
    # The first two dimensions of Sobol's sequence are a (0, 2)-sequence in base 2.
    boxes = (points[:, :2] * torch.tensor([8.0, 8.0])).floor().int()
    assert len({tuple(box) for box in boxes.tolist()}) == 64


@pytest.mark.parametrize("drawn", [scrambled_sobol, random_points])
def test_points_are_inside_the_cube_the_same_for_a_seed_and_others_for_another(drawn) -> None:
    points = drawn(1024, 3)
    assert points.shape == (1024, 3) and float(points.min()) > 0.0 and float(points.max()) < 1.0
    assert torch.equal(points, drawn(1024, 3)) and not torch.equal(points, drawn(1024, 4))


def test_normal_deviates_are_the_quantiles_of_the_law() -> None:
    parts = torch.tensor([1e-9, 0.01, 0.25, 0.5, 0.8, 1.0 - 1e-9], dtype=torch.float64)
    for part, found in zip(parts.tolist(), normal_deviates(parts).tolist(), strict=True):
        # 2 p - 1 rounds to 1e-16, of which the quantile makes ever more towards the ends.
        rounding = 1e-15 / NormalDist().pdf(NormalDist().inv_cdf(part))
        assert math.isclose(found, NormalDist().inv_cdf(part), rel_tol=1e-14, abs_tol=rounding)
