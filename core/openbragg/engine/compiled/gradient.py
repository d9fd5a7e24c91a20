"""The gradient of a block's photons as one function of tensors, which a compiler can fuse.

Reverse differentiation of the whole sum would keep a dozen numbers of every term. Here a term is differentiated by its
three offsets alone, by the plugins' own operations, and the rest of the chain is written out: the derivatives by q are
sums over the columns (orientations, and sources where these lie across), those by the columns sums over evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import attrs
import torch

from openbragg.engine.amplitudes import indices, scattered
from openbragg.engine.compiled.block import (
    block_photons,
    columns_in,
    evaluations_of,
    rows_of,
    tensors_in,
    with_tensors,
)
from openbragg.engine.plan import Plan
from openbragg.engine.rays import Components
from openbragg.roles import Miller
from openbragg.units import ANGSTROM

#: Fields of a plan that come in within a term; all others act through q, the weights and the factors of pixels.
WITHIN_TERMS = ("lattice.", "tables.", "shape.", "structure_factors.", "diffuse.", "diffuse_parameters.")
_COLUMNS = "columns"


def block_gradients(
    plan: Plan,
    wanted: Sequence[str],
    tensors: Sequence[torch.Tensor],
    slow: torch.Tensor,
    fast: torch.Tensor,
    cotangent: torch.Tensor,
) -> list[torch.Tensor]:
    """Derivatives of the sum of photons x cotangent by some of a plan's tensors.

    Parameters
    ----------
    plan
        From `block_plan`.
    wanted
        Names of the tensors to differentiate by.
    tensors
        All its tensors, in the order of `tensors_in`.
    slow, fast, cotangent
        Pixel indices, and what each pixel's photons are multiplied by, float64, (pixel,).

    Returns
    -------
    One tensor for each name, of its tensor's shape and dtype.
    """
    names = [name for name, _ in tensors_in(plan)]
    within = [name for name in wanted if name.startswith(WITHIN_TERMS)]
    outer = [name for name in wanted if name not in within]
    leaves = {name: tensor.detach().requires_grad_(name in wanted) for name, tensor in zip(names, tensors, strict=True)}
    with torch.enable_grad():
        whole: Plan = with_tensors(plan, list(leaves.values()))
        panel = whole.panels[0]
        evaluations = evaluations_of(whole, panel, slow, fast)
        q = rows_of(evaluations.scattering)
        # Photons are linear in the intensities, whatever these are.
        shape = evaluations.scattering[0].shape
        unknown = torch.zeros(shape, dtype=torch.float64, device=slow.device).requires_grad_()
        linear = block_photons(whole, panel, slow, fast, unknown, evaluations.weight)
        (weights,) = torch.autograd.grad(linear, unknown, cotangent, retain_graph=True)
    x, y, z = (component.detach().reshape(-1) for component in q)
    inner = _inner(whole, leaves, within, (x, y, z), weights.detach().reshape(-1))
    results: dict[str, torch.Tensor | None] = {**inner.others, _COLUMNS: inner.by_columns}
    with torch.enable_grad():
        photons = block_photons(whole, panel, slow, fast, inner.intensity.reshape(shape), evaluations.weight)
        ends = [(photons, cotangent), *zip(q, inner.by_scattering, strict=True)]
        ends = [(end, by) for end, by in ends if end.requires_grad]
        if outer and ends:
            found = torch.autograd.grad(
                [end for end, _ in ends], [leaves[name] for name in outer], [by for _, by in ends], allow_unused=True
            )
            results.update((name, by) for name, by in zip(outer, found, strict=True) if name != _COLUMNS)
    made = []
    for name in wanted:
        gradient = results.get(name)
        made.append(torch.zeros_like(leaves[name]) if gradient is None else gradient.detach().clone())
    return made


@attrs.frozen(eq=False)
class _Inner:
    """What differentiating the terms gives.

    Attributes
    ----------
    intensity
        Sums over columns, float64, (evaluation,).
    by_scattering
        Derivatives of the weighted sum by x, y, z of q, or of what stands in its place, float64, (evaluation, 1) each.
    by_columns
        Derivatives of it by the columns, float64, of their shape.
    others
        Derivatives of it by other tensors that come in within a term, by name.
    """

    intensity: torch.Tensor
    by_scattering: Components
    by_columns: torch.Tensor
    others: dict[str, torch.Tensor | None]


def _inner(
    plan: Plan, leaves: dict[str, torch.Tensor], within: Sequence[str], q: Components, weights: torch.Tensor
) -> _Inner:
    """Differentiate the terms; `weights` are what each evaluation's intensity is multiplied by, (evaluation,)."""
    columns, dtype = columns_in(plan), plan.lattice.dtype
    rows = [[component.unsqueeze(1) for component in row] for row in columns.rows]
    origin = None if columns.origin is None else [start.unsqueeze(1) for start in columns.origin]
    # q is large and cell vectors are small where they are in metres: products of them leave single precision.
    unit = 1.0 if plan.sources_across else ANGSTROM
    # Shares of the largest weight keep single precision within its range.
    largest = weights.abs().amax().clamp_min(torch.finfo(torch.float64).tiny)
    shares = (weights / largest).to(dtype)
    weight = None if columns.weight is None else columns.weight.to(dtype).unsqueeze(1)
    weighted = shares if weight is None else shares * weight
    shape = (rows[0][0].shape[0], weights.shape[0])
    spectral = None
    if columns.spectral is not None:
        spectral = tuple(each.detach().unsqueeze(1).requires_grad_() for each in columns.spectral)
    intensity, found, rest = differentiated(
        plan, q, rows, origin, spectral, weighted, [*(spectral or ()), *(leaves[name] for name in within)]
    )
    by_spectral, others = rest[: len(spectral or ())], rest[len(spectral or ()) :]
    intensity = intensity.expand(shape)
    # Derivatives by h, k and l, one below the other: what is summed of them, down or across, are products of matrices.
    slopes = torch.stack([slope.expand(shape) for slope in found]).reshape(-1, shape[1])
    vectors = torch.stack([torch.cat([row[axis] for row in rows]).squeeze(1) for axis in range(3)]) / unit
    by_scattering = (vectors.to(dtype) @ slopes).to(torch.float64) * (largest * unit)
    scaled = [(component * unit).to(dtype) for component in q]
    if origin is not None:
        scaled.append(torch.ones_like(scaled[0]))
    sums = (slopes @ torch.stack(scaled, dim=1)).to(torch.float64).reshape(3, shape[0], -1) * largest
    by_columns = [(sums[:, :, :3] / unit).transpose(0, 1).reshape(-1, 9)]
    if origin is not None:
        by_columns.append(sums[:, :, 3].transpose(0, 1))
    if weight is not None:
        by_columns.append((intensity @ shares).to(torch.float64).unsqueeze(1) * largest)
    for each in by_spectral:
        by_columns.append(torch.zeros_like(by_columns[0][:, :1]) if each is None else each * largest)
    total = intensity if weight is None else intensity * weight
    x, y, z = by_scattering.unsqueeze(2).unbind(0)
    return _Inner(
        intensity=total.sum(dim=0, dtype=torch.float64),
        by_scattering=(x, y, z),
        by_columns=torch.cat(by_columns, dim=1),
        others={
            name: None if other is None else other * largest.to(other.dtype)
            for name, other in zip(within, others, strict=True)
        },
    )


