"""Faces of a detector, flat, however they are tilted or skewed: where rays from the crystal meet them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import numpy as np

from openbragg.model.geometry import PanelFrame
from openbragg.model.scalars import plain

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


#: Of a normal no longer than this above the plane there is no telling on which side of it anything is.
IN_PLANE = 1e-9
#: A face is looked at in so many points along each side.
_POINTS = 33


@attrs.frozen(kw_only=True, eq=False)
class Face:
    """A panel in the laboratory, as plain numbers.

    Attributes
    ----------
    origin
        From the crystal to the outer corner of the first pixel, (3,), metres.
    fast, slow, normal
        Vectors (3,) along growing fast and slow index, a pixel's sides over its size, and along growing depth; not
        always of unit length or at right angles.
    pixel_size
        Side of a pixel in metres.
    pixels
        Number of pixels (slow, fast).
    depth
        How deep in the sensor photons are counted, at most, in metres along the normal.
    """

    origin: Array
    fast: Array
    slow: Array
    normal: Array
    pixel_size: float
    pixels: tuple[int, int]
    depth: float = 0.0

    def points(self) -> Array:
        """Points all over it, its corners among them, (points, 3), metres."""
        steps = np.linspace(0.0, 1.0, _POINTS)
        along_slow, along_fast = ((steps * (count * self.pixel_size))[:, None] for count in self.pixels)
        points: Array = (self.origin + (along_slow * self.slow)[:, None] + (along_fast * self.fast)[None]).reshape(
            -1, 3
        )
        return points

    def has_depth(self) -> bool:
        """Whether its normal points out of its plane, as that of any detector but a mistyped one does."""
        return abs(float(self.normal @ np.cross(self.fast, self.slow))) > IN_PLANE

    @cached_property
    def dual(self) -> Array:
        """Rows whose products with a vector are its parts along fast, slow and normal, (3, 3)."""
        crosses = np.array(
            [np.cross(self.slow, self.normal), np.cross(self.normal, self.fast), np.cross(self.fast, self.slow)]
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            dual: Array = crosses / (self.normal @ crosses[2])
        return dual

    def meet(self, rays: Array, depth: float | Array = 0.0) -> tuple[Array, Array]:
        """Where rays along directions (rays, 3) of any length are at a depth in metres, which may be each its own.

        Returns
        -------
        How many times its direction each has gone, (rays,), infinite where it never arrives; and where it is, (fast,
        slow) in metres from the first corner, (rays, 2), NaN there. It need not be on the face.
        """
        dual = self.dual
        fast, slow, away = (rays @ dual.T).T
        corner = dual @ self.origin
        with np.errstate(divide="ignore", invalid="ignore"):
            times = (corner[2] + depth) / away
        times = np.where(np.isfinite(times) & (times > 0.0), times, np.inf)
        there = np.where(np.isfinite(times), times, np.nan)
        return times, np.stack([there * fast - corner[0], there * slow - corner[1]], axis=1)

    def holds(self, pixel: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which places (places, 2), in pixels from the first corner, are on the face."""
        slow, fast = self.pixels
        inside: np.ndarray[Any, np.dtype[np.bool_]] = (
            (pixel[:, 0] >= 0.0) & (pixel[:, 0] < fast) & (pixel[:, 1] >= 0.0) & (pixel[:, 1] < slow)
        )
        return inside

    def shoeboxes(self, rays: Array, radius: Array) -> Array:
        """The smallest boxes of whole pixels that have all of the cones around rays.

        The edge of a cone of half angle w around u that is farthest along the dual vector d, on the plane n . p = 1, is
        where a plane through the crystal touches it: (v . u)^2 = sin^2(w) v . v for v = d - x n. Both x are the ends.

        Parameters
        ----------
        rays
            Unit vectors, (rays, 3).
        radius
            Half angles in radians, (rays,).

        Returns
        -------
        First fast, last fast, first slow, last slow pixel as whole numbers, (rays, 4); the last is below the first
        where nothing is on the face, and it is all of the face for a cone that does not cross the plane in an ellipse.
        """
        dual = self.dual
        corner = dual @ self.origin
        squared = np.sin(radius) ** 2
        away = (rays @ dual[2]) / corner[2]
        bound = away * away - squared * (dual[2] @ dual[2]) / corner[2] ** 2
        closed = (bound > 0.0) & (radius < 0.5 * np.pi)
        ellipse, behind = closed & (away > 0.0), closed & (away < 0.0)
        boxes = np.empty((len(rays), 4))
        for axis, count in enumerate(reversed(self.pixels)):
            along = rays @ dual[axis]
            middle = along * away - squared * (dual[axis] @ dual[2]) / corner[2]
            rest = along * along - squared * (dual[axis] @ dual[axis])
            with np.errstate(divide="ignore", invalid="ignore"):
                half = np.sqrt(np.maximum(middle * middle - bound * rest, 0.0)) / bound
                ends = [(middle / bound + sign * half - corner[axis]) / self.pixel_size for sign in (-1.0, 1.0)]
            boxes[:, 2 * axis] = np.where(ellipse, np.clip(np.floor(ends[0]), 0.0, count), 0.0)
            boxes[:, 2 * axis + 1] = np.where(ellipse, np.clip(np.floor(ends[1]), -1.0, count - 1.0), count - 1.0)
            boxes[behind, 2 * axis + 1] = -1.0
        return boxes


def face_of(frame: PanelFrame, depth: float = 0.0) -> Face:
    """A panel's face; `depth` as in `Face`."""
    origin, fast, slow, normal = (
        vector.detach().cpu().numpy() for vector in (frame.origin, frame.fast, frame.slow, frame.normal)
    )
    return Face(
        origin=origin,
        fast=fast,
        slow=slow,
        normal=normal,
        pixel_size=plain(frame.panel.pixel_size),
        pixels=frame.panel.pixels,
        depth=depth,
    )


def place_rays(faces: Sequence[Face], rays: Array) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Array]:
    """For rays along directions (rays, 3) the nearest face that each meets, and where.

    Returns
    -------
    Numbers of the faces, (rays,), -1 for none; and places (fast, slow) in pixels from a face's first corner, (rays, 2),
    NaN where there is none.
    """
    numbers = np.full(len(rays), -1)
    nearest, places = np.full(len(rays), np.inf), np.full((len(rays), 2), np.nan)
    for number, face in enumerate(faces):
        times, place = face.meet(rays)
        pixel = place / face.pixel_size
        here = (times < nearest) & face.holds(pixel)
        numbers[here], nearest[here], places[here] = number, times[here], pixel[here]
    return numbers, places
