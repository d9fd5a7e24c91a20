"""Normal equations of many stills against the same as one matrix."""

import numpy as np
import pytest

from openbragg_tools.refine.bordered import Block, Bordered, boxed
from openbragg_tools.refine.gauge import held

STILLS, OWN, SHARED = 3, 2, 4


def whole():
    """A dense normal matrix and gradient of residuals of three stills, and the same bordered."""
    draws = np.random.default_rng(4)
    count = STILLS * OWN + SHARED
    matrix, gradient, blocks = np.zeros((count, count)), np.zeros(count), []
    theirs = slice(STILLS * OWN, count)
    for still in range(STILLS):
        columns = np.zeros((20, count))
        mine = slice(still * OWN, (still + 1) * OWN)
        columns[:, mine] = draws.normal(size=(20, OWN))
        columns[:, theirs] = draws.normal(size=(20, SHARED))
        residuals = draws.normal(size=20)
        own = columns.T @ columns
        matrix += own
        gradient += columns.T @ residuals
        blocks.append(Block(own[mine, mine], own[mine, theirs], columns[:, mine].T @ residuals))
    return matrix, gradient, Bordered(tuple(blocks), matrix[theirs, theirs], gradient[theirs])


@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_a_step_is_that_of_the_whole_matrix(damping):
    matrix, gradient, bordered = whole()
    shared, owns = bordered.step(damping)
    damped = matrix + damping * np.diag(np.diag(matrix))
    assert np.concatenate([*owns, shared]) == pytest.approx(np.linalg.solve(damped, gradient))
    every = np.concatenate([*owns, shared])
    assert bordered.promised(shared, owns) == pytest.approx(2.0 * gradient @ every - every @ matrix @ every)


def test_a_step_that_goes_too_far_stops_there_and_the_others_follow():
    matrix, right = np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([10.0, 0.0])
    assert boxed(matrix, right, np.array([100.0, 100.0])) == pytest.approx(np.linalg.solve(matrix, right))
    assert boxed(matrix, right, np.array([2.0, 100.0])) == pytest.approx([2.0, -1.0])


def test_errors_are_those_of_the_whole_matrix():
    matrix, _, bordered = whole()
    covariance = np.linalg.inv(matrix)
    complement = bordered.complement()
    theirs = slice(STILLS * OWN, None)
    assert np.linalg.inv(complement) == pytest.approx(covariance[theirs, theirs])
    for still in range(STILLS):
        mine = slice(still * OWN, (still + 1) * OWN)
        assert np.linalg.inv(bordered.own(still, complement)) == pytest.approx(covariance[mine, mine])


def test_what_is_held_does_not_move():
    matrix = np.array([[2.0, 1.0], [1.0, 2.0]])
    row = np.array([[1.0, 1.0]])
    step = np.linalg.solve(held(matrix, row), np.array([1.0, 0.5]))
    assert abs(step.sum()) < 1e-3 * abs(step[0])
    # Along the other direction the data have their say.
    assert step[0] - step[1] == pytest.approx(0.5, rel=1e-3)
