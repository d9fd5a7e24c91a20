"""Amplitudes of the unit cell at whole indices, as a plan has them."""

from __future__ import annotations

import torch

from openbragg.engine.plan import Plan
from openbragg.roles import InterpolatingStructureFactors, Miller


def cell_amplitudes(plan: Plan, indices: torch.Tensor) -> torch.Tensor:
    """|F| in electrons at whole h k l, (..., 3): float64, (...), on the CPU; nothing is interpolated."""
    factors, tables = plan.structure_factors, plan.tables
    if isinstance(factors, InterpolatingStructureFactors):
        tables = factors.without_interpolation(tables)
    index = Miller(*indices.to(plan.device, torch.float64).unbind(-1))
    with torch.no_grad():
        return factors.amplitude(index, index, tables).abs().double().cpu()
