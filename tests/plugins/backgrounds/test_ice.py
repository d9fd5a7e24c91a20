"""Ice: its structure, its rings, and their scale."""

import math

import numpy as np
import pytest
import torch

from openbragg.testing import background_photons, check_background, make_rays
from openbragg_plugins.backgrounds.ice import Ice, _atoms, _cell_amplitudes_squared, cell_volume, rings
from plugins.backgrounds.scalar import photons_per_scatterer


def test_ice_keeps_the_contract_of_a_background() -> None:
    check_background(Ice())


def test_the_cell_holds_four_molecules_at_the_density_of_ice() -> None:
    atoms = _atoms()
    assert sum(weight for element, weight, _ in atoms if element == "O") == 4
    assert sum(weight for element, weight, _ in atoms if element == "H") == 8
    grams = 4 * 18.015 / 6.02214e23 / (cell_volume() * 1e-24)
    assert grams == pytest.approx(0.93, abs=0.01)
    assert float(_cell_amplitudes_squared(*np.zeros((3, 1)), np.zeros(1))[0]) == pytest.approx(40.0**2, rel=0.01)


def test_the_first_rings_stand_where_crystallographers_look_for_them() -> None:
    places, strengths = rings()
    seen = [(1e10 / place, strength) for place, strength in zip(places, strengths, strict=True)]
    strong = [d for d, strength in seen if strength > 0.02 * max(strengths)][:8]
    assert strong == pytest.approx([3.90, 3.67, 3.44, 2.67, 2.25, 2.07, 1.95, 1.92], abs=0.015)
    first, second, third = (strength for _, strength in seen[:3])
    # (100) is the strongest of the first three, (002) and (101) are about half of it.
    assert first > third > 0.4 * first and first > second > 0.4 * first


def test_extinctions_are_those_of_the_space_group() -> None:
    # P 63/m m c: 0 0 l and h h l of odd l are missing.
    indices = np.array([(0, 0, 1), (0, 0, 3), (1, 1, 1), (1, 1, 3), (0, 0, 2), (1, 1, 0), (1, 0, 1)], dtype=float).T
    found = _cell_amplitudes_squared(*indices, np.full(7, 0.1))
    assert found[:4].max() < 1e-20
    assert found[4:].min() > 10.0


@pytest.mark.parametrize("width", [0.01, 0.05])
def test_a_pixel_has_the_photons_of_the_formula(width: float) -> None:
    rays = make_rays(size=1e-5, fluence=1e24, wavelength=1.2e-10, polarization=0.6)
    found = background_photons(Ice(thickness=2e-5, width=width * 1e10), rays)
    lines = list(zip(*rings(), strict=True))

    def intensity(stol: float) -> float:
        sigma = width / 2.3548200450309493
        return sum(
            strength
            * 1e-10
            / (sigma * math.sqrt(2 * math.pi))
            * math.exp(-((2 * stol - place * 1e-10) ** 2) / 2 / sigma**2)
            for place, strength in lines
        )

    cells = 1e-10 * 2e-5 / (cell_volume() * 1e-30)
    for pixel in (0, 17, 50, 107):
        one = photons_per_scatterer(
            float(rays.slow[pixel]),
            float(rays.fast[pixel]),
            intensity,
            wavelength=1.2e-10,
            fluence=1e24,
            pixel=8e-3,
            distance=0.06,
            centre=(9 / 2 + 1, 12 / 2 + 1),
            kahn=0.6,
        )
        assert float(found[pixel]) == pytest.approx(cells * one, rel=1e-6)


def test_a_ring_s_light_does_not_depend_on_its_width() -> None:
    """Summed over 1/d: the profile has an area of 1."""
    stol = torch.linspace(0.0, 0.3e10, 60001, dtype=torch.float64)
    places, strengths = (torch.from_numpy(column) for column in rings())
    totals = []
    for width in (0.004e10, 0.02e10):

        class Line:
            slow = stol
            beam_area = 1.0

            @staticmethod
            def scattered(intensity: object) -> torch.Tensor:
                return intensity(stol)  # type: ignore[operator, no-any-return]

        profile = Ice(thickness=1.0, width=width).photons(Line(), (places[:5], strengths[:5]))  # type: ignore[arg-type]
        totals.append(float(torch.trapezoid(profile, 2.0 * stol)))
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)
    assert totals[0] == pytest.approx(float(strengths[:5].sum()) / (cell_volume() * 1e-30), rel=1e-6)
