"""The DENZO convention: the shared properties, its axes, and its beam centre."""

import pytest

from openbragg import Detector
from openbragg.testing import check_convention
from openbragg_conventions.denzo import Denzo

PIXEL = 0.2e-3
DETECTOR = Detector(pixels=(300, 400), pixel_size=PIXEL, distance=0.12)


def test_denzo_keeps_the_contract_of_a_convention() -> None:
    check_convention(Denzo())


def test_denzo_directions() -> None:
    laboratory = Denzo().place(DETECTOR)
    frame = laboratory.panels[0]
    assert laboratory.beam.tolist() == [1.0, 0.0, 0.0]
    assert frame.fast.tolist() == [0.0, 0.0, 1.0]
    assert frame.slow.tolist() == [0.0, -1.0, 0.0]
    assert frame.normal.tolist() == [1.0, 0.0, 0.0]
    assert laboratory.polarization.tolist() == [0.0, 0.0, 1.0]
    assert laboratory.spindle.tolist() == [0.0, 0.0, 1.0]


def test_denzo_beam_centre_means_what_it_says() -> None:
    """Slow and fast, from the first corner."""
    detector = Detector(pixels=(300, 400), pixel_size=PIXEL, distance=0.12, beam_centre=(0.031, 0.017), pivot="beam")
    laboratory = Denzo().place(detector)
    spot = [float(value) for value in laboratory.panels[0].beam_point(laboratory.beam)]
    assert spot == pytest.approx((0.017, 0.031), abs=1e-15)
