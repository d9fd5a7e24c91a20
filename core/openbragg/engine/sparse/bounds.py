"""How much each orientation can add to the pixels of a tile, at most: what need not be evaluated.

A tile is a small square of neighbouring pixels, with all their subpixels and layers. Its q, all of which are worked
out, lie in a box. Indices are linear in q, so that those of an orientation lie in a box too, and the box has a least
distance from whole indices, from which the plugins tell how large F_latt and F_cell can be.
`docs/explanation/cull.md` has the proof.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch

from openbragg.engine.amplitudes import dot
from openbragg.engine.compiled.block import Evaluations
from openbragg.engine.evaluate import photons, pixel_factors
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.roles import BoundedLatticeShape, Miller

#: More than single precision rounds h = a . q, as a part of |a_x q_x| + |a_y q_y| + |a_z q_z|; and a box's extents.
_INDEX_ROUNDING = 2.0**-20
#: More than single precision rounds a bound.
_BOUND_ROUNDING = 1.0 + 1e-5
#: Below it a reach is below 1 for all that single precision rounds.
_NEXT = 1.0 - 1e-5
#: Rounding of a sum of n numbers in single precision is below n times this, in whatever order they are added.
_SUM_ROUNDING = 1.2e-7
#: Bounds up to which orientations are left out are tried in such steps, beginning at an equal share for all: sorting
#: would cost as much as evaluating.
_STEP = 1.6
_STEPS = 8


@attrs.frozen(eq=False)
class TileBounds:
    """What is known of tiles before they are evaluated.

    Attributes
    ----------
    shares
        What each orientation could add to a pixel of a tile, at most, in units of an equal share of what may be left
        out, (tile x source, column); see `columns_for_bounds`.
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

    def kept(self) -> torch.Tensor:
        """Which orientations must be evaluated, booleans (tile x source, column)."""
        shares = self.shares.reshape(len(self.most), -1)
        return (~(shares <= self.most.unsqueeze(1))).reshape(self.shares.shape)


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
    most.
    """
    samples = [by_tile(component, slow.shape[1]) for component in evaluations.scattering]
    lowest = torch.stack([component.amin(dim=-1) for component in samples], dim=-1)
    highest = torch.stack([component.amax(dim=-1) for component in samples], dim=-1)
    weight = _photons_per_intensity(plan, panel, slow, fast, evaluations)
    return torch.cat([0.5 * (lowest + highest), 0.5 * (highest - lowest), weight.unsqueeze(-1)], dim=-1)


def columns_for_bounds(plan: Plan) -> torch.Tensor:
    """The components of the cell vectors, their absolute values, and the weight, float32, (19, column).

    Those of all orientations lie side by side.
    """
    vectors = plan.cell_vectors.detach().reshape(-1, 9).T.to(torch.float32)
    weights = torch.ones_like(vectors[0])
    if plan.domain_weights is not None:
        weights = plan.domain_weights.detach().to(torch.float32).repeat(len(plan.cell_vectors))
    return torch.cat([vectors, vectors.abs(), weights.unsqueeze(0)])


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
    # In units of an equal share of what may be left out.
    shares = _bounds(plan, seven[:6], columns) * (seven[6] * (pairs / limit)).to(plan.lattice.dtype)
    whole = pairs / (1.0 + pairs * _SUM_ROUNDING)
    levels = [_STEP**step for step in range(_STEPS)]

    def of_tiles(chosen: torch.Tensor) -> torch.Tensor:
        return torch.where(chosen, shares, 0.0).sum(dim=1).reshape(tiles, sources).sum(dim=1)

    sums = [of_tiles(shares <= level) for level in levels]
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
        reach=of_tiles(shares < float("inf")) * (limit / pairs),
    )


def _bounds(plan: Plan, boxes: Sequence[torch.Tensor], columns: torch.Tensor) -> torch.Tensor:
    """Bounds of F_cell^2 F_latt^2 with the orientation's weight, (box, column); 0 in columns without an orientation.

    Single precision does, in whatever precision the sum is: boxes are larger by what it rounds.
    """
    assert isinstance(plan.shape, BoundedLatticeShape)
    middles = [box.to(torch.float32) for box in boxes[:3]]
    extents = [
        (extent * (1.0 + _INDEX_ROUNDING) + middle.abs() * _INDEX_ROUNDING).to(torch.float32)
        for extent, middle in zip(boxes[3:], boxes[:3], strict=True)
    ]
    indices, distances, within = [], [], None
    for row in range(3):
        centre = dot(middles, columns[3 * row : 3 * row + 3].unbind(0))
        reach = dot(extents, columns[3 * row + 9 : 3 * row + 12].unbind(0))
        nearest = torch.round(centre)
        distance = (centre - nearest).abs() - reach
        distances.append(distance.to(plan.lattice.dtype).clamp(min=0.0))
        indices.append(nearest.to(torch.float64))
        # So that the nearest index of no sample is farther away than the next.
        near = reach < _NEXT
        within = near if within is None else within & near
    assert within is not None
    amplitude = plan.structure_factors.amplitude(Miller(*indices), Miller(*indices), plan.tables)
    amplitude = amplitude * plan.shape.bound(Miller(*distances), plan.lattice)
    # As a product, for where there is no orientation nothing is infinite.
    squared = amplitude * amplitude * (columns[18] * _BOUND_ROUNDING)
    return torch.where(within, squared, float("inf"))


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
