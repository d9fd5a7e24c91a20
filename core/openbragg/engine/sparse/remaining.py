"""Which terms of a pixel were summed where something was left out: found again as they were found for the image."""

from __future__ import annotations

import torch

from openbragg.engine.compiled.block import tensors_in, with_tensors
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sparse.cull import kept_orientations
from openbragg.engine.sparse.culled import OF_SPOTS, Culled
from openbragg.engine.sparse.limits import bounded_plan
from openbragg.engine.sparse.visits import directions, make_search
from openbragg.roles import LimitedStructureFactors, Miller


def summed_terms(
    plan: Plan, panel: PanelPlan, pixels: Pixels, pixel: tuple[int, int], nearest: Miller, culled: Culled
) -> torch.Tensor:
    """Which terms of a pixel an image was summed from.

    Parameters
    ----------
    plan, panel, pixels
        The image.
    pixel
        One of its pixels, (slow, fast).
    nearest
        Whole h k l of its terms, of the seven axes of a trace.
    culled
        What was left out.

    Returns
    -------
    Booleans of the shape of the terms.
    """
    still: Plan = with_tensors(plan, [tensor.detach() for _, tensor in tensors_in(plan)])
    still_panel = still.panels[next(number for number, each in enumerate(plan.panels) if each is panel)]
    with torch.no_grad():
        if culled.of == OF_SPOTS:
            return _of_visits(still, still_panel, pixels, pixel, nearest, culled.level)
        kept = kept_orientations(still, still_panel, pixels, pixel, culled.level)
        phi, mosaic = plan.cell_vectors.shape[:2]
        return kept.reshape(1, 1, 1, -1, phi, mosaic, 1).expand(nearest.h.shape)


def _of_visits(
    plan: Plan, panel: PanelPlan, pixels: Pixels, pixel: tuple[int, int], nearest: Miller, level: float
) -> torch.Tensor:
    """The terms of the reflections whose boxes have the pixel."""
    assert isinstance(plan.structure_factors, LimitedStructureFactors)
    bounded = bounded_plan(plan)
    limits = (level, float(plan.structure_factors.largest(bounded.tables)))
    slow, fast = pixel[0] - pixels.region[2], pixel[1] - pixels.region[0]
    summed = torch.zeros(nearest.h.shape, dtype=torch.bool)
    mosaic = plan.cell_vectors.shape[1]
    for sources in directions(plan):
        search = make_search(bounded, panel, pixels, sources, limits)
        for visits in (each for number in range(len(search.groups)) for each in search.visits(number)):
            left, right, top, bottom = visits.boxes.T
            here = visits.where((left <= fast) & (fast <= right) & (top <= slow) & (slow <= bottom))
            for (h, k, l), orientation, source in zip(here.indices, here.orientation, here.source, strict=True):
                phi, domain = divmod(int(orientation), mosaic)
                place = (..., int(source), phi, domain, slice(None))
                summed[place] |= (nearest.h[place] == h) & (nearest.k[place] == k) & (nearest.l[place] == l)
    return summed
