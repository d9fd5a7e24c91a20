"""The convention of geometry files: the shared properties, and that everything stands where the file puts it."""

import math

import attrs
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geometry_texts import Described as Known
from geometry_texts import Flat, described, turn
from openbragg import Detector, Geometry, described_convention, described_experiment, described_panel
from openbragg.model import Crystal
from openbragg.orchestrator.reading.described import described_notices
from openbragg.testing import check_convention
from openbragg_conventions.described import Described

#: Metres, of lengths of a few tenths.
ROUNDING = 1e-13
CRYSTAL = Crystal(cell=(3e-9, 3e-9, 3e-9, math.pi / 2, math.pi / 2, math.pi / 2))


def geometry(known: Known) -> Geometry:
    """A geometry made without a file."""
    panels = tuple(
        described_panel(
            "a test",
            name=f"p{number}",
            pixels=panel.pixels[::-1],
            sides=(1e-4, 1e-4),
            origin=panel.origin * 1e-3,
            fast=panel.fast,
            slow=panel.slow,
            slab=panel.first[::-1],
        )
        for number, panel in enumerate(known.panels)
    )
    beam, spindle = (tuple(vector / np.linalg.norm(vector)) for vector in (known.beam, known.spindle))
    return Geometry(source="a test", panels=panels, beam=beam, spindle=spindle, wavelength=1e-10)


def test_described_keeps_the_contract_of_a_convention() -> None:
    """Without an origin it is a convention like any other."""
    check_convention(Described())


@given(known=described())
@settings(max_examples=40)
def test_panels_beam_and_spindle_stand_where_the_file_puts_them(known: Known) -> None:
    said = geometry(known)
    laboratory = described_convention(said).place(described_experiment(said, CRYSTAL).detector)
    np.testing.assert_allclose(laboratory.beam, said.beam, atol=ROUNDING)
    np.testing.assert_allclose(laboratory.spindle, said.spindle, atol=ROUNDING)
    assert abs(float(laboratory.beam @ laboratory.polarization)) < 1e-12
    for frame, panel in zip(laboratory.panels, said.panels, strict=True):
        np.testing.assert_allclose(frame.origin, panel.origin, atol=ROUNDING)
        np.testing.assert_allclose(frame.fast, panel.fast, atol=ROUNDING)
        np.testing.assert_allclose(frame.slow, panel.slow, atol=ROUNDING)
        assert float(frame.close_distance()) >= 0.0
        assert (frame.panel.name, frame.panel.pixels) == (panel.name if len(said.panels) > 1 else "", panel.pixels)


@given(known=described(), start=st.floats(-7, 7), width=st.floats(0.01, 1))
@settings(max_examples=40)
def test_a_turn_backwards_is_one_about_the_opposite_spindle(known: Known, start: float, width: float) -> None:
    forwards = attrs.evolve(geometry(known), start=start, oscillation=width)
    assert forwards.spindle is not None
    x, y, z = forwards.spindle
    backwards = attrs.evolve(forwards, spindle=(-x, -y, -z), start=-start, oscillation=-width)
    assert described_convention(backwards) == described_convention(forwards)
    assert described_experiment(backwards, CRYSTAL) == described_experiment(forwards, CRYSTAL)


@given(known=described(most_panels=1), power=st.floats(-8.0, 0.0), turned=st.floats(0.0, 360.0))
@settings(max_examples=60)
def test_the_electric_vector_is_along_the_spindle_unless_that_is_the_beam(
    known: Known, power: float, turned: float
) -> None:
    """However near to the beam; where it is replaced a notice says so."""
    said = geometry(known)
    beam = np.array(said.beam)
    across = turn(beam, turned) @ np.cross(beam, [0.0, 1, 0])
    across /= np.linalg.norm(across)
    sine = 10.0**power
    assume(not 0.99e-6 < sine < 1.01e-6)
    spindle = math.sqrt(1.0 - sine * sine) * beam + sine * across
    said = attrs.evolve(said, spindle=tuple(spindle / np.linalg.norm(spindle)))
    laboratory = described_convention(said).place(described_experiment(said, CRYSTAL).detector)
    assert abs(float(laboratory.beam @ laboratory.polarization)) < 1e-12
    replaced = any("the spindle is along the beam" in notice for notice in described_notices(said))
    assert replaced == (sine < 1e-6)
    if not replaced:
        # Rounding of the spindle's components against so small a part of it.
        np.testing.assert_allclose(laboratory.polarization, across, atol=1e-14 + 1e-15 / sine)


