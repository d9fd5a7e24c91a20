"""The sum of a block of pixels as one function of tensors, which a compiler can fuse.

It is made of the functions that `evaluate` is made of, in another order: the terms of all orientations are summed
before anything is multiplied that does not depend on the orientation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, reduce
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

#: Fields of a plan on which the sum does not depend, and the one of which it needs the columns alone.
_UNUSED = ("angles", "reciprocal_vectors", "first_cell_vectors", "fluence", "scale")
_VECTORS = "cell_vectors"


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
        x, y, z of q in 1/metres, float64, (layer, slow subpixel, fast subpixel, source, 1, 1, pixel). Where sources lie
        across, unit vectors along the rays in place of q, one for all sources.
    weight
        What the intensity of an evaluation is multiplied by, float64, of the same axes; None for 1.
    spectral
        The sources' numbers, see `openbragg.engine.amplitudes.amplitudes`, float64, (evaluation, 1) each; None where
        there are none, or where sources lie across.
    """

    scattering: Components
    weight: torch.Tensor | None
    spectral: tuple[torch.Tensor, ...] | None = None


@attrs.frozen(eq=False)
class Columns:
    """What each of the terms of an evaluation needs.

    Attributes
    ----------
    rows, origin
        See `openbragg.engine.amplitudes.amplitudes`, float64, (column,) each.
    weight
        Weight of the source and of the mosaic domain, float64, (column,); None for 1.
    spectral
        The source's numbers, see `openbragg.engine.amplitudes.amplitudes`, float64, (column,) each; None where there
        are none, or where sources do not lie across.
    """

    rows: list[list[torch.Tensor]]
    origin: list[torch.Tensor] | None
    weight: torch.Tensor | None
    spectral: tuple[torch.Tensor, ...] | None = None


