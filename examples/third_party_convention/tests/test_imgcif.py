"""The imgCIF convention: the properties of any convention, and its own vectors."""

import math

import pytest
from openbragg_imgcif.convention import ImgCif

from openbragg import Detector, InputError
from openbragg.testing import check_convention

PIXEL = 0.1e-3


def test_imgcif_keeps_the_contract_of_a_convention() -> None:
    check_convention(ImgCif())


def test_the_beam_comes_from_z_and_the_image_is_drawn_top_down() -> None:
    laboratory = ImgCif().place(Detector(pixels=(20, 30), pixel_size=PIXEL, distance=0.2))
    frame = laboratory.panels[0]
    assert laboratory.beam.tolist() == [0, 0, -1]
    assert laboratory.spindle.tolist() == [1, 0, 0]
    assert (frame.fast.tolist(), frame.slow.tolist()) == ([1, 0, 0], [0, -1, 0])
    # The first corner is left of the beam, above it, and behind the crystal.
    assert frame.origin.tolist() == pytest.approx([-1.5e-3, 1e-3, -0.2], abs=1e-15)


def test_a_centre_in_pixels_counts_from_the_middle_of_the_first_pixel() -> None:
    laboratory = ImgCif(center=(0.0, 7.0)).place(Detector(pixels=(20, 30), pixel_size=PIXEL))
    fast, slow = laboratory.panels[0].beam_point(laboratory.beam)
    assert [float(fast), float(slow)] == pytest.approx([0.5 * PIXEL, 7.5 * PIXEL], abs=1e-15)
    assert [float(value) for value in laboratory.beam_centre] == pytest.approx([0.0, 7.0 * PIXEL], abs=1e-15)


def test_two_theta_swings_the_detector_up() -> None:
    angle = 0.3
    normal = ImgCif().place(Detector(twotheta=angle)).panels[0].normal
    assert normal.tolist() == pytest.approx([0.0, math.sin(angle), -math.cos(angle)], abs=1e-15)


def test_a_centre_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match=r"ImgCif\.center: expected a finite number"):
        ImgCif(center=(math.nan, 0.0))
