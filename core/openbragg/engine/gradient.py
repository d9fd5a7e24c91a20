"""The gradient of a block's photons as one function of tensors, which a compiler can fuse.

Reverse differentiation of the whole sum would keep a dozen numbers of every term. Here the derivative of a term is
taken by its three offsets alone, by the plugins' own operations, and the rest of the chain is written out: the sums over
orientations and over evaluations are products with the cell vectors and with q.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch

from openbragg.engine.amplitudes import indices
from openbragg.engine.block import (
    block_photons,
    columns_of,
    evaluations_of,
    rows_of,
    summed_over_orientations,
    tensors_in,
    with_tensors,
)
from openbragg.engine.plan import Plan
from openbragg.engine.rays import Components
from openbragg.roles import Miller

#: Fields of a plan that come in within a term; all others act through q, the weights and the factors of pixels.
_WITHIN_TERMS = ("lattice.", "tables.", "shape.", "structure_factors.")
_CELL_VECTORS = "cell_vectors"


@attrs.frozen(eq=False)
class _Inner:
    """What differentiating the terms gives.

    Attributes
    ----------
    intensity
        Sums over orientations, float64, (evaluation,).
    by_scattering
        Derivatives of these by x, y, z of q, float64, (evaluation,) each.
    by_vectors
        Derivatives of the weighted sum by the cell vectors, float64, (orientation, 3, 3).
    others
        Derivatives of it by the tensors that were asked for.
    """

    intensity: torch.Tensor
    by_scattering: Components
    by_vectors: torch.Tensor
    others: tuple[torch.Tensor, ...]


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
    within = [name for name in wanted if name.startswith(_WITHIN_TERMS)]
    leaves = {name: tensor.detach().requires_grad_(name in wanted) for name, tensor in zip(names, tensors, strict=True)}
    with torch.enable_grad():
        whole: Plan = with_tensors(plan, list(leaves.values()))
        panel = whole.panels[0]
        evaluations = evaluations_of(whole, panel, slow, fast)
        q = rows_of(evaluations.scattering)
    shape = evaluations.scattering[0].shape
    # Photons are linear in the intensities, whatever these are.
    share = torch.zeros(shape, dtype=torch.float64, device=slow.device).requires_grad_()
    with torch.enable_grad():
        linear = block_photons(whole, panel, slow, fast, share, evaluations.weight)
        (weights,) = torch.autograd.grad(linear, share, cotangent, retain_graph=True)
    weights = weights.detach().reshape(-1)
    inner = _inner(plan, leaves, within, (q[0].detach(), q[1].detach(), q[2].detach()), weights)
    with torch.enable_grad():
        photons = block_photons(whole, panel, slow, fast, inner.intensity.reshape(shape), evaluations.weight)
        outer = [name for name in wanted if name not in within]
        ends = [(photons, cotangent)]
        ends += [(x, (weights * by).unsqueeze(1)) for x, by in zip(q, inner.by_scattering, strict=True)]
        ends = [(end, by) for end, by in ends if end.requires_grad]
        found: Sequence[torch.Tensor | None] = [None] * len(outer)
        if outer and ends:
            found = torch.autograd.grad(
                [end for end, _ in ends], [leaves[name] for name in outer], [by for _, by in ends], allow_unused=True
            )
    results = dict(zip(outer, found, strict=True)) | dict(zip(within, inner.others, strict=True))
    if _CELL_VECTORS in wanted:
        results[_CELL_VECTORS] = inner.by_vectors.reshape(leaves[_CELL_VECTORS].shape)
    made = []
    for name in wanted:
        gradient = results[name]
        made.append(torch.zeros_like(leaves[name]) if gradient is None else gradient.detach().clone())
    return made


def _inner(
    plan: Plan, leaves: dict[str, torch.Tensor], within: Sequence[str], q: Components, weights: torch.Tensor
) -> _Inner:
    """Differentiate the terms; `weights` are what each evaluation's intensity is multiplied by, (evaluation,)."""
    vectors = leaves[_CELL_VECTORS].detach()
    rows = columns_of(vectors)
    plan = with_tensors(plan, list(leaves.values()))
    index, nearest, offset = indices(q, rows)
    # In the precision of amplitudes: a derivative needs no more.
    offset = Miller(*(each.to(plan.lattice.dtype).requires_grad_() for each in offset))
    index = Miller(*(each.detach().requires_grad_() for each in index))
    with torch.enable_grad():
        lattice_amplitude = plan.shape.factors(offset, nearest, plan.lattice)
        amplitude = plan.structure_factors.amplitude(index, nearest, plan.tables)
        for factor in lattice_amplitude:
            amplitude = amplitude * factor
        intensity = amplitude * amplitude
        one = torch.ones_like(intensity)
        by_offset = _gradients(intensity, [*offset, *index], one)
        others = _gradients(
            intensity, [leaves[name] for name in within], weights.unsqueeze(1).to(intensity.dtype).expand_as(one)
        )
    slopes = []
    for axis in range(3):
        first, second = by_offset[axis], by_offset[axis + 3]
        known = [each.detach().to(torch.float64) for each in (first, second) if each is not None]
        slopes.append(sum(known) if known else torch.zeros_like(nearest[axis]))
    x, y, z = (
        summed_over_orientations(sum(slope * row[axis] for slope, row in zip(slopes, rows, strict=True)), rows[0][0])
        for axis in range(3)
    )
    weighted = [component * weights.unsqueeze(1) for component in q]
    by_vectors = torch.stack([(slope * component).sum(dim=0) for slope in slopes for component in weighted], dim=-1)
    zeros = [torch.zeros_like(leaves[name]) for name in within]
    return _Inner(
        intensity=summed_over_orientations(intensity.detach(), rows[0][0]),
        by_scattering=(x, y, z),
        by_vectors=by_vectors,
        others=tuple(zero if each is None else each for zero, each in zip(zeros, others, strict=True)),
    )


def _gradients(
    output: torch.Tensor, inputs: Sequence[torch.Tensor], cotangent: torch.Tensor
) -> Sequence[torch.Tensor | None]:
    if not inputs or not output.requires_grad:
        return [None] * len(inputs)
    return torch.autograd.grad(output, list(inputs), cotangent, allow_unused=True, retain_graph=True)
