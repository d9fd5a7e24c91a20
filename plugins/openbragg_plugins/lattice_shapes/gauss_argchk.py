"""A crystal whose spots are Gaussian in the index, and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_plugins.lattice_shapes.gauss_index import GaussIndex

if TYPE_CHECKING:
    import torch

    from openbragg import Lattice, LatticeShape, Miller

#: The exponent at which the peer's shape ends, where the amplitude is 6e-16 of its height.
_END = 35.0
#: More than rounding adds to a bound of the exponent in single precision.
_ROUNDING = 1.00001


@attrs.frozen
class GaussArgchk(GaussIndex):
    """The shape ``gauss_index``, but 0 where fudge \\|N dh\\|^2 / 0.63 is 35 or more.

    Source: the shape ``gauss_argchk`` of simtbx and diffBragg, which spares the exponential there.
    """

    name: ClassVar[str] = "gauss_argchk"
    summary: ClassVar[str] = "gauss_index, cut off where nothing is left; gauss_argchk of diffBragg"
    flags: ClassVar[tuple[str, ...]] = ("-gauss_argchk",)

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor."""
        (amplitude,) = GaussIndex.factors(self, offset, nearest, lattice)
        return (amplitude * (self._exponent(offset, lattice) < _END).to(lattice.dtype),)

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`."""
        inside = self._least_exponent(distance, lattice) < _END * _ROUNDING
        return GaussIndex.bound(self, distance, lattice) * inside.to(lattice.dtype)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the shape."""
    return [GaussArgchk]
