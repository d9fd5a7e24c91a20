"""Where the detector counts a ray from the crystal, and what part of it: its panels, the depth of the sensor, its mask.

docs/reference/truth.md derives the formulas.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.engine.numerics import polarization_factor
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.reflections.faces import Face, face_of
from openbragg.errors import InputError
from openbragg.orchestrator.layout import Layout

#: In place of a length that is 0.
_SMALLEST = 1e-300
Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


@attrs.frozen(kw_only=True, eq=False)
class SensorPlaces:
    """Where rays are counted.

    Attributes
    ----------
    panel
        Number of the nearest panel rendered there, (rays,); -1 for none.
    place
        Where each meets the panel's plane, (fast, slow) in metres from its first corner, (rays, 2).
    pixel
        Where the sensor counts it, (fast, slow) in pixels from the first corner, (rays, 2).
    factor
        What part of its photons is counted, (rays,).
    """

    panel: np.ndarray[Any, np.dtype[np.int64]]
    place: Array
    pixel: Array
    factor: Array

    def where(self, chosen: Any) -> SensorPlaces:
        """Those chosen, by booleans or numbers."""
        return SensorPlaces(
            panel=self.panel[chosen], place=self.place[chosen], pixel=self.pixel[chosen], factor=self.factor[chosen]
        )


@attrs.frozen(kw_only=True, eq=False)
class Sensor:
    """A detector that counts rays.

    Attributes
    ----------
    layout
        Whose detector it is.
    faces
        Its panels as plain numbers.
    hidden
        Where nothing is rendered, booleans (slow, fast) of the stored frame; None for nowhere.
    """

    layout: Layout
    faces: tuple[Face, ...]
    hidden: np.ndarray[Any, np.dtype[np.bool_]] | None

    def places(self, rays: Array) -> SensorPlaces:
        """Where rays along unit vectors (rays, 3) are counted."""
        plan = self.layout.plan
        panels, nearest = np.full(len(rays), -1), np.full(len(rays), np.inf)
        places, pixels, factors = np.zeros((len(rays), 2)), np.zeros((len(rays), 2)), np.zeros(len(rays))
        for number, (panel, face) in enumerate(zip(plan.panels, self.faces, strict=True)):
            obliquity = rays @ face.normal
            times, place = face.meet(rays)
            captured, depth = _captured(panel, obliquity, plan.last_layer)
            pixel = (face.meet(rays, depth)[1] if panel.absorbs else place) / face.pixel_size
            here = (times < nearest) & face.holds(pixel)
            here[here] = self._rendered(number, pixel[here])
            panels[here], nearest[here], places[here], pixels[here] = number, times[here], place[here], pixel[here]
            factors[here] = captured[here] * _magnified(plan, panel, face, obliquity[here])
        return SensorPlaces(panel=panels, place=places, pixel=pixels, factor=factors)

    def _rendered(self, number: int, pixel: Array) -> Any:
        """Which places on a panel, in pixels from its first corner, were rendered."""
        row, column = self.layout.laboratory.panels[number].panel.slab or (0, 0)
        fast, slow = (np.floor(pixel) + np.array([column, row])).astype(int).T
        region = self.layout.experiment.sampling.region
        inside = np.ones(len(pixel), dtype=bool)
        if region is not None:
            first_fast, last_fast, first_slow, last_slow = region
            inside &= (fast >= first_fast) & (fast <= last_fast) & (slow >= first_slow) & (slow <= last_slow)
        if self.hidden is not None:
            inside &= ~self.hidden[slow, fast]
        return inside


def sensor_of(layout: Layout) -> Sensor:
    """The detector of a layout; it must be flat.

    Raises
    ------
    InputError
        When a panel's normal lies in its plane.
    """
    frames = zip(layout.laboratory.panels, layout.plan.panels, strict=True)
    faces = tuple(face_of(frame, float(panel.layer_depths.max()) if panel.absorbs else 0.0) for frame, panel in frames)
    if not all(face.has_depth() for face in faces):
        raise InputError("the detector's normal lies in its plane, so that no ray's place on it can be told")
    return Sensor(layout=layout, faces=faces, hidden=layout.experiment.detector.hidden())


def polarization(plan: Plan, rays: Array) -> Array:
    """The polarization factor of rays in the first source's beam, as the image has it."""
    if not plan.polarized:
        return np.ones(len(rays))
    x, y, z = torch.from_numpy(np.ascontiguousarray(rays.T)).unbind(0)
    with torch.no_grad():
        incident = plan.incident[0].cpu()
        return polarization_factor((x, y, z), incident, plan.electric_axis.cpu(), plan.kahn.cpu()).numpy()


def numbers(tensor: torch.Tensor) -> Array:
    """A tensor's values."""
    found: Array = tensor.detach().cpu().numpy()
    return found


def _magnified(plan: Plan, panel: PanelPlan, face: Face, obliquity: Array) -> Array:
    """The solid angle that the image takes a pixel to have, over the true one."""
    # Axes that a convention gives the image takes to be at right angles to each other and to the normal.
    # A panel edge-on to the crystal has no solid angle either way.
    volume = max(face.pixel_size**2 * abs(float(np.cross(face.fast, face.slow) @ face.origin)), _SMALLEST)
    skew = np.full(len(obliquity), abs(float(panel.close_distance)) / volume)
    if not plan.point_pixel:
        return float(panel.pixel_area) * skew
    # A point pixel is counted as one of 1 m^2 that faces the crystal.
    return skew / obliquity


def _captured(panel: PanelPlan, obliquity: Array, last_layer: bool) -> tuple[Array, Array]:
    """Part of the photons that the sensor absorbs, and the mean depth in metres at which its layers count them.

    With the quirk last-layer each layer absorbs as much as the last one.
    """
    if not panel.absorbs:
        return np.ones(len(obliquity)), np.zeros(len(obliquity))
    depths = numbers(panel.layer_depths)
    fronts = depths - depths[0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        path = float(panel.absorption) / obliquity[:, None]
        layers = np.exp(-fronts * path) - np.exp(-(fronts + float(panel.layer_step)) * path)
        if last_layer:
            layers = np.broadcast_to(layers[:, -1:], layers.shape)
        whole = layers.sum(axis=1)
        return np.nan_to_num(whole), np.nan_to_num((layers * depths).sum(axis=1) / whole)
