"""A crystal with flat spots of sharp edge."""

from __future__ import annotations

from math import inf, pi, sqrt
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import Lattice, LatticeShape, Miller

#: Squared radius of the spot in the measure of `Lattice.scaled_distance_squared`.
_EDGE = 0.3969
#: More than rounding adds to a squared distance in single precision.
_ROUNDING = 1.00001


@attrs.frozen
class Tophat:
    """Full height within a sphere around each lattice point, nothing outside.

    F_latt = Na Nb Nc where fudge r^2 < 0.3969, r the distance in 1/angstrom times Na Nb Nc; decided in float64, so that
    a pixel on the edge falls on the same side in every precision. The product of the cell numbers makes the spots of a
    crystal of many cells narrower than a pixel; -fudge widens them. Source: nanoBragg.c, ``-tophat_spots``.
    """

    name: ClassVar[str] = "tophat"
    summary: ClassVar[str] = "spots of one height with a sharp edge"
    flags: ClassVar[tuple[str, ...]] = ("-tophat_spots", "-binary_spots")

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor."""
        inside = lattice.scaled_distance_squared(offset) < _EDGE
        return (lattice.cells.prod().to(lattice.dtype) * inside.to(lattice.dtype),)

    def spot_width(self, lattice: Lattice) -> float:
        """See `openbragg.SampledLatticeShape.spot_width`: a third of the diameter.

        So many samples across a disc, nine, come within 2.3 % of its area, root mean square, and within 8 % at worst
        (the circle problem of Gauss).
        """
        fudge = float(lattice.fudge)
        square = _EDGE / fudge if fudge > 0.0 else inf
        return 2.0 / 3.0 * sqrt(square) / float(lattice.cells.prod()) * 1e10

    def when_faint(self, lattice: Lattice) -> str:
        """See `openbragg.AdvisedLatticeShape.when_faint`; the fudge with which spots have a real crystal's intensity.

        That is where the integral of F_latt^2 over an index is Na Nb Nc, as that of the square shape.
        """
        cells, volume = float(lattice.cells.prod()), float(lattice.volume()) * 1e30
        fudge = _EDGE * (4.0 * pi / 3.0 * volume / cells**2) ** (2.0 / 3.0)
        return (
            "spots of the tophat shape get narrower with the product Na Nb Nc, as in the reference, and fall between "
            f"pixels; -fudge {fudge:.3g} gives them the volume of a crystal of so many cells, and -round_xtal and "
            "-square_xtal have it"
        )

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`."""
        # A little wider, for the distance is rounded.
        inside = lattice.least_scaled_distance_squared(distance) < _EDGE * _ROUNDING
        return lattice.cells.prod().to(lattice.dtype) * inside.to(lattice.dtype)

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.LocalLatticeShape.reach`: the edge, for every level below the top."""
        count = lattice.cells.prod()
        edge = 1e10 / count * (_EDGE * _ROUNDING / lattice.fudge).sqrt()
        return edge.where(level < count * count * _ROUNDING, -1.0)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the tophat shape."""
    return [Tophat]
