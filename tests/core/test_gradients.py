"""Gradients of the image agree with finite differences, for every continuous parameter, also where formulas break."""

from __future__ import annotations

from math import pi, radians

import pytest
import torch

import openbragg
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan

A = 1e-10
SHAPES = ("square", "round", "gauss")

#: Parameter: its value at a generic point, and the step that changes the image noticeably. SI units.
PARAMETERS = {
    "a": (30.0 * A, 0.1 * A),
    "b": (33.0 * A, 0.1 * A),
    "c": (37.0 * A, 0.1 * A),
    "alpha": (radians(80.0), 0.01),
    "beta": (radians(95.0), 0.01),
    "gamma": (radians(105.0), 0.01),
    "misset_x": (0.11, 0.01),
    "misset_y": (-0.23, 0.01),
    "misset_z": (0.37, 0.01),
    "rotation_x": (0.05, 0.01),
    "rotation_y": (-0.04, 0.01),
    "rotation_z": (0.06, 0.01),
    "twotheta": (0.07, 0.01),
    "distance": (0.1, 0.001),
    "close_distance": (0.097, 0.001),
    "centre_x": (0.0102, 0.0002),
    "centre_y": (0.0099, 0.0002),
    "pixel_size": (0.005, 0.0001),
    "wavelength": (1.1 * A, 0.01 * A),
    "phi": (0.13, 0.01),
    "phi_step": (0.02, 0.005),
    "mosaic_spread": (0.02, 0.005),
    "fluence": (1e24, 1e23),
    "polarization": (0.6, 0.1),
    "fudge": (0.8, 0.1),
    "cells_a": (3.0, 0.1),
    "cells_b": (2.0, 0.1),
    "cells_c": (4.0, 0.1),
    "default_F": (100.0, 10.0),
    "water": (1.6e-8, 1e-9),
}


def photons(shape: str, pivot: str = "beam", **changed: object) -> torch.Tensor:
    """A 4 x 4 pixel image with the named parameters changed."""
    value = {name: point for name, (point, _) in PARAMETERS.items()} | changed
    experiment = Experiment(
        crystal=Crystal(
            cell=tuple(value[name] for name in ("a", "b", "c", "alpha", "beta", "gamma")),
            misset=(value["misset_x"], value["misset_y"], value["misset_z"]),
            cells=(value["cells_a"], value["cells_b"], value["cells_c"]),
            fudge=value["fudge"],
            mosaic_spread=value["mosaic_spread"],
            mosaic_domains=3,
            water=value["water"],
        ),
        beam=Beam(wavelength=value["wavelength"], fluence=value["fluence"], polarization=value["polarization"]),
        detector=Detector(
            pixels=(4, 4),
            pixel_size=value["pixel_size"],
            distance=value["distance"],
            close_distance=value["close_distance"] if "close_distance" in changed else None,
            beam_centre=(value["centre_x"], value["centre_y"]),
            rotation=(value["rotation_x"], value["rotation_y"], value["rotation_z"]),
            twotheta=value["twotheta"],
            pivot=pivot,
        ),
        scan=Scan(start=value["phi"], range=0.04, step=value["phi_step"], steps=2),
        sampling=Sampling(oversample=2),
    )
    factors = openbragg.plugin("structure_factors", "hkl", default_F=value["default_F"])
    return openbragg.simulate(experiment, structure_factors=factors, lattice_shape=shape, precision="double")


def assert_gradient(name: str, shape: str, point: float | None = None, flat: bool = False, **rest: object) -> None:
    """The image, over its brightest pixel, has the gradient that finite differences give.

    A gradient that is not `flat` must also be large enough to be seen: 1e-4 of the peak a step, a hundred times
    what finite differences may be wrong by.
    """
    at, step = PARAMETERS[name]
    at = at if point is None else point
    peak = float(photons(shape, **{name: at}, **rest).max())

    def rendered(offset: torch.Tensor) -> torch.Tensor:
        return photons(shape, **{name: at + step * offset}, **rest) / peak

    # Of each pixel by itself, in a backward pass of its own.
    gradient = torch.autograd.functional.jacobian(rendered, torch.zeros((), dtype=torch.float64))
    # What carries no gradient may be rounded as in the reference.
    below, above = (rendered(torch.tensor(offset, dtype=torch.float64, requires_grad=True)) for offset in (-1e-5, 1e-5))
    torch.testing.assert_close(gradient, (above - below).detach() / 2e-5, rtol=1e-4, atol=1e-6)
    if not flat:
        assert float(gradient.abs().max()) > 1e-4


#: The square shape counts whole cells and has no fudge.
GENERIC = [
    (name, shape)
    for name in PARAMETERS
    for shape in SHAPES
    if not (shape == "square" and (name.startswith("cells") or name == "fudge"))
]


@pytest.mark.parametrize(("name", "shape"), GENERIC)
def test_gradient_agrees_with_finite_differences_at_a_generic_point(name: str, shape: str) -> None:
    assert_gradient(name, shape)


