"""Sums of what each pixel's photons come from: wavelength and indices, weighted with the intensity of the terms.

The terms are those of `openbragg.engine.evaluate`, in the blocks in which the plain engine sums an image.
"""

from __future__ import annotations

from functools import reduce
from operator import mul

import attrs
import torch

from openbragg.engine.evaluate import Terms, evaluate, photons, pixel_factors
from openbragg.engine.image import blocks_for
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part, on_axis
from openbragg.engine.strips import ranges
from openbragg.engine.threads import Team, in_threads
from openbragg.roles import Miller


@attrs.frozen(eq=False)
class LabelSums:
    """Of one crystal and some pixels of a panel, all float64 but for the last, (pixel,) and so on.

    Attributes
    ----------
    photons
        The crystal's.
    wavelength
        Sum of photons times wavelength, in metres.
    index
        Sums of photons times h, k and l, (pixel, 3).
    bragg
        Whether a peak of the crystal covers the pixel, booleans.
    """

    photons: torch.Tensor
    wavelength: torch.Tensor
    index: torch.Tensor
    bragg: torch.Tensor


def label_sums(plan: Plan, panel: PanelPlan, pixels: Pixels, peak: float, team: Team) -> LabelSums:
    """Sum what the photons of pixels come from.

    Parameters
    ----------
    plan, panel, pixels
        The sum of a crystal, and which pixels.
    peak
        A peak covers a pixel where F_latt^2 of a term that scatters is at least this part of that on its lattice point.
    team
        The threads.
    """
    blocks = blocks_for(plan, panel, pixels)

    def work(piece: tuple[int, int]) -> LabelSums:
        with torch.no_grad():
            return _block(plan, panel, pixels.coordinates(*piece), blocks.parts, peak)

    pieces = list(ranges(0, pixels.count, blocks.pixels))
    found = list(in_threads(work, pieces, pixels.device, team))
    return LabelSums(
        *(torch.cat([getattr(each, field.name) for each in found]) for field in attrs.fields(LabelSums)),
    )


def _block(
    plan: Plan,
    panel: PanelPlan,
    place: tuple[torch.Tensor, torch.Tensor],
    parts: tuple[Part, ...],
    peak: float,
) -> LabelSums:
    intensity = torch.zeros_like(place[0])
    wavelength, index = torch.zeros_like(intensity), intensity.new_zeros((3, len(intensity)))
    bragg = torch.zeros_like(intensity, dtype=torch.bool)
    for part in parts:
        terms = evaluate(plan, panel, *place, part)
        weight = terms.intensity.to(torch.float64)
        intensity += _summed(weight, len(intensity))
        wavelength += _summed(weight * on_axis(plan.wavelengths[part.source], "source"), len(intensity))
        index += torch.stack([_summed(weight * each, len(intensity)) for each in terms.index])
        bragg |= _covered(plan, terms, peak).reshape(-1, len(intensity)).any(dim=0)
    each = photons(plan, torch.ones_like(intensity), pixel_factors(plan, panel, *place))
    return LabelSums(intensity * each, wavelength * each, (index * each).T, bragg & (each > 0.0))


def _covered(plan: Plan, terms: Terms, peak: float) -> torch.Tensor:
    # Spots that mosaicity smears in closed form are the lower, the farther from the origin they are.
    zero = torch.zeros((), dtype=torch.float64, device=plan.device)
    highest = reduce(mul, plan.shape.factors(Miller(zero, zero, zero), terms.nearest, plan.lattice))
    amplitude = terms.lattice_amplitude
    near = amplitude * amplitude >= peak * (highest * highest)
    return (near & (terms.intensity > 0.0)).expand(terms.intensity.shape)


def _summed(terms: torch.Tensor, pixels: int) -> torch.Tensor:
    return terms.reshape(-1, pixels).sum(dim=0)
