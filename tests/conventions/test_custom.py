"""The custom convention: the shared properties for any vectors, and a first corner that is given."""

import math
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line import selected
from openbragg import Crystal, Detector, Experiment, InputError, Simulation, plugin
from openbragg.testing import check_convention, check_panel_axes
from openbragg_conventions.custom import Custom
from openbragg_conventions.mosflm import Mosflm

MM = 1e-3
# Positions are below a metre and pass a few operations: float64 rounds them at 1e-16 each.
ROUNDING = 1e-14

LENGTHS = st.floats(0.01, 100.0)
ANGLES = st.tuples(*(st.floats(-1.0, 1.0) for _ in range(3)))
CORNERS = st.tuples(st.floats(0.05, 0.5), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))

#: The vectors of XDS: another right-handed set than the default.
XDS = {
    "fast": (1, 0, 0),
    "slow": (0, 1, 0),
    "normal": (0, 0, 1),
    "beam": (0, 0, 1),
    "polarization": (1, 0, 0),
    "spindle": (1, 0, 0),
    "twotheta": (1, 0, 0),
}
#: A detector turned in its own plane by 30 degrees, its vectors not of unit length.
TURNED = {
    "fast": (0.0, 2.0 * math.sin(math.pi / 6), 2.0 * math.cos(math.pi / 6)),
    "slow": (0.0, -3.0 * math.cos(math.pi / 6), 3.0 * math.sin(math.pi / 6)),
    "spindle": (0, 5, 0),
    "twotheta": (0, 1, 1),
}


@pytest.mark.parametrize("vectors", [{}, XDS, TURNED], ids=["mosflm", "xds", "turned"])
def test_custom_keeps_the_contract_of_a_convention_with_any_vectors(vectors: dict[str, Any]) -> None:
    check_convention(Custom(**vectors))


def test_left_handed_vectors_are_placed_as_given_and_found_out() -> None:
    left_handed = Custom(fast=(0, 0, -1))
    assert left_handed.place(Detector()).panels[0].fast.tolist() == [0.0, 0.0, -1.0]
    with pytest.raises(AssertionError, match="right-handed"):
        check_panel_axes(left_handed)


@given(lengths=st.tuples(*(LENGTHS for _ in range(6))), rotation=ANGLES)
def test_lengths_of_vectors_do_not_matter(lengths: tuple[float, ...], rotation: tuple[float, float, float]) -> None:
    detector = Detector(pixels=(30, 40), rotation=rotation, twotheta=0.2)
    names = ("fast", "slow", "beam", "polarization", "spindle", "twotheta")
    stretched = {name: tuple(length * part for part in XDS[name]) for name, length in zip(names, lengths, strict=True)}
    first, second = (Custom(**vectors).place(detector) for vectors in (XDS, {**XDS, **stretched}))
    for name in ("beam", "polarization", "spindle"):
        assert torch.allclose(getattr(first, name), getattr(second, name), rtol=0, atol=ROUNDING)
    for name in ("origin", "fast", "slow", "normal"):
        one, other = (getattr(laboratory.panels[0], name) for laboratory in (first, second))
        assert torch.allclose(one, other, rtol=0, atol=ROUNDING)


@given(x=st.floats(0.0, 10 * MM), y=st.floats(0.0, 10 * MM), rotation=ANGLES)
def test_without_vectors_it_differs_from_mosflm_in_the_beam_centre_only(
    x: float, y: float, rotation: tuple[float, float, float]
) -> None:
    detector = Detector(pixels=(50, 60), rotation=rotation, beam_centre=(x, y), pivot="beam")
    half = detector.pixel_size / 2
    mosflm = Mosflm().place(attrs.evolve(detector, beam_centre=(y - half, x - half)))
    custom = Custom().place(detector)
    assert torch.allclose(custom.panels[0].origin, mosflm.panels[0].origin, rtol=0, atol=ROUNDING)
    assert torch.equal(custom.panels[0].fast, mosflm.panels[0].fast)


@given(corner=CORNERS, pivot=st.sampled_from(("beam", "sample")))
def test_a_given_first_corner_is_where_the_first_pixel_begins(corner: tuple[float, float, float], pivot: str) -> None:
    laboratory = Custom(first_corner=corner).place(Detector(pixels=(30, 40), pivot=pivot))
    assert laboratory.panels[0].origin.tolist() == pytest.approx(corner, abs=ROUNDING)
    assert float(laboratory.distance) == pytest.approx(corner[0], abs=ROUNDING)


