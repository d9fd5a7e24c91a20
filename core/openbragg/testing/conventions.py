"""Properties of a geometry convention.

A convention class may declare two exceptions, as class attributes: ``left_handed = True`` when fast x slow points
against the direction of growing distance, and ``oblique_polarization = True`` when its electric vector need not be at
right angles to the beam.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import torch
from hypothesis import strategies as st

from openbragg.model import Detector, Panel
from openbragg.model.geometry import PanelFrame
from openbragg.roles import GeometryConvention
from openbragg.testing.assertions import for_all, require, require_close
from openbragg.testing.declaration import check_declaration
from openbragg.testing.placement import beam_spot, detectors, panel_axes, rotation_matrix

#: Positions, in metres, and directions agree to this: a thousand times the rounding of float64 at a metre, and a
#: thousandth of an atom.
_ROUNDING = 1e-13
#: Step of central differences, in metres and radians, and how far they may be from the gradient: at this step what they
#: neglect and what they lose to rounding are both near 1e-9.
_STEP = 1e-5
_SLOPE_ERROR = 1e-7

_PIVOTS = ("beam", "sample")


def check_convention(convention: GeometryConvention) -> None:
    """Everything below: what a convention must do whatever its vectors are.

    Parameters
    ----------
    convention
        An instance. One whose options place the detector, such as a given first corner, is not meant: it leaves nothing
        to the settings that are tried here.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the numbers.
    """
    check_declaration(convention, GeometryConvention)
    check_unit_vectors(convention)
    check_polarization_across_beam(convention)
    check_panel_axes(convention)
    check_explicit_pivot(convention)
    check_distance(convention)
    check_beam_centre_round_trip(convention)
    check_default_beam_centre(convention)
    check_beam_pivot_keeps_the_spot(convention)
    check_sample_pivot_is_rigid(convention)
    check_layout(convention)
    check_placement_gradients(convention)


def check_unit_vectors(convention: GeometryConvention) -> None:
    """Beam, polarization and spindle are unit vectors: float64, shape (3,)."""

    def are_units(detector: Detector) -> None:
        laboratory = convention.place(detector)
        for name in ("beam", "polarization", "spindle"):
            vector = getattr(laboratory, name)
            require(vector.shape == (3,), f"the {name} vector has shape {tuple(vector.shape)}, expected (3,)")
            require(vector.dtype == torch.float64, f"the {name} vector is {vector.dtype}, expected torch.float64")
            require_close(vector.norm(), 1.0, f"the {name} vector's length", absolute=_ROUNDING)

    for_all(are_units, detectors())


def check_polarization_across_beam(convention: GeometryConvention) -> None:
    """The electric vector is at right angles to the beam, unless the class declares ``oblique_polarization``."""
    if getattr(type(convention), "oblique_polarization", False):
        return
    laboratory = convention.place(Detector())
    cosine = laboratory.beam @ laboratory.polarization
    require_close(cosine, 0.0, "the cosine between the beam and its electric vector", absolute=_ROUNDING)


def check_panel_axes(convention: GeometryConvention) -> None:
    """Fast, slow and normal are orthonormal and right-handed, or left-handed where the class declares it.

    The normal of an unrotated detector points along the beam, not back to the source.
    """
    handedness = -1.0 if getattr(type(convention), "left_handed", False) else 1.0
    declared = "left-handed, as declared" if handedness < 0 else "right-handed (the class declares no left_handed)"

    def are_axes(detector: Detector) -> None:
        for frame in convention.place(detector).panels:
            axes = panel_axes(frame)
            gram = axes @ axes.T
            require_close(gram, torch.eye(3), "products of fast, slow and normal with each other", absolute=_ROUNDING)
            turn = torch.linalg.det(axes)
            require_close(turn, handedness, f"(fast x slow) . normal of axes that are {declared}", absolute=_ROUNDING)

    for_all(are_axes, detectors())
    laboratory = convention.place(Detector())
    slope = float(laboratory.beam @ laboratory.panels[0].normal)
    require(slope > 0.0, f"the normal points to the source: its cosine with the beam is {slope!r}")


def check_explicit_pivot(convention: GeometryConvention) -> None:
    """A pivot that is asked for is the one that is used."""
    for pivot in _PIVOTS:
        used = convention.place(Detector(pivot=pivot)).pivot
        require(used == pivot, f"the pivot {pivot!r} was asked for and {used!r} was used")


def check_distance(convention: GeometryConvention) -> None:
    """The beam meets the detector at the distance that was given; a close distance is the plane's from the crystal."""

    def beam_travels(detector: Detector, pivot: str) -> None:
        laboratory = convention.place(attrs.evolve(detector, pivot=pivot))
        expected = float(detector.distance)
        require_close(laboratory.distance, expected, "the distance along the beam", absolute=_ROUNDING)
        spot = beam_spot(laboratory)
        require_close(spot, laboratory.beam * expected, "where the beam meets the detector", absolute=_ROUNDING)

    def plane_stands(detector: Detector, pivot: str) -> None:
        laboratory = convention.place(attrs.evolve(detector, pivot=pivot))
        found = laboratory.panels[0].close_distance().abs()
        require_close(found, detector.close_distance, "the close distance", absolute=_ROUNDING)

    pivots = st.sampled_from(_PIVOTS)
    for_all(beam_travels, detectors(twotheta=0.0), pivots)
    for_all(plane_stands, detectors(twotheta=0.0, close_distance=0.1), pivots)


