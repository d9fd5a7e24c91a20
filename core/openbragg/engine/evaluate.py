"""The one evaluation of the model: every term of chosen pixels.

An image is the sum of what `evaluate` returns; a trace is the same, unreduced. Nothing else computes h, k, l, F_cell
or F_latt.

All arrays here have seven axes, in the reference program's order of nesting and with the pixels last, so that the
innermost loop runs over neighbouring pixels: (layer, slow subpixel, fast subpixel, source, phi, mosaic, pixel). An axis
on which a quantity does not depend has length 1.
"""

from __future__ import annotations

from functools import reduce
from operator import mul

import attrs
import torch

from openbragg.engine.amplitudes import amplitudes
from openbragg.engine.numerics import polarization_factor
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import (
    Components,
    Part,
    captured,
    on_axis,
    positions,
    resolved,
    scattering_vector,
    solid_angle,
    unit_components,
)
from openbragg.roles import Miller


@attrs.frozen(kw_only=True, eq=False)
class Terms:
    """The terms of some pixels; seven-axis tensors as described above.

    Attributes
    ----------
    position
        x, y, z of the subpixel in metres, float64.
    direction
        Its unit vector.
    scattering
        x, y, z of q in 1/metres, float64.
    index, nearest
        Fractional and nearest whole h, k, l, float64.
    lattice_factors
        Factors of F_latt as the shape gives them: one, or three along a, b and c.
    lattice_amplitude, cell_amplitude
        F_latt, and F_cell in electrons.
    diffuse
        What diffuse scattering adds to F_cell^2 F_latt^2, squared electrons; None where there is none.
    intensity
        F_cell^2 F_latt^2, and the diffuse, with the factors that belong to single terms; what the image is summed from.
    running_factor
        With the reference's running-product, what the sum so far is multiplied by after each term; else None.
    """

    position: Components
    direction: Components
    scattering: Components
    index: Miller
    nearest: Miller
    lattice_factors: tuple[torch.Tensor, ...]
    lattice_amplitude: torch.Tensor
    cell_amplitude: torch.Tensor
    diffuse: torch.Tensor | None
    intensity: torch.Tensor
    running_factor: torch.Tensor | None


@attrs.frozen(kw_only=True, eq=False)
class PixelFactors:
    """Factors of whole pixels, float64, (pixel,): 1 where the factor already stands in the terms."""

    polarization: torch.Tensor
    solid_angle: torch.Tensor
    capture: torch.Tensor


def evaluate(
    plan: Plan,
    panel: PanelPlan,
    slow: torch.Tensor,
    fast: torch.Tensor,
    part: Part | None = None,
    cell_vectors: torch.Tensor | None = None,
) -> Terms:
    """Evaluate the terms of pixels.

    Parameters
    ----------
    plan, panel
        The sum, and the panel of the plan that the pixels lie on.
    slow, fast
        Pixel indices, float64, shape (pixel,).
    part
        Which terms; all by default.
    cell_vectors
        Other orientations than the plan's, (phi, mosaic, 3, 3).
    """
    part = part or Part()
    position = positions(plan, panel, slow, fast, part)
    direction, distance = unit_components(position, divided=plan.reference_rays)
    incident = plan.incident[part.source]
    wavelength = on_axis(plan.wavelengths[part.source], "source")
    scattering = scattering_vector(direction, incident, wavelength)

    vectors = (plan.cell_vectors if cell_vectors is None else cell_vectors)[part.phi, part.mosaic]
    rows = [[_on_orientations(vectors[:, :, row, axis]) for axis in range(3)] for row in range(3)]
    spectral = None
    if plan.spectral is not None:
        spectral = tuple(on_axis(numbers, "source") for numbers in plan.spectral[part.source].unbind(1))
    found = amplitudes(plan, scattering, rows, spectral=spectral)
    intensity = found.intensity
    if plan.domain_weights is not None:
        intensity = intensity * on_axis(plan.domain_weights[part.mosaic], "mosaic").to(intensity.dtype)
    if plan.resolution_limit is not None:
        intensity = intensity * resolved(scattering, plan.resolution_limit).to(intensity.dtype)
    for factor in shared_factors(plan, panel, slow, fast, part):
        intensity = intensity * factor.to(intensity.dtype)
    own = own_factors(plan, panel, direction, distance, incident, part)
    running_factor = None
    if plan.running_product:
        running_factor = _running_factor(plan, own, scattering, found.lattice_amplitude)
    else:
        for factor in own:
            intensity = intensity * factor.to(intensity.dtype)
    return Terms(
        position=position,
        direction=direction,
        scattering=scattering,
        index=found.index,
        nearest=found.nearest,
        lattice_factors=found.lattice_factors,
        lattice_amplitude=found.lattice_amplitude,
        cell_amplitude=found.cell_amplitude,
        diffuse=found.diffuse,
        intensity=intensity,
        running_factor=running_factor,
    )