@given(corner=CORNERS, rotation=ANGLES)
def test_a_given_first_corner_swings_about_the_sample(
    corner: tuple[float, float, float], rotation: tuple[float, float, float]
) -> None:
    flat = Custom().place(Detector()).panels[0]
    turned = Custom(first_corner=corner).place(Detector(rotation=rotation, pivot="sample")).panels[0]
    before, after = (torch.stack([frame.fast, frame.slow, frame.normal]) for frame in (flat, turned))
    wanted = after.T @ before @ torch.tensor(corner, dtype=torch.float64)
    assert turned.origin.tolist() == pytest.approx(wanted.tolist(), abs=ROUNDING)


@settings(max_examples=20)
@given(corner=CORNERS)
def test_the_first_corner_overrules_distance_and_beam_centre(corner: tuple[float, float, float]) -> None:
    custom = Custom(first_corner=corner)
    plain = custom.place(Detector(pixels=(30, 40)))
    crowded = custom.place(Detector(pixels=(30, 40), distance=0.7, beam_centre=(1 * MM, 2 * MM), close_distance=0.6))
    assert torch.equal(plain.panels[0].origin, crowded.panels[0].origin)


def test_the_first_corner_is_metres_or_with_mm_millimetres() -> None:
    for flag, unit in (("-pix0_vector", 1.0), ("-pix0_vector_mm", MM)):
        chosen = selected(flag, "100", "-51.3", "5e1").roles["geometry_conventions"]
        assert isinstance(chosen, Custom)
        assert chosen.first_corner == pytest.approx((100 * unit, -51.3 * unit, 50 * unit), rel=1e-15)


def test_a_gradient_reaches_the_first_corner() -> None:
    corner = torch.tensor([0.1, 0.02, -0.03], dtype=torch.float64, requires_grad=True)
    origin = Custom(first_corner=corner).place(Detector(rotation=(0.1, 0.2, 0.3), pivot="sample")).panels[0].origin
    origin.square().sum().backward()  # type: ignore[no-untyped-call]
    # A rotation keeps the length, so the gradient of its square is twice the corner.
    assert corner.grad is not None
    assert corner.grad.tolist() == pytest.approx((2 * corner).tolist(), abs=ROUNDING)


def test_a_given_pivot_wins_then_a_first_corner_then_what_other_flags_imply() -> None:
    def pivot(custom: Custom = Custom(), **settings: Any) -> str:  # noqa: B008 - it is frozen
        return custom.place(Detector(**settings)).pivot

    cornered = Custom(first_corner=(0.1, 0.0, 0.0))
    assert pivot() == "beam"
    assert pivot(implied_pivot="sample") == "sample"
    assert pivot(implied_pivot="sample", pivot="beam") == "beam"
    assert pivot(cornered) == "sample"
    assert pivot(cornered, implied_pivot="beam") == "sample"
    assert pivot(cornered, pivot="beam") == "beam"


def test_the_beam_centre_defaults_to_the_near_point_and_that_to_the_middle() -> None:
    def spot(**settings: Any) -> list[float]:
        laboratory = Custom().place(Detector(pixels=(30, 40), pixel_size=0.1 * MM, **settings))
        return [float(value) for value in laboratory.panels[0].beam_point(laboratory.beam)]

    assert spot() == pytest.approx([2 * MM, 1.5 * MM], abs=ROUNDING)
    assert spot(near_pixel=(11.0, 6.0)) == pytest.approx([1.05 * MM, 0.55 * MM], abs=ROUNDING)
    assert spot(near_point=(3 * MM, 1 * MM), near_pixel=(11.0, 6.0)) == pytest.approx([3 * MM, 1 * MM], abs=ROUNDING)
    both = {"beam_centre": (0.5 * MM, None), "near_point": (3 * MM, 1 * MM)}
    assert spot(**both) == pytest.approx([0.5 * MM, 1 * MM], abs=ROUNDING)


def test_vectors_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"Custom\.fast: expected a finite number, got nan"):
        Custom(fast=(0, 0, math.nan))


def test_a_first_corner_moves_the_beam_centre_of_the_headers() -> None:
    """The beam centre that a first corner implies takes the place of the one it overrules."""
    crystal = Crystal(cell=(5e-9, 5e-9, 5e-9, math.pi / 2, math.pi / 2, math.pi / 2))
    experiment = Experiment(crystal=crystal, detector=Detector(pixels=(4, 4), beam_centre=(0.02, 0.03)))
    rendering = Simulation(
        experiment,
        convention=Custom(first_corner=(0.1, 0.008, -0.012)),
        structure_factors=plugin("structure_factors", "hkl", default_F=1.0),
    ).rendering()
    centre = [float(value) for value in rendering.laboratory.beam_centre]
    assert centre == pytest.approx((0.012, 0.008), abs=1e-15)
