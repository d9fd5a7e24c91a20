"""An even background."""

import pytest
import torch

from openbragg import Detector, UsageError
from openbragg.testing import background_photons, check_background, make_rays
from openbragg_plugins.backgrounds.uniform import Uniform


def test_an_even_background_keeps_the_contract() -> None:
    for background in (Uniform(per_pixel=3.5), Uniform(per_area=2e6), Uniform(per_pixel=0.0)):
        check_background(background)


def test_every_pixel_has_the_photons_that_are_given() -> None:
    for fluence in (1e20, 1e25):
        found = background_photons(Uniform(per_pixel=3.5), make_rays(fluence=fluence))
        assert bool((found == 3.5).all())


def test_photons_by_area_are_those_of_a_pixel() -> None:
    rays = make_rays(Detector(pixels=(3, 3), pixel_size=0.172e-3))
    torch.testing.assert_close(
        background_photons(Uniform(per_area=1e8), rays), torch.full((9,), 100 * 0.172**2).double()
    )


@pytest.mark.parametrize("options", [{}, {"per_pixel": 1.0, "per_area": 1.0}])
def test_one_of_the_two_is_wanted(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="expected one of -uniform_photons and -uniform_density"):
        background_photons(Uniform(**options), make_rays())
