"""The reference program's noise: its counts, one by one, and what they share with every noise model."""

import ctypes
import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import openbragg_noise
from openbragg import InputError
from openbragg.testing import check_expectation, check_noise_model
from openbragg_noise.reference_poisson import ReferencePoisson
from oracle import Lehmer

CASES = Path(__file__).parents[3] / "shared" / "reference"
#: Expected photons on both sides of the limits between the three methods, and far from them.
LEVELS = (0.0, 1e-9, 0.3, 5.0, 11.999999, 12.0, 40.0, 3e3, 65536.0, 2e5, 1e6, 1000000.0625, 3e7, 1e12)
expectations = st.one_of(
    st.sampled_from(LEVELS), st.floats(0.0, 13.0, width=32), st.floats(0.0, 2.0**21, width=32), st.floats(0.0, 1e15)
)


def rounded(value: float) -> float:
    """As a C float keeps it."""
    return ctypes.c_float(value).value


class Scalar:
    """The deviates one at a time, as their definition has them: nothing kept between pixels but the spare normal."""

    def __init__(self, seed: int) -> None:
        self.generator = Lehmer(seed)
        self.spare: list[float] = []

    def poisson(self, mean: float) -> float:
        mean = rounded(mean)
        if mean > 1e6:
            return rounded(mean + math.sqrt(mean) * self.normal())
        return self.counted(mean) if mean < 12.0 else self.rejected(mean)

    def counted(self, mean: float) -> float:
        count, product, limit = 0, self.generator.uniform(), rounded(math.exp(-mean))
        while product > limit:
            count, product = count + 1, rounded(product * self.generator.uniform())
        return float(count)

    def rejected(self, mean: float) -> float:
        width, logarithm = rounded(math.sqrt(2.0 * mean)), rounded(math.log(mean))
        height = rounded(rounded(mean * logarithm) - self.log_gamma(rounded(mean + 1.0)))
        while True:
            y = rounded(math.tan(math.pi * self.generator.uniform()))
            place = rounded(rounded(width * y) + mean)
            if place >= 0.0:
                count = float(math.floor(place))
                power = rounded(rounded(count * logarithm) - self.log_gamma(rounded(count + 1.0)))
                ratio = rounded(0.9 * (1.0 + rounded(y * y)) * math.exp(rounded(power - height)))
                if not self.generator.uniform() > ratio:
                    return count

    def normal(self) -> float:
        if self.spare:
            return self.spare.pop()
        while True:
            u, v = (rounded(2.0 * self.generator.uniform() - 1.0) for _ in range(2))
            square = rounded(rounded(u * u) + rounded(v * v))
            if 0.0 < square < 1.0:
                factor = rounded(math.sqrt(-2.0 * math.log(square) / square))
                self.spare.append(rounded(u * factor))
                return rounded(v * factor)

    @staticmethod
    def log_gamma(value: float) -> float:
        terms = (76.18009172947146, -86.50532032941677, 24.01409824083091)
        terms += (-1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5)
        series, shifted = 1.000000000190015, value + 5.5
        for place, term in enumerate(terms, start=1):
            series += term / (value + place)
        return rounded(-(shifted - (value + 0.5) * math.log(shifted)) + math.log(2.5066282746310005 * series / value))


def drawn(photons: list[float], seed: int) -> list[float]:
    counts: list[float] = ReferencePoisson().counts(torch.tensor([photons], dtype=torch.float64), seed)[0].tolist()
    return counts


