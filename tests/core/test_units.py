"""Units: there and back, of numbers, arrays and tensors alike."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import unit

#: A length of one in SI, in units that users type.
KNOWN = {"A": 1e10, "mm": 1e3, "um": 1e6, "microns": 1e6, "angstroms": 1e10, "m": 1.0, "A^2": 1e20, "1/A": 1e-10}
NAMES = [*KNOWN, "deg", "mrad", "%", "ns", "eV", "g/cm^3", "electrons/A^3", "photons"]


@pytest.mark.parametrize("name", KNOWN)
def test_one_of_si_is_so_many(name: str) -> None:
    assert unit(name).from_si(1.0) == pytest.approx(KNOWN[name], rel=1e-15)


def test_wavelength_and_energy_are_one_quantity() -> None:
    assert unit("eV").to_si(12398.42) == pytest.approx(1e-10, rel=1e-15)
    assert unit("deg").to_si(180.0) == pytest.approx(np.pi, rel=1e-15)


@pytest.mark.parametrize("name", NAMES)
@given(value=st.floats(1e-12, 1e12))
def test_a_value_comes_back_and_arrays_go_the_same_way(name: str, value: float) -> None:
    found = unit(name)
    there = found.to_si(value)
    # Two roundings each way.
    assert found.from_si(there) == pytest.approx(value, rel=1e-15)
    assert found.to_si(np.array([value, 2.0]))[0] == there
    # A quotient of a tensor may be a product with its reciprocal.
    assert float(found.to_si(torch.tensor(value, dtype=torch.float64))) == pytest.approx(there, rel=1e-15)


def test_gradients_pass_through_a_conversion() -> None:
    length = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    unit("mm").to_si(length).backward()
    assert length.grad is not None
    assert float(length.grad) == 1e-3