def check_beam_centre_round_trip(convention: GeometryConvention) -> None:
    """A detector given the beam centre of a spot is hit by the beam there, and says so; spots come back the same."""

    def is_hit(detector: Detector, spot: tuple[float, float]) -> None:
        fast, slow = (torch.tensor(value, dtype=torch.float64) for value in spot)
        x, y = convention.beam_centre(detector, fast, slow)
        laboratory = convention.place(attrs.evolve(detector, beam_centre=(x, y)))
        found = laboratory.panels[0].beam_point(laboratory.beam)
        for axis, value, wanted in zip(("fast", "slow"), found, spot, strict=True):
            require_close(value, wanted, f"where along {axis} the beam meets the detector", absolute=_ROUNDING)

    def comes_back(detector: Detector) -> None:
        laboratory = convention.place(detector)
        spot = laboratory.panels[0].beam_point(laboratory.beam)
        back = convention.beam_centre(detector, *spot)
        for axis, given, found, kept in zip("XY", detector.beam_centre, back, laboratory.beam_centre, strict=True):
            require_close(found, given, f"{axis} of the beam centre, found from the spot", absolute=_ROUNDING)
            require_close(kept, given, f"{axis} of the beam centre that headers get", absolute=_ROUNDING)

    for_all(is_hit, detectors(), st.tuples(st.floats(-5e-3, 20e-3), st.floats(-5e-3, 20e-3)))
    for_all(comes_back, detectors())


def check_default_beam_centre(convention: GeometryConvention) -> None:
    """With no beam centre given the beam meets the detector's area, and headers get that spot."""

    def is_consistent(detector: Detector) -> None:
        laboratory = convention.place(detector)
        frame = laboratory.panels[0]
        spot = frame.beam_point(laboratory.beam)
        slow, fast = frame.panel.pixels
        for axis, value, count in zip(("fast", "slow"), spot, (fast, slow), strict=True):
            pixel = float(value) / float(detector.pixel_size)
            sentence = f"by default the beam misses the detector: pixel {pixel!r} of {count} along {axis}"
            require(0.0 <= pixel <= count, sentence)
        for axis, kept, found in zip(
            "XY", laboratory.beam_centre, convention.beam_centre(detector, *spot), strict=True
        ):
            require_close(kept, found, f"{axis} of the default beam centre that headers get", absolute=_ROUNDING)

    for_all(is_consistent, detectors(beam_centre=(None, None)))


def check_beam_pivot_keeps_the_spot(convention: GeometryConvention) -> None:
    """With pivot ``beam`` rotations leave the beam's spot where it is, on the detector and in the laboratory."""

    def stays(detector: Detector) -> None:
        turned = convention.place(detector)
        flat = convention.place(attrs.evolve(detector, rotation=(0.0, 0.0, 0.0), twotheta=0.0))
        before = torch.stack(flat.panels[0].beam_point(flat.beam))
        after = torch.stack(turned.panels[0].beam_point(turned.beam))
        require_close(after, before, "the beam's spot (fast, slow) after a rotation about it", absolute=_ROUNDING)
        require_close(beam_spot(turned), beam_spot(flat), "the beam's spot in the laboratory", absolute=_ROUNDING)
        _require_turned(turned.panels[0], flat.panels[0], rotation_matrix(detector), float(detector.twotheta), None)

    for_all(stays, detectors())


