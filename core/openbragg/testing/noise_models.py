"""Properties of a noise model.

The statistical ones are judged on many pixels of equal expectation, drawn with fixed seeds. A mean may stray five
standard errors from what is expected, which chance does once in two million trials, so that a failure is a finding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from openbragg.roles import NoiseModel
from openbragg.testing.assertions import require, require_close
from openbragg.testing.declaration import check_declaration

#: Expected photons a pixel: few, the limits at which samplers change their method, and many.
LEVELS = (0.01, 0.5, 1.0, 7.0, 11.9, 12.1, 100.0, 3e4, 1.1e6, 1e9)
#: Pixels of each level.
_PIXELS = (160, 250)
#: Standard errors that a statistic may stray.
_SIGMAS = 5.0
#: Rounding of a sum of that many float64 values, relative.
_ROUNDING = 1e-12

Law = Callable[[float], float]


def same(photons: float) -> float:
    """The mean of a model that counts photons, and the variance of one that counts them by Poisson's law."""
    return photons


def nothing(photons: float) -> float:
    """The variance of a model without noise."""
    return 0.0


def check_noise_model(
    model: NoiseModel,
    *,
    mean: Law = same,
    variance: Law = same,
    whole: bool = True,
    zero_stays_zero: bool = True,
    device: torch.device | str = "cpu",
) -> None:
    """Everything below.

    Parameters
    ----------
    model
        An instance.
    mean, variance
        Of a pixel's counts, from its expected photons; by default Poisson's law.
    whole
        Whether counts are whole numbers.
    zero_stays_zero
        Whether a pixel without photons has no counts; not so for a model of a detector with a read-out noise.
    device
        Where to compute.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the numbers.
    """
    check_declaration(model, NoiseModel)
    check_shape_and_device(model, device)
    check_expectation(model, mean=mean, variance=variance, device=device)
    check_pixels_independent(model, variance=variance, device=device)
    check_seeds(model, random=variance(LEVELS[-1]) > 0.0, device=device)
    check_global_random_state(model, device)
    if whole:
        check_whole_numbers(model, device)
    if zero_stays_zero:
        check_zero_stays_zero(model, device)


def check_shape_and_device(model: NoiseModel, device: torch.device | str = "cpu") -> None:
    """Counts have the photons' shape and device, are finite numbers, and leave the photons as they were."""
    for dtype in (torch.float32, torch.float64):
        for shape in ((1, 1), (3, 5), (64, 2)):
            photons = torch.full(shape, 3.7, dtype=dtype, device=device)
            counts = model.counts(photons, 1)
            require(counts.shape == shape, f"photons of shape {shape} gave counts of shape {tuple(counts.shape)}")
            require(counts.device == photons.device, f"photons on {photons.device} gave counts on {counts.device}")
            require(counts.dtype.is_floating_point, f"counts are {counts.dtype}, expected floating point")
            require(bool(counts.isfinite().all()), "counts are not finite")
            require(
                bool((photons == torch.full_like(photons, 3.7)).all()), "the expected photons were changed in place"
            )


def check_expectation(
    model: NoiseModel,
    *,
    mean: Law = same,
    variance: Law = same,
    levels: tuple[float, ...] = LEVELS,
    device: torch.device | str = "cpu",
) -> None:
    """The counts of many equal pixels have the mean and the variance they should, at every level of photons.

    The mean's standard error comes from the expected variance; the variance's, sqrt((m4 - s^4) / n), from the sample.
    """
    for seed, level in enumerate(levels, start=1):
        counts = model.counts(torch.full(_PIXELS, level, dtype=torch.float64, device=device), seed).to(torch.float64)
        number, wanted, spread = counts.numel(), mean(level), variance(level)
        found = counts.mean()
        error = _SIGMAS * (spread / number) ** 0.5 + _ROUNDING * abs(wanted)
        require_close(found, wanted, f"the mean of {number} pixels that expect {level:g} photons", absolute=error)
        deviations = (counts - found) ** 2
        scatter = float(deviations.var()) ** 0.5 if spread > 0.0 else 0.0
        error = _SIGMAS * scatter / number**0.5 + (_ROUNDING * wanted) ** 2
        require_close(
            counts.var(), spread, f"the variance of {number} pixels that expect {level:g} photons", absolute=error
        )


def check_pixels_independent(model: NoiseModel, *, variance: Law = same, device: torch.device | str = "cpu") -> None:
    """Neighbours along fast and along slow, and equal pixels of two neighbouring seeds, are not correlated."""
    level = 100.0
    if variance(level) == 0.0:
        return
    photons = torch.full(_PIXELS, level, dtype=torch.float64, device=device)
    first, second = (model.counts(photons, seed).to(torch.float64) for seed in (1, 2))
    pairs = {
        "neighbours along fast": (first[:, 1:], first[:, :-1]),
        "neighbours along slow": (first[1:], first[:-1]),
        "pixels of the seeds 1 and 2": (first, second),
    }
    for name, (one, other) in pairs.items():
        correlation = torch.corrcoef(torch.stack([one.reshape(-1), other.reshape(-1)]))[0, 1]
        require_close(correlation, 0.0, f"the correlation of {name}", absolute=_SIGMAS / one.numel() ** 0.5)


def check_seeds(model: NoiseModel, *, random: bool = True, device: torch.device | str = "cpu") -> None:
    """Equal seeds give equal counts; different seeds give different ones, unless the model is not random."""
    photons = torch.full((32, 32), 50.0, dtype=torch.float64, device=device)
    for seed in (0, 1, 12345678, 2**31 - 1):
        first, again = model.counts(photons, seed), model.counts(photons, seed)
        require(bool((first == again).all()), f"two calls with seed {seed} gave different counts")
        if random:
            other = model.counts(photons, seed + 1)
            require(bool((first != other).any()), f"the seeds {seed} and {seed + 1} gave the same counts everywhere")


def check_global_random_state(model: NoiseModel, device: torch.device | str = "cpu") -> None:
    """The model draws from a generator of its own: torch's global state is neither used nor moved."""
    photons = torch.full((16, 16), 50.0, dtype=torch.float64, device=device)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first = model.counts(photons, 7)
        require(bool((torch.get_rng_state() == before).all()), "counts() moved torch's global random state")
        torch.manual_seed(2)
        require(bool((model.counts(photons, 7) == first).all()), "counts depend on torch's global random state")


def check_whole_numbers(model: NoiseModel, device: torch.device | str = "cpu") -> None:
    """Counts are whole numbers, none negative."""
    for level in LEVELS:
        counts = model.counts(torch.full((32, 32), level, dtype=torch.float64, device=device), 3)
        require(bool((counts == counts.round()).all()), f"{level:g} photons gave counts with a fraction")
        require(float(counts.min()) >= 0.0, f"{level:g} photons gave {float(counts.min())} counts")


def check_zero_stays_zero(model: NoiseModel, device: torch.device | str = "cpu") -> None:
    """A pixel that expects no photons has no counts, among bright pixels too."""
    photons = torch.zeros((40, 40), dtype=torch.float64, device=device)
    photons[::2] = 1e4
    counts = model.counts(photons, 5)
    largest = float(counts[1::2].abs().max())
    require(largest == 0.0, f"a pixel that expects no photons has {largest} counts")
