"""A parallelepiped crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import Lattice, LatticeShape, Miller


@attrs.frozen
class Square:
    """Na x Nb x Nc whole cells with flat faces: the interference function along each axis.

    Source: von Laue's lattice sum; nanoBragg.c, ``-square_xtal``.
    """

    name: ClassVar[str] = "square"
    summary: ClassVar[str] = "parallelepiped of whole unit cells, with all fringes between the spots"
    flags: ClassVar[tuple[str, ...]] = ("-square_xtal",)
    counts_cells: ClassVar[bool] = True

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; three factors, or their product where no sign is wanted."""
        from openbragg import interference, interference_product

        if not lattice.signed:
            return (interference_product(tuple(offset), lattice.cells, lattice.dtype),)
        return tuple(
            interference(step, index, count, lattice.dtype, lattice.signed)
            for step, index, count in zip(offset, nearest, lattice.cells.unbind(0), strict=True)
        )

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`: along each axis N, and the fringes' height, 1 / sin(pi h)."""
        from openbragg import sin_pi

        lowest = (1.0 / lattice.cells).to(lattice.dtype).unbind(0)
        h, k, l = (sin_pi(step).clamp(min=least) for step, least in zip(distance, lowest, strict=True))
        return 1.0 / (h * k * l)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the square shape."""
    return [Square]
