"""Real headers that other programs wrote, kept beside the project."""

from pathlib import Path

import pytest

import openbragg

FIELD = Path(__file__).parents[3] / "shared" / "field"


def test_the_beam_centre_of_an_adsc_header_is_where_dxtbx_has_it() -> None:
    path = FIELD / "adsc_small_001.img"
    if not path.exists():
        pytest.skip("the field's inputs are not beside the project")
    laboratory = openbragg.from_flags(f"-img {path} -cell 50 -N 5 -default_F 100").layout().laboratory
    place = laboratory.panels[0].beam_point(laboratory.beam)
    assert [float(value) / 1e-4 for value in place] == pytest.approx([40.0, 30.0], abs=1e-9)
