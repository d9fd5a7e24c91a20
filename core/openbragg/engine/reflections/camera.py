"""A beam and faces of a detector: what part of reciprocal space they see of a crystal that stands, or turns."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import attrs
import numpy as np

from openbragg.engine.reflections.faces import Face
from openbragg.engine.reflections.rows import Region, Shell, Slab, reciprocal_of

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: A face is looked at in so many parts along each side.
_PARTS = 8
#: Faces of which directions are remembered: those of detectors that stand while a crystal turns.
_FACES = 256
#: Directions around a middle are bounded by a cone while they are no farther from it than this; chords of the unit
#: sphere. Beyond, all directions are taken.
_WIDEST, _ALL = 1.2, 2.0
#: With fewer layers of points along any axis their number is not estimated from a volume.
_LAYERS = 8.0


@attrs.frozen(kw_only=True, eq=False)
class Camera:
    """Where reflections are looked for.

    Attributes
    ----------
    incident
        Along the beam, of length 1/wavelength, (3,), 1/metres.
    faces
        The detector; without any, reflections in all directions are looked for.
    resolution
        The smallest d spacing that is looked for, in metres.
    """

    incident: Array
    faces: tuple[Face, ...] = ()
    resolution: float = 0.0
    _cones: tuple[Array, Array] = attrs.field(
        init=False, default=attrs.Factory(lambda self: _cones(self.faces), takes_self=True)
    )

    @property
    def radius(self) -> float:
        """Of the sphere of reflection, in 1/metres."""
        return float(np.linalg.norm(self.incident))

    @cached_property
    def longest(self) -> float:
        """The length of the longest q that is seen, at most, in 1/metres."""
        return self._seen(0.0)[2][1]

    def still(self, cell: Array, margin: float, off: float = np.inf) -> Region:
        """Where q of reflections lies that are seen, and so near to the sphere.

        Parameters
        ----------
        cell
            Rows a, b, c as the crystal stands, (3, 3), metres.
        margin
            How far from q of a ray that is seen, in 1/metres.
        off
            How far off the sphere, in 1/metres; counts where it is less than the margin.
        """
        vectors, apart, (lowest, highest) = self._seen(margin)
        lengths = np.linalg.norm(cell, axis=1)
        along = vectors @ cell.T
        radius, off = self.radius, min(margin, off)
        return _region(
            cell,
            _box(along, along, apart[:, None] * lengths, highest * lengths),
            shells=(
                Shell(centre=np.zeros(3), lowest=lowest, highest=highest),
                Shell(centre=-self.incident, lowest=max(0.0, radius - off), highest=radius + off),
            ),
        )

    def turning(self, cell: Array, spindle: Array, first: float, last: float) -> Region:
        """Where q with the spindle at 0 lies of reflections that are seen when they cross the sphere.

        Parameters
        ----------
        cell
            Rows a, b, c with the spindle at 0, (3, 3), metres.
        spindle
            Unit vector of the axis, (3,).
        first, last
            Between which spindle angles they cross, in radians.
        """
        vectors, apart, (lowest, highest) = self._seen(0.0)
        lengths = np.linalg.norm(cell, axis=1)
        # The product of a turning axis a of the cell with q is a sinusoid of the angle.
        level = np.outer(vectors @ spindle, cell @ spindle)
        cosine = vectors @ cell.T - level
        sine = vectors @ np.cross(spindle, cell).T
        low, high = _sinusoid_ends(cosine, sine, first, last)
        heights = vectors @ spindle
        middle, half = 0.5 * (first + last), 0.5 * (last - first)
        shells = [Shell(centre=np.zeros(3), lowest=lowest, highest=highest)]
        # A turn by an angle moves q by no more than the angle times its length.
        radius, moved = self.radius, highest * half
        if moved < 2.0 * radius:
            centre = -_turned(spindle, self.incident, -middle)
            shells.append(Shell(centre=centre, lowest=max(0.0, radius - moved), highest=radius + moved))
        return _region(
            cell,
            _box(level + low, level + high, apart[:, None] * lengths, highest * lengths),
            shells=tuple(shells),
            slabs=(
                Slab(
                    direction=spindle,
                    lowest=float((heights - apart).min(initial=np.inf)),
                    highest=float((heights + apart).max(initial=-np.inf)),
                ),
            ),
        )

    def _seen(self, margin: float) -> tuple[Array, Array, tuple[float, float]]:
        """q towards the parts of the faces, (parts, 3), how far others are from it, and how long q are, at most."""
        directions, chords = self._cones
        radius = self.radius
        vectors = radius * directions - self.incident
        lengths, apart = np.linalg.norm(vectors, axis=1), radius * chords + margin
        finest = 1.0 / self.resolution if self.resolution > 0.0 else np.inf
        there = lengths - apart <= finest
        lowest = float((lengths - apart)[there].min(initial=np.inf))
        highest = float((lengths + apart)[there].max(initial=0.0))
        return vectors[there], apart[there], (max(0.0, lowest), min(highest, finest, 2.0 * radius + margin))


def _cones(faces: tuple[Face, ...]) -> tuple[Array, Array]:
    """Unit vectors towards parts of faces, (parts, 3), and the chords in which all directions of each part lie."""
    return _known_cones(faces)


@lru_cache(maxsize=_FACES)
def _known_cones(faces: tuple[Face, ...]) -> tuple[Array, Array]:
    if not faces:
        return np.array([[1.0, 0.0, 0.0]]), np.array([_ALL])
    found = [_cones_of(face) for face in faces]
    return np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found])


def _cones_of(face: Face) -> tuple[Array, Array]:
    slow, fast = face.pixels
    shares = np.linspace(0.0, face.pixel_size, _PARTS + 1)
    places = (
        face.origin
        + (shares * slow)[:, None, None, None] * face.slow
        + (shares * fast)[None, :, None, None] * face.fast
        + np.array([0.0, face.depth])[None, None, :, None] * face.normal
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        directions = places / np.linalg.norm(places, axis=-1, keepdims=True)
        # Of each part the eight corners. A part is in every cone that has its corners, for a cone is convex.
        corners = np.stack(
            [directions[i : i + _PARTS, j : j + _PARTS, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        )
        middles = corners.sum(axis=0)
        middles /= np.linalg.norm(middles, axis=-1, keepdims=True)
        chords = np.linalg.norm(corners - middles, axis=-1).max(axis=0).ravel()
    bounded = chords <= _WIDEST
    middles = np.where(bounded[:, None], middles.reshape(-1, 3), [1.0, 0.0, 0.0])
    return middles, np.where(bounded, chords, _ALL)


def _box(low: Array, high: Array, apart: Array, furthest: Array) -> Array:
    """Least and largest indices, (3, 2), of parts (parts, 3) with what others are apart, none beyond the furthest."""
    least = (low - apart).min(axis=0, initial=np.inf)
    most = (high + apart).max(axis=0, initial=-np.inf)
    return np.stack([np.maximum(least, -furthest), np.minimum(most, furthest)], axis=1)


def _sinusoid_ends(cosine: Array, sine: Array, first: float, last: float) -> tuple[Array, Array]:
    """Least and largest value of cosine x cos(angle) + sine x sin(angle) between two angles; of the arrays' shape."""
    values = [cosine * np.cos(angle) + sine * np.sin(angle) for angle in (first, last)]
    size, top = np.hypot(cosine, sine), np.arctan2(sine, cosine)
    turn = 2.0 * np.pi
    highest = np.where(np.mod(top - first, turn) <= last - first, size, np.maximum(*values))
    lowest = np.where(np.mod(top + np.pi - first, turn) <= last - first, -size, np.minimum(*values))
    return lowest, highest


