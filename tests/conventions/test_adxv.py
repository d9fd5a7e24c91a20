"""The ADXV convention: the shared properties, its axes, and its beam centre."""

import pytest

from openbragg import Detector
from openbragg.testing import check_convention
from openbragg_conventions.adxv import Adxv

PIXEL = 0.2e-3
DETECTOR = Detector(pixels=(300, 400), pixel_size=PIXEL, distance=0.12)


def test_adxv_keeps_the_contract_of_a_convention() -> None:
    check_convention(Adxv())


def test_adxv_directions() -> None:
    laboratory = Adxv().place(DETECTOR)
    frame = laboratory.panels[0]
    assert laboratory.beam.tolist() == [0.0, 0.0, 1.0]
    assert frame.fast.tolist() == [1.0, 0.0, 0.0]
    assert frame.slow.tolist() == [0.0, -1.0, 0.0]
    assert frame.normal.tolist() == [0.0, 0.0, 1.0]
    assert laboratory.polarization.tolist() == [1.0, 0.0, 0.0]
    assert laboratory.spindle.tolist() == [1.0, 0.0, 0.0]


def test_adxv_beam_centre_means_what_it_says() -> None:
    """Fast, and up from the far end of slow."""
    detector = Detector(pixels=(300, 400), pixel_size=PIXEL, distance=0.12, beam_centre=(0.031, 0.017), pivot="beam")
    laboratory = Adxv().place(detector)
    spot = [float(value) for value in laboratory.panels[0].beam_point(laboratory.beam)]
    assert spot == pytest.approx((0.031, 300 * PIXEL - 0.017), abs=1e-15)
