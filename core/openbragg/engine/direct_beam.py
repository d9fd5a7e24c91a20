"""Which pixels have a subpixel in the direct beam, where q is nothing but rounding."""

from __future__ import annotations

import torch

from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part, positions, unit_components

#: A ray and a beam are the same when their unit vectors are closer than this; rounding makes up to 1e-15 of it.
_SAME = 1e-13


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
