"""The XDS convention: the shared properties, its axes, and its beam centre."""

import pytest

from openbragg import Detector
from openbragg.testing import check_convention
from openbragg_conventions.xds import Xds

PIXEL = 0.2e-3
DETECTOR = Detector(pixels=(300, 400), pixel_size=PIXEL, distance=0.12)


def test_xds_keeps_the_contract_of_a_convention() -> None:
    check_convention(Xds())


def test_xds_directions() -> None:
    laboratory = Xds().place(DETECTOR)
    frame = laboratory.panels[0]
    assert laboratory.beam.tolist() == [0.0, 0.0, 1.0]
    assert frame.fast.tolist() == [1.0, 0.0, 0.0]
    assert frame.slow.tolist() == [0.0, 1.0, 0.0]
    assert frame.normal.tolist() == [0.0, 0.0, 1.0]
    assert laboratory.polarization.tolist() == [1.0, 0.0, 0.0]
    assert laboratory.spindle.tolist() == [1.0, 0.0, 0.0]


def test_xds_beam_centre_means_what_it_says() -> None:
    """Fast and slow, from the first corner."""
    detector = Detector(pixels=(300, 400), pixel_size=PIXEL, distance=0.12, beam_centre=(0.031, 0.017), pivot="beam")
    laboratory = Xds().place(detector)
    spot = [float(value) for value in laboratory.panels[0].beam_point(laboratory.beam)]
    assert spot == pytest.approx((0.031, 0.017), abs=1e-15)


def test_xds_stands_by_its_near_point() -> None:
    """-ORGX counts from the middle of the first pixel as 1; a beam centre does not move the detector."""
    detector = Detector(
        pixels=(300, 400), pixel_size=PIXEL, distance=0.12, near_pixel=(120.5, 80.5), beam_centre=(0.031, 0.017)
    )
    frame = Xds().place(detector).panels[0]
    assert [float(value) for value in frame.near_point()] == pytest.approx((120 * PIXEL, 80 * PIXEL), abs=1e-15)
