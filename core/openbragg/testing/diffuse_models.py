"""Properties of a model of diffuse scattering."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Any

import torch

from openbragg.model import Crystal, Experiment
from openbragg.model.lattice import oriented_bases
from openbragg.roles import DiffuseModel, Miller
from openbragg.testing.assertions import require, require_close
from openbragg.testing.declaration import check_declaration
from openbragg.testing.lattice_shapes import make_lattice
from openbragg.units import ANGSTROM

#: Edges of the cell of the examples, whose axes are at right angles, so that any group without fourfold axes will do.
_EDGES = (30.0, 40.0, 50.0)
#: Rounding of some dozen operations, relative to the largest intensity of the examples.
_DOUBLE = 1e-11
#: What single precision may cost, likewise.
_SINGLE = 1e-5
#: How many places of the reciprocal lattice are looked at.
_PLACES = 60
#: Steps of central differences, in indices, and how far these may be off, relative to the largest intensity.
_STEP, _SLOPE_ERROR = 1e-5, 1e-6


def diffuse_intensity(
    model: DiffuseModel,
    index: torch.Tensor,
    *,
    misset: Any = (0.0, 0.0, 0.0),
    space_group: str = "P 1",
    dtype: torch.dtype = torch.float64,
) -> torch.Tensor:
    """What a model adds at fractional indices (places, 3), in squared electrons: (places,).

    The crystal has 5 x 7 x 4 cells of 30 x 40 x 50 angstroms, turned by `misset` in radians. Its amplitudes fall off
    with the index, and are those of the Friedel mates too.
    """
    cell = (*(edge * ANGSTROM for edge in _EDGES), pi / 2, pi / 2, pi / 2)
    experiment = Experiment(crystal=Crystal(cell=cell, cells=(5, 7, 4), misset=misset))
    _, reciprocal = oriented_bases(experiment.crystal)
    reciprocal = reciprocal.to(index.device)
    parameters = model.prepare(experiment, reciprocal, space_group, index.device)
    if parameters is None:
        return torch.zeros(len(index), dtype=dtype, device=index.device)
    lattice = make_lattice((5, 7, 4), reciprocal_vectors=reciprocal, dtype=dtype, device=index.device)
    places = Miller(*index.unbind(1))
    nearest = Miller(*(torch.ceil(value.detach() - 0.5) for value in places))

    def amplitude(at: Miller) -> torch.Tensor:
        size = 100.0 / (1.0 + (at.h * at.h + 2.0 * at.k * at.k + 3.0 * at.l * at.l) / 50.0)
        return size.to(dtype)

    return model.intensity(places, nearest, amplitude, lattice, parameters)


def check_diffuse_model(model: Any, *, turns: bool = True, device: torch.device | str = "cpu") -> None:
    """Run every check of this role.

    Parameters
    ----------
    model
        An instance, with all the options that it needs; for a cell of three right angles.
    turns
        Whether the scattering is the crystal's and turns with it.
    device
        Where to compute.

    Raises
    ------
    AssertionError
        When one of them fails; the message says what it found.
    """
    check_declaration(model, DiffuseModel)
    check_diffuse_intensity(model, device)
    check_diffuse_friedel(model, device)
    check_diffuse_each_place(model, device)
    check_diffuse_precision(model, device)
    check_diffuse_gradients(model, device)
    if turns:
        check_diffuse_turns(model, device)


def check_diffuse_intensity(model: DiffuseModel, device: torch.device | str = "cpu") -> None:
    """A finite number of 0 or more for each place, in the dtype asked for, on its device, the same again."""
    for dtype in (torch.float64, torch.float32):
        index = _places(device)
        found = diffuse_intensity(model, index, dtype=dtype)
        require(found.shape == index.shape[:1], f"{len(index)} places have intensities {tuple(found.shape)}")
        require(found.dtype == dtype, f"intensities are {found.dtype}, expected {dtype}")
        require(found.device == index.device, f"places on {index.device} have intensities on {found.device}")
        require(bool(found.isfinite().all()), "intensities are not finite")
        require(float(found.min()) >= 0.0, f"a place has an intensity of {float(found.min())}")
        again = diffuse_intensity(model, index, dtype=dtype)
        require(bool((again == found).all()), "two calls gave different intensities")


def check_diffuse_friedel(model: DiffuseModel, device: torch.device | str = "cpu") -> None:
    """Opposite places scatter alike, as they do of a crystal whose Friedel mates are equal."""
    index = _places(device)
    one, other = diffuse_intensity(model, index), diffuse_intensity(model, -index)
    require_close(other, one, "intensity at -h -k -l", absolute=_DOUBLE * float(one.max()))


def check_diffuse_each_place(model: DiffuseModel, device: torch.device | str = "cpu") -> None:
    """A place has the same intensity among many and among a few: images are made in blocks."""
    index = _places(device)
    whole, few = diffuse_intensity(model, index), diffuse_intensity(model, index[7:20])
    require_close(few, whole[7:20], "intensity of a few places", absolute=_DOUBLE * float(whole.max()))


def check_diffuse_precision(model: DiffuseModel, device: torch.device | str = "cpu") -> None:
    """In single precision it is the same, but for rounding."""
    index = _places(device)
    double, single = (diffuse_intensity(model, index, dtype=dtype) for dtype in (torch.float64, torch.float32))
    require_close(single, double, "intensity in single precision", absolute=_SINGLE * float(double.max()))


def check_diffuse_gradients(model: DiffuseModel, device: torch.device | str = "cpu") -> None:
    """Its gradient by the index is that of central differences."""
    index = _places(device).requires_grad_()
    found = diffuse_intensity(model, index)
    if not found.requires_grad:
        require(float(found.abs().max()) == 0.0, "intensities do not carry the gradient of the index")
        return
    (slopes,) = torch.autograd.grad(found.sum(), index)
    require(bool(slopes.isfinite().all()), "gradients by the index are not finite")
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64, device=index.device)
        step[axis] = _STEP
        ends = [diffuse_intensity(model, index.detach() + sign * step) for sign in (1.0, -1.0)]
        wanted = (ends[0] - ends[1]) / (2.0 * _STEP)
        allowed = _SLOPE_ERROR * float(wanted.abs().max() + found.detach().abs().max())
        require_close(slopes[:, axis], wanted, f"gradient by {'hkl'[axis]}", absolute=allowed)


def check_diffuse_turns(model: DiffuseModel, device: torch.device | str = "cpu") -> None:
    """A crystal that is mounted otherwise scatters the same at the same indices."""
    index = _places(device)
    one, other = (diffuse_intensity(model, index, misset=angles) for angles in ((0.0, 0.0, 0.0), (0.3, -1.2, 2.0)))
    require_close(other, one, "intensity of a turned crystal", absolute=_DOUBLE * float(one.max()))


def _places(device: torch.device | str) -> torch.Tensor:
    """Indices all over the nearest cells of the reciprocal lattice, none half way between two reflections."""
    rows = [
        (4.4 * sin(1.0 + 2.1 * n) + 0.01, 4.4 * cos(0.7 * n) - 0.02, 4.4 * sin(0.3 + 1.3 * n)) for n in range(_PLACES)
    ]
    index = torch.tensor(rows, dtype=torch.float64, device=device)
    away = (index - index.floor() - 0.5).abs().min(dim=1).values
    return index[away > 10.0 * _STEP]
