"""The crystal's share of an image: whether there is any to see, and what helps where there is not."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_

import torch

from openbragg.engine.evaluate import background_share
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part
from openbragg.engine.summation import pixel_photons
from openbragg.engine.threads import operations_in_one_thread
from openbragg.orchestrator.resolving.frame import Shown
from openbragg.roles import AdvisedLatticeShape

#: Photons of the crystal in the whole image, and its part of the background's, below which there is nothing to see.
_FEWEST_PHOTONS, _SMALLEST_PART = 1.0, 1e-3
#: Rows of an image that are looked at together, to begin with.
_FIRST_ROWS = 64
#: Evaluations of the water's share that are worth knowing it, and of those at once.
_MOST_EVALUATIONS, _TOGETHER = 1 << 24, 1 << 18


def faint_notice(
    plan: Plan, shown: Sequence[Shown], images: Sequence[torch.Tensor], whole: Sequence[torch.Tensor]
) -> str:
    """A line where next to no photon of an image comes from the crystal; empty where there are enough.

    Parameters
    ----------
    plan, shown
        The sum, and of each panel what is rendered.
    images, whole
        Photons of each panel, (slow, fast): of the crystal and the water of the plan, and with all backgrounds.
    """
    if plan.water is None and all(map(is_, images, whole)):
        # Waiting for torch's threads, whose cores may be taken, would last longer than a look at a few rows.
        with operations_in_one_thread():
            if _has_photons(images):
                return ""
    # What is left without the water is a small difference.
    rendered, everything = (_total(each, exact=plan.water is not None) for each in (images, whole))
    water = _water(plan, shown)
    if water is None or (everything == 0.0 and not isinstance(plan.shape, AdvisedLatticeShape)):
        # Of an image of nothing at all it is said elsewhere.
        return ""
    crystal, background = rendered - water, everything - rendered + water
    if crystal >= _FEWEST_PHOTONS and crystal >= _SMALLEST_PART * background:
        return ""
    if crystal < _FEWEST_PHOTONS:
        said = "the crystal adds less than one photon to the image"
    else:
        said = "the crystal adds less than a thousandth of the background's photons to the image"
    shape = plan.shape
    if isinstance(shape, AdvisedLatticeShape):
        return f"{said}: {shape.when_faint(plan.lattice)}"
    return f"{said}: see whether -fluence, -N, the structure factors and the orientation are as meant"


def _has_photons(images: Sequence[torch.Tensor]) -> bool:
    """Whether images that have no more than the crystal's photons have enough of them, as far as is soon seen.

    Most have them in the rows in their middle, or in the first.
    """
    for image in images:
        low, rows = 0, _FIRST_ROWS
        middle = image[(len(image) - rows) // 2 :][:rows] if len(image) > rows else image
        if float(middle.detach().sum(dtype=torch.float64)) >= _FEWEST_PHOTONS:
            return True
        while low < len(image):
            total = float(image[low : low + rows].detach().sum(dtype=torch.float64))
            if total >= _FEWEST_PHOTONS:
                return True
            low, rows = low + rows, 4 * rows
    return False


def _total(images: Sequence[torch.Tensor], *, exact: bool) -> float:
    if exact:
        return sum(float(image.detach().sum(dtype=torch.float64)) for image in images)
    # Rows first, in the image's own precision: a tenth of the time.
    return sum(float(image.detach().sum(dim=-1).sum(dtype=torch.float64)) for image in images)


def _water(plan: Plan, shown: Sequence[Shown]) -> float | None:
    """Photons of the plan's water in the whole image; None where that takes long to know."""
    if plan.water is None:
        return 0.0
    each = plan.panels[0].layer_depths.numel() * plan.oversample**2 * plan.wavelengths.numel()
    counts = sum(part.count() for part in shown)
    if plan.running_product or counts * each > _MOST_EVALUATIONS:
        return None
    step = max(1, _TOGETHER // each)
    return sum(_water_of_panel(plan, *one, step) for one in zip(plan.panels, shown, strict=True))


def _water_of_panel(plan: Plan, panel: PanelPlan, shown: Shown, step: int) -> float:
    if shown.region is None:
        return 0.0
    pixels = choose_pixels(panel.pixels, shown.region, shown.mask, plan.device)
    total = 0.0
    for start in range(0, pixels.count, step):
        place = pixels.coordinates(start, min(start + step, pixels.count))
        with torch.no_grad():
            share = background_share(plan, panel, *place, Part())
            total += float(pixel_photons(plan, panel, *place, torch.zeros_like(share), share).sum())
    return total
