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

#: What single precision may add to a square of the transform, as a part of it where that is bounded.
_ROUNDING = 1e-5

#: The quirk of the reference that keeps its formula near a lattice point.
_CANCELLATION = "sphere-cancellation"


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

    def as_reference(self, quirks: frozenset[str]) -> LatticeShape:
        """See `openbragg.ReferenceLatticeShape.as_reference`."""
        return CancellingRound() if _CANCELLATION in quirks else self

    def spot_width(self, lattice: Lattice) -> float:
        """See `openbragg.SampledLatticeShape.spot_width`: a fringe, which the fudge makes narrower or wider."""
        fudge, edges = float(lattice.fudge), lattice.cells**2 * lattice.reciprocal_metric.inverse().diagonal()
        return 1.0 / math.sqrt(fudge * float(edges.max())) if fudge > 0.0 else math.inf

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`: \\|S(x)\\| is at most 1, and 3 sqrt(1 + 1/x^2) / x^2."""
        na, nb, nc = lattice.cells.to(lattice.dtype).unbind(0)
        h, k, l = distance
        scale = (math.pi**2 * lattice.fudge).to(lattice.dtype)
        inverse = 1.0 / (scale * ((h * na) ** 2 + (k * nb) ** 2 + (l * nc) ** 2)).clamp(min=1.0)
        return _PEAK * na * nb * nc * (3.0 * inverse * (1.0 + inverse).sqrt()).clamp(max=1.0)

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.LocalLatticeShape.reach`: where 9 (1 + 1/x^2) / x^4, above the square of S, is the level."""
        part = level * (1.0 - _ROUNDING) / (_PEAK * lattice.cells.prod()) ** 2
        # With y = 1/x^2 it is 9 y^2 (1 + y). The root without the bracket is too large, and so is the bracket by it.
        most = part.sqrt() / 3.0
        inverse = (part / (1.0 + most)).sqrt() / 3.0
        radius = lattice.length_per_cells() / math.pi * inverse.rsqrt()
        return radius.where(part < 1.0, -1.0)


@attrs.frozen
class CancellingRound(Round):
    """The same shape by 3 (sin x / x - cos x) / x^2 down to the smallest x, as the reference evaluates it.

    The difference loses its digits as x^2 falls; below 1e-8 it is 0, but for x = 0 itself, where the reference puts 1.
    """

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor, float64 in single precision too."""
        na, nb, nc = lattice.cells.unbind(0)
        h, k, l = offset
        square = h * h * na * na + k * k * nb * nb + l * l * nc * nc
        x = math.pi * (square * lattice.fudge).sqrt()
        apart = x.where(x > 0.0, 1.0)
        cancelled = 3.0 * (apart.sin() / apart - apart.cos()) / (apart * apart)
        return (na * nb * nc * _PEAK * cancelled.where(x > 0.0, 1.0),)

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`: where x^2 is a few units of rounding, up to 3 comes out for 1."""
        return 4.0 * Round.bound(self, distance, lattice)

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.LocalLatticeShape.reach`; likewise."""
        return Round.reach(self, level / 16.0, length, lattice)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the round shape."""
    return [Round]
