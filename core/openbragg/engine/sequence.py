"""What depends on the order in which pixels are evaluated: two quirks of the reference program.

With phi-carryover the very first evaluation of a run has no orientation to carry over yet. With interpolation-latch
nothing is interpolated any more after the first evaluation that lacks a neighbour. Everything else is a sum of
independent terms.
"""

from __future__ import annotations

import attrs
import torch

from openbragg.engine.evaluate import Terms, any_resolved, evaluate
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import resolved
from openbragg.engine.strips import Renderer, Strip
from openbragg.engine.summation import interpolation_marks, sums_of_one
from openbragg.roles import InterpolatingStructureFactors, Miller

#: Evaluations (layers, subpixels, sources) looked at together in search of the first one that counts.
_SEARCHED = 1 << 18


def render_in_order(plan: Plan, panel: PanelPlan, pixels: Pixels, strip: Renderer) -> Strip:
    """Render pixels as if one after the other.

    Parameters
    ----------
    plan, panel, pixels
        What to render.
    strip
        Renders the pixels from one number up to another, of which each is independent of the others.
    """
    first = first_evaluated(plan, panel, pixels)
    latched = plan.interpolation_latch and plan.interpolates
    mended: dict[int, torch.Tensor] = {}
    interpolates = True
    if first is not None:
        mended[first], interpolates = _one_pixel(plan, panel, pixels, first, is_first=True, latched=latched)
    whole = strip(plan if interpolates else _without_interpolation(plan), 0, pixels.count)
    if latched and interpolates:
        candidates = whole.missing.clone()
        if first is not None:
            candidates[first] = False
        if bool(candidates.any()):
            place = int(candidates.to(torch.int8).argmax())
            mended[place], _ = _one_pixel(plan, panel, pixels, place, is_first=False, latched=True)
            rest = strip(_without_interpolation(plan), place + 1, pixels.count)
            whole = attrs.evolve(whole, values=torch.cat([whole.values[: place + 1], rest.values]))
    if not mended:
        return whole
    values = whole.values.clone()
    for place, value in mended.items():
        values[place] = value.to(values.dtype)
    return attrs.evolve(whole, values=values)


def reference_interpolates_otherwise(plan: Plan, panel: PanelPlan, pixels: Pixels, strip: Strip) -> bool:
    """Whether the reference, which stops for good where a neighbour is missing, would have interpolated otherwise.

    It may also have begun otherwise; `strip` has the marks of the run as `plan` says it.
    """
    if not plan.interpolates and not plan.reference_interpolates:
        return False
    if not plan.reference_interpolates:
        return bool(strip.complete.any())
    if not bool(strip.missing.any()):
        return not plan.interpolates and bool(strip.complete.any())
    place = int(strip.missing.to(torch.int8).argmax())
    marks = interpolation_marks(plan, evaluate(plan, panel, *pixels.coordinates(place, place + 1)))
    assert marks is not None
    missing, complete = (mark.reshape(-1) for mark in marks)
    first = int(missing.to(torch.int8).argmax())
    if plan.interpolates:
        return bool(complete[first:].any()) or bool(strip.complete[place + 1 :].any())
    return bool(complete[:first].any()) or bool(strip.complete[:place].any())


def _without_interpolation(plan: Plan) -> Plan:
    assert isinstance(plan.structure_factors, InterpolatingStructureFactors)
    return attrs.evolve(
        plan,
        tables=plan.structure_factors.without_interpolation(plan.tables),
        interpolates=False,
        reference_interpolates=False,
    )


@attrs.frozen(eq=False)
class Turn:
    """What the order of evaluation makes of one pixel.

    Attributes
    ----------
    plan
        The plan by which it is rendered.
    terms
        Its terms where they are mended one by one; None where they are what `evaluate` gives for that plan.
    is_first
        Whether its first evaluation is the very first of a run with phi-carryover.
    """

    plan: Plan
    terms: Terms | None = None
    is_first: bool = False


def turn_of(plan: Plan, panel: PanelPlan, pixels: Pixels, number: int, strip: Renderer) -> Turn:
    """What `render_in_order` makes of the pixel of a number, found without rendering those after it."""
    first = first_evaluated(plan, panel, pixels)
    latched = plan.interpolation_latch and plan.interpolates
    if first is not None and number >= first:
        slow, fast = pixels.coordinates(first, first + 1)
        terms, interpolates = _ordered_terms(plan, panel, slow, fast, is_first=True, latched=latched)
        if number == first:
            return Turn(plan, terms, is_first=True)
        if not interpolates:
            return Turn(_without_interpolation(plan))
    if latched:
        missing = strip(plan, 0, number + 1).missing.clone()
        if first is not None and first <= number:
            missing[first] = False
        if bool(missing[:number].any()):
            return Turn(_without_interpolation(plan))
        if bool(missing[number]):
            slow, fast = pixels.coordinates(number, number + 1)
            return Turn(plan, _ordered_terms(plan, panel, slow, fast, is_first=False, latched=True)[0])
    return Turn(plan)


