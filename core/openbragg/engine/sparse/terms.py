"""The terms of visits: of each spot, in the pixels of its box, those to which it is the nearest reflection.

It is made of the functions that `evaluate` is made of. Boxes are laid out in rows of as many pixels as compiled code
works on at a time, each row of one visit, so that what belongs to the visit is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.engine.amplitudes import indices, scattered
from openbragg.engine.compiled.block import evaluations_of, with_tensors
from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE
from openbragg.engine.compiled.kinds import Kind, arguments_of
from openbragg.engine.evaluate import background_share
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part
from openbragg.engine.sparse.canvas import place_of
from openbragg.engine.sparse.visits import Visits
from openbragg.engine.summation import initial_intensity, pixel_photons
from openbragg.roles import Miller

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

#: Numbers of a visit: h k l, its box's first slow and first fast pixel, pixels across it and in all.
_OF_VISIT = 7


@attrs.frozen(eq=False)
class Rows:
    """Boxes of visits in rows of pixels.

    Attributes
    ----------
    visits
        What is known of each visit, see `visit_terms`: float64, (visit, 7).
    beams
        Numbers of the orientation and of the source, int64, (visit, 2).
    rows
        Of each row its visit, and how many pixels of the box come before, int64, (row, 2).
    """

    visits: torch.Tensor
    beams: torch.Tensor
    rows: torch.Tensor


def rows_of(visits: Visits, first_slow: int, first_fast: int, strip: tuple[int, int]) -> Rows:
    """The boxes of visits as far as they lie in a strip of the region.

    Parameters
    ----------
    visits
        All of them reach the strip.
    first_slow, first_fast
        Indices of the region's first pixel.
    strip
        First row of the region in the strip, and the first after it.
    """
    left, right, top, bottom = visits.boxes.T
    top, bottom = np.maximum(top, strip[0]), np.minimum(bottom, strip[1] - 1)
    across = right - left + 1
    count = across * (bottom - top + 1)
    known = np.empty((len(top), _OF_VISIT))
    known[:, :3] = visits.indices
    for place, numbers in enumerate((top + first_slow, left + first_fast, across, count)):
        known[:, 3 + place] = numbers
    many = -(-count // PIXEL_MULTIPLE)
    begins = np.cumsum(many) - many
    rows = np.empty((int(many.sum()), 2), dtype=np.int64)
    rows[:, 0] = np.repeat(np.arange(len(many)), many)
    rows[:, 1] = (np.arange(len(rows)) - np.repeat(begins, many)) * PIXEL_MULTIPLE
    beams = np.stack([visits.orientation, visits.source], axis=1)
    return Rows(torch.from_numpy(known), torch.from_numpy(beams), torch.from_numpy(rows))


def lanes_in(visits: Visits) -> int:
    """How many lanes the rows of visits have, those that are not filled among them."""
    left, right, top, bottom = visits.boxes.T
    return int((-(-(right - left + 1) * (bottom - top + 1) // PIXEL_MULTIPLE)).sum()) * PIXEL_MULTIPLE


def lanes() -> torch.Tensor:
    """0, 1, 2 ... along a row, float64."""
    return torch.arange(PIXEL_MULTIPLE, dtype=torch.float64)


def visit_terms(
    plan: Plan,
    panel: PanelPlan,
    visits: torch.Tensor,
    beams: torch.Tensor,
    rows: torch.Tensor,
    vectors: torch.Tensor,
    lane: torch.Tensor,
    grid: torch.Tensor,
    numbers: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The terms of rows of pixels, summed over layers and subpixels.

    Parameters
    ----------
    plan, panel
        The sum.
    visits, beams, rows
        See `Rows`; of each visit h k l, slow and fast index of its box's first pixel, and pixels across the box and in
        all.
    vectors
        Components of the cell vectors of all orientations in metres, float64, (orientation, 9).
    lane
        What `lanes` gives.
    grid, numbers
        Where sums stand, see `openbragg.engine.sparse.canvas.Canvas`.

    Returns
    -------
    Intensity with the factors that belong to single terms, squared electrons, and the places of the pixels' sums,
    float64 and int64, (row, lane).
    """
    visit = rows[:, 0]
    # Each row has a source of its own, so that rows lie where sources do in a block of pixels.
    h, k, l, first_slow, first_fast, across, count = (_on_rows(visits[:, place][visit]) for place in range(_OF_VISIT))
    inside = _on_rows(rows[:, 1]).to(lane.dtype) + lane
    # What is beyond the box counts nothing; its last pixel stands for it.
    there, pixel = inside < count, torch.minimum(inside, count - 1.0)
    # Half a pixel keeps rounding away from whole rows.
    down = ((pixel + 0.5) / across).floor()
    along = pixel - down * across
    slow, fast = first_slow + down, first_fast + along
    turned, source = beams[:, 0][visit], beams[:, 1][visit]
    evaluations = evaluations_of(_of_sources(plan, source), panel, slow, fast)
    cell = [[_on_rows(vectors[:, 3 * row + axis][turned]) for axis in range(3)] for row in range(3)]
    spectral = None
    if plan.spectral is not None:
        spectral = tuple(_on_rows(numbers[source]) for numbers in plan.spectral.unbind(1))
    index, nearest, offset = indices(evaluations.scattering, cell)
    mine = there & (nearest.h == h) & (nearest.k == k) & (nearest.l == l)
    # What counts has the visit's own h k l, and so has a whole row: what follows from it is worked out once a row.
    own = Miller(*(each.expand_as(found) for each, found in zip((h, k, l), nearest, strict=True)))
    terms = torch.where(mine, scattered(plan, index, own, offset, spectral).intensity, 0.0).to(torch.float64)
    if evaluations.weight is not None:
        terms = terms * evaluations.weight
    if plan.domain_weights is not None:
        # Domains are what changes first from one orientation to the next.
        terms = terms * _on_rows(plan.domain_weights[turned % plan.domain_weights.shape[0]])
    return terms.sum(dim=(0, 1, 2, 4, 5)), place_of(slow, fast, grid, numbers).flatten(0, 2)


