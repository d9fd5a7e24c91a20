"""The sum of a block in groups of neighbouring pixels, for structure factors that take less work where h k l are close.

Arrays have the axes layer, slow subpixel, fast subpixel, source, column, group and pixel of the group, so that the
innermost loop runs over the pixels of one group, and all else that it needs is the same for all of them. In which two
cells of indices a group lies is worked out from a pixel in its middle. Whether all lie there is seen when each
is summed: the sum of a pixel that does not is no number, and `Regrouped` sums it anew, in smaller groups in which each
pixel stands several times, at last in groups of one pixel. So a pixel's sum does not depend on the others of its group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import attrs
import torch

from openbragg.engine.amplitudes import amplitudes, indices
from openbragg.engine.compiled.block import Columns, block_photons, columns_in, evaluations_of
from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE, Run
from openbragg.engine.evaluate import not_skipped
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Components
from openbragg.engine.summation import COMPLETE, MISSING
from openbragg.roles import GroupedStructureFactors, InterpolatingStructureFactors, Miller

#: Pixels of a group.
GROUP = PIXEL_MULTIPLE
#: Of them the one that tells where a group lies.
_MIDDLE = GROUP // 2
#: More terms than a pixel that is summed in groups may have, a power of 2.
_MORE = float(1 << 26)
#: How much smaller each next kind of groups is.
_SMALLER = 4
#: Groups to look at before any sum, and the part of them that may see more cells.
_LOOKED_AT, _MOST_WIDE = 64, 0.25
#: Of the pixels of each: in a row the first or the last is farthest from the middle.
_ENDS = (0, _MIDDLE, GROUP - 1)
#: Of the columns so many are looked at, and of layers, sources and pixels so many together.
_COLUMNS, _TOGETHER = 64, 1 << 13


def group_sums(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Sum all terms of pixels; slow and fast are pixel indices, float64, (pixel,), in whole groups.

    Returns
    -------
    Photons (pixel,), no number where one of a pixel's terms is beyond its group's two cells; and where there are marks
    in `BlockSums` a number that has both, `MISSING` and `COMPLETE` added up, float64, (pixel,).
    """
    evaluations = evaluations_of(plan, panel, slow, fast)
    q, columns = _groups_of(evaluations.scattering), _outermost(columns_in(plan))
    first = _cells_of(plan, panel, slow, fast, columns)
    found = amplitudes(plan, q, columns.rows, columns.origin, first=first)
    terms = torch.where(_beyond(found.index, first), torch.nan, found.intensity)
    if columns.weight is not None:
        terms = terms * columns.weight.to(plan.lattice.dtype)
    each = (*terms.shape[:4], columns.rows[0][0].shape[0], *terms.shape[5:])
    intensity = terms.expand(each).sum(dim=4, dtype=torch.float64).flatten(-2)[..., None, None, :]
    sums = [block_photons(plan, panel, slow, fast, intensity, evaluations.weight)]
    if plan.interpolates or plan.reference_interpolates:
        assert isinstance(plan.structure_factors, InterpolatingStructureFactors)
        there = plan.structure_factors.complete(found.index, plan.tables)
        counted = not_skipped(plan, q, found.lattice_amplitude)
        # Two numbers of terms in one: those that lack a neighbour, in units of more than there can be of the others.
        number = torch.where(counted, torch.where(there, 1.0, _MORE), 0.0).to(torch.float32)
        both = number.expand(each).sum(dim=(0, 1, 2, 3, 4), dtype=torch.float64).flatten()
        lacking = (both * (1.0 / _MORE)).floor()
        # A number: compiled code takes longer to write truths than for all else.
        some = torch.where(lacking > 0.0, float(MISSING), 0.0)
        sums.append(some + torch.where(both - lacking * _MORE > 0.0, float(COMPLETE), 0.0))
    return tuple(sums)


