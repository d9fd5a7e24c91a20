"""The sum of some pixels' terms, part by part."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import torch

from openbragg.engine.evaluate import (
    Terms,
    any_resolved,
    background_share,
    evaluate,
    not_skipped,
    pixel_factors,
)
from openbragg.engine.evaluate import photons as photons_of
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part
from openbragg.roles import InterpolatingStructureFactors

#: What is added to a pixel's number for either of its marks, see `PixelSums`.
MISSING, COMPLETE = 1, 2


def marked(missing: torch.Tensor, complete: torch.Tensor) -> torch.Tensor:
    """Both marks of pixels in one number each, uint8."""
    return missing.to(torch.uint8) * MISSING + complete.to(torch.uint8) * COMPLETE


@attrs.frozen(eq=False)
class PixelSums:
    """Sums of some pixels, all (pixel,).

    Attributes
    ----------
    photons
        Expected photons, float64.
    intensity, share
        What they were made from: squared electrons, and the share of the background; float64.
    missing, complete
        Whether any term lacked a neighbour to interpolate, and whether any had them all; False where neither this run
        nor the reference interpolates.
    """

    photons: torch.Tensor
    intensity: torch.Tensor
    share: torch.Tensor
    missing: torch.Tensor
    complete: torch.Tensor


def pixel_sums(
    plan: Plan,
    panel: PanelPlan,
    slow: torch.Tensor,
    fast: torch.Tensor,
    parts: tuple[Part, ...],
    seen: Callable[[Terms], None] | None = None,
) -> PixelSums:
    """Sum pixels over all their terms, of which `parts` are evaluated in turn; the sum is in float64.

    Parameters
    ----------
    plan, panel
        The sum, and the panel of the plan that the pixels lie on.
    slow, fast
        Pixel indices, float64, (pixel,).
    parts
        Boxes that cover all terms, in their order.
    seen
        Is shown the terms of each part: what a trace keeps is what the image is summed from.
    """
    total = initial_intensity(plan, panel, slow, fast)
    share = torch.zeros_like(slow)
    missing, complete = (torch.zeros_like(slow, dtype=torch.bool) for _ in range(2))
    for part in parts:
        terms = evaluate(plan, panel, slow, fast, part)
        if seen is not None:
            seen(terms)
        factors = terms.running_factor
        total = accumulated(
            total,
            terms.intensity.reshape(-1, slow.numel()),
            None if factors is None else factors.expand(terms.intensity.shape),
        )
        if plan.water is not None:
            share = share + background_share(plan, panel, slow, fast, part)
        marks = interpolation_marks(plan, terms)
        if marks is not None:
            missing = missing | marks[0].reshape(-1, slow.numel()).any(dim=0)
            complete = complete | marks[1].reshape(-1, slow.numel()).any(dim=0)
    photons = pixel_photons(plan, panel, slow, fast, total, share)
    return PixelSums(photons=photons, intensity=total, share=share, missing=missing, complete=complete)


def sums_of_one(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, terms: Terms) -> PixelSums:
    """The sums of one pixel, slow and fast of shape (1,), from all its terms."""
    factors = terms.running_factor
    total = accumulated(
        initial_intensity(plan, panel, slow, fast),
        terms.intensity.reshape(-1, 1),
        None if factors is None else factors.expand(terms.intensity.shape).reshape(-1, 1),
    )
    share = background_share(plan, panel, slow, fast, Part()) if plan.water is not None else torch.zeros_like(slow)
    photons = pixel_photons(plan, panel, slow, fast, total, share)
    nothing = torch.zeros_like(slow, dtype=torch.bool)
    return PixelSums(photons=photons, intensity=total, share=share, missing=nothing, complete=nothing)


def initial_intensity(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
    """What the sum of each pixel starts from, (pixel,): 0, or with the reference's quirks the water."""
    if plan.water is None or plan.water.in_sum is None:
        return torch.zeros_like(slow)
    start = plan.water.in_sum.expand(slow.shape)
    if plan.water.cut and not plan.oversample_polarization:
        start = start * any_resolved(plan, panel, slow, fast)
    return start


def pixel_photons(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, total: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """Photons of pixels from their summed intensity and their share of the background, (pixel,)."""
    if plan.water is not None and plan.water.cut:
        share = share * any_resolved(plan, panel, slow, fast)
    return photons_of(plan, total, pixel_factors(plan, panel, slow, fast), share)


def accumulated(total: torch.Tensor, intensity: torch.Tensor, factors: torch.Tensor | None) -> torch.Tensor:
    """A sum (pixel,) with further terms (term, pixel), in order; `factors` of any shape with as many elements."""
    if factors is None:
        return total + intensity.sum(dim=0, dtype=torch.float64)
    # ((t1) f1 + t2) f2 + ...: each term is multiplied by its own factor and by all that follow.
    following = factors.reshape(intensity.shape).flip(0).cumprod(dim=0).flip(0)
    # What is 0 stays 0 even when the product grows beyond all numbers.
    grown = torch.where(intensity == 0.0, 0.0, intensity * following).sum(dim=0, dtype=torch.float64)
    return torch.where(total == 0.0, 0.0, total * following[0]) + grown


def interpolation_marks(plan: Plan, terms: Terms) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Which terms lack a neighbour to interpolate, and which have them all, of the intensity's shape.

    Terms that the reference program leaves out before it comes to the structure factor are neither. None where neither
    this run nor the reference interpolates.
    """
    if not (plan.interpolates or plan.reference_interpolates):
        return None
    assert isinstance(plan.structure_factors, InterpolatingStructureFactors)
    complete = plan.structure_factors.complete(terms.index, plan.tables)
    counted = not_skipped(plan, terms.scattering, terms.lattice_amplitude)
    return ~complete & counted, complete & counted
