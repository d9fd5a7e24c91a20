"""Derivatives of pixels that depend on their own panel's parameters alone, against the same as one matrix."""

import numpy as np
import pytest

from openbragg_tools.refine.columns import Columns
from openbragg_tools.refine.elimination import fit_linear, normal_equations
from openbragg_tools.refine.likelihood import Likelihood
from openbragg_tools.refine.shoeboxes import cut
from refined_stills import whole


@pytest.mark.parametrize("own", [None, 0.2])
def test_normal_equations_are_those_of_the_whole_matrix(own):
    draws = np.random.default_rng(3)
    image = draws.poisson(20.0, (40, 60)).astype(float)
    # The second lies on two panels, the third on two of which one does not move, the fourth on the panel of the first.
    middles = np.array([[10.0, 8.0], [12.0, 20.0], [29.0, 41.0], [30.0, 10.0]])
    boxes = cut(image, np.ones_like(image, dtype=bool), middles, np.full(4, 6.0))
    spots = draws.exponential(1.0, len(boxes.counts))
    fit = fit_linear(boxes, spots, Likelihood(1.0), own=own)
    owners = np.select([boxes.fast < 20, boxes.fast < 40], [0, 1], -1)
    places = np.array([[0, 1, 2, 5], [0, 3, 4, 5], [0, -1, -1, 5]])
    columns = Columns(draws.normal(size=(len(spots), 3)), owners, places[:, :3], 5).with_last(spots)
    matrix, gradient = normal_equations(boxes, fit, columns, own)
    held = normal_equations(boxes, fit, Columns.of_all(whole(columns)), own)
    assert matrix == pytest.approx(held[0], rel=1e-9, abs=1e-9 * np.abs(matrix).max())
    assert gradient == pytest.approx(held[1], rel=1e-9, abs=1e-9 * np.abs(gradient).max())
    # Two panels know of each other by the plane of a box that lies on both.
    assert abs(matrix[1, 3]) > 0.0