def first_evaluated(plan: Plan, panel: PanelPlan, pixels: Pixels) -> int | None:
    """Number of the pixel that phi-carryover finds first: of which the resolution limit leaves anything; else None."""
    if plan.first_cell_vectors is None:
        return None
    size = max(1, _SEARCHED // (plan.terms_per_pixel() // plan.cell_vectors.shape[:2].numel()))
    for start in range(0, pixels.count, size):
        kept = any_resolved(plan, panel, *pixels.coordinates(start, min(start + size, pixels.count)))
        if bool(kept.any()):
            return start + int(kept.to(torch.int8).argmax())
    return None


def _one_pixel(
    plan: Plan, panel: PanelPlan, pixels: Pixels, number: int, *, is_first: bool, latched: bool
) -> tuple[torch.Tensor, bool]:
    """One pixel, term by term: its photons, (), and whether interpolation is still on after it."""
    slow, fast = pixels.coordinates(number, number + 1)
    terms, interpolates = _ordered_terms(plan, panel, slow, fast, is_first=is_first, latched=latched)
    return sums_of_one(plan, panel, slow, fast, terms).photons[0], interpolates


def _ordered_terms(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, *, is_first: bool, latched: bool
) -> tuple[Terms, bool]:
    """The terms of one pixel as the order of evaluation makes them, and whether interpolation is on after them.

    With `is_first` its first evaluation that the resolution limit leaves is the first of the run; with `latched`
    interpolation goes off at its first term that lacks a neighbour.
    """
    terms = _pixel_terms(plan, panel, slow, fast, is_first)
    marks = interpolation_marks(plan, terms) if latched else None
    missing = None if marks is None else marks[0].expand(terms.intensity.shape).reshape(-1)
    if missing is None or not bool(missing.any()):
        return terms, True
    nearest = _pixel_terms(_without_interpolation(plan), panel, slow, fast, is_first)
    after = torch.arange(missing.numel(), device=missing.device) >= missing.to(torch.int8).argmax()
    return _chosen(after.reshape(terms.intensity.shape), nearest, terms), False


def _pixel_terms(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, is_first: bool) -> Terms:
    carried = evaluate(plan, panel, slow, fast)
    if not is_first:
        return carried
    mounted = evaluate(plan, panel, slow, fast, cell_vectors=plan.first_cell_vectors)
    shape = carried.intensity.shape
    kept = torch.ones(shape[:4].numel(), dtype=torch.bool, device=slow.device)
    if plan.resolution_limit is not None:
        limited = resolved(carried.scattering, plan.resolution_limit)
        kept = limited.expand(*shape[:4], *limited.shape[4:]).reshape(len(kept), -1).any(dim=1)
    first = torch.arange(len(kept), device=slow.device) == kept.to(torch.int8).argmax()
    return _chosen(first.reshape(*shape[:4], 1, 1, 1), mounted, carried)


def _chosen(where: torch.Tensor, mine: Terms, other: Terms) -> Terms:
    """Terms taken from one evaluation where a condition holds and from another elsewhere."""

    def mixed(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
        return torch.where(where, one, two)

    running = None
    if mine.running_factor is not None and other.running_factor is not None:
        running = mixed(mine.running_factor, other.running_factor)
    diffuse = None
    if mine.diffuse is not None and other.diffuse is not None:
        diffuse = mixed(mine.diffuse, other.diffuse)
    return attrs.evolve(
        other,
        diffuse=diffuse,
        index=Miller(*map(mixed, mine.index, other.index)),
        nearest=Miller(*map(mixed, mine.nearest, other.nearest)),
        lattice_factors=tuple(map(mixed, mine.lattice_factors, other.lattice_factors)),
        lattice_amplitude=mixed(mine.lattice_amplitude, other.lattice_amplitude),
        cell_amplitude=mixed(mine.cell_amplitude, other.cell_amplitude),
        intensity=mixed(mine.intensity, other.intensity),
        running_factor=None
        if running is None or other.running_factor is None
        else mixed(running, other.running_factor),
    )
