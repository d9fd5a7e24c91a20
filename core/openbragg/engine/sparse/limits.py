"""How large a term can be, and how much it counts, at most: what a promise to leave little out is made from."""

from __future__ import annotations

import attrs
import torch

from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.reflections.faces import IN_PLANE
from openbragg.roles import LimitedSpectralStructureFactors, Miller

#: Points along each side of a panel at which its distance is looked at.
_GRID = 33


def bounded_plan(plan: Plan) -> Plan:
    """The plan with tables of which `amplitude` gives a bound of \\|F\\| for all sources: one for any wavelength."""
    if plan.spectral is None:
        return plan
    assert isinstance(plan.structure_factors, LimitedSpectralStructureFactors)
    with torch.no_grad():
        tables = plan.structure_factors.limits(plan.spectral.detach(), plan.tables)
    return attrs.evolve(plan, tables=tables, spectral=None)


def largest_term(plan: Plan, largest: float) -> float:
    """The largest F_cell^2 F_latt^2 there may be, in squared electrons, with that F_cell."""
    zero = torch.zeros((), dtype=torch.float64)
    origin = Miller(zero, zero, zero)
    with torch.no_grad():
        amplitude = torch.as_tensor(largest, dtype=torch.float64)
        for factor in plan.shape.factors(origin, origin, plan.lattice):
            amplitude = amplitude * factor.to(torch.float64)
    return float(amplitude * amplitude)


def largest_weight(plan: Plan, panel: PanelPlan, pixels: Pixels) -> float | None:
    """Photons that a pixel gets from one squared electron in each of its terms, at most.

    None where a pixel faces away from the crystal, or is where it stands, or a panel's normal lies in its plane.
    """
    depths = panel.layer_depths.detach()
    close = float(panel.close_distance)
    nearest = _nearest(panel, pixels)
    upright = float((torch.linalg.cross(panel.fast, panel.slow) @ panel.normal).detach().abs())
    if not (close > 0.0 and nearest > 0.0 and upright > IN_PLANE):
        return None
    omega = 1.0 / nearest**2 if plan.point_pixel else float(panel.pixel_area) * close / nearest**3
    layers = float(depths.numel())
    if panel.absorbs and not plan.last_layer:
        # The parts of photons that the layers take add up to less than 1 along one ray, and a pixel's rays to its
        # layers differ in their slopes by no more than this.
        layers = min(layers, (1.0 + float(depths.abs().max()) / nearest) ** 3)
    phi, mosaic = plan.cell_vectors.shape[:2]
    # The weights of sources are 1 on average.
    terms = layers * plan.oversample**2 * plan.wavelengths.numel() * phi * mosaic
    return abs(float(plan.intensity_to_photons)) * omega * terms


def _nearest(panel: PanelPlan, pixels: Pixels) -> float:
    """How far from the crystal any place of the region is, at least, in metres."""
    first_fast, last_fast, first_slow, last_slow = pixels.region
    size = float(panel.pixel_size)
    fast, slow = ((vector.detach() * size) for vector in (panel.fast, panel.slow))
    shares = torch.linspace(0.0, 1.0, _GRID, dtype=torch.float64)
    along_fast = (first_fast + shares * (last_fast + 1 - first_fast)).reshape(-1, 1, 1)
    along_slow = (first_slow + shares * (last_slow + 1 - first_slow)).reshape(1, -1, 1)
    places = panel.origin.detach() + along_fast * fast + along_slow * slow
    # Any place is no farther from a point of the grid than half a diagonal of its meshes, the longer one.
    mesh_fast, mesh_slow = fast * (pixels.width / (_GRID - 1)), slow * (pixels.height / (_GRID - 1))
    diagonal = torch.maximum((mesh_fast + mesh_slow).norm(), (mesh_fast - mesh_slow).norm())
    front = float(places.norm(dim=-1).min()) - 0.5 * float(diagonal)
    # Deeper layers are beside it by the sensor's thickness. Nothing is nearer than the foot of the panel's plane.
    depths = panel.layer_depths.detach() * panel.normal.detach().norm()
    foot = float(panel.close_distance) - max(0.0, -float(depths.min()))
    return max(front - float(depths.abs().max()), foot)
