"""Rays from the sample to the middles of pixels, and what is scattered along them without a crystal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import torch

from openbragg.engine.evaluate import factors_along, own_factors, pixel_factors, shared_factors
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Components, Part, on_axis, positions
from openbragg.units import AVOGADRO, ELECTRON_RADIUS_SQUARED


@attrs.frozen(eq=False)
class PlanRays:
    """The rays of `openbragg.PanelRays` in the sum of an image.

    Attributes
    ----------
    plan, panel
        The sum that the pixels' image is made from, with one subpixel.
    slow, fast
        Indices of the pixels, float64, (pixel,).
    beam_area
        Cross section of the square beam, in square metres.
    """

    plan: Plan
    panel: PanelPlan
    slow: torch.Tensor
    fast: torch.Tensor
    beam_area: torch.Tensor
    _seen: list[_Scattering] = attrs.field(factory=list, init=False)

    @property
    def fluence(self) -> torch.Tensor:
        """Photons per square metre of the beam, ()."""
        return self.plan.fluence

    @property
    def pixel_area(self) -> torch.Tensor:
        """Area of a pixel, in square metres, ()."""
        return self.panel.pixel_area

    def molecules(self, thickness: float, density: float, molar_mass: float) -> torch.Tensor:
        """See `openbragg.PanelRays.molecules`."""
        return self.beam_area * (thickness * density * AVOGADRO / molar_mass)

    def scattered(self, intensity: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """See `openbragg.PanelRays.scattered`."""
        if not self._seen:
            self._seen.append(_scattering(self))
        seen = self._seen[0]
        terms = intensity(seen.stol)
        for factor in seen.factors:
            terms = terms * factor
        if self.plan.last_layer and self.panel.absorbs:
            terms = terms[-1:]
        if terms.numel() > self.slow.numel():
            terms = terms.sum(dim=(0, 1, 2, 3, 4, 5)) / self.plan.wavelengths.numel()
        return terms.reshape(-1) * seen.scale


@attrs.frozen(eq=False)
class _Scattering:
    """What all scatterers along some rays have in common.

    Attributes
    ----------
    stol
        sin(theta)/lambda in 1/metres, with the axes of `openbragg.engine.rays`.
    factors
        Those of single terms.
    scale
        r_e^2 x fluence x polarization x solid angle x capture of each pixel, (pixel,).
    """

    stol: torch.Tensor
    factors: list[torch.Tensor]
    scale: torch.Tensor


def _scattering(rays: PlanRays) -> _Scattering:
    plan, panel, whole = rays.plan, rays.panel, Part()
    x, y, z = place = _middles(rays)
    square = _squares(place)
    inverse = square.rsqrt()
    direction, distance = (x * inverse, y * inverse, z * inverse), square * inverse
    change = [part - on_axis(beam, "source") for part, beam in zip(direction, plan.incident.unbind(-1), strict=True)]
    stol = _squares(change).sqrt() * on_axis(0.5 / plan.wavelengths, "source")
    factors = shared_factors(plan, panel, rays.slow, rays.fast, whole)
    factors += own_factors(plan, panel, direction, distance, plan.incident, whole)
    if panel.layer_depths.numel() == 1 and plan.subpixels.numel() == 1:
        of_pixel = factors_along(plan, panel, rays.slow, rays.fast, direction, distance)
    else:
        of_pixel = pixel_factors(plan, panel, rays.slow, rays.fast)
    scale = (ELECTRON_RADIUS_SQUARED * plan.fluence) * of_pixel.polarization * of_pixel.solid_angle * of_pixel.capture
    return _Scattering(stol, factors, scale)


def _middles(rays: PlanRays) -> Components:
    """Middles of the pixels, in layers of growing depth: what `positions` gives, in a third of its operations."""
    plan, panel = rays.plan, rays.panel
    if plan.curvature is not None or plan.reference_rays:
        return positions(plan, panel, rays.slow, rays.fast, Part())
    fast, slow = panel.pixel_size * panel.fast, panel.pixel_size * panel.slow
    first = panel.origin + 0.5 * (fast + slow)
    starts = (on_axis(panel.layer_depths * panel.normal[axis] + first[axis], "layer") for axis in range(3))
    x, y, z = (
        torch.addcmul(torch.addcmul(start, rays.fast, fast[axis]), rays.slow, slow[axis])
        for axis, start in enumerate(starts)
    )
    return x, y, z


def _squares(components: Sequence[torch.Tensor]) -> torch.Tensor:
    x, y, z = components
    return torch.addcmul(torch.addcmul(x * x, y, y), z, z)


def rays_of(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, beam_area: torch.Tensor) -> PlanRays:
    """Rays to pixels of a panel in the plan of an image."""
    middle = torch.full_like(plan.subpixels[:1], 0.5)
    smooth = attrs.evolve(plan, subpixels=middle, resolution_limit=None, running_product=False)
    return PlanRays(smooth, panel, slow, fast, beam_area)
