"""The sum of a block of pixels as one function of tensors, which a compiler can fuse.

It is made of the functions that `evaluate` is made of, in another order: the terms of all orientations are summed
before anything is multiplied that does not depend on the orientation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import torch

from openbragg.engine.amplitudes import amplitudes
from openbragg.engine.evaluate import background_share, not_skipped, own_factors, shared_factors
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part, positions, resolved, scattering_vector, unit_components
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


def block_sums(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> BlockSums:
    """Sum all terms of pixels; slow and fast are pixel indices, float64, (pixel,)."""
    part = Part()
    direction, distance = unit_components(positions(plan, panel, slow, fast, part))
    wavelength = plan.wavelengths.reshape(1, 1, 1, -1, 1, 1, 1)
    scattering = scattering_vector(direction, plan.incident, wavelength)
    evaluations = scattering[0].shape
    # Evaluations down, orientations across: the order in which a compiler fuses the sum over orientations.
    x, y, z = (component.reshape(-1, 1) for component in scattering)
    vectors = plan.cell_vectors.reshape(-1, 3, 3)
    rows = [[vectors[:, row, axis] for axis in range(3)] for row in range(3)]
    found = amplitudes(plan, (x, y, z), rows)
    intensity = found.intensity.expand(-1, vectors.shape[0]).sum(dim=1, dtype=torch.float64).reshape(evaluations)
    if plan.resolution_limit is not None:
        intensity = intensity * resolved(scattering, plan.resolution_limit)
    for factor in shared_factors(plan, panel, slow, fast, part):
        intensity = intensity * factor
    for factor in own_factors(plan, panel, direction, distance, plan.incident, part):
        intensity = intensity * factor
    total = initial_intensity(plan, panel, slow, fast) + intensity.sum(dim=(0, 1, 2, 3, 4, 5))
    share = background_share(plan, panel, slow, fast, part) if plan.water is not None else torch.zeros_like(slow)
    missing = complete = None
    if plan.interpolates or plan.reference_interpolates:
        assert isinstance(plan.structure_factors, InterpolatingStructureFactors)
        all_there = plan.structure_factors.complete(found.index, plan.tables)
        counted = not_skipped(plan, (x, y, z), found.lattice_amplitude)
        missing, complete = (
            (mark & counted).any(dim=1).reshape(-1, slow.shape[0]).any(dim=0) for mark in (~all_there, all_there)
        )
    return BlockSums(pixel_photons(plan, panel, slow, fast, total, share), missing, complete)


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
