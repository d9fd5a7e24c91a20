"""Photon counting: the shared properties, and Poisson's law."""

import math

import pytest
import torch

from openbragg import InputError
from openbragg.testing import check_expectation, check_noise_model
from openbragg_noise.poisson import Poisson
from openbragg_noise.poisson_table import poisson_deviates

# Seeds are fixed; a frequency may stray five standard errors, which chance does once in two million trials.
SIGMAS = 5


def test_poisson_keeps_the_contract_of_a_noise_model() -> None:
    check_noise_model(Poisson())


@pytest.mark.parametrize("expected", [0.1, 1.0, 3.5, 9.9, 10.1, 25.0])
def test_frequencies_of_counts_follow_the_law(expected: float) -> None:
    number = 200_000
    counts = Poisson().counts(torch.full((number // 100, 100), expected), seed=11).reshape(-1)
    for count in range(int(expected + 6 * math.sqrt(expected)) + 1):
        chance = math.exp(count * math.log(expected) - expected - math.lgamma(count + 1))
        error = SIGMAS * math.sqrt(chance * (1 - chance) / number)
        # One event more or less is allowed where fewer than one is expected.
        assert float((counts == count).double().mean()) == pytest.approx(chance, abs=error + 2 / number)


def test_counts_are_float64_whatever_the_photons_are() -> None:
    for dtype in (torch.float32, torch.float64):
        assert Poisson().counts(torch.full((4, 4), 5.0, dtype=dtype), seed=1).dtype == torch.float64


def test_very_bright_pixels_have_the_mean_and_variance_of_the_law() -> None:
    check_expectation(Poisson(), levels=(1e12, 2e15, 1e20))


def test_dim_pixels_do_not_change_when_a_bright_one_joins_them() -> None:
    photons = torch.full((8, 8), 20.0, dtype=torch.float64)
    bright = photons.clone()
    bright[-1, -1] = 1e18
    first, second = (Poisson().counts(image, seed=4) for image in (photons, bright))
    assert torch.equal(first[:-1], second[:-1])


@pytest.mark.parametrize("value", [-1e-9, -5.0, math.nan])
def test_impossible_expectations_are_refused(value: float) -> None:
    photons = torch.ones((3, 3))
    photons[1, 2] = value
    with pytest.raises(InputError, match="poisson noise: an expected number of photons is negative or not a number"):
        Poisson().counts(photons, seed=1)


def test_dark_pixels_draw_nothing() -> None:
    generator = torch.Generator().manual_seed(5)
    photons = 30.0 * torch.rand(40, 50, generator=generator, dtype=torch.float64)
    photons[torch.rand(40, 50, generator=generator) < 0.8] = 0.0
    found = Poisson().counts(photons, 7)
    lit = photons > 0.0
    assert torch.equal(found[lit], Poisson().counts(photons[lit].reshape(1, -1), 7).reshape(-1))
    assert not found[~lit].any()
    assert not Poisson().counts(torch.zeros(3, 4), 7).any()


def test_pixels_of_all_expectations_together_follow_the_law() -> None:
    # Some are whole steps of the table, some have rests; the last are torch's.
    levels = torch.tensor([0.03, 0.0625, 1.53, 7.999, 15.97, 16.0, 40.0], dtype=torch.float64)
    number = 60_000
    drawn = poisson_deviates(levels.repeat(number), torch.Generator().manual_seed(3)).reshape(number, -1)
    for expected, counts in zip(levels.tolist(), drawn.T, strict=True):
        for count in range(int(expected + 6 * math.sqrt(expected)) + 2):
            chance = math.exp(count * math.log(expected) - expected - math.lgamma(count + 1))
            error = SIGMAS * math.sqrt(chance * (1 - chance) / number)
            assert float((counts == count).double().mean()) == pytest.approx(chance, abs=error + 2 / number)
    # Neighbours know nothing of each other.
    together = torch.corrcoef(drawn.T).fill_diagonal_(0.0)
    assert float(together.abs().max()) < SIGMAS / math.sqrt(number)
