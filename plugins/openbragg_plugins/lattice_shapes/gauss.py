"""A crystal with Gaussian spots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import Lattice, LatticeShape, Miller

#: Squared distance, in the measure of `Lattice.scaled_distance_squared`, at which the amplitude falls to 1/e.
_WIDTH = 0.63

#: The quirk of the reference that treats terms of no amplitude otherwise than terms of a tiny one.
_RUNNING_PRODUCT = "running-product"


@attrs.frozen
class Gauss:
    """A Gaussian of the reciprocal-space distance to the nearest lattice point.

    F_latt = Na Nb Nc exp(-fudge r^2 / 0.63), r the distance in 1/angstrom times Na Nb Nc. That product makes the spots
    of a crystal of many cells narrower than a pixel, and the image empty between them; -fudge widens them.
    Source: nanoBragg.c, ``-gauss_xtal``.
    """

    name: ClassVar[str] = "gauss"
    summary: ClassVar[str] = "Gaussian spots without fringes"
    flags: ClassVar[tuple[str, ...]] = ("-gauss_xtal",)

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor."""
        from openbragg import Miller, exp_minus

        count = lattice.cells.prod().to(lattice.dtype)
        # A relative error u of the exponent x is one of x exp(-x) u, at most 0.4 u, of the peak.
        exponent = lattice.scaled_distance_squared(Miller(*(step.to(lattice.dtype) for step in offset))) / _WIDTH
        return (count * exp_minus(exponent),)

    def gaussian(self, lattice: Lattice) -> tuple[torch.Tensor, torch.Tensor]:
        """See `openbragg.GaussianLatticeShape.gaussian`."""
        count = lattice.cells.prod()
        return count, (4.0e-20 / _WIDTH) * lattice.fudge * count**2 * lattice.reciprocal_metric

    def as_reference(self, quirks: frozenset[str]) -> LatticeShape:
        """See `openbragg.ReferenceLatticeShape.as_reference`: which terms it leaves out hangs on what is 0."""
        return VanishingGauss() if _RUNNING_PRODUCT in quirks else self

    def spot_width(self, lattice: Lattice) -> float:
        """See `openbragg.SampledLatticeShape.spot_width`: the full width at half height of a Gaussian."""
        fudge = float(lattice.fudge)
        # In the measure of `Lattice.scaled_distance_squared`, then in 1/angstrom.
        square = 2.0 * _WIDTH * math.log(2.0) / fudge if fudge > 0.0 else math.inf
        return math.sqrt(square) / float(lattice.cells.prod()) * 1e10

    def when_faint(self, lattice: Lattice) -> str:
        """See `openbragg.AdvisedLatticeShape.when_faint`; the fudge with which spots have a real crystal's intensity.

        That is where the integral of F_latt^2 over an index is Na Nb Nc, as that of the square shape.
        """
        cells, volume = float(lattice.cells.prod()), float(lattice.volume()) * 1e30
        fudge = _WIDTH * math.pi / 2.0 * (volume / cells**2) ** (2.0 / 3.0)
        return (
            "spots of the gauss shape get narrower with the product Na Nb Nc, as in the reference, and fall between "
            f"pixels; -fudge {fudge:.3g} gives them the width of a crystal of so many cells, and so do -round_xtal and "
            "-square_xtal"
        )

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`."""
        from openbragg import exp_minus

        exponent = lattice.least_scaled_distance_squared(distance) / _WIDTH
        return lattice.cells.prod().to(lattice.dtype) * exp_minus(exponent)

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.LocalLatticeShape.reach`: the square falls as exp(-2 fudge r^2 / 0.63), to a last number."""
        from openbragg import gaussian_reach

        count = lattice.cells.prod()
        variance = 0.25e20 * _WIDTH / (lattice.fudge * count * count)
        return gaussian_reach(level, count, variance, lattice.dtype)


@attrs.frozen
class VanishingGauss(Gauss):
    """The same shape, 0 where double precision has no smaller number, as in the reference."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor, float64 in single precision too."""
        return (lattice.cells.prod() * (-lattice.scaled_distance_squared(offset) / _WIDTH).exp(),)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the gauss shape."""
    return [Gauss]
