"""The direct beam, where q is nothing but rounding: which pixels have a subpixel in it, and which rounding."""

from __future__ import annotations

import attrs
import torch

from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part, positions, unit_components
from openbragg.model.reference_arithmetic import ReferencePlacement

#: A ray and a beam are the same when their unit vectors are closer than this; rounding makes up to 1e-15 of it.
_SAME = 1e-13
#: Where the reference puts its sources, in metres upstream.
_SOURCE_DISTANCE = 10.0


def pixels_in_beam(plan: Plan, panel: PanelPlan) -> list[tuple[int, int]]:
    """Pixels (slow, fast) of a panel of which a subpixel's ray runs along a source's beam but for rounding."""
    found = []
    for incident in dict.fromkeys(map(tuple, plan.incident.detach().tolist())):
        beam = torch.tensor(incident, dtype=torch.float64, device=plan.device)
        # Of a layer in the depth the spot is elsewhere, and of a curved detector too, but for its middle.
        for depth in panel.layer_depths.detach():
            pixel = _pixel_of(panel, beam, depth)
            if pixel is not None and pixel not in found and _has_ray(plan, panel, pixel, beam):
                found.append(pixel)
    return found


def with_reference_rays(plan: Plan, placement: ReferencePlacement | None) -> Plan:
    """The plan with rays rounded as by the reference, as far as it has such a detector."""
    changed = attrs.evolve(plan, reference_rays=True)
    if placement is None or len(plan.panels) != 1:
        return changed
    origin, fast, slow, normal, beam = (
        torch.tensor(part, dtype=torch.float64, device=plan.device)
        for part in (placement.origin, placement.fast, placement.slow, placement.normal, placement.beam)
    )
    panel = attrs.evolve(plan.panels[0], origin=origin, fast=fast, slow=slow, normal=normal)
    # A source stands 10 m upstream, and its direction is made unit again.
    x, y, z = (_SOURCE_DISTANCE * beam).unbind(0)
    central = torch.stack([x, y, z]) / (x * x + y * y + z * z).sqrt()
    along = (plan.incident - beam).square().sum(dim=1, keepdim=True) < _SAME**2
    return attrs.evolve(changed, panels=(panel,), incident=torch.where(along, central, plan.incident))


def _pixel_of(panel: PanelPlan, beam: torch.Tensor, depth: torch.Tensor) -> tuple[int, int] | None:
    """The pixel in which a beam meets a layer; None where it misses it."""
    corner = (panel.origin + depth * panel.normal).detach()
    slope = float(beam @ panel.normal.detach())
    if slope == 0.0:
        return None
    spot = beam * (float(corner @ panel.normal.detach()) / slope) - corner
    places = [float(spot @ axis.detach()) / float(panel.pixel_size) for axis in (panel.slow, panel.fast)]
    if not all(0.0 <= place < count for place, count in zip(places, panel.pixels, strict=True)):
        return None
    return int(places[0]), int(places[1])


def _has_ray(plan: Plan, panel: PanelPlan, pixel: tuple[int, int], beam: torch.Tensor) -> bool:
    slow, fast = (torch.tensor([index], dtype=torch.float64, device=plan.device) for index in pixel)
    with torch.no_grad():
        direction, _ = unit_components(positions(plan, panel, slow, fast, Part()))
        apart = sum((component - part).square() for component, part in zip(direction, beam, strict=True))
    assert isinstance(apart, torch.Tensor)
    return bool((apart < _SAME**2).any())
