"""The sphere of reflection: how far from it lattice points are, and when they cross it.

A point q of the reciprocal lattice is on it where |s0 + q| = |s0|, s0 the incident beam's vector of length
1/wavelength. All lengths are in 1/metres.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


@attrs.frozen(kw_only=True)
class Margin:
    """What makes a reflection shine off the sphere.

    Attributes
    ----------
    angle
        Largest rotation of a mosaic domain and of a source, in radians.
    bandwidth
        Largest part by which a wavelength differs from the beam's.
    width
        Half the width of a finite crystal's lattice points, in 1/metres.
    """

    angle: float = 0.0
    bandwidth: float = 0.0
    width: float = 0.0

    def reach(self, length: Array, radius: float) -> Array:
        """How far from a sphere of a radius reflections shine whose q has a length; 1/metres, any shape.

        A rotation by an angle moves q by \\|q\\| times it, of which the cosine of theta is along the radius of the
        sphere; a sphere that is larger by a part is moved by \\|q\\| sin(theta) times it at q.
        """
        sine = np.clip(0.5 * length / radius, 0.0, 1.0)
        reach: Array = self.angle * length * np.sqrt(1.0 - sine * sine) + self.bandwidth * length * sine + self.width
        return reach

    def most(self, length: float) -> float:
        """More than `reach` is for any q up to a length; 1/metres."""
        return (self.angle + self.bandwidth) * length + self.width

    def holds(self, incident: Array, vectors: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which reflections with their q (reflections, 3) in place shine in a beam s0 (3,)."""
        distance = np.abs(excitation(incident, vectors))
        near: np.ndarray[Any, np.dtype[np.bool_]] = distance <= self.reach(
            np.linalg.norm(vectors, axis=1), float(np.linalg.norm(incident))
        )
        return near


def excitation(incident: Array, vectors: Array) -> Array:
    """How far outside the sphere of a beam s0 (3,) points q (..., 3) are; 1/metres, (...)."""
    outside: Array = np.linalg.norm(incident + vectors, axis=-1) - float(np.linalg.norm(incident))
    return outside


def turned_about(axis: Array, vectors: Array, angle: Array) -> Array:
    """Vectors (vectors, 3), each turned right-handed about a unit axis (3,) by its own angle in radians."""
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    along = (vectors @ axis)[:, None] * axis
    turned: Array = along + cosine * (vectors - along) + sine * np.cross(axis, vectors)
    return turned


def crossing_angles(incident: Array, spindle: Array, vectors: Array) -> tuple[Array, Array]:
    """When points that turn about the spindle cross the sphere: half way between the two times, and by how much after.

    |s0 + q| = |s0| is 2 s0.q + q.q = 0, and of q turned about the axis e only the part p across it changes: s0.q is
    s0.e q.e + s0.p cos(phi) + s0.(e x p) sin(phi).

    Parameters
    ----------
    incident, spindle
        s0 and e, (3,).
    vectors
        q with the spindle at 0, (points, 3).

    Returns
    -------
    Two angles in radians, each (points,): a point crosses at the first minus and plus the second, which is NaN for one
    that never does.
    """
    along = vectors @ spindle
    across = np.cross(spindle, vectors)
    cosine = (vectors - along[:, None] * spindle) @ incident
    sine = across @ incident
    needed = -np.einsum("ij,ij->i", vectors, vectors) / 2.0 - along * float(spindle @ incident)
    size = np.hypot(cosine, sine)
    meets = np.abs(needed) < size
    aside = np.full(len(vectors), np.nan)
    aside[meets] = np.arccos(needed[meets] / size[meets])
    return np.arctan2(sine, cosine), aside
