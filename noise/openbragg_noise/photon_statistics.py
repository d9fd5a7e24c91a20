"""Numbers of photons drawn from their expectations, as they come and as a counter with a dead time sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: Above this expectation a normal deviate stands in: its skewness is wrong by 1e-6, while torch's Poisson deviates,
#: right up to here, lose their variance (by 15 % at 1e15).
_LARGEST = 1e12
#: The part of pixels with anything to draw below which these alone are gone through.
_LIT = 0.5
#: Below this mean torch's binomial deviates take a logarithm for each that is counted.
_FEW = 10.0
#: Chances below which deviates are not drawn for all; how many more are drawn at once than are expected.
_RARE, _SPARE = 0.05, 16
#: Pixels that are drawn together: as many as stay in a core's own memory from step to step.
_TOGETHER = 1 << 15


def poisson(expected: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Poisson deviates around expectations of 0 or more, float64 whole numbers.

    Where nothing is expected no deviate is drawn: counts are the same whether or not dark pixels are gone through.
    """
    import torch

    if expected.device.type == "cpu":
        lit = expected.reshape(-1).nonzero().reshape(-1)
        if len(lit) < _LIT * expected.numel():
            few = expected.reshape(-1)[lit].to(torch.float64)
            if not bool((few > _LARGEST).any()):
                counts = torch.zeros(expected.numel(), dtype=torch.float64)
                counts[lit] = torch.poisson(few, generator=generator)
                return counts.reshape(expected.shape)
    expected = expected.to(torch.float64)
    bright = expected > _LARGEST
    any_bright = bool(bright.any())
    counts = torch.poisson(expected.clamp(max=_LARGEST) if any_bright else expected, generator=generator)
    if any_bright:
        normal = torch.randn(expected.shape, generator=generator, dtype=torch.float64, device=expected.device)
        counts = torch.where(bright, (expected + expected.sqrt() * normal).round(), counts)
    return counts


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
    together = torch.split(expected.reshape(-1), _TOGETHER)
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
        few = (trials * chance < _FEW) & (chance < 0.5)
        drawn = torch.poisson(torch.where(few, -trials * torch.log1p(-chance), 0.0), generator=generator)
        # At most so probable is it that two balls share a cell, of all pairs.
        shared, lots = _happening(drawn * (drawn - 1.0) / (2.0 * trials.clamp(min=1.0)), generator)
        crowds.append((shared + start, trials[shared], lots))
        (rest,) = torch.nonzero(~few, as_tuple=True)
        drawn[rest] = torch.binomial(trials[rest], chance[rest], generator=generator)
        found.append(drawn)
        start += len(drawn)
    together = torch.cat(found)
    places, cells, lots = map(torch.cat, zip(*crowds, strict=True))
    together[places] = _cells_hit(together[places], cells, lots, generator)
    return together


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


def _happening(chance: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Where deviates from [0, 1) lie below chances (any,), and those deviates.

    Where all chances are small no deviate is drawn for most: those that may be small enough follow each other at
    geometrically distributed distances.
    """
    import torch

    most = float(chance.max()) if len(chance) else 0.0
    if not 0.0 < most < _RARE:
        drawn = torch.rand(chance.shape, generator=generator, dtype=torch.float64)
        (places,) = torch.nonzero(drawn < chance, as_tuple=True)
        return places, drawn[places]
    found, last = [], -1
    while last < len(chance):
        steps = torch.empty(int(len(chance) * most) + _SPARE, dtype=torch.float64).geometric_(most, generator=generator)
        found.append(last + steps.cumsum(0))
        last = int(found[-1][-1])
    candidates = torch.cat(found).long()
    candidates = candidates[candidates < len(chance)]
    drawn = most * torch.rand(candidates.shape, generator=generator, dtype=torch.float64)
    below = drawn < chance[candidates]
    return candidates[below], drawn[below]


def varied(photons: torch.Tensor, spread: float, generator: torch.Generator) -> torch.Tensor:
    """Light of photons of which each one's varies about 1 with the rms `spread`, float64.

    A gamma deviate of mean n and variance n spread^2: the sum over n photons whose light is gamma distributed.
    """
    import torch

    lit = photons > 0.0
    shape = torch.where(lit, photons, torch.ones_like(photons)) / spread**2
    return torch.where(lit, spread**2 * torch._standard_gamma(shape, generator=generator), torch.zeros_like(photons))