def _turned(axis: Array, vector: Array, angle: float) -> Array:
    along = (vector @ axis) * axis
    turned: Array = along + np.cos(angle) * (vector - along) + np.sin(angle) * np.cross(axis, vector)
    return turned


def _region(cell: Array, box: Array, *, shells: tuple[Shell, ...], slabs: tuple[Slab, ...] = ()) -> Region:
    """A region, the first of whose shells is about the origin, with about how many points it has."""
    lengths = shells[0]
    volumes = [4.0 / 3.0 * np.pi * max(0.0, lengths.highest**3 - lengths.lowest**3)]
    # A sphere that passes through the origin has the area pi q^2 up to there.
    volumes += [np.pi * lengths.highest**2 * (shell.highest - shell.lowest) for shell in shells[1:]]
    volumes += [np.pi * lengths.highest**2 * max(0.0, slab.highest - slab.lowest) for slab in slabs]
    region = Region(reciprocal=reciprocal_of(cell), box=box, shells=shells, slabs=slabs)
    counts = region.counts()
    points = float(np.prod(counts))
    # Of a few layers of points a volume says nothing.
    if counts.min() >= _LAYERS:
        points = min(points, min(volumes) * abs(float(np.linalg.det(cell))))
    return attrs.evolve(region, points=points)
