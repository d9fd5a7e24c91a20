"""The MOSFLM convention: the shared properties, and where it puts things."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import Detector
from openbragg.testing import check_convention
from openbragg_conventions.mosflm import Mosflm

MM = 1e-3
# Positions are below a metre: float64 rounds them at 1e-16.
ROUNDING = 1e-14


def test_mosflm_keeps_the_contract_of_a_convention() -> None:
    check_convention(Mosflm())


def test_the_beam_runs_along_x_and_the_image_is_drawn_top_down() -> None:
    laboratory = Mosflm().place(Detector(pixels=(10, 20)))
    frame = laboratory.panels[0]
    placed = [laboratory.beam, laboratory.polarization, laboratory.spindle, frame.fast, frame.slow, frame.normal]
    assert [vector.tolist() for vector in placed] == [
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 1],
        [0, -1, 0],
        [1, 0, 0],
    ]


def test_the_default_beam_centre_is_that_of_the_reference_program() -> None:
    # 1024 pixels of 0.1 mm: (102.4 + 0.1) / 2 from the middle of the first pixel, so 51.3 mm from its corner.
    laboratory = Mosflm().place(Detector(distance=100 * MM))
    assert [float(value) for value in laboratory.beam_centre] == pytest.approx([51.25 * MM, 51.25 * MM], abs=ROUNDING)
    assert laboratory.panels[0].origin.tolist() == pytest.approx([100 * MM, 51.3 * MM, -51.3 * MM], abs=ROUNDING)


@given(
    x=st.floats(-20 * MM, 40 * MM),
    y=st.floats(-20 * MM, 40 * MM),
    pixel=st.floats(0.01 * MM, 0.5 * MM),
    distance=st.floats(20 * MM, 1.0),
)
def test_the_beam_centre_is_slow_then_fast_from_the_middle_of_the_first_pixel(
    x: float, y: float, pixel: float, distance: float
) -> None:
    detector = Detector(pixels=(100, 80), pixel_size=pixel, distance=distance, beam_centre=(x, y))
    laboratory = Mosflm().place(detector)
    fast, slow = laboratory.panels[0].beam_point(laboratory.beam)
    assert float(fast) == pytest.approx(y + pixel / 2, abs=ROUNDING)
    assert float(slow) == pytest.approx(x + pixel / 2, abs=ROUNDING)


@given(angle=st.floats(-1.0, 1.0))
def test_two_theta_swings_the_detector_down(angle: float) -> None:
    frame = Mosflm().place(Detector(twotheta=angle)).panels[0]
    assert frame.normal.tolist() == pytest.approx([math.cos(angle), -math.sin(angle), 0.0], abs=ROUNDING)
    assert frame.fast.tolist() == [0.0, 0.0, 1.0]


def test_rotations_pivot_about_the_beam_spot_unless_told_otherwise() -> None:
    assert Mosflm().place(Detector()).pivot == "beam"
    assert Mosflm().place(Detector(pivot="sample")).pivot == "sample"


def test_a_gradient_reaches_the_beam_centre_through_the_default_size() -> None:
    size = torch.tensor(50 * MM, dtype=torch.float64, requires_grad=True)
    laboratory = Mosflm().place(Detector(size=(size, size)))
    laboratory.panels[0].origin[1].backward()  # type: ignore[no-untyped-call]
    assert size.grad is not None
    assert float(size.grad) == pytest.approx(0.5)
