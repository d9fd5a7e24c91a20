"""The reflections of a run's images: where they are, how much of them, and their photons, without rendering.

Which they are is found in `openbragg.engine.reflections`; docs/reference/truth.md derives the formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.engine.reflections.search import Found, crossing_reflections, near_reflections
from openbragg.engine.reflections.sphere import excitation, turned_about
from openbragg.errors import InputError
from openbragg.model import Scan
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.prediction.cell_amplitudes import cell_amplitudes
from openbragg.orchestrator.prediction.scene import Scene, make_scene
from openbragg.orchestrator.prediction.sensor_places import SensorPlaces, polarization
from openbragg.roles import PredictedReflections

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

_COLUMNS = [attribute.name for attribute in attrs.fields(PredictedReflections)]
#: Reflections of which less than this part is on the images are left out.
_LEAST = 0.01
#: Reflections times mosaic domains that are worked on together, each with some hundred numbers: what a cache holds.
_BATCH = 1 << 11
#: More reflections than any images have.
_MOST_REFLECTIONS = 1 << 24


@attrs.frozen(kw_only=True, eq=False)
class _Shining:
    """Reflections on images, with their spindle angles and scattered rays, and where they are counted.

    Attributes
    ----------
    still
        Number of the still image.
    photons
        But for the factors that a place on the detector decides, and the fluence.
    """

    found: Found
    rays: Array
    places: SensorPlaces
    amplitude: Array
    still: Array
    partiality: Array
    photons: Array

    def where(self, chosen: Any) -> _Shining:
        """Those chosen, by booleans or numbers."""
        return _Shining(
            found=self.found.where(chosen),
            rays=self.rays[chosen],
            places=self.places.where(chosen),
            amplitude=self.amplitude[chosen],
            still=self.still[chosen],
            partiality=self.partiality[chosen],
            photons=self.photons[chosen],
        )


def predict(layout: Layout, scans: tuple[Scan, ...], quirks: frozenset[str]) -> PredictedReflections:
    """Predict the reflections of images, of each crystal in turn; arguments and errors as in `make_scene`.

    Raises
    ------
    InputError
        For more reflections than are kept, too.
    """
    found = []
    for lattice, each in enumerate(layout.lattices()):
        one = _predict_one(each, scans, quirks)
        found.append(attrs.evolve(one, lattice=np.full(len(one.still), lattice, dtype=np.int32)))
        _refuse_too_many(sum(len(each.still) for each in found))
    if len(found) == 1:
        return found[0]
    together = _together(found)
    # Each crystal's are in their order; so are the images.
    return _ordered(together, np.lexsort((together.lattice, together.still)))


def _predict_one(layout: Layout, scans: tuple[Scan, ...], quirks: frozenset[str]) -> PredictedReflections:
    """The reflections of a layout's own crystal."""
    scene = make_scene(layout, scans, quirks)
    parts: list[_Shining] = []
    count = 0
    for part in _rotation(scene) if scene.width > 0.0 else _stills(scene):
        parts.append(part.where(part.partiality >= _LEAST))
        count += len(parts[-1].rays)
        _refuse_too_many(count)
    return _gathered(scene, parts)


def predict_each(layouts: Iterable[Layout], scans: tuple[Scan, ...], quirks: frozenset[str]) -> PredictedReflections:
    """Predict the reflections of stills, each with a layout of its own; arguments and errors as in `predict`."""
    found = []
    for number, (layout, scan) in enumerate(zip(layouts, scans, strict=True)):
        one = predict(layout, (scan,), quirks)
        found.append(attrs.evolve(one, still=np.full(len(one.still), number, dtype=np.int32)))
        _refuse_too_many(sum(len(each.still) for each in found))
    return _together(found)


def _together(found: list[PredictedReflections]) -> PredictedReflections:
    return PredictedReflections(**{name: np.concatenate([getattr(each, name) for each in found]) for name in _COLUMNS})


def _ordered(found: PredictedReflections, order: Any) -> PredictedReflections:
    return PredictedReflections(**{name: getattr(found, name)[order] for name in _COLUMNS})


def _refuse_too_many(count: int) -> None:
    if count > _MOST_REFLECTIONS:
        raise InputError(f"there are more than {_MOST_REFLECTIONS} reflections on the images: too many to predict")


def _rotation(scene: Scene) -> Iterator[_Shining]:
    """Reflections that pass through the sphere of reflection while the crystal turns."""
    edges = np.array(scene.edges())
    for crossing in crossing_reflections(scene.camera, scene.cell, scene.spindle, *scene.span()):
        found, rays, places, amplitude = _counted(scene, crossing)
        speed = (rays * np.cross(scene.spindle, found.vectors)).sum(axis=1)
        part = _passed(scene, found, rays, speed[:, None] * (edges - found.angle[:, None]))
        # Photons of a whole reflection are fluence r_e^2 lambda^3 F^2 P N / (V width |spindle . (s1 x s0)|), and the
        # last factor times 1 / lambda is the speed.
        whole = scene.wavelength**2 * scene.profile.whole / (scene.volume * scene.width * np.abs(speed))
        yield _Shining(
            found=found,
            rays=rays,
            places=places,
            amplitude=amplitude,
            still=np.zeros(len(rays)),
            partiality=part,
            photons=whole * part,
        )


