"""Poisson deviates of small expectations from a table: in a third of the time that a processor takes to count them out.

An expectation is a whole number of steps of the table and a rest below one. What belongs to the steps is looked up, by
Walker's method of aliases: a column is chosen, each as likely as any other, and it or another number is the deviate, by
a second chance. What belongs to the rests is thrown: as many as are expected of one step for every pixel fall on pixels
that are chosen alike, and each stays with a chance that is its pixel's rest. The sum of the two is Poisson distributed.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: Expectations up to which the table goes, its rows for each unit, and its columns: what is left beyond them at the
#: last row has a chance of 1e-18.
LARGEST = 16
_ROWS, _COLUMNS = 16, 64
#: Pixels that are drawn together: as many as stay in a core's own memory from step to step.
TOGETHER = 1 << 15


def poisson_deviates(expected: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Poisson deviates on a processor around expectations of 0 or more, float64 (any,); whole numbers.

    Those of large expectations are torch's.
    """
    import torch

    if expected.numel() <= TOGETHER:
        return _drawn(expected, generator)
    return torch.cat([_drawn(part, generator) for part in torch.split(expected, TOGETHER)])


def _drawn(expected: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    (bright,) = torch.nonzero(expected >= LARGEST, as_tuple=True)
    if 2 * len(bright) > expected.numel():
        return torch.poisson(expected, generator=generator)
    steps = expected * _ROWS
    rows = steps.floor().clamp_(max=LARGEST * _ROWS - 1)
    chance = torch.rand(expected.shape, generator=generator, dtype=torch.float64).mul_(_COLUMNS)
    column = chance.floor()
    chance.sub_(column)
    found = _aliases().index_select(0, torch.add(column, rows, alpha=_COLUMNS).to(torch.int32))
    alias = found.floor()
    drawn = torch.where(chance < found.sub_(alias), column, alias)
    # The rests.
    thrown = int(torch.poisson(steps.new_full((), len(drawn) / _ROWS), generator=generator))
    places = torch.randint(max(1, len(drawn)), (thrown,), generator=generator)
    stay = torch.rand(thrown, generator=generator, dtype=torch.float64) < steps[places] - rows[places]
    drawn.index_add_(0, places[stay], drawn.new_ones(()).expand(int(stay.sum())))
    if len(bright):
        drawn[bright] = torch.poisson(expected[bright], generator=generator)
    return drawn


@cache
def _aliases() -> torch.Tensor:
    """For each row and column the number that takes its place, and the chance that it does not: their sum, float64."""
    import numpy as np
    import torch

    expected = np.arange(LARGEST * _ROWS)[:, None] / _ROWS
    number = np.arange(_COLUMNS)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.where(number > 0, number * np.log(expected), 0.0)
    factorial = np.array([math.lgamma(each + 1.0) for each in number])
    # In columns of height 1: what is missing of one is taken from the highest.
    height = np.exp(logarithm - expected - factorial)
    height *= _COLUMNS / height.sum(axis=1, keepdims=True)
    alias, chance = np.tile(number, (len(height), 1)), np.zeros(height.shape)
    rows, full = np.arange(len(height)), np.zeros(height.shape, dtype=bool)
    for _ in range(_COLUMNS - 1):
        lowest = np.where(full, np.inf, height).argmin(axis=1)
        highest = np.where(full, -np.inf, height).argmax(axis=1)
        part = height[rows, lowest]
        some = part < 1.0
        chance[rows[some], lowest[some]] = part[some]
        alias[rows[some], lowest[some]] = highest[some]
        height[rows, highest] -= 1.0 - part
        full[rows, lowest] = True
    return torch.from_numpy((alias + chance).reshape(-1))