def block_sums(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> BlockSums:
    """Sum all terms of pixels; slow and fast are pixel indices, float64, (pixel,)."""
    evaluations = evaluations_of(plan, panel, slow, fast)
    # Evaluations down, columns across: the order in which a compiler fuses the sum over columns.
    q, columns = rows_of(evaluations.scattering), columns_in(plan)
    spectral = columns.spectral if plan.sources_across else evaluations.spectral
    found = amplitudes(plan, q, columns.rows, columns.origin, spectral)
    terms = found.intensity if columns.weight is None else found.intensity * columns.weight.to(plan.lattice.dtype)
    intensity = summed_across(terms, columns).reshape(evaluations.scattering[0].shape)
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
    factors = own_factors(plan, panel, direction, distance, plan.incident, part)
    if plan.sources_across:
        # Weights of sources are the columns'.
        factors += shared_factors(attrs.evolve(plan, weighted=False), panel, slow, fast, part)
        return Evaluations(direction, reduce(mul, factors) if factors else None)
    scattering = scattering_vector(direction, plan.incident, on_axis(plan.wavelengths, "source"))
    factors += shared_factors(plan, panel, slow, fast, part)
    if plan.resolution_limit is not None:
        factors.append(resolved(scattering, plan.resolution_limit).to(slow.dtype))
    spectral = None
    if plan.spectral is not None:
        numbers = (on_axis(each, "source").expand(scattering[0].shape) for each in plan.spectral.unbind(1))
        spectral = tuple(each.reshape(-1, 1) for each in numbers)
    return Evaluations(scattering, reduce(mul, factors) if factors else None, spectral)


def rows_of(scattering: Components) -> Components:
    """q of all evaluations, (evaluation, 1) each component."""
    x, y, z = (component.reshape(-1, 1) for component in scattering)
    return x, y, z


def columns_of(plan: Plan, *, across: bool) -> torch.Tensor:
    """The columns of a plan, float64: of its orientations, or of its sources and orientations.

    Returns
    -------
    Components of a, b and c, (orientation, 9), in metres; or with the sources `across`, (source x orientation, 12),
    these over the wavelength, and minus the incident beam's parts of h, k and l. Then the weight, where it is not 1;
    and across the sources' numbers, where structure factors have any.
    """
    vectors = plan.cell_vectors.reshape(-1, 3, 3)
    domains = None
    if plan.domain_weights is not None:
        domains = plan.domain_weights.expand(plan.cell_vectors.shape[:2]).reshape(-1)
    if not across:
        whole = vectors.reshape(-1, 9)
        return whole if domains is None else torch.cat([whole, domains.unsqueeze(1)], dim=1)
    inverse = plan.wavelengths.reciprocal()
    shape = (len(inverse), len(vectors))
    scaled = inverse.reshape(-1, 1, 1, 1) * vectors
    origin = -(scaled * plan.incident.reshape(-1, 1, 1, 3)).sum(dim=-1)
    parts = [scaled.flatten(2), origin]
    if plan.weighted or domains is not None:
        weights = plan.source_weights.reshape(-1, 1).expand(shape)
        parts.append((weights if domains is None else weights * domains).unsqueeze(-1))
    if plan.spectral is not None:
        parts.append(plan.spectral.unsqueeze(1).expand(*shape, -1))
    return torch.cat(parts, dim=-1).flatten(0, 1)


def columns_in(plan: Plan) -> Columns:
    """The columns of the plan of a block."""
    columns = plan.columns
    assert columns is not None
    place = 12 if plan.sources_across else 9
    weighted = plan.domain_weights is not None or (plan.sources_across and plan.weighted)
    numbers = columns[:, place + weighted :].unbind(1) if plan.sources_across and plan.spectral is not None else None
    # Views: side by side in memory lie the numbers of one column, so that a compiler lets its vectors run down.
    return Columns(
        rows=[[columns[:, 3 * row + axis] for axis in range(3)] for row in range(3)],
        origin=[columns[:, 9 + row] for row in range(3)] if plan.sources_across else None,
        weight=columns[:, place] if weighted else None,
        spectral=numbers,
    )


def summed_across(terms: torch.Tensor, columns: Columns) -> torch.Tensor:
    """Terms (evaluation, column) summed to float64 (evaluation,)."""
    return terms.expand(-1, columns.rows[0][0].shape[0]).sum(dim=1, dtype=torch.float64)


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


def lie_across(plan: Plan) -> bool:
    """Whether sources lie across, beside orientations: where nothing but h k l and a weight depends on them.

    A single one does not where there are gradients to take: these have fewer numbers to sum for each column then.
    """
    own = plan.resolution_limit is not None or (plan.oversample_polarization and plan.polarized)
    several = plan.wavelengths.numel() > 1 or plan.spectral is not None
    return not own and (several or not plan.differentiable())


def block_plan(plan: Plan, panel: PanelPlan, *, across: bool | None = None) -> Plan:
    """The plan of one panel's sum by columns, without what it does not need, and for squares of amplitudes only.

    Whether sources lie `across` is what `lie_across` says, unless it is told.
    """
    across = lie_across(plan) if across is None else across
    columns = columns_of(plan, across=across)
    vectors: dict[str, Any] = {_VECTORS: None}
    return attrs.evolve(summed_plan(plan, panel), columns=columns, sources_across=across, **vectors)


def with_panel(prepared: Plan, panel: PanelPlan) -> Plan:
    """What `block_plan` made of a plan, for another of its panels."""
    return attrs.evolve(prepared, panels=(attrs.evolve(panel, pixels=(0, 0)),))


def summed_plan(plan: Plan, panel: PanelPlan) -> Plan:
    """The plan of one panel's sum, in which orientations are chosen by their cell vectors.

    Where interpolation ends for good is decided from pixel to pixel, outside the sum.
    """
    unused: dict[str, Any] = dict.fromkeys(_UNUSED)
    return attrs.evolve(
        plan,
        panels=(attrs.evolve(panel, pixels=(0, 0)),),
        lattice=attrs.evolve(plan.lattice, signed=False),
        interpolation_latch=False,
        **unused,
    )


def tensors_in(thing: Any) -> list[tuple[str, torch.Tensor]]:
    """The tensors in an attrs object, however deep, with their names, in a fixed order."""
    found: list[tuple[str, torch.Tensor]] = []
    _gather(thing, "", found)
    return found


def leaves_in(thing: Any, stop: Sequence[Any] = ()) -> list[tuple[str, Any]]:
    """What else is in it, where it is neither a tensor nor made of parts, nor one of the things to `stop` at."""
    found: list[tuple[str, Any]] = []
    _gather_leaves(thing, "", frozenset(map(id, stop)), found)
    return found


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


def _gather(thing: Any, name: str, found: list[tuple[str, torch.Tensor]]) -> None:
    if isinstance(thing, torch.Tensor):
        found.append((name, thing))
        return
    for place, part in _parts(thing):
        _gather(part, f"{name}.{place}" if name else place, found)


def _gather_leaves(thing: Any, name: str, stop: frozenset[int], found: list[tuple[str, Any]]) -> None:
    if id(thing) in stop or isinstance(thing, torch.Tensor):
        return
    if not isinstance(thing, tuple | list) and _fields(thing.__class__) is None:
        found.append((name, thing))
    for place, part in _parts(thing):
        _gather_leaves(part, f"{name}.{place}" if name else place, stop, found)


def _parts(thing: Any) -> Sequence[tuple[str, Any]]:
    if isinstance(thing, tuple | list):
        return [(str(number), part) for number, part in enumerate(thing)]
    return [(name, getattr(thing, name)) for name in _fields(thing.__class__) or ()]


@lru_cache(maxsize=256)
def _fields(cls: type[Any]) -> tuple[str, ...] | None:
    """Names of the fields of an attrs class; None for any other."""
    return tuple(field.name for field in attrs.fields(cls)) if attrs.has(cls) else None
