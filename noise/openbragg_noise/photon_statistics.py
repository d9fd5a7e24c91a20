"""Numbers of photons drawn from their expectations, as they come and as a counter with a dead time sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from openbragg_noise.poisson_table import TOGETHER, poisson_deviates

if TYPE_CHECKING:
    import torch

#: Above this expectation a normal deviate stands in: its skewness is wrong by 1e-6, while torch's Poisson deviates,
#: right up to here, lose their variance (by 15 % at 1e15).
_LARGEST = 1e12
#: Below this mean torch's binomial deviates take a logarithm for each that is counted; up to the second they are slow
#: where few of them would share a cell.
_FEW, _SLOW = 10.0, 50.0
#: Chances below which deviates are not drawn for all; how many more are drawn at once than are expected.
_RARE, _SPARE = 0.05, 16


def poisson(expected: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Poisson deviates around expectations of 0 or more, float64 whole numbers.

    Where nothing is expected no deviate is drawn: counts are the same whether or not dark pixels are gone through.
    """
    import torch

    if expected.device.type != "cpu":
        return _all(expected.to(torch.float64), generator)
    every = expected.reshape(-1)
    (lit,) = torch.nonzero(every, as_tuple=True)
    if len(lit) == len(every):
        return _all(every.to(torch.float64), generator).reshape(expected.shape)
    counts = torch.zeros(every.shape, dtype=torch.float64)
    counts[lit] = _all(every[lit].to(torch.float64), generator)
    return counts.reshape(expected.shape)


