"""How the sums of a block change with many parameters, evaluation by evaluation, as one function of tensors.

Every parameter of an experiment acts on a term through few numbers: through q of its evaluation, through the columns
(the cell vectors of an orientation, over a wavelength where sources lie across, with a weight), and through what
plugins read within the term. A term is differentiated by its three offsets alone, by the plugins' own operations. What
its derivative is along so many directions in which columns move are then products of matrices, and costs next to
nothing beside the terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, mul

import attrs
import torch

from openbragg.engine.amplitudes import indices, scattered
from openbragg.engine.compiled.block import (
    Columns,
    columns_in,
    evaluations_of,
    rows_of,
    tensors_in,
    with_tensors,
)
from openbragg.engine.compiled.gradient import differentiated
from openbragg.engine.plan import Plan
from openbragg.engine.rays import Components
from openbragg.units import ANGSTROM

#: Numbers of a column that make h, k and l: three components of a, b and c, and three origins.
_INDEXING = 12


@attrs.frozen(eq=False)
class Slopes:
    """What a block's evaluations sum, and its derivatives; float64.

    Attributes
    ----------
    intensity
        Sums over columns, (evaluation,).
    by_scattering
        Their derivatives by x, y, z of q, or of what stands in its place, (3, evaluation).
    along
        Their derivatives along directions in which columns move, (direction, evaluation).
    within
        Their derivatives by the numbers of the tensors that come in within a term, one tensor after the other,
        (number, evaluation).
    """

    intensity: torch.Tensor
    by_scattering: torch.Tensor
    along: torch.Tensor
    within: torch.Tensor


def block_slopes(
    plan: Plan,
    within: Sequence[str],
    tensors: Sequence[torch.Tensor],
    slow: torch.Tensor,
    fast: torch.Tensor,
    directions: torch.Tensor,
) -> Slopes:
    """Differentiate the sums of a block.

    Parameters
    ----------
    plan
        From `block_plan`.
    within
        Names of those of its tensors that come in within a term by which to differentiate.
    tensors
        All its tensors, in the order of `tensors_in`.
    slow, fast
        Pixel indices, float64, (pixel,).
    directions
        In which the columns move with one parameter or another, float64, (column, numbers of a column, direction).
    """
    whole: Plan = with_tensors(plan, tensors)
    named = dict(zip((name for name, _ in tensors_in(plan)), tensors, strict=True))
    evaluations = evaluations_of(whole, whole.panels[0], slow, fast)
    x, y, z = (component.reshape(-1) for component in rows_of(evaluations.scattering))
    columns, dtype = columns_in(whole), plan.lattice.dtype
    weight = torch.ones_like(columns.rows[0][0]) if columns.weight is None else columns.weight
    rows = [[component.unsqueeze(1) for component in row] for row in columns.rows]
    shape = (rows[0][0].shape[0], x.shape[0])
    origin = None if columns.origin is None else [start.unsqueeze(1) for start in columns.origin]
    spectral = None
    if columns.spectral is not None:
        # One of each term, for derivatives of single evaluations.
        spectral = tuple(each.unsqueeze(1).expand(shape).contiguous().requires_grad_() for each in columns.spectral)
    weights = weight.to(dtype).unsqueeze(1)
    intensity, found, by_spectral = differentiated(
        whole, (x, y, z), rows, origin, spectral, weights, list(spectral or ())
    )
    intensity = intensity.expand(shape)
    slopes = [slope.expand(shape) for slope in found]
    # q is large and cell vectors are small where they are in metres: products of them leave single precision.
    unit = 1.0 if plan.sources_across else ANGSTROM
    vectors = [torch.stack([row[axis] for row in columns.rows]) / unit for axis in range(3)]
    by_scattering = [
        reduce(add, (vectors[axis][row].to(dtype) @ slopes[row] for row in range(3))).to(torch.float64) * unit
        for axis in range(3)
    ]
    seen = [component * unit for component in (x, y, z)]
    parts = []
    for row in range(3):
        for axis in range(3):
            moved = directions[:, 3 * row + axis] / unit
            parts.append((moved.T.to(dtype) @ slopes[row]).to(torch.float64) * seen[axis])
        if origin is not None:
            parts.append((directions[:, 9 + row].T.to(dtype) @ slopes[row]).to(torch.float64))
    place = _INDEXING if origin is not None else _INDEXING - 3
    if columns.weight is not None:
        parts.append((directions[:, place].T.to(dtype) @ intensity).to(torch.float64))
        place += 1
    for number, each in enumerate(by_spectral):
        if each is not None:
            parts.append((directions[:, place + number].T @ each).to(torch.float64))
    return Slopes(
        intensity=(intensity * weights).sum(dim=0, dtype=torch.float64),
        by_scattering=torch.stack(by_scattering),
        along=reduce(add, parts),
        within=_by_tensors(whole, [named[name] for name in within], within, (x, y, z), columns),
    )


def _by_tensors(
    plan: Plan, values: Sequence[torch.Tensor], names: Sequence[str], q: Components, columns: Columns
) -> torch.Tensor:
    """Derivatives of each evaluation's sum by the numbers of some tensors, float64, (number, evaluation)."""
    if not names:
        return torch.zeros((0, q[0].shape[0]), dtype=torch.float64, device=q[0].device)
    known = tensors_in(plan)
    dtype = plan.lattice.dtype

    def summed(changed: tuple[torch.Tensor, ...], x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        others = dict(zip(names, changed, strict=True))
        moved: Plan = with_tensors(plan, [others.get(name, tensor) for name, tensor in known])
        index, nearest, offset = indices((x, y, z), columns.rows, columns.origin)
        intensity = scattered(moved, index, nearest, offset, columns.spectral).intensity
        if columns.weight is not None:
            intensity = intensity * columns.weight.to(dtype)
        return intensity.sum(dtype=torch.float64)

    each = torch.func.vmap(torch.func.grad(summed), in_dims=(None, 0, 0, 0))
    with torch.enable_grad():
        found = each(tuple(values), *q)
    return torch.cat([by.reshape(by.shape[0], -1).to(torch.float64) for by in found], dim=1).T


def numbers_within(tensors: Sequence[torch.Tensor]) -> int:
    """How many numbers some tensors have together."""
    return sum(reduce(mul, tensor.shape, 1) for tensor in tensors)
