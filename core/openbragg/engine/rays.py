"""Rays from the crystal to subpixels: places, directions, q, and the factors that follow from them.

Arrays have the seven axes that `AXES` names, in the reference program's order of nesting and with the pixels last. An
axis on which a quantity does not depend has length 1.
"""

from __future__ import annotations

import attrs
import torch

from openbragg.engine.plan import PanelPlan, Plan

AXES = ("layer", "slow_subpixel", "fast_subpixel", "source", "phi", "mosaic", "pixel")

Components = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@attrs.frozen
class Part:
    """A box of the sum's axes, as slices; the whole sum by default."""

    layer: slice = slice(None)
    slow_subpixel: slice = slice(None)
    fast_subpixel: slice = slice(None)
    source: slice = slice(None)
    phi: slice = slice(None)
    mosaic: slice = slice(None)


def positions(plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, part: Part) -> Components:
    """Subpixel centres in metres, in layers of growing depth: x, y, z."""
    along_slow = _along(plan, panel, slow, part.slow_subpixel, "slow_subpixel")
    along_fast = _along(plan, panel, fast, part.fast_subpixel, "fast_subpixel")
    depth = on_axis(panel.layer_depths[part.layer], "layer")
    x, y, z = (
        along_fast * panel.fast[axis] + along_slow * panel.slow[axis] + depth * panel.normal[axis] + panel.origin[axis]
        for axis in range(3)
    )
    if plan.curvature is not None:
        return _curved(panel, plan.curvature, y, z)
    return x, y, z


def _along(plan: Plan, panel: PanelPlan, pixel: torch.Tensor, subpixels: slice, axis: str) -> torch.Tensor:
    """Subpixel centres along a side of the detector, in metres."""
    if not plan.reference_rays:
        return panel.pixel_size * (pixel + on_axis(plan.subpixels[subpixels], axis))
    width = panel.pixel_size / plan.oversample
    number = torch.arange(plan.oversample, dtype=pixel.dtype, device=pixel.device)[subpixels]
    return width * (pixel * plan.oversample + on_axis(number, axis)) + width / 2.0


def unit_components(position: Components, *, divided: bool = False) -> tuple[Components, torch.Tensor]:
    """Unit vectors along positions, and the distances in metres; `divided` as the reference rounds them."""
    x, y, z = position
    distance = (x * x + y * y + z * z).sqrt()
    if divided:
        return (x / distance, y / distance, z / distance), distance
    # One division takes as long as many products.
    inverse = distance.reciprocal()
    return (x * inverse, y * inverse, z * inverse), distance


def scattering_vector(direction: Components, incident: torch.Tensor, wavelength: torch.Tensor) -> Components:
    """q = (d - i) / wavelength in 1/metres, for beams `incident` (source, 3)."""
    inverse = wavelength.reciprocal()
    x, y, z = (
        (component - on_axis(beam, "source")) * inverse
        for component, beam in zip(direction, incident.unbind(-1), strict=True)
    )
    return x, y, z


def resolved(scattering: Components, limit: torch.Tensor) -> torch.Tensor:
    """Whether the d spacing 1/|q| is at or above a limit in metres."""
    x, y, z = scattering
    return (x * x + y * y + z * z) * (limit * limit) <= 1.0


def captured(panel: PanelPlan, direction: Components, layers: slice) -> torch.Tensor:
    """Part of the photons along unit vectors that each layer absorbs; 1 for a surface."""
    if not panel.absorbs:
        return torch.ones_like(direction[0])
    x, y, z = (direction[axis] * panel.normal[axis] for axis in range(3))
    number = torch.arange(panel.layer_depths.numel(), dtype=x.dtype, device=x.device)[layers]
    depth = panel.absorption * panel.layer_step / (x + y + z)
    above = on_axis(number, "layer") * depth
    return (-above).exp() - (-(above + depth)).exp()


def solid_angle(plan: Plan, panel: PanelPlan, distance: torch.Tensor) -> torch.Tensor:
    """Solid angle of a pixel at a distance in metres, in steradian; 1/R^2 for point pixels."""
    inverse = distance.reciprocal()
    inverse_square = inverse * inverse
    if plan.point_pixel:
        return inverse_square
    return panel.pixel_area * inverse_square * (panel.close_distance * inverse)


def on_axis(values: torch.Tensor, axis: str) -> torch.Tensor:
    """One value per step of an axis, shaped to broadcast against seven axes."""
    shape = [1] * len(AXES)
    shape[AXES.index(axis)] = -1
    return values.reshape(shape)


def _curved(
    panel: PanelPlan, curvature: tuple[torch.Tensor, torch.Tensor], y: torch.Tensor, z: torch.Tensor
) -> Components:
    """Positions at one distance: the beam's spot turned about the slow and then the fast axis, by y and z over it."""
    distance, beam = curvature
    slow, fast = panel.slow / panel.slow.norm(), panel.fast / panel.fast.norm()
    turned = _turned_about(slow, (distance * beam).unbind(0), y / distance)
    return _turned_about(fast, turned, z / distance)


def _turned_about(axis: torch.Tensor, place: tuple[torch.Tensor, ...], angle: torch.Tensor) -> Components:
    """Components of places turned right-handed about a unit axis (3,)."""
    (i, j, k), (x, y, z) = axis.unbind(0), place
    cosine, sine = angle.cos(), angle.sin()
    along = (i * x + j * y + k * z) * (1.0 - cosine)
    return (
        i * along + x * cosine + (j * z - k * y) * sine,
        j * along + y * cosine + (k * x - i * z) * sine,
        k * along + z * cosine + (i * y - j * x) * sine,
    )