def check_sample_pivot_is_rigid(convention: GeometryConvention) -> None:
    """With pivot ``sample`` rotations swing the whole detector about the crystal, about x, then y, then z.

    Origin and axes turn by one right-handed rotation; two-theta adds one by its own angle. The distance is given as the
    close distance, since one along the beam moves the detector when it is turned.
    """

    def is_rigid(detector: Detector) -> None:
        turned = convention.place(detector).panels[0]
        flat = convention.place(attrs.evolve(detector, rotation=(0.0, 0.0, 0.0), twotheta=0.0)).panels[0]
        twotheta = float(detector.twotheta)
        _require_turned(turned, flat, rotation_matrix(detector), twotheta, (turned.origin, flat.origin))

    for_all(is_rigid, detectors(pivot="sample", close_distance=0.1, twotheta=0.0))
    for_all(is_rigid, detectors(pivot="sample", close_distance=0.1))


def check_layout(convention: GeometryConvention) -> None:
    """Panels of a layout stand where it says, in the axes of the detector as the convention places it."""
    size = 1e-4
    turned = ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    offset = (5e-3, -2e-3, 1e-3)
    layout = (
        Panel(pixels=(40, 30), pixel_size=size),
        Panel(pixels=(20, 30), pixel_size=size, offset=offset, axes=turned),
    )

    def stands(detector: Detector) -> None:
        panels = convention.place(attrs.evolve(detector, layout=layout)).panels
        require(len(panels) == len(layout), f"{len(panels)} panels were placed of a layout of {len(layout)}")
        first, second = panels
        shift = torch.tensor(offset, dtype=torch.float64) @ panel_axes(first)
        require_close(second.origin - first.origin, shift, "the second panel's offset", absolute=_ROUNDING)
        axes = torch.tensor(turned, dtype=torch.float64) @ panel_axes(first)
        require_close(panel_axes(second), axes, "the second panel's axes", absolute=_ROUNDING)

    for_all(stands, detectors(size=(4e-3, 3e-3)), examples=5)


def check_placement_gradients(convention: GeometryConvention) -> None:
    """Gradients flow from the first corner to the distance, the beam centre, every rotation and two-theta.

    They are compared with central differences.
    """
    settings: dict[str, tuple[float, ...]] = {
        "distance": (0.1,),
        "beam_centre": (2.1e-3, 1.7e-3),
        "rotation": (0.1, -0.2, 0.3),
        "twotheta": (0.15,),
    }

    def origin(name: str, values: tuple[Any, ...]) -> torch.Tensor:
        fields: dict[str, Any] = {field: value if len(value) > 1 else value[0] for field, value in settings.items()}
        fields[name] = values if len(values) > 1 else values[0]
        detector = Detector(pixels=(40, 40), pivot="beam", **fields)
        return convention.place(detector).panels[0].origin

    for name, values in settings.items():
        _require_gradient(lambda moved, name=name: origin(name, moved), values, name)  # type: ignore[misc]


def _require_gradient(origin: Callable[[tuple[Any, ...]], torch.Tensor], values: tuple[float, ...], name: str) -> None:
    leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
    corner = origin(tuple(leaves))
    require(corner.requires_grad, f"the first corner does not depend on the {name}: no gradient")
    for number, leaf in enumerate(leaves):
        gradient = torch.stack(
            [
                found if found is not None else torch.zeros(())
                for component in corner
                for found in torch.autograd.grad(component, leaf, retain_graph=True, allow_unused=True)
            ]
        )
        shifted = []
        for step in (_STEP, -_STEP):
            moved = list(values)
            moved[number] += step
            shifted.append(origin(tuple(moved)))
        slope = (shifted[0] - shifted[1]) / (2.0 * _STEP)
        sentence = f"gradient of the first corner by the {name}, number {number + 1}, against a difference"
        require_close(gradient, slope, sentence, absolute=_SLOPE_ERROR)


def _require_turned(
    turned: PanelFrame,
    flat: PanelFrame,
    rotation: torch.Tensor,
    twotheta: float,
    origins: tuple[torch.Tensor, torch.Tensor] | None,
) -> None:
    """One rotation, the given one and then two-theta's about some axis, takes axes (and origins) to the turned ones."""
    whole = panel_axes(turned).T @ panel_axes(flat)
    swing = whole @ rotation.T
    if twotheta == 0.0:
        require_close(whole, rotation, "the rotation of the axes about x, then y, then z", absolute=_ROUNDING)
    trace = 1.0 + 2.0 * torch.tensor(twotheta, dtype=torch.float64).cos()
    require_close(swing.trace(), trace, "trace of the rotation that two-theta adds", absolute=_ROUNDING)
    if origins is not None:
        after, before = origins
        require_close(after, whole @ before, "the first corner, turned as the axes are", absolute=_ROUNDING)
