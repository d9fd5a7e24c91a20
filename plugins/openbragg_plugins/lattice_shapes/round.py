"""An ellipsoidal crystal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import Lattice, LatticeShape, Miller

#: Height of the ellipsoid's peak over the parallelepiped's, as the reference program has it.
_PEAK = 0.723601254558268


@attrs.frozen
class Round:
    """Transform of an ellipsoid with axes Na a, Nb b, Nc c around each lattice point.

    F_latt = 0.7236 Na Nb Nc S(pi sqrt(fudge sum (N dh)^2)) with S the transform of a sphere.
    Source: nanoBragg.c, ``-round_xtal``.
    """

    name: ClassVar[str] = "round"
    summary: ClassVar[str] = "ellipsoid; transform of a sphere, round fringes"
    flags: ClassVar[tuple[str, ...]] = ("-round_xtal",)

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor."""
        from openbragg import sphere_transform

        na, nb, nc = lattice.cells.to(lattice.dtype).unbind(0)
        h, k, l = (step.to(lattice.dtype) for step in offset)
        square = (h * na) ** 2 + (k * nb) ** 2 + (l * nc) ** 2
        scale = (math.pi**2 * lattice.fudge).to(lattice.dtype)
        return (_PEAK * na * nb * nc * sphere_transform(scale * square),)

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`: \\|S(x)\\| is at most 1, and 3 sqrt(1 + 1/x^2) / x^2."""
        na, nb, nc = lattice.cells.to(lattice.dtype).unbind(0)
        h, k, l = distance
        scale = (math.pi**2 * lattice.fudge).to(lattice.dtype)
        inverse = 1.0 / (scale * ((h * na) ** 2 + (k * nb) ** 2 + (l * nc) ** 2)).clamp(min=1.0)
        return _PEAK * na * nb * nc * (3.0 * inverse * (1.0 + inverse).sqrt()).clamp(max=1.0)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the round shape."""
    return [Round]