def differentiated(
    plan: Plan,
    q: Components,
    rows: list[list[torch.Tensor]],
    origin: list[torch.Tensor] | None,
    spectral: tuple[torch.Tensor, ...] | None,
    shares: torch.Tensor,
    others: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, list[torch.Tensor], Sequence[torch.Tensor | None]]:
    """Intensities (column, evaluation); their derivatives by h, k and l, times `shares`; and by other tensors."""
    index, nearest, offset = indices(q, rows, origin)
    # In the precision of amplitudes: a derivative needs no more.
    offset = Miller(*(each.detach().to(plan.lattice.dtype).requires_grad_() for each in offset))
    index = Miller(*(each.detach().requires_grad_() for each in index))
    with torch.enable_grad():
        intensity = scattered(plan, index, nearest, offset, spectral).intensity
        inputs = [*offset, *index, *others]
        found: Sequence[torch.Tensor | None] = [None] * len(inputs)
        if intensity.requires_grad:
            found = torch.autograd.grad(intensity, inputs, shares.expand_as(intensity), allow_unused=True)
    slopes = []
    for axis in range(3):
        known = [each.detach() for each in (found[axis], found[axis + 3]) if each is not None]
        # By the index it is float64.
        slopes.append(reduce(add, known).to(offset[axis].dtype) if known else torch.zeros_like(offset[axis]))
    return intensity.detach(), slopes, found[6:]
