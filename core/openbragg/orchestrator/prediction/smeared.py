"""How reflections of shapes pass through the sphere of reflection whose F_latt^2 is a Gaussian of their own.

Across the sphere, in units of length, such a spot is a Gaussian, whose variance is c . C . c for the covariance C over
the index and for what an offset of 1 in h, k and l moves along the scattered ray, c.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.roles import Lattice, SmearedLatticeShape

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: Standard deviations beyond which a spot has nothing, 1e-13 of its height.
_FURTHEST = 7.75


@attrs.frozen(kw_only=True, eq=False)
class SmearedProfile:
    """F_latt^2 around lattice points; see `openbragg.orchestrator.prediction.rocking.Profile`.

    Attributes
    ----------
    whole
        Its integral over h, k and l.
    covariances_of
        Covariances over the index, (points, 3, 3), of lattice points (points, 3).
    """

    whole: float
    covariances_of: Callable[[Array], Array]

    def at(self, indices: Array) -> SmearedSpots:
        """The spots of some reflections h k l, (reflections, 3)."""
        return SmearedSpots(self.covariances_of(indices.astype(np.float64)))

    def furthest(self, reciprocal: Array, resolution: float) -> float:
        """The largest reach of any ray, for the rows a*, b*, c* in 1/m, (3, 3), and down to a d spacing in metres."""
        # Rotations widen the spots at the finest spacing most, whatever the direction of q, by as much across it.
        finest = np.array([[0.0, 0.0, 0.0], [1.0 / (resolution * float(np.linalg.norm(reciprocal[0]))), 0.0, 0.0]])
        plain, smeared = reciprocal.T @ self.covariances_of(finest) @ reciprocal
        variance = np.linalg.eigvalsh(plain)[-1] + np.linalg.eigvalsh(smeared - plain)[-1]
        return _FURTHEST * float(np.sqrt(variance))


@attrs.frozen(eq=False)
class SmearedSpots:
    """Spots of covariances over the index, (reflections, 3, 3); see `rocking.Profile` for what is asked of them."""

    covariances: Array

    def passed(self, excitation: Array, direction: Array) -> Array:
        """Part of the integral where c . h is below an excitation, as far as it is from one half: -1/2 to 1/2."""
        scaled = torch.from_numpy(excitation / (2.0**0.5 * self._deviation(direction))[:, None])
        found: Array = 0.5 * torch.erf(scaled).numpy()
        return found

    def density(self, excitation: Array, direction: Array) -> tuple[Array, Array]:
        """The integral's density along c, over the whole: at an excitation, and in the middle, where it is highest."""
        deviation = self._deviation(direction)
        highest: Array = 1.0 / ((2.0 * pi) ** 0.5 * deviation)
        return highest[:, None] * np.exp(-0.5 * (excitation / deviation[:, None]) ** 2), highest

    def reach(self, direction: Array) -> Array:
        """Excitations beyond which `passed` is one half and `density` nothing, (reflections,), 1/m."""
        return _FURTHEST * self._deviation(direction)

    def _deviation(self, direction: Array) -> Array:
        deviation: Array = np.sqrt(np.einsum("ri,rij,rj->r", direction, self.covariances, direction))
        return deviation


def smeared_profile(shape: SmearedLatticeShape, lattice: Lattice) -> SmearedProfile:
    """The profile of a shape on a lattice whose tensors are on the CPU."""

    def covariances_of(indices: Array) -> Array:
        with torch.no_grad():
            found: Array = shape.gaussians(torch.from_numpy(indices), lattice)[1].numpy()
        return found

    with torch.no_grad():
        whole = float(shape.gaussians(torch.zeros((1, 3), dtype=torch.float64), lattice)[0])
    return SmearedProfile(whole=whole, covariances_of=covariances_of)