def _passed(scene: Scene, found: Found, rays: Array, edges: Array) -> Array:
    """Which part of reflections passes between two edges, at which each middle is so far outside the sphere.

    `edges` is in 1/metres, (reflections, 2).
    """
    direction = _moved(scene, rays, found.angle)
    shift = scene.shift() * np.linalg.norm(found.vectors, axis=1)
    # Where no domain is near the sphere at either edge all of it, or nothing, passes between them.
    spots = scene.profile.at(found.indices)
    partial = np.abs(edges).min(axis=1) <= spots.reach(direction) + shift
    total: Array = (np.sign(edges[:, 0]) != np.sign(edges[:, 1])).astype(np.float64)
    for rows in _batches(np.flatnonzero(partial), len(scene.domains)):
        # How far each domain is outside the sphere when the crystal as a whole is on it.
        distance = _outside(scene, found.vectors[rows], found.angle[rows])
        passed, spots = np.zeros(len(rows)), scene.profile.at(found.indices[rows])
        for domains in _parts(distance):
            before, after = (
                spots.passed(edge[:, None] + distance[:, domains], direction[rows]) for edge in edges[rows].T
            )
            passed += np.abs(after - before) @ scene.weights[domains]
        total[rows] = passed
    return total


def _stills(scene: Scene) -> Iterator[_Shining]:
    """Reflections that touch the sphere of reflection, of every image; those that stand alike are worked out once."""
    for angle, images in scene.standing().items():
        for near in near_reflections(scene.camera, scene.cell_at(angle), scene.margin()):
            found, rays, places, amplitude = _counted(scene, near)
            found = attrs.evolve(found, angle=np.full(len(rays), angle))
            direction = _moved(scene, rays, found.angle)
            density, highest = np.zeros(len(rays)), np.zeros(len(rays))
            for rows in _batches(np.arange(len(rays)), len(scene.domains)):
                distance = _outside(scene, found.vectors[rows], found.angle[rows])
                spots = scene.profile.at(found.indices[rows])
                for domains in _parts(distance):
                    here, highest[rows] = spots.density(distance[:, domains], direction[rows])
                    density[rows] += here @ scene.weights[domains]
            for number in images:
                yield _Shining(
                    found=found,
                    rays=rays,
                    places=places,
                    amplitude=amplitude,
                    still=np.full(len(rays), float(number)),
                    partiality=density / highest,
                    photons=scene.wavelength**2 * scene.profile.whole * density / scene.volume,
                )


def _counted(scene: Scene, found: Found) -> tuple[Found, Array, SensorPlaces, Array]:
    """What of reflections the detector counts and has an amplitude: with rays, places and F in electrons."""
    rays = scene.camera.incident + found.vectors
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    places = scene.sensor.places(rays)
    seen = np.flatnonzero(places.panel >= 0)
    amplitude = cell_amplitudes(scene.plan, torch.as_tensor(found.indices[seen])).numpy()
    there = amplitude != 0.0
    seen = seen[there]
    return found.where(seen), rays[seen], places.where(seen), amplitude[there]


def _batches(rows: Any, domains: int) -> Iterator[Any]:
    size = max(1, _BATCH // domains)
    return (rows[first : first + size] for first in range(0, len(rows), size))


def _parts(distance: Array) -> Iterator[slice]:
    """Mosaic domains, some at a time, of distances (reflections, domains)."""
    return (slice(first, first + _BATCH) for first in range(0, distance.shape[1], _BATCH))


def _moved(scene: Scene, rays: Array, angle: Array) -> Array:
    """What an offset of 1 in h, k and l moves along the ray, (reflections, 3) in 1/m."""
    # The ray is turned back instead of the crystal.
    moved: Array = turned_about(scene.spindle, rays, -angle) @ np.linalg.inv(scene.cell)
    return moved


def _outside(scene: Scene, vectors: Array, angle: Array) -> Array:
    """How far outside the sphere of reflection each mosaic domain's lattice point is, (reflections, domains), 1/m.

    `vectors` (reflections, 3) are where the crystal as a whole has them with the spindle at `angle`, (reflections,).
    """
    if not scene.mounted:
        return excitation(scene.camera.incident, np.einsum("mij,rj->rmi", scene.domains, vectors))
    # Domains turn the crystal before the spindle does.
    turned = np.einsum("mij,rj->rmi", scene.domains, turned_about(scene.spindle, vectors, -angle))
    forth = turned_about(scene.spindle, turned.reshape(-1, 3), np.repeat(angle, len(scene.domains)))
    return excitation(scene.camera.incident, forth.reshape(turned.shape))


def _gathered(scene: Scene, parts: list[_Shining]) -> PredictedReflections:
    """All in their order, with the factors that depend on the place."""
    plan = scene.plan

    def all_of(values: Any, *shape: int) -> Any:
        return np.concatenate([np.zeros((0, *shape)), *(values(part) for part in parts)])

    indices, angle = all_of(lambda part: part.found.indices, 3), all_of(lambda part: part.found.angle)
    still = all_of(lambda part: part.still)
    order = np.lexsort((*indices.T[::-1], angle, still))
    rays, amplitude = all_of(lambda part: part.rays, 3)[order], all_of(lambda part: part.amplitude)[order]
    photons = all_of(lambda part: part.photons)[order] * amplitude**2
    photons *= all_of(lambda part: part.places.factor)[order] * polarization(plan, rays)
    photons *= plan.electron_radius_squared * float(plan.fluence) * float(plan.scale)
    return PredictedReflections(
        indices=indices[order].astype(np.int32),
        still=still[order].astype(np.int32),
        lattice=np.zeros(len(order), dtype=np.int32),
        panel=all_of(lambda part: part.places.panel)[order].astype(np.int32),
        ray=rays,
        place=all_of(lambda part: part.places.place, 2)[order],
        pixel=all_of(lambda part: part.places.pixel, 2)[order],
        angle=angle[order],
        spacing=1.0 / np.linalg.norm(all_of(lambda part: part.found.vectors, 3)[order], axis=1),
        partiality=all_of(lambda part: part.partiality)[order],
        amplitude=amplitude,
        photons=photons,
    )