def flat(*, mirrored: bool = False) -> Geometry:
    """One panel at right angles to the beam, 100 mm away, whose first corner is 5 and 4 mm from it."""
    fast = np.array([-1.0, 0, 0] if mirrored else [1.0, 0, 0])
    panel = Flat(-5 * fast + [0, -4, 100], fast, np.array([0.0, 1, 0]), (40, 30), (0, 0))
    return geometry(Known([panel], np.array([0.0, 0, 1]), np.array([1.0, 0, 0]), np.eye(3) * 30, 1.0, 0.0, 0.1))


@pytest.mark.parametrize("mirrored", [False, True])
def test_settings_move_the_detector_along_the_beam_and_in_its_plane(mirrored: bool) -> None:
    said = flat(mirrored=mirrored)
    convention = described_convention(said)
    detector = described_experiment(said, CRYSTAL).detector
    assert detector.distance == pytest.approx(0.1, abs=ROUNDING)
    origin = np.array(said.panels[0].origin)
    fast = np.array(said.panels[0].fast)
    moved = {
        "distance": (attrs.evolve(detector, distance=0.25), [0, 0, 0.15]),
        "close_distance": (attrs.evolve(detector, close_distance=0.07), [0, 0, -0.03]),
        "beam_centre": (attrs.evolve(detector, beam_centre=(2e-3, None)), 3e-3 * fast),
        "near_point": (attrs.evolve(detector, near_point=(None, 1e-3)), [0, 3e-3, 0]),
        "near_pixel": (attrs.evolve(detector, near_pixel=(10.5, None)), 4e-3 * fast),
    }
    for name, (changed, shift) in moved.items():
        laboratory = convention.place(changed)
        np.testing.assert_allclose(laboratory.panels[0].origin, origin + shift, atol=ROUNDING, err_msg=name)
        assert float(laboratory.panels[0].normal[2]) == pytest.approx(1.0), name
    spot = convention.place(detector).beam_centre
    assert [float(value) for value in spot] == pytest.approx([5e-3, 4e-3], abs=ROUNDING)


def test_two_theta_swings_about_the_spindle_and_rotations_about_the_crystal() -> None:
    said = flat()
    detector = described_experiment(said, CRYSTAL).detector
    swung = described_convention(said).place(attrs.evolve(detector, twotheta=math.radians(20))).panels[0]
    np.testing.assert_allclose(swung.origin, turn([1, 0, 0], 20) @ said.panels[0].origin, atol=ROUNDING)
    turned = described_convention(said).place(attrs.evolve(detector, rotation=(0.0, math.radians(20), 0.0))).panels[0]
    np.testing.assert_allclose(turned.origin, turn([0, 1, 0], 20) @ said.panels[0].origin, atol=ROUNDING)


def test_the_distance_has_a_gradient() -> None:
    said = flat()
    detector = described_experiment(said, CRYSTAL).detector
    distance = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    described_convention(said).place(attrs.evolve(detector, distance=distance)).panels[0].origin.sum().backward()
    assert float(distance.grad) == pytest.approx(1.0)  # type: ignore[arg-type]


@given(seed=st.integers(0, 1 << 30))
@settings(max_examples=20)
def test_the_reference_panel_is_the_one_nearest_to_the_beam(seed: int) -> None:
    """Distance and beam centre are measured where the beam is, whichever panel comes first in the file."""
    axes = np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    panels = [Flat(np.array([x, -1.5, 100.0 + x]), *axes, (40, 30), (0, 0)) for x in (-20.0, -2.0, 15.0)]
    order = np.random.default_rng(seed).permutation(3)
    known = Known([panels[number] for number in order], np.array([0.0, 0, 1]), axes[0], np.eye(3), 1.0, 0.0, 0.1)
    assert described_experiment(geometry(known), CRYSTAL).detector.distance == pytest.approx(0.098, abs=ROUNDING)


def test_panels_over_each_other_in_the_data_are_stacked() -> None:
    axes = np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    panels = [Flat(np.array([x, -1.5, 100.0]), *axes, (40, 30), (0, 0)) for x in (-20.0, 15.0)]
    said = geometry(Known(panels, np.array([0.0, 0, 1]), axes[0], np.eye(3), 1.0, 0.0, 0.1))
    detector: Detector = described_experiment(said, CRYSTAL).detector
    assert [panel.slab for panel in detector.panels()] == [(0, 0), (30, 0)]
    assert detector.frame_shape() == (60, 40)
