"""The sum of a block in groups of neighbouring pixels, for structure factors that take less work where h k l are close.

Arrays have the axes layer, slow subpixel, fast subpixel, source, column, group and pixel of the group, so that the
innermost loop runs over the pixels of one group, and all else that it needs is the same for all of them. In which two
cells of indices a group lies is worked out from its first and its last pixel. Whether all lie there is seen when each
is summed: where one does not, `Regrouped` sums the pixels anew, in smaller groups in which each pixel stands several
times, at last in groups of one pixel. What a pixel's sum is does not depend on the others of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import attrs
import torch

from openbragg.engine.amplitudes import amplitudes, indices
from openbragg.engine.block import (
    Columns,
    block_photons,
    columns_in,
    evaluations_of,
)
from openbragg.engine.evaluate import not_skipped
from openbragg.engine.kernel import PIXEL_MULTIPLE
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Components
from openbragg.roles import GroupedStructureFactors, InterpolatingStructureFactors, Miller

#: Pixels of a group.
GROUP = PIXEL_MULTIPLE
#: How much smaller each next kind of groups is.
_SMALLER = 4
#: Groups to look at before any sum, and the part of them that may see more cells.
_LOOKED_AT, _MOST_WIDE = 256, 0.25
#: Of the columns so many are looked at, and of layers, sources and pixels so many together.
_COLUMNS, _TOGETHER = 64, 1 << 13

Sums = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]


def group_sums(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Sum all terms of pixels; slow and fast are pixel indices, float64, (pixel,), in whole groups.

    Returns
    -------
    Photons (pixel,); where there are marks in `BlockSums`, how many terms they would come from, (pixel,) each; and of
    each group how many terms are beyond its two cells of indices, (group,).
    """
    evaluations = evaluations_of(plan, panel, slow, fast)
    q, columns = _groups_of(evaluations.scattering), _outermost(columns_in(plan))
    first = _cells(q, columns)
    found = amplitudes(plan, q, columns.rows, columns.origin, first)
    terms = found.intensity if columns.weight is None else found.intensity * columns.weight.to(plan.lattice.dtype)
    each = (*terms.shape[:4], columns.rows[0][0].shape[0], *terms.shape[5:])
    intensity = terms.expand(each).sum(dim=4, dtype=torch.float64).flatten(-2)[..., None, None, :]
    sums = [block_photons(plan, panel, slow, fast, intensity, evaluations.weight)]
    # The index once more, to the last digit, but another number to a compiler: what is true of it is then worked out
    # where it is needed. Truths in memory take a processor longer than all else here.
    index = Miller(*(whole + (value - whole) for value, whole in zip(found.index, found.nearest, strict=True)))
    if plan.interpolates or plan.reference_interpolates:
        assert isinstance(plan.structure_factors, InterpolatingStructureFactors)
        there = _number(plan.structure_factors.complete(index, plan.tables))
        counted = _number(not_skipped(plan, q, found.lattice_amplitude))
        sums += [_counted(part.expand(each)).flatten() for part in ((1.0 - there) * counted, there * counted)]
    return (*sums, _counted(_number(_beyond(index, first)).expand(each)).sum(dim=-1))


@attrs.frozen(eq=False)
class Regrouped:
    """Compiled `group_sums` as the sum of any pixels.

    Attributes
    ----------
    kernel
        The code; takes a plan's tensors, and slow and fast indices of pixels.
    """

    kernel: Sums

    def __call__(self, arguments: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The plan's tensors and pixels in; photons, and the marks that there are, out."""
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
        photons, *counts, beyond = self.kernel([*tensors, *repeated])
        sums = [each[::times][: slow.numel()] for each in (photons, *(count > 0.0 for count in counts))]
        if times < GROUP:
            wide = (beyond > 0.0).repeat_interleave(GROUP // times)[: slow.numel()].nonzero().reshape(-1)
            if wide.numel() > 0:
                again = self._sums(tensors, slow[wide], fast[wide], times * _SMALLER, most)
                sums = [each.index_copy(0, wide, better) for each, better in zip(sums, again, strict=True)]
        return sums


def groups_pay(plan: Plan, panel: PanelPlan) -> bool:
    """Whether a panel's sum, by a plan from `block_plan`, is to be taken in groups.

    Its structure factors must gain by it, and most of some groups spread over the panel must see few cells. These do
    not depend on which pixels are rendered.
    """
    factors = plan.structure_factors
    if not (isinstance(factors, GroupedStructureFactors) and factors.grouped(plan.tables)):
        return False
    height, width = panel.pixels
    pixels = height * width
    first = torch.linspace(0, max(0, pixels - GROUP), _LOOKED_AT, dtype=torch.float64, device=plan.device).floor()
    places = (first.unsqueeze(1) + torch.arange(GROUP, device=plan.device)).clamp(max=pixels - 1).reshape(-1)
    row = (places / width).floor()
    centre = attrs.evolve(plan, subpixels=plan.subpixels[:1])
    columns = _some(_outermost(columns_in(plan)))
    size = max(1, _TOGETHER // (panel.layer_depths.numel() * plan.wavelengths.numel() * GROUP)) * GROUP
    wide = 0
    for start in range(0, places.numel(), size):
        part = slice(start, start + size)
        evaluations = evaluations_of(centre, panel, row[part], (places - row * width)[part])
        q = _groups_of(evaluations.scattering)
        index, _, _ = indices(q, columns.rows, columns.origin)
        wide += int(_beyond(index, _cells(q, columns)).any(dim=-1).flatten(0, 4).any(dim=0).sum())
    return wide <= _MOST_WIDE * _LOOKED_AT


def _groups_of(scattering: Components) -> Components:
    """q with the axes of this module."""
    x, y, z = (torch.unflatten(component[..., 0, 0, :], -1, (-1, GROUP)).unsqueeze(-3) for component in scattering)
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


def _cells(q: Components, columns: Columns) -> Miller:
    """The floor of h, k and l of each group, of the lesser of its first and its last pixel's."""
    (start, _, _), (end, _, _) = (
        indices((q[0][..., place], q[1][..., place], q[2][..., place]), columns.rows, columns.origin)
        for place in (slice(0, 1), slice(GROUP - 1, GROUP))
    )
    return Miller(*(one.minimum(other).floor() for one, other in zip(start, end, strict=True)))


def _beyond(index: Miller, first: Miller) -> torch.Tensor:
    """Whether h, k or l lie outside of the two cells that begin at `first`."""
    distances = ((value - (floor + 1.0)).abs() for value, floor in zip(index, first, strict=True))
    return reduce(torch.maximum, distances) > 1.0


def _counted(numbers: torch.Tensor) -> torch.Tensor:
    """The sum of all terms of each pixel, (group, pixel of the group)."""
    return numbers.sum(dim=4).sum(dim=(0, 1, 2, 3))


def _number(truth: torch.Tensor) -> torch.Tensor:
    """1 for what is true, else 0, in single precision."""
    return torch.where(truth, 1.0, 0.0).to(torch.float32)


def _filled(values: torch.Tensor) -> torch.Tensor:
    """Values (pixel,) with the last repeated to fill a group."""
    missing = -values.numel() % GROUP
    return values if missing == 0 else torch.cat([values, values[-1:].expand(missing)])
