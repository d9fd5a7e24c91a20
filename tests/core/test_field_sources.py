"""Source files as others have them, kept beside the project."""

from pathlib import Path

import pytest

import command_line
import openbragg

FIELD = Path(__file__).parents[3] / "shared" / "field"


@pytest.mark.parametrize(
    ("name", "wavelengths"), [("spectrum.lam", [1.30, 1.31]), ("wavelength_in_angstrom.txt", [1.305])]
)
def test_sources_of_the_field_are_along_the_beam_at_wavelengths_that_diffract(
    name: str, wavelengths: list[float]
) -> None:
    path = FIELD / name
    if not path.exists():
        pytest.skip("the field's inputs are not beside the project")
    plan = openbragg.from_flags([*command_line.CRYSTAL, "-default_F", "100", "-sourcefile", str(path)]).layout().plan
    assert (plan.wavelengths * 1e10).tolist() == pytest.approx(wavelengths, rel=1e-12)
    assert (plan.incident - plan.incident.new_tensor([1.0, 0.0, 0.0])).norm() < 1e-12
