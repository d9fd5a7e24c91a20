"""The lattice at every rotation step: where in reciprocal space the pixel is, and what scatters there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl, unit

if TYPE_CHECKING:
    import torch

    from openbragg import PixelTrace, Tracer

#: Factors of F_latt that a separable shape gives, along a, b and c.
_AXES = ("F_latt_a", "F_latt_b", "F_latt_c")
_DEGREES = unit("deg").from_si


@attrs.frozen
class PerPhi:
    """Of each term: the spindle angle in degrees, h k l and the nearest whole ones, F_latt and its factors, F_cell in
    electrons, what diffuse scattering adds, and the intensity term that goes into the sum; with --cull, whether it
    does."""

    name: ClassVar[str] = "per-phi"
    summary: ClassVar[str] = "h k l, F_latt and F_cell at every rotation step"
    flags: ClassVar[tuple[str, ...]] = ()

    def values(self, trace: PixelTrace) -> Mapping[str, torch.Tensor]:
        """See `openbragg.Tracer.values`."""
        return {}

    def steps(self, trace: PixelTrace) -> Mapping[str, torch.Tensor | None]:
        """See `openbragg.Tracer.steps`."""
        terms = trace.terms
        angles = _DEGREES(trace.plan.angles).reshape(1, 1, 1, 1, -1, 1, 1)
        factors = terms.lattice_factors if len(terms.lattice_factors) == len(_AXES) else (None,) * len(_AXES)
        return {
            "phi_deg": angles,
            "h_frac": terms.index.h,
            "k_frac": terms.index.k,
            "l_frac": terms.index.l,
            "h": terms.nearest.h,
            "k": terms.nearest.k,
            "l": terms.nearest.l,
            **dict(zip(_AXES, factors, strict=True)),
            "F_latt": terms.lattice_amplitude,
            "F_cell": terms.cell_amplitude,
            **({} if terms.diffuse is None else {"diffuse": terms.diffuse}),
            "intensity": terms.intensity,
            **({} if trace.summed is None else {"summed": trace.summed}),
        }


@hookimpl
def tracers() -> list[type[Tracer]]:
    """Offer the per-phi tracer."""
    return [PerPhi]
