"""From q to the intensity of a term: h k l, F_latt and F_cell. Nothing else computes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul

import attrs
import torch

from openbragg.engine.plan import Plan
from openbragg.engine.rays import Components
from openbragg.roles import GroupedStructureFactors, Miller


@attrs.frozen(kw_only=True, eq=False)
class Amplitudes:
    """Amplitudes of terms, of any one shape.

    Attributes
    ----------
    index, nearest
        Fractional and nearest whole h, k, l, float64.
    lattice_factors
        Factors of F_latt as the shape gives them: one, or three along a, b and c.
    lattice_amplitude, cell_amplitude
        F_latt, and F_cell in electrons.
    intensity
        F_cell^2 F_latt^2, squared electrons.
    """

    index: Miller
    nearest: Miller
    lattice_factors: tuple[torch.Tensor, ...]
    lattice_amplitude: torch.Tensor
    cell_amplitude: torch.Tensor
    intensity: torch.Tensor


def amplitudes(
    plan: Plan,
    scattering: Components,
    rows: Sequence[Sequence[torch.Tensor]],
    origin: Sequence[torch.Tensor] | None = None,
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
    first
        Of groups of indices, see `openbragg.GroupedStructureFactors`.
    """
    index, nearest, offset = indices(scattering, rows, origin)
    lattice_factors = plan.shape.factors(offset, nearest, plan.lattice)
    lattice_amplitude = reduce(mul, lattice_factors)
    factors = plan.structure_factors
    if first is None:
        cell_amplitude = factors.amplitude(index, nearest, plan.tables)
    else:
        assert isinstance(factors, GroupedStructureFactors)
        cell_amplitude = factors.grouped_amplitude(index, nearest, first, plan.tables)
    amplitude = cell_amplitude * lattice_amplitude
    return Amplitudes(
        index=index,
        nearest=nearest,
        lattice_factors=lattice_factors,
        lattice_amplitude=lattice_amplitude,
        cell_amplitude=cell_amplitude,
        intensity=amplitude * amplitude,
    )


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