@attrs.frozen(eq=False)
class Regrouped:
    """Compiled `group_sums` as the sum of any pixels.

    Attributes
    ----------
    kernel
        The code; takes a plan's tensors, and slow and fast indices of pixels.
    """

    kernel: Run

    def __call__(self, arguments: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The plan's tensors and pixels in; photons out, and the number with the marks if there are any."""
        *tensors, slow, fast = arguments
        return self._sums(tensors, slow, fast, 1, slow.numel())

    def _sums(
        self, tensors: list[torch.Tensor], slow: torch.Tensor, fast: torch.Tensor, times: int, most: int
    ) -> list[torch.Tensor]:
        """The sums of pixels, of which each stands so many times in a group; `most` is how many to sum at once."""
        if slow.numel() * times > most:
            size = most // times
            parts = [
                self._sums(tensors, slow[low : low + size], fast[low : low + size], times, most)
                for low in range(0, slow.numel(), size)
            ]
            return [torch.cat(part) for part in zip(*parts, strict=True)]
        repeated = [_filled(where if times == 1 else where.repeat_interleave(times)) for where in (slow, fast)]
        sums = list(self.kernel([*tensors, *repeated]))
        if sums[0].numel() != slow.numel():
            sums = [each[: slow.numel() * times : times] for each in sums]
        # Most blocks have none such, which their total tells soonest.
        if times < GROUP and math.isnan(sums[0].sum()):
            wide = sums[0].isnan().nonzero().reshape(-1)
            if wide.numel() > 0:
                again = self._sums(tensors, slow[wide], fast[wide], times * _SMALLER, most)
                sums = [each.index_copy(0, wide, better) for each, better in zip(sums, again, strict=True)]
        return sums


def groups_gain(plan: Plan) -> bool:
    """Whether a plan's structure factors gain by groups: the same for all plans that share their tables."""
    factors = plan.structure_factors
    alone = plan.spectral is None and plan.diffuse is None
    return alone and isinstance(factors, GroupedStructureFactors) and factors.grouped(plan.tables)


def groups_pay(plan: Plan, panel: PanelPlan) -> bool:
    """Whether a panel's sum, by a plan from `block_plan`, is to be taken in groups, if its structure factors gain.

    Most of some groups spread over the panel must see few cells. These do not depend on which pixels are rendered.
    """
    assert plan.columns is not None
    sources = 1 if plan.sources_across else plan.wavelengths.numel()
    if panel.layer_depths.numel() * plan.oversample**2 * sources * plan.columns.shape[0] >= _MORE:
        return False
    height, width = panel.pixels
    pixels = height * width
    first = torch.linspace(0, max(0, pixels - GROUP), _LOOKED_AT, dtype=torch.float64, device=plan.device).floor()
    ends = torch.tensor(_ENDS, dtype=torch.float64, device=plan.device)
    places = (first.unsqueeze(1) + ends).clamp(max=pixels - 1).reshape(-1)
    row = (places / width).floor()
    centre = attrs.evolve(plan, subpixels=plan.subpixels[:1])
    columns = _some(_outermost(columns_in(plan)))
    size = max(1, _TOGETHER // (panel.layer_depths.numel() * plan.wavelengths.numel() * len(_ENDS))) * len(_ENDS)
    wide = 0
    for start in range(0, places.numel(), size):
        part = slice(start, start + size)
        evaluations = evaluations_of(centre, panel, row[part], (places - row * width)[part])
        q = _groups_of(evaluations.scattering, len(_ENDS))
        index, _, _ = indices(q, columns.rows, columns.origin)
        cells = _around(Miller(*(value[..., 1:2] for value in index)))
        wide += int(_beyond(index, cells).any(dim=-1).flatten(0, 4).any(dim=0).sum())
    return wide <= _MOST_WIDE * _LOOKED_AT


def _groups_of(scattering: Components, size: int = GROUP) -> Components:
    """q with the axes of this module, of groups of so many pixels."""
    x, y, z = (torch.unflatten(component[..., 0, 0, :], -1, (-1, size)).unsqueeze(-3) for component in scattering)
    return x, y, z


def _outermost(columns: Columns) -> Columns:
    """Columns before groups and their pixels, (column, 1, 1) each."""
    return Columns(
        rows=[[each.reshape(-1, 1, 1) for each in row] for row in columns.rows],
        origin=None if columns.origin is None else [each.reshape(-1, 1, 1) for each in columns.origin],
        weight=None if columns.weight is None else columns.weight.reshape(-1, 1, 1),
    )


def _some(columns: Columns) -> Columns:
    """A few of the columns, spread over all."""
    step = -(-columns.rows[0][0].shape[0] // _COLUMNS)
    return Columns(
        rows=[[each[::step] for each in row] for row in columns.rows],
        origin=None if columns.origin is None else [each[::step] for each in columns.origin],
        weight=None if columns.weight is None else columns.weight[::step],
    )


def _cells_of(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, columns: Columns) -> Miller:
    """Where the two cells of each group begin, told by a pixel in its middle; the last axis is of length 1."""
    middle = [torch.unflatten(where, 0, (-1, GROUP))[:, _MIDDLE] for where in (slow, fast)]
    scattering = evaluations_of(plan, panel, *middle).scattering
    x, y, z = (component[..., 0, 0, :].unsqueeze(-1).unsqueeze(-3) for component in scattering)
    index, _, _ = indices((x, y, z), columns.rows, columns.origin)
    return _around(index)


def _around(index: Miller) -> Miller:
    """Where those two cells begin that have an index half a cell or more from either end."""
    return Miller(*((value - 0.5).floor() for value in index))


def _beyond(index: Miller, first: Miller) -> torch.Tensor:
    """Whether h, k or l lie outside of the two cells that begin at `first`."""
    distances = ((value - (floor + 1.0)).abs() for value, floor in zip(index, first, strict=True))
    return reduce(torch.maximum, distances) > 1.0


def _filled(values: torch.Tensor) -> torch.Tensor:
    """Values (pixel,) with the last repeated to fill a group."""
    missing = -values.numel() % GROUP
    return values if missing == 0 else torch.cat([values, values[-1:].expand(missing)])