def photons_of_sums(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, intensity: torch.Tensor
) -> torch.Tensor:
    """Photons of pixels (pixel,) from the sums of their terms, float64."""
    total = initial_intensity(plan, panel, slow, fast) + intensity
    share = background_share(plan, panel, slow, fast, Part()) if plan.water is not None else torch.zeros_like(slow)
    return pixel_photons(plan, panel, slow, fast, total, share)


def _on_rows(values: torch.Tensor) -> torch.Tensor:
    """Values (row,) shaped to broadcast against (row, 1, 1, lane), and against seven axes in place of sources."""
    return values.reshape(-1, 1, 1, 1)


def _of_sources(plan: Plan, source: torch.Tensor) -> Plan:
    """The plan with sources of these numbers, one after the other, as far as q and weights go."""
    return attrs.evolve(
        plan,
        spectral=None,
        incident=plan.incident[source],
        wavelengths=plan.wavelengths[source],
        source_weights=plan.source_weights[source],
    )


def _terms_function(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
    count = len(arguments_of(plan))

    def terms(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        whole = with_tensors(plan, tensors[:count])
        return visit_terms(whole, whole.panels[0], *tensors[count:])

    return terms


def _photons_function(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
    count = len(arguments_of(plan))

    def photons(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        whole = with_tensors(plan, tensors[:count])
        return (photons_of_sums(whole, whole.panels[0], *tensors[count:]),)

    return photons


TERMS = Kind(
    name="visit terms",
    title="sum from reflections",
    seconds=30.0,
    further=7,
    function=_terms_function,
    axes=(("visit", _OF_VISIT), ("visit", 2), ("row", 2), ("orientation", 9), (PIXEL_MULTIPLE,), (3,), ("square",)),
    dtypes=lambda plan: (
        *(torch.float64, torch.int64, torch.int64, torch.float64, torch.float64, torch.float64),
        torch.int32,
    ),
)
PHOTONS = Kind(name="photons of sums", title="photons of sums", seconds=15.0, further=3, function=_photons_function)
