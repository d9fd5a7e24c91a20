"""From q to the intensity of a term: h k l, F_latt and F_cell. Nothing else computes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul

import attrs
import torch

from openbragg.engine.plan import Plan
from openbragg.engine.rays import Components
from openbragg.roles import GroupedStructureFactors, Miller, SpectralStructureFactors


@attrs.frozen(kw_only=True, eq=False)
class Scattered:
    """What a cell and a lattice make of indices; of any one shape.

    Attributes
    ----------
    lattice_factors
        Factors of F_latt as the shape gives them: one, or three along a, b and c.
    lattice_amplitude, cell_amplitude
        F_latt, and F_cell in electrons.
    diffuse
        What diffuse scattering adds, squared electrons; None where there is none.
    intensity
        F_cell^2 F_latt^2 and the diffuse, squared electrons.
    """

    lattice_factors: tuple[torch.Tensor, ...]
    lattice_amplitude: torch.Tensor
    cell_amplitude: torch.Tensor
    diffuse: torch.Tensor | None
    intensity: torch.Tensor


@attrs.frozen(kw_only=True, eq=False)
class Amplitudes(Scattered):
    """The same of terms, with their indices.

    Attributes
    ----------
    index, nearest
        Fractional and nearest whole h, k, l, float64.
    """

    index: Miller
    nearest: Miller


def amplitudes(
    plan: Plan,
    scattering: Components,
    rows: Sequence[Sequence[torch.Tensor]],
    origin: Sequence[torch.Tensor] | None = None,
    spectral: tuple[torch.Tensor, ...] | None = None,
    first: Miller | None = None,
) -> Amplitudes:
    """Amplitudes at q.

    Parameters
    ----------
    plan
        Whose shape and structure factors count.
    scattering
        x, y, z of q in 1/metres, float64.
    rows
        x, y, z of the cell vectors a, b and c in metres, float64; they broadcast against q.
    origin
        What is added to h, k and l, float64, likewise; nothing if None. With the direction of a ray in place of q, with
        a / wavelength in place of a, and with minus the incident beam's part, h k l are the same.
    spectral
        The source's numbers of structure factors that are others at each wavelength, likewise; else None.
    first
        Of groups of indices, see `openbragg.GroupedStructureFactors`.
    """
    index, nearest, offset = indices(scattering, rows, origin)
    found = scattered(plan, index, nearest, offset, spectral, first)
    return Amplitudes(
        index=index,
        nearest=nearest,
        lattice_factors=found.lattice_factors,
        lattice_amplitude=found.lattice_amplitude,
        cell_amplitude=found.cell_amplitude,
        diffuse=found.diffuse,
        intensity=found.intensity,
    )


def scattered(
    plan: Plan,
    index: Miller,
    nearest: Miller,
    offset: Miller,
    spectral: tuple[torch.Tensor, ...] | None = None,
    first: Miller | None = None,
) -> Scattered:
    """What a plan's plugins make of indices: fractional, nearest whole, and the offset between the two."""
    lattice_factors = plan.shape.factors(offset, nearest, plan.lattice)
    lattice_amplitude = reduce(mul, lattice_factors)
    cell_amplitude = _cell_amplitude(plan, index, nearest, spectral, first)
    amplitude = cell_amplitude * lattice_amplitude
    intensity, diffuse = amplitude * amplitude, None
    if plan.diffuse is not None:

        def whole(at: Miller) -> torch.Tensor:
            return _cell_amplitude(plan, at, at, spectral)

        diffuse = plan.diffuse.intensity(index, nearest, whole, plan.lattice, plan.diffuse_parameters)
        intensity = intensity + diffuse
    return Scattered(
        lattice_factors=lattice_factors,
        lattice_amplitude=lattice_amplitude,
        cell_amplitude=cell_amplitude,
        diffuse=diffuse,
        intensity=intensity,
    )


def _cell_amplitude(
    plan: Plan,
    index: Miller,
    nearest: Miller,
    spectral: tuple[torch.Tensor, ...] | None = None,
    first: Miller | None = None,
) -> torch.Tensor:
    factors = plan.structure_factors
    if spectral is not None:
        assert isinstance(factors, SpectralStructureFactors)
        return factors.amplitude_at(index, nearest, spectral, plan.tables)
    if first is not None:
        assert isinstance(factors, GroupedStructureFactors)
        return factors.grouped_amplitude(index, nearest, first, plan.tables)
    return factors.amplitude(index, nearest, plan.tables)


def indices(
    scattering: Components, rows: Sequence[Sequence[torch.Tensor]], origin: Sequence[torch.Tensor] | None = None
) -> tuple[Miller, Miller, Miller]:
    """Fractional index, nearest whole index, and the offset between the two, of `amplitudes`; all float64."""
    if origin is None:
        index = Miller(*(dot(scattering, row) for row in rows))
    else:
        index = Miller(*(dot(scattering, row, start) for row, start in zip(rows, origin, strict=True)))
    # Halves go up, as in the reference.
    nearest = Miller(*(torch.ceil(value - 0.5) for value in index))
    return index, nearest, Miller(*(value - whole for value, whole in zip(index, nearest, strict=True)))


def dot(
    components: Sequence[torch.Tensor], row: Sequence[torch.Tensor], start: torch.Tensor | None = None
) -> torch.Tensor:
    """Product of vectors whose x, y and z are tensors of any shapes that broadcast, added to `start`."""
    first = components[0] * row[0] if start is None else start.addcmul(components[0], row[0])
    return first.addcmul(components[1], row[1]).addcmul(components[2], row[2])