def _all(expected: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    drawn = poisson_deviates if expected.device.type == "cpu" else torch.poisson
    bright = expected > _LARGEST
    if not bool(bright.any()):
        return drawn(expected, generator)
    counts = drawn(expected.clamp(max=_LARGEST), generator)
    normal = torch.randn(expected.shape, generator=generator, dtype=torch.float64, device=expected.device)
    return torch.where(bright, (expected + expected.sqrt() * normal).round(), counts)


def counted(
    expected: torch.Tensor, dead_times: float, *, paralyzable: bool, generator: torch.Generator
) -> torch.Tensor:
    """What a counter with a dead time counts of photons that come at an even rate, float64 whole numbers.

    With x dead times' worth of photons, x = `expected` / `dead_times`, a counter that each photon paralyzes anew counts
    n exp(-x) of n on average, with the variance n exp(-x) (1 - 2 x exp(-x)); one that is blind for a fixed time
    n / (1 + x), with n / (1 + x)^3. Both hold for an exposure of many dead times. A binomial deviate has them: its
    number of trials is mean / p, its chance p = 1 - variance / mean.

    Parameters
    ----------
    expected
        Photons in the exposure, float64.
    dead_times
        The exposure in dead times, much more than 1.
    paralyzable
        Which of the two.
    generator
        What the deviates are drawn from.
    """
    import torch

    if expected.device.type != "cpu":
        return torch.binomial(*_trials(expected, dead_times, paralyzable), generator=generator)
    together = torch.split(expected.reshape(-1), TOGETHER)
    laws = (_trials(part, dead_times, paralyzable) for part in together)
    return _binomial(laws, generator).reshape(expected.shape)


def _trials(expected: torch.Tensor, dead_times: float, paralyzable: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Trials and chance of the binomial deviates that a counter counts."""
    import torch

    pile = expected / dead_times
    if paralyzable:
        # Mean and 1 - variance / mean are n exp(-x) and 2 x exp(-x), of all x in one ratio.
        mean = expected * (-pile).exp_()
        trials = torch.full_like(mean[:1], 0.5 * dead_times).ceil_().expand_as(mean)
    else:
        mean = expected / (1.0 + pile)
        trials = (dead_times * (1.0 + pile) / (2.0 + pile)).ceil_()
    # Whole trials; the chance that keeps the mean.
    return trials, (mean / trials).clamp_(max=1.0)


def binomial(trials: torch.Tensor, chance: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Binomial deviates, float64 whole numbers: torch's, but where few are expected and a processor is slow at it.

    There, a Poisson number of balls falls into as many cells as there are trials, and the cells that are hit are
    counted: with a mean of -log(1 - chance) balls a cell each is hit with that chance, whatever the others are.

    Parameters
    ----------
    trials, chance
        Whole numbers of 0 or more, and from 0 to 1, float64, of one shape.
    generator
        What the deviates are drawn from.
    """
    import torch

    if trials.device.type != "cpu":
        return torch.binomial(trials, chance, generator=generator)
    return _binomial([(trials.reshape(-1), chance.reshape(-1))], generator).reshape(trials.shape)


def _binomial(laws: Iterable[tuple[torch.Tensor, torch.Tensor]], generator: torch.Generator) -> torch.Tensor:
    """Deviates of trials and chances that come in parts, one after the other."""
    import torch

    found, crowds, start = [], [], 0
    for trials, chance in laws:
        balls, rest = _balls(trials, chance)
        drawn = poisson_deviates(balls, generator)
        shared, lots = _sharing(drawn, trials, generator)
        crowds.append((shared + start, trials[shared], lots))
        if len(rest):
            drawn[rest] = torch.binomial(trials[rest], chance[rest], generator=generator)
        found.append(drawn)
        start += len(drawn)
    together = torch.cat(found)
    places, cells, lots = map(torch.cat, zip(*crowds, strict=True))
    together[places] = _cells_hit(together[places], cells, lots, generator)
    return together


def _balls(trials: torch.Tensor, chance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How many balls are expected to be thrown into so many cells; and where none are, for torch is quick there."""
    import torch

    balls = torch.log1p(-chance).mul_(-trials)
    mean = trials * chance
    if not len(mean) or (float(mean.max()) < _FEW and float(chance.max()) < 0.5):
        return balls, torch.zeros(0, dtype=torch.int64)
    few = (mean < _FEW) & (chance < 0.5) | (mean < _SLOW) & (mean * chance < _RARE)
    return torch.where(few, balls, 0.0), torch.nonzero(~few, as_tuple=True)[0]


def _cells_hit(
    thrown: torch.Tensor, cells: torch.Tensor, drawn: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """How many cells some balls hit, each all cells alike, where the first deviate lets two share a cell."""
    import torch

    hit, alone = torch.zeros_like(thrown), torch.ones_like(thrown)
    for ball in range(int(thrown.max()) if len(thrown) else 0):
        flies = thrown > ball
        # The chance that no ball since the last that shared has done so.
        alone = alone * (1.0 - hit / cells)
        again = flies & (drawn < 1.0 - alone)
        hit = hit + (flies & ~again)
        alone = torch.where(again, 1.0, alone)
        drawn = torch.where(again, torch.rand(drawn.shape, generator=generator, dtype=torch.float64), drawn)
    return hit


def _sharing(drawn: torch.Tensor, cells: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Where deviates from [0, 1) let two of the balls that are drawn (any,) share a cell, and those deviates.

    At most so probable is that as there are pairs for each cell. Where it is rare everywhere no deviate is drawn for
    most: those that may be small enough follow each other at geometrically distributed distances.
    """
    import torch

    largest = float(drawn.max()) if len(drawn) else 0.0
    if largest < 2.0:
        return torch.zeros(0, dtype=torch.int64), drawn[:0]
    most = largest * (largest - 1.0) / (2.0 * max(1.0, float(cells.min())))
    if most >= _RARE:
        lots = torch.rand(drawn.shape, generator=generator, dtype=torch.float64)
        (places,) = torch.nonzero(lots < _pairs(drawn, cells), as_tuple=True)
        return places, lots[places]
    found, last = [], -1
    while last < len(drawn):
        steps = torch.empty(int(len(drawn) * most) + _SPARE, dtype=torch.float64).geometric_(most, generator=generator)
        found.append(last + steps.cumsum(0))
        last = int(found[-1][-1])
    candidates = torch.cat(found).long()
    candidates = candidates[candidates < len(drawn)]
    lots = most * torch.rand(candidates.shape, generator=generator, dtype=torch.float64)
    below = lots < _pairs(drawn[candidates], cells[candidates])
    return candidates[below], lots[below]


def _pairs(drawn: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Pairs of balls for each cell."""
    return drawn * (drawn - 1.0) / (2.0 * cells.clamp(min=1.0))


def varied(photons: torch.Tensor, spread: float, generator: torch.Generator) -> torch.Tensor:
    """Light of photons of which each one's varies about 1 with the rms `spread`, float64.

    A gamma deviate of mean n and variance n spread^2: the sum over n photons whose light is gamma distributed.
    """
    import torch

    lit = photons > 0.0
    shape = torch.where(lit, photons, torch.ones_like(photons)) / spread**2
    return torch.where(lit, spread**2 * torch._standard_gamma(shape, generator=generator), torch.zeros_like(photons))
