"""No noise: the shared properties of a noise model whose variance is nothing."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg.testing import check_noise_model
from openbragg_noise.nonoise import NoNoise


def test_nonoise_keeps_the_contract_of_a_noise_model() -> None:
    check_noise_model(NoNoise(), variance=lambda photons: 0.0, whole=False)


@given(photons=st.lists(st.floats(0.0, 1e12), min_size=1, max_size=20), seed=st.integers(0, 2**31))
def test_photons_come_through_untouched_whatever_the_seed(photons: list[float], seed: int) -> None:
    expected = torch.tensor([photons], dtype=torch.float64)
    assert torch.equal(NoNoise().counts(expected, seed), expected)


def test_a_gradient_comes_through() -> None:
    photons = torch.tensor([[1.0, 2.0]], requires_grad=True)
    NoNoise().counts(photons, 1).sum().backward()  # type: ignore[no-untyped-call]
    assert photons.grad is not None
    assert photons.grad.tolist() == [[1.0, 1.0]]
