"""From q to the intensity of a term: h k l, F_latt and F_cell. Nothing else computes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul

import attrs
import torch

from openbragg.engine.plan import Plan
from openbragg.engine.rays import Components
from openbragg.roles import Miller


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


def amplitudes(plan: Plan, scattering: Components, rows: Sequence[Sequence[torch.Tensor]]) -> Amplitudes:
    """Amplitudes at q.

    Parameters
    ----------
    plan
        Whose shape and structure factors count.
    scattering
        x, y, z of q in 1/metres, float64.
    rows
        x, y, z of the cell vectors a, b and c in metres, float64; they broadcast against q.
    """
    index = Miller(*(_dot(scattering, row) for row in rows))
    # Halves go up, as in the reference.
    nearest = Miller(*(torch.ceil(value - 0.5) for value in index))
    offset = Miller(*(value - whole for value, whole in zip(index, nearest, strict=True)))
    lattice_factors = plan.shape.factors(offset, nearest, plan.lattice)
    lattice_amplitude = reduce(mul, lattice_factors)
    cell_amplitude = plan.structure_factors.amplitude(index, nearest, plan.tables)
    amplitude = cell_amplitude * lattice_amplitude
    return Amplitudes(
        index=index,
        nearest=nearest,
        lattice_factors=lattice_factors,
        lattice_amplitude=lattice_amplitude,
        cell_amplitude=cell_amplitude,
        intensity=amplitude * amplitude,
    )


def _dot(components: Components, row: Sequence[torch.Tensor]) -> torch.Tensor:
    return (components[0] * row[0]).addcmul(components[1], row[1]).addcmul(components[2], row[2])