class FromSeedOne(ReferencePoisson):
    """The model with every seed one larger: the shared property wants the seeds 0 and 1 to differ."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return super().counts(photons, seed + 1)


def test_reference_poisson_keeps_the_contract_of_a_noise_model() -> None:
    # Above a million photons the reference adds a normal deviate and does not round.
    check_noise_model(FromSeedOne(), whole=False)


def test_bright_pixels_have_the_mean_and_variance_of_poisson_s_law() -> None:
    check_expectation(ReferencePoisson(), levels=(13.0, 1e3, 65536.0, 3e5, 1e7))


@pytest.mark.parametrize("level", [0.5, 11.9, 12.1, 1e3, 1e6])
def test_counts_are_whole_up_to_a_million_photons(level: float) -> None:
    counts = ReferencePoisson().counts(torch.full((50, 50), level), seed=3)
    assert torch.equal(counts, counts.round()) and float(counts.min()) >= 0.0


@given(photons=st.lists(expectations, min_size=1, max_size=60), seed=st.integers(0, 2**31 - 2))
def test_counts_are_those_of_the_definition(photons: list[float], seed: int) -> None:
    scalar = Scalar(seed)
    assert drawn(photons, seed) == [scalar.poisson(mean) for mean in photons]


def test_long_streams_stay_those_of_the_definition() -> None:
    photons = np.exp(np.random.default_rng(5).uniform(math.log(1e-3), math.log(1e8), 20_000)).tolist()
    scalar = Scalar(77)
    assert drawn(photons, 77) == [scalar.poisson(mean) for mean in photons]


def test_counts_are_float64_and_drawn_along_rows_first() -> None:
    photons = torch.linspace(0.0, 40.0, 35).reshape(5, 7)
    counts = ReferencePoisson().counts(photons.T.contiguous().T, seed=6)
    assert counts.dtype == torch.float64
    assert counts.reshape(-1).tolist() == drawn(photons.reshape(-1).tolist(), 6)


def test_a_dark_pixel_uses_one_deviate() -> None:
    scalar = Scalar(9)
    scalar.generator.uniform()
    assert drawn([0.0, 8.0, 8.0], 9) == [0.0, scalar.poisson(8.0), scalar.poisson(8.0)]


@pytest.mark.parametrize("seed", [0, -1, -77])
def test_seeds_below_one_count_as_one(seed: int) -> None:
    assert drawn([7.0] * 50, seed) == drawn([7.0] * 50, 1)


def test_the_one_seed_that_stops_the_recurrence_begins_anew_with_one() -> None:
    assert drawn([7.0] * 50, 2**31 - 1) == [0.0, *drawn([7.0] * 49, 1)]


def test_seeds_of_64_bits_are_taken() -> None:
    assert drawn([7.0] * 50, 2**63 - 1) == drawn([7.0] * 50, (2**63 - 1) % (2**31 - 1))


def test_an_image_without_pixels_has_no_counts() -> None:
    assert ReferencePoisson().counts(torch.zeros((0, 4)), seed=1).shape == (0, 4)


@pytest.mark.parametrize("value", [-1e-9, -5.0, math.nan, math.inf, 1e39])
def test_impossible_expectations_are_refused(value: float) -> None:
    photons = torch.ones((3, 3), dtype=torch.float64)
    photons[1, 2] = value
    with pytest.raises(InputError, match="reference-poisson noise: an expected number of photons is negative or not"):
        ReferencePoisson().counts(photons, seed=1)


def test_counts_are_the_same_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    photons = [*LEVELS] * 10
    usual = drawn(photons, 12)
    monkeypatch.setitem(sys.modules, "numba", None)
    name = "openbragg_noise.reference_deviates"
    spec = importlib.util.spec_from_file_location(name, Path(openbragg_noise.__path__[0]) / "reference_deviates.py")
    assert spec is not None and spec.loader is not None
    plain = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, plain)
    spec.loader.exec_module(plain)
    assert not hasattr(plain.draw, "py_func")  # numba's mark
    assert drawn(photons, 12) == usual


def test_a_program_that_only_lists_plugins_does_not_load_numba_numpy_or_torch() -> None:
    code = "import sys, openbragg_noise.reference_poisson; print({'numba', 'numpy', 'torch'} & set(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "set()"


@pytest.mark.skipif(not (CASES / "expected").is_dir(), reason="the measured reference cases are absent")
def test_the_measured_noise_image_is_drawn_from_the_measured_photons() -> None:
    measured = np.load(CASES / "expected" / "noise_outputs.npz")
    counts = ReferencePoisson().counts(torch.from_numpy(measured["float"]), seed=77).numpy()
    # The case was run with -adc 10.
    assert np.array_equal(np.clip(counts + 10.0, 0.0, 65535.0).astype(np.uint16), measured["noise"])
