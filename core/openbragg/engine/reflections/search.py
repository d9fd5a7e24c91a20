"""Reflections that cross the sphere of reflection while the crystal turns, and those near it as the crystal stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np

from openbragg.engine.reflections.camera import Camera
from openbragg.engine.reflections.rows import Region, lattice_points, reciprocal_of
from openbragg.engine.reflections.sphere import Margin, crossing_angles, turned_about

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

_TURN = 2.0 * np.pi


@attrs.frozen(kw_only=True, eq=False)
class Found:
    """Reflections that were found.

    Attributes
    ----------
    indices
        h k l, whole numbers as float64, (reflections, 3).
    vectors
        q in place, (reflections, 3), 1/metres: the scattered ray is along the incident beam's vector plus it.
    angle
        Spindle angle at which each crosses the sphere, in radians, (reflections,); 0 of a crystal that stands.
    """

    indices: Array
    vectors: Array
    angle: Array

    def where(self, chosen: Any) -> Found:
        """Those chosen, by booleans or numbers."""
        return Found(indices=self.indices[chosen], vectors=self.vectors[chosen], angle=self.angle[chosen])


def crossing_reflections(camera: Camera, cell: Array, spindle: Array, first: float, last: float) -> Iterator[Found]:
    """Reflections that cross the sphere of reflection while the crystal turns.

    Parameters
    ----------
    camera
        The beam, and what is seen. Some of what is found may be just beside its faces.
    cell
        Rows a, b, c with the spindle at 0, (3, 3), metres.
    spindle
        Unit vector of the axis, (3,).
    first, last
        Between which spindle angles, in radians; more than a turn apart, a reflection is found each time.

    Yields
    ------
    Found
        Some at a time, all of them but 0 0 0, in no order.
    """
    reciprocal = reciprocal_of(cell)
    for points in lattice_points(camera.turning(cell, spindle, first, last)):
        indices, vectors = _resolved(camera, points, points @ reciprocal)
        middle, aside = crossing_angles(camera.incident, spindle, vectors)
        for sign in (-1.0, 1.0):
            angle = middle + sign * aside
            # The angle at or after the first, and each whole turn from there.
            angle = angle + np.ceil((first - angle) / _TURN) * _TURN
            while (inside := angle <= last).any():
                yield Found(
                    indices=indices[inside],
                    vectors=turned_about(spindle, vectors[inside], angle[inside]),
                    angle=angle[inside],
                )
                angle = angle + _TURN


def near_reflections(camera: Camera, cell: Array, margin: Margin) -> Iterator[Found]:
    """Reflections so near to the sphere of reflection that they shine, of a crystal that stands.

    Parameters
    ----------
    camera
        The beam, and what is seen. Some of what is found may be just beside its faces.
    cell
        Rows a, b, c as the crystal stands, (3, 3), metres.
    margin
        How far off the sphere a reflection shines.

    Yields
    ------
    Found
        Some at a time, all of them but 0 0 0, in no order.
    """
    reciprocal = reciprocal_of(cell)
    for points in lattice_points(near_region(camera, cell, margin)):
        indices, vectors = _resolved(camera, points, points @ reciprocal)
        near = margin.holds(camera.incident, vectors)
        yield Found(indices=indices[near], vectors=vectors[near], angle=np.zeros(int(near.sum())))


def near_region(camera: Camera, cell: Array, margin: Margin) -> Region:
    """Where `near_reflections` looks; arguments as there."""
    furthest = 1.0 / camera.resolution if camera.resolution > 0.0 else np.inf
    # What is longer than the sphere's diameter is farther from it than any rotation takes it.
    longest = 2.0 * camera.radius * (1.0 + margin.angle) + margin.width
    longest = longest / (1.0 - margin.bandwidth) if margin.bandwidth < 1.0 else np.inf
    return camera.still(cell, margin.most(min(furthest, longest)))


def _resolved(camera: Camera, indices: Array, vectors: Array) -> tuple[Array, Array]:
    """Those of reflections, but 0 0 0, whose d spacing is large enough."""
    length = np.linalg.norm(vectors, axis=1)
    kept = (length > 0.0) & (length * camera.resolution <= 1.0)
    return indices[kept], vectors[kept]
