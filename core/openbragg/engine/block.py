"""The sum of a block of pixels as one function of tensors, which a compiler can fuse.

It is made of the functions that `evaluate` is made of, in another order: the terms of all orientations are summed
before anything is multiplied that does not depend on the orientation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import mul
from typing import Any

import attrs
import torch

from openbragg.engine.amplitudes import amplitudes
from openbragg.engine.evaluate import background_share, not_skipped, own_factors, shared_factors
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import (
    Components,
    Part,
    on_axis,
    positions,
    resolved,
    scattering_vector,
    unit_components,
)
from openbragg.engine.summation import initial_intensity, pixel_photons
from openbragg.roles import InterpolatingStructureFactors

#: Fields of a plan on which the sum does not depend.
_UNUSED = ("angles", "reciprocal_vectors", "first_cell_vectors", "fluence")


@attrs.frozen(eq=False)
class BlockSums:
    """Sums of the pixels of a block, all (pixel,); see `PixelSums`. The marks are None where nothing interpolates."""

    photons: torch.Tensor
    missing: torch.Tensor | None
    complete: torch.Tensor | None

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Those that there are."""
        return tuple(each for each in (self.photons, self.missing, self.complete) if each is not None)


@attrs.frozen(eq=False)
class Evaluations:
    """What the layers, subpixels and sources of pixels see, before any orientation comes in.

    Attributes
    ----------
    scattering
        x, y, z of q in 1/metres, float64, (layer, slow subpixel, fast subpixel, source, 1, 1, pixel).
    weight
        What the intensity of an evaluation is multiplied by, float64, of the same axes; None for 1.
    """

    scattering: Components
    weight: torch.Tensor | None


def block_sums(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> BlockSums:
    """Sum all terms of pixels; slow and fast are pixel indices, float64, (pixel,)."""
    evaluations = evaluations_of(plan, panel, slow, fast)
    # Evaluations down, orientations across: the order in which a compiler fuses the sum over orientations.
    q, rows = rows_of(evaluations.scattering), columns_of(plan.cell_vectors)
    found = amplitudes(plan, q, rows)
    intensity = summed_over_orientations(found.intensity, rows[0][0]).reshape(evaluations.scattering[0].shape)
    photons = block_photons(plan, panel, slow, fast, intensity, evaluations.weight)
    missing = complete = None
    if plan.interpolates or plan.reference_interpolates:
        assert isinstance(plan.structure_factors, InterpolatingStructureFactors)
        all_there = plan.structure_factors.complete(found.index, plan.tables)
        counted = not_skipped(plan, q, found.lattice_amplitude)
        missing, complete = (
            (mark & counted).any(dim=1).reshape(-1, slow.shape[0]).any(dim=0) for mark in (~all_there, all_there)
        )
    return BlockSums(photons, missing, complete)


def evaluations_of(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> Evaluations:
    """What there is to evaluate of pixels, and what each evaluation counts."""
    part = Part()
    direction, distance = unit_components(positions(plan, panel, slow, fast, part))
    scattering = scattering_vector(direction, plan.incident, on_axis(plan.wavelengths, "source"))
    factors = shared_factors(plan, panel, slow, fast, part)
    factors += own_factors(plan, panel, direction, distance, plan.incident, part)
    if plan.resolution_limit is not None:
        factors.append(resolved(scattering, plan.resolution_limit).to(slow.dtype))
    return Evaluations(scattering, reduce(mul, factors) if factors else None)


def rows_of(scattering: Components) -> Components:
    """q of all evaluations, (evaluation, 1) each component."""
    x, y, z = (component.reshape(-1, 1) for component in scattering)
    return x, y, z


def columns_of(cell_vectors: torch.Tensor) -> list[list[torch.Tensor]]:
    """Components of a, b and c of all orientations, (orientation,) each."""
    vectors = cell_vectors.reshape(-1, 9)
    return [[vectors[:, 3 * row + axis] for axis in range(3)] for row in range(3)]


def summed_over_orientations(terms: torch.Tensor, orientations: torch.Tensor) -> torch.Tensor:
    """Terms (evaluation, orientation) summed to float64 (evaluation,)."""
    return terms.expand(-1, orientations.shape[0]).sum(dim=1, dtype=torch.float64)


def block_photons(
    plan: Plan,
    panel: PanelPlan,
    slow: torch.Tensor,
    fast: torch.Tensor,
    intensity: torch.Tensor,
    weight: torch.Tensor | None,
) -> torch.Tensor:
    """Photons of pixels (pixel,) from the intensity and the weight of each evaluation."""
    weighted = intensity if weight is None else intensity * weight
    total = initial_intensity(plan, panel, slow, fast) + weighted.sum(dim=(0, 1, 2, 3, 4, 5))
    share = background_share(plan, panel, slow, fast, Part()) if plan.water is not None else torch.zeros_like(slow)
    return pixel_photons(plan, panel, slow, fast, total, share)


def block_plan(plan: Plan, panel: PanelPlan) -> Plan:
    """The plan of one panel's sum, without what the sum does not need, and for squares of amplitudes only."""
    unused: dict[str, Any] = dict.fromkeys(_UNUSED)
    return attrs.evolve(
        plan,
        panels=(attrs.evolve(panel, pixels=(0, 0)),),
        lattice=attrs.evolve(plan.lattice, signed=False),
        **unused,
    )


def tensors_in(thing: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in an attrs object, however deep, with their names, in a fixed order."""
    if isinstance(thing, torch.Tensor):
        yield name, thing
    for place, part in _parts(thing):
        yield from tensors_in(part, f"{name}.{place}" if name else place)


def leaves_in(thing: Any, name: str = "", stop: Sequence[Any] = ()) -> Iterator[tuple[str, Any]]:
    """What else is in it, where it is neither a tensor nor made of parts, nor one of the things to `stop` at."""
    if any(thing is each for each in stop) or isinstance(thing, torch.Tensor):
        return
    if not (isinstance(thing, tuple | list) or attrs.has(type(thing))):
        yield name, thing
    for place, part in _parts(thing):
        yield from leaves_in(part, f"{name}.{place}" if name else place, stop)


def with_tensors(thing: Any, tensors: Sequence[torch.Tensor]) -> Any:
    """The same with other tensors, in the order of `tensors_in`."""
    return _rebuilt(thing, iter(tensors))


def _rebuilt(thing: Any, tensors: Iterator[torch.Tensor]) -> Any:
    if isinstance(thing, torch.Tensor):
        return next(tensors)
    if isinstance(thing, tuple | list):
        return type(thing)(_rebuilt(part, tensors) for part in thing)
    if attrs.has(type(thing)):
        parts = {place: _rebuilt(part, tensors) for place, part in _parts(thing)}
        changed = {place: part for place, part in parts.items() if part is not getattr(thing, place)}
        return _copied(thing, changed) if changed else thing
    return thing


def _copied(thing: Any, changed: dict[str, Any]) -> Any:
    """A copy of an attrs object with other values in some fields, past checks that look at values."""
    made = object.__new__(type(thing))
    for field in attrs.fields(type(thing)):
        object.__setattr__(made, field.name, changed.get(field.name, getattr(thing, field.name)))
    return made


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, tuple | list):
        yield from ((str(number), part) for number, part in enumerate(thing))
    elif attrs.has(type(thing)):
        yield from ((field.name, getattr(thing, field.name)) for field in attrs.fields(type(thing)))