def pixel_factors(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> PixelFactors:
    """Factors of whole pixels, from their first subpixel and source as the reference takes them.

    The polarization may be that of another place; with a resolution limit the first place is the first subpixel and
    source that the limit leaves.
    """
    first = slice(0, 1)
    corner = positions(plan, panel, slow, fast, Part(layer=first, slow_subpixel=first, fast_subpixel=first))
    direction, distance = unit_components(corner)
    return factors_along(plan, panel, slow, fast, direction, distance)


def factors_along(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, direction: Components, distance: torch.Tensor
) -> PixelFactors:
    """The same, where unit vectors to the pixels' first subpixels, and their distances in metres, are known."""
    ones = torch.ones_like(slow)
    omega = ones if plan.oversample_solid_angle else solid_angle(plan, panel, distance).reshape(-1)
    capture = ones
    if plan.last_layer and panel.absorbs:
        first, last = slice(0, 1), slice(panel.layer_depths.numel() - 1, None)
        deepest, _ = unit_components(
            positions(plan, panel, slow, fast, Part(layer=last, slow_subpixel=first, fast_subpixel=first))
        )
        capture = captured(panel, deepest, last).reshape(-1)
    if not plan.polarized or plan.oversample_polarization:
        return PixelFactors(polarization=ones, solid_angle=omega, capture=capture)
    incident = _on_sources(plan.incident[:1])
    if plan.polarization_place != "first":
        direction = _polarized_direction(plan, panel, slow, fast)
    elif plan.resolution_limit is not None:
        direction, incident = _first_resolved(plan, panel, slow, fast, plan.resolution_limit)
    polarization = _polarization(plan, direction, incident).reshape(-1)
    return PixelFactors(polarization=polarization, solid_angle=omega, capture=capture)


def photons(
    plan: Plan, intensity: torch.Tensor, factors: PixelFactors, background: torch.Tensor | None = None
) -> torch.Tensor:
    """Photons per pixel from the summed intensity and the share of the background; float64, (pixel,)."""
    scattered = plan.intensity_to_photons * intensity
    if plan.water is not None and background is not None:
        scattered = scattered + plan.water.photons * background
    return scattered * factors.capture * factors.polarization * factors.solid_angle


def background_share(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, part: Part) -> torch.Tensor:
    """What a part of the sum adds to the share of an isotropic background that pixels see: float64, (pixel,).

    Over the whole sum it is the mean over subpixels and sources of the factors that belong to single terms, added up
    over the sensor's layers. Rotation steps and mosaic domains do not matter to it: a part counts when it holds the
    first of them.
    """
    if (part.phi.start or 0) > 0 or (part.mosaic.start or 0) > 0:
        return torch.zeros_like(slow)
    if plan.last_layer and panel.absorbs:
        last = panel.layer_depths.numel() - 1
        if part.layer.stop is not None and part.layer.stop <= last:
            return torch.zeros_like(slow)
        part = attrs.evolve(part, layer=slice(last, None))
    direction, distance = unit_components(positions(plan, panel, slow, fast, part))
    incident = plan.incident[part.source]
    share = torch.ones_like(distance).expand(*distance.shape[:3], incident.shape[0], *distance.shape[4:])
    for factor in shared_factors(plan, panel, slow, fast, part):
        share = share * factor
    for factor in own_factors(plan, panel, direction, distance, incident, part):
        share = share * factor
    return share.sum(dim=(0, 1, 2, 3, 4, 5)) / (plan.subpixels.numel() ** 2 * plan.wavelengths.numel())


def shared_factors(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, part: Part
) -> list[torch.Tensor]:
    """The factors that several terms of a pixel share: the weight of a source, and what a layer absorbs."""
    factors = []
    if plan.weighted:
        factors.append(on_axis(plan.source_weights[part.source], "source"))
    if panel.absorbs and not plan.oversample_capture and not plan.last_layer:
        first = slice(0, 1)
        layers, _ = unit_components(
            positions(plan, panel, slow, fast, Part(layer=part.layer, slow_subpixel=first, fast_subpixel=first))
        )
        factors.append(captured(panel, layers, part.layer))
    return factors


def own_factors(
    plan: Plan, panel: PanelPlan, direction: Components, distance: torch.Tensor, incident: torch.Tensor, part: Part
) -> list[torch.Tensor]:
    """The factors that single terms have: those that are oversampled."""
    factors = []
    if plan.oversample_capture:
        capture = captured(panel, direction, part.layer)
        # The reference's formula gives nothing for a sensor of no thickness, and its oversampling insists on it.
        factors.append(capture if panel.absorbs or not plan.running_product else torch.zeros_like(capture))
    if plan.oversample_polarization and plan.polarized:
        factors.append(_polarization(plan, direction, _on_sources(incident)))
    if plan.oversample_solid_angle:
        factors.append(solid_angle(plan, panel, distance))
    return factors


def _polarized_direction(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> Components:
    """Direction to the place of pixels at which their polarization is taken, where it is not the first subpixel."""
    last = slice(plan.oversample - 1, None)
    part = Part(slice(panel.layer_depths.numel() - 1, None), last, last)
    if plan.polarization_place == "centre":
        first = slice(0, 1)
        plan = attrs.evolve(plan, subpixels=torch.full_like(plan.subpixels[:1], 0.5), reference_rays=False)
        part = Part(layer=first, slow_subpixel=first, fast_subpixel=first)
    return unit_components(positions(plan, panel, slow, fast, part))[0]


def _polarization(plan: Plan, direction: Components, incident: torch.Tensor) -> torch.Tensor:
    return polarization_factor(direction, incident, plan.electric_axis, plan.kahn, parallel=plan.parallel_polarization)


def _running_factor(
    plan: Plan, own: list[torch.Tensor], scattering: Components, lattice_amplitude: torch.Tensor
) -> torch.Tensor:
    """Product of a term's factors; 1 for terms that the reference leaves out before it comes to multiply."""
    product = reduce(mul, own).to(torch.float64)
    return torch.where(not_skipped(plan, scattering, lattice_amplitude), product, torch.ones_like(product))


def not_skipped(plan: Plan, scattering: Components, lattice_amplitude: torch.Tensor) -> torch.Tensor:
    """Which terms the reference program does not leave out before it comes to the structure factor."""
    added = plan.water is not None or plan.diffuse is not None
    done = torch.ones_like(lattice_amplitude, dtype=torch.bool) if added else lattice_amplitude != 0.0
    if plan.resolution_limit is not None:
        done = done & resolved(scattering, plan.resolution_limit)
    return done


def _first_resolved(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, limit: torch.Tensor
) -> tuple[Components, torch.Tensor]:
    """Direction and incident beam, one a pixel, of the first subpixel and source that the resolution limit leaves.

    Pixels of which nothing is left get their very first; their sum is zero.
    """
    direction, kept = _resolved_evaluations(plan, panel, slow, fast, limit)
    choice = kept.reshape(-1, slow.numel()).to(torch.int8).argmax(dim=0)
    source = choice % plan.wavelengths.numel()
    subpixel = torch.div(choice, plan.wavelengths.numel(), rounding_mode="floor")
    x, y, z = (
        component.reshape(-1, slow.numel()).gather(0, subpixel.unsqueeze(0)).reshape(1, 1, 1, 1, 1, 1, -1)
        for component in direction
    )
    return (x, y, z), plan.incident[source].reshape(1, 1, 1, 1, 1, 1, -1, 3)


def any_resolved(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
    """Whether the resolution limit leaves anything of a pixel, (pixel,)."""
    if plan.resolution_limit is None:
        return torch.ones_like(slow, dtype=torch.bool)
    _, kept = _resolved_evaluations(plan, panel, slow, fast, plan.resolution_limit)
    return kept.reshape(-1, slow.numel()).any(dim=0)


def _resolved_evaluations(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, limit: torch.Tensor
) -> tuple[Components, torch.Tensor]:
    """Directions of all subpixels, and which of them and of the sources the resolution limit leaves."""
    direction, _ = unit_components(positions(plan, panel, slow, fast, Part()))
    return direction, resolved(scattering_vector(direction, plan.incident, on_axis(plan.wavelengths, "source")), limit)


def _on_orientations(values: torch.Tensor) -> torch.Tensor:
    """One value per step and mosaic domain, (phi, mosaic), shaped to broadcast against seven axes."""
    return values.reshape(1, 1, 1, 1, *values.shape, 1)


def _on_sources(incident: torch.Tensor) -> torch.Tensor:
    """Beams (source, 3) shaped to stand before seven-axis components, (1, 1, 1, source, 1, 1, 1, 3)."""
    return incident.reshape(1, 1, 1, -1, 1, 1, 1, 3)
