"""Rays from the sample to the middles of pixels, and what is scattered along them without a crystal."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import torch

from openbragg.engine.evaluate import own_factors, pixel_factors, shared_factors
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import Part, on_axis, positions, scattering_vector, unit_components
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
        plan, panel, whole = self.plan, self.panel, Part()
        direction, distance = unit_components(positions(plan, panel, self.slow, self.fast, whole))
        x, y, z = scattering_vector(direction, plan.incident, on_axis(plan.wavelengths, "source"))
        terms = intensity(0.5 * (x * x + y * y + z * z).sqrt())
        factors = shared_factors(plan, panel, self.slow, self.fast, whole)
        factors += own_factors(plan, panel, direction, distance, plan.incident, whole)
        for factor in factors:
            terms = terms * factor
        if plan.last_layer and panel.absorbs:
            terms = terms[-1:]
        mean = terms.sum(dim=(0, 1, 2, 3, 4, 5)) / plan.wavelengths.numel()
        of_pixel = pixel_factors(plan, panel, self.slow, self.fast)
        return (
            (ELECTRON_RADIUS_SQUARED * plan.fluence)
            * mean
            * of_pixel.polarization
            * of_pixel.solid_angle
            * of_pixel.capture
        )


def rays_of(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, beam_area: torch.Tensor) -> PlanRays:
    """Rays to pixels of a panel in the plan of an image."""
    middle = torch.full_like(plan.subpixels[:1], 0.5)
    smooth = attrs.evolve(plan, subpixels=middle, resolution_limit=None, running_product=False)
    return PlanRays(smooth, panel, slow, fast, beam_area)
