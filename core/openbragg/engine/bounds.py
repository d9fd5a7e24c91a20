"""How much each orientation can add to the pixels of a tile, at most: what need not be evaluated.

A tile is a small square of neighbouring pixels, with all their subpixels and layers. Its q, all of which are worked
out, lie in a box. Indices are linear in q, so that those of an orientation lie in a box too, and the box has a least
distance from whole indices, from which the plugins tell how large F_latt and F_cell can be. `docs/cull.md` has the
proof.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch

from openbragg.engine.block import Evaluations
from openbragg.engine.evaluate import photons, pixel_factors
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.roles import BoundedLatticeShape, Miller

#: More than float64 rounds an index, for crystals up to tens of micrometres.
_INDEX_ROUNDING = 1e-9
#: More than single precision rounds a bound.
_BOUND_ROUNDING = 1.0 + 1e-5
#: Rounding of a sum of n numbers in single precision is below n times this, in whatever order they are added.
_SUM_ROUNDING = 1.2e-7
#: Bounds up to which orientations are left out are tried in such steps, beginning at an equal share for all: a
#: compiler makes one loop of a fixed number of sums, and sorting would cost as much as evaluating.
_STEP = 1.6
_STEPS = 8
#: Columns come in such multiples, and a length in metres that no cell has.
_TOGETHER, _HUGE = 8, 1e30


@attrs.frozen(eq=False)
class TileBounds:
    """What is known of tiles before they are evaluated.

    Attributes
    ----------
    shares
        What each orientation could add to a pixel of a tile, at most, in units of an equal share of what may be left
        out, (tile x source, orientation).
    most
        The largest share up to which orientations are left out, of each tile, (tile,).
    skipped
        What these could add to a pixel of each tile, at most: photons, float64, (tile,).
    reach
        About what all orientations could: where the peak may be.
    """

    shares: torch.Tensor
    most: torch.Tensor
    skipped: torch.Tensor
    reach: torch.Tensor

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """All four."""
        return self.shares, self.most, self.skipped, self.reach

    def kept(self) -> torch.Tensor:
        """Which orientations must be evaluated, booleans (tile, source, orientation)."""
        shares = self.shares.reshape(len(self.most), -1, self.shares.shape[1])
        return ~(shares <= self.most.reshape(-1, 1, 1))


def views_of(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, evaluations: Evaluations
) -> torch.Tensor:
    """What tiles see, before any orientation comes in.

    Parameters
    ----------
    plan, panel
        The sum.
    slow, fast
        Indices of the pixels of tiles, float64, (tile, pixel).
    evaluations
        What there is to evaluate of the pixels.

    Returns
    -------
    Seven numbers, float64, (tile, source, 7): x, y, z of the middle of the box in which all q of a tile lie, and half
    its extents, in 1/metres; and the photons that a pixel gets from one squared electron in each of its samples, at
    most. Numbers of one tile lie side by side, which keeps the compiler from running its innermost loop over tiles.
    """
    samples = [by_tile(component, slow.shape[1]) for component in evaluations.scattering]
    lowest = torch.stack([component.amin(dim=-1) for component in samples], dim=-1)
    highest = torch.stack([component.amax(dim=-1) for component in samples], dim=-1)
    weight = _photons_per_intensity(plan, panel, slow, fast, evaluations)
    return torch.cat([0.5 * (lowest + highest), 0.5 * (highest - lowest), weight.unsqueeze(-1)], dim=-1)


def columns_for_bounds(plan: Plan) -> torch.Tensor:
    """Components of the cell vectors, (9, orientation), those of all orientations side by side.

    There are more columns than orientations, up to a multiple of what a processor works on at once. The cells of the
    others are so large that nothing is left out of them.
    """
    columns = plan.cell_vectors.detach().reshape(-1, 9).T
    return torch.nn.functional.pad(columns, (0, -columns.shape[1] % _TOGETHER), value=_HUGE).contiguous()


def tile_bounds(plan: Plan, views: torch.Tensor, columns: torch.Tensor, limit: torch.Tensor) -> TileBounds:
    """Choose which orientations to evaluate.

    Parameters
    ----------
    plan
        The sum, with the tables of `openbragg.BoundedStructureFactors.neighbourhoods`.
    views
        What `views_of` gives for the tiles.
    columns
        See `columns_for_bounds`.
    limit
        What may be left out of a pixel: photons, above 0, float64, ().
    """
    tiles, sources = views.shape[:2]
    seven = views.reshape(-1, 7, 1).unbind(1)
    pairs = sources * columns.shape[1]
    # Times a number of each tile, which keeps the compiler from running two loops where one does.
    shares = _bounds(plan, seven[:6], columns) * (seven[6] * pairs / limit).to(plan.lattice.dtype)
    of_tile = shares.reshape(tiles, pairs)
    whole = pairs / (1.0 + pairs * _SUM_ROUNDING)
    levels = [_STEP**step for step in range(_STEPS)]
    sums = [torch.where(shares <= level, shares, 0.0).sum(dim=1).reshape(tiles, sources).sum(dim=1) for level in levels]
    most = torch.zeros_like(sums[0])
    skipped = torch.zeros_like(sums[0])
    for level, total in zip(levels, sums, strict=True):
        # The sums grow, so that the last that is small enough counts.
        most = torch.where(total <= whole, level, most)
        skipped = torch.where(total <= whole, total, skipped)
    return TileBounds(
        shares=shares,
        most=most,
        skipped=skipped.to(torch.float64) * (limit / whole),
        reach=torch.where(of_tile < float("inf"), of_tile, 0.0).sum(dim=1) * (limit / pairs),
    )


def _bounds(plan: Plan, boxes: Sequence[torch.Tensor], columns: torch.Tensor) -> torch.Tensor:
    """Bounds of F_cell^2 F_latt^2, (box, orientation), for boxes of q and components (9, orientation) of the cell."""
    assert isinstance(plan.shape, BoundedLatticeShape)
    indices, distances, within = [], [], None
    for row in range(3):
        x, y, z = columns[3 * row], columns[3 * row + 1], columns[3 * row + 2]
        centre = (boxes[0] * x).addcmul(boxes[1], y).addcmul(boxes[2], z)
        reach = (boxes[3] * x.abs()).addcmul(boxes[4], y.abs()).addcmul(boxes[5], z.abs())
        nearest = torch.ceil(centre - 0.5)
        distance = (centre - nearest).abs() - (reach + _INDEX_ROUNDING)
        distances.append(distance.to(plan.lattice.dtype).clamp(min=0.0, max=0.5))
        indices.append(nearest)
        # So that the nearest index of no sample is farther away than the next.
        near = reach < 1.0 - _INDEX_ROUNDING
        within = near if within is None else within & near
    assert within is not None
    amplitude = plan.structure_factors.amplitude(Miller(*indices), Miller(*indices), plan.tables)
    amplitude = amplitude * plan.shape.bound(Miller(*distances), plan.lattice)
    return torch.where(within, amplitude * amplitude * _BOUND_ROUNDING, float("inf"))


def by_tile(values: torch.Tensor, pixels: int) -> torch.Tensor:
    """Values on seven axes, of `pixels` pixels to a tile, as (tile, source, sample), contiguous."""
    layer, slow, fast, source = values.shape[:4]
    split = values.reshape(layer, slow, fast, source, -1, pixels)
    return split.permute(4, 3, 0, 1, 2, 5).reshape(-1, source, layer * slow * fast * pixels).contiguous()


def _photons_per_intensity(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, evaluations: Evaluations
) -> torch.Tensor:
    """What a pixel gets from one squared electron in each of its samples, at most: (tile, source), float64."""
    factors = pixel_factors(plan, panel, slow.reshape(-1), fast.reshape(-1))
    factor = photons(plan, torch.ones_like(slow).reshape(-1), factors).abs().reshape(slow.shape).amax(dim=-1)
    shape = evaluations.scattering[0].shape
    samples = shape[0] * shape[1] * shape[2]
    if evaluations.weight is None:
        return (factor * samples).unsqueeze(-1).expand(-1, shape[3])
    weight = by_tile(evaluations.weight.expand(shape), slow.shape[1]).abs().amax(dim=-1)
    return factor.unsqueeze(-1) * weight * samples