@pytest.mark.parametrize("name", ["distance", "rotation_x", "rotation_y", "rotation_z", "twotheta"])
def test_gradient_holds_when_the_detector_pivots_about_the_sample(name: str) -> None:
    assert_gradient(name, "gauss", pivot="sample")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name", ["a", "beta", "misset_x", "misset_y", "wavelength", "phi", "mosaic_spread", "distance"]
)
def test_gradient_holds_where_indices_are_whole(name: str, shape: str) -> None:
    """The direct beam falls on the centre of a pixel: q is 0 and h, k, l are exactly 0 there, in every orientation."""
    centre = {"centre_x": 0.01, "centre_y": 0.01, "rotation_x": 0.0, "rotation_y": 0.0, "rotation_z": 0.0}
    assert_gradient(name, shape, twotheta=0.0, **centre)


def edge_that_makes_h_whole(wavelength: float, distance: float, pixel: float) -> float:
    """Cell edge a of an unrotated orthogonal cell, for which h is -1 at the first pixel's first subpixel.

    With a along the beam, h = a (cos 2theta - 1) / wavelength; that subpixel is 1.75 pixels from the beam both ways.
    """
    offset = 1.75 * pixel
    cosine = distance / (distance**2 + 2.0 * offset**2) ** 0.5
    return wavelength / (1.0 - cosine)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["a", "misset_y", "wavelength", "distance"])
def test_gradient_holds_where_an_index_is_whole_and_not_zero(name: str, shape: str) -> None:
    names = ("misset_x", "misset_y", "misset_z", "rotation_x", "rotation_y", "rotation_z", "phi", "phi_step")
    still = dict.fromkeys((*names, "twotheta", "mosaic_spread"), 0.0)
    square = {"alpha": pi / 2, "beta": pi / 2, "gamma": pi / 2}
    centre = {"centre_x": 0.0075, "centre_y": 0.0075}
    edge = edge_that_makes_h_whole(PARAMETERS["wavelength"][0], PARAMETERS["distance"][0], 0.005)
    rest = {word: value for word, value in (still | square | centre | {"a": edge}).items() if word != name}
    point = edge if name == "a" else 0.0 if name in still else None
    # On top of a reflection the gradient may well be 0; it must be finite and right.
    assert_gradient(name, shape, point=point, flat=True, **rest)


@pytest.mark.parametrize("name", ["phi", "phi_step", "misset_x", "a", "wavelength"])
def test_gradient_holds_at_phi_zero(name: str) -> None:
    rest = {} if name == "phi" else {"phi": 0.0}
    assert_gradient(name, "square", point=0.0 if name == "phi" else None, **rest)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["a", "misset_x", "wavelength", "distance", "default_F"])
def test_gradient_holds_for_a_single_cell(name: str, shape: str) -> None:
    # One square cell has no fringes, so its gradient is 0 but for the amplitude.
    assert_gradient(name, shape, flat=True, cells_a=1.0, cells_b=1.0, cells_c=1.0)


@pytest.mark.parametrize("name", ["misset_x", "misset_y", "misset_z", "rotation_x", "twotheta", "polarization"])
def test_gradient_holds_where_the_parameter_itself_is_zero(name: str) -> None:
    assert_gradient(name, "gauss", point=0.0)


def test_gradient_reaches_the_amplitudes_of_a_table() -> None:
    index = torch.tensor([[h, k, l] for h in range(-3, 4) for k in range(-3, 4) for l in range(-3, 4)])
    start = 50.0 + 10.0 * torch.rand(len(index), dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def rendered(amplitudes: torch.Tensor) -> torch.Tensor:
        factors = attrs_table(index, amplitudes)
        experiment = Experiment(
            crystal=Crystal(cell=(30 * A, 33 * A, 37 * A, 1.4, 1.6, 1.7), cells=(3, 2, 4)),
            detector=Detector(pixels=(4, 4), pixel_size=0.005),
            sampling=Sampling(oversample=1),
        )
        return openbragg.simulate(experiment, structure_factors=factors, precision="double") / 1e6

    start.requires_grad_()
    assert torch.autograd.gradcheck(rendered, (start,), eps=1e-4, atol=1e-8, rtol=1e-5, fast_mode=True)


def attrs_table(index: torch.Tensor, amplitudes: torch.Tensor) -> object:
    """The built-in table plugin, filled from Python."""
    return type(openbragg.plugin("structure_factors", "hkl"))(reflections=(index, amplitudes), interpolate=False)


def test_a_gradient_does_not_change_the_photons() -> None:
    """Blocks that are recomputed for the backward pass give what the threads give: to rounding, not to the last bit."""
    plain = photons("square")
    tracked = photons(
        "square", misset_x=torch.tensor(PARAMETERS["misset_x"][0], dtype=torch.float64, requires_grad=True)
    )
    assert tracked.requires_grad
    torch.testing.assert_close(tracked.detach(), plain, rtol=1e-12, atol=1e-12)


def test_mosaic_angles_are_single_precision_unless_they_carry_a_gradient() -> None:
    """The reference rounds each angle; with a gradient it is left alone, 6e-8 of the angle away."""
    spread = PARAMETERS["mosaic_spread"][0]
    rounded = photons("gauss", mosaic_spread=spread)
    smooth = photons("gauss", mosaic_spread=torch.tensor(spread, dtype=torch.float64, requires_grad=True)).detach()
    assert not torch.equal(rounded, smooth)
    torch.testing.assert_close(smooth, rounded, rtol=1e-4, atol=1e-6 * float(rounded.max()))
