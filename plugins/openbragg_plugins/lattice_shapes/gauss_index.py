"""A crystal whose spots are Gaussian in the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import InputError, hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import Experiment, Lattice, LatticeShape, Miller

#: |N dh|^2 at which the amplitude falls to 1/e, as in the reference's Gaussian.
WIDTH = 0.63


@attrs.frozen
class GaussIndex:
    """A Gaussian of the offset times the number of cells, which is a symmetric tensor.

    F_latt = det(N) exp(-fudge \\|N dh\\|^2 / 0.63). Spots are as wide as those of a block of N cells, along each axis
    for itself; off-diagonal elements of N tilt them. N need not be whole. Source: the shape ``gauss`` of simtbx and
    diffBragg, whose fudge is 1.
    """

    name: ClassVar[str] = "gauss_index"
    summary: ClassVar[str] = "Gaussian spots of a block of N cells, N a tensor; gauss of diffBragg"
    flags: ClassVar[tuple[str, ...]] = ("-gauss_index",)
    takes_tensor: ClassVar[bool] = True

    def prepare(self, experiment: Experiment, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.PreparedLatticeShape.prepare`: how much of N^2 a diagonal matrix below it can have, ().

        Raises
        ------
        InputError
            When N is not positive definite.
        """
        import torch

        tensor = lattice.tensor.detach()
        if not bool((torch.linalg.eigvalsh(tensor) > 0.0).all()):
            elements = " ".join(f"{float(value):.6g}" for value in tensor[(0, 1, 0), (1, 2, 2)])
            raise InputError(f"-N_offdiagonal: N is not positive definite with {elements}: expected smaller numbers")
        square = tensor @ tensor
        scale = square.diagonal().rsqrt()
        # Without rounding it is 1 for a diagonal N, and never more.
        return (torch.linalg.eigvalsh(square * scale * scale[:, None])[0].clamp(0.0, 1.0),)

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor."""
        from openbragg import exp_minus

        return (_height(lattice) * exp_minus(self._exponent(offset, lattice)),)

    def gaussian(self, lattice: Lattice) -> tuple[torch.Tensor, torch.Tensor]:
        """See `openbragg.GaussianLatticeShape.gaussian`."""
        tensor = lattice.tensor
        return tensor.det(), (4.0 / WIDTH) * lattice.fudge * (tensor @ tensor)

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`."""
        from openbragg import exp_minus

        return _height(lattice) * exp_minus(self._least_exponent(distance, lattice))

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.LocalLatticeShape.reach`, along the widest direction of the spot."""
        import torch

        from openbragg import gaussian_reach

        height, inverse = self.gaussian(lattice)
        variances = torch.linalg.eigvals(torch.linalg.solve(inverse, lattice.reciprocal_metric)).real
        return gaussian_reach(level, height, variances.max(), lattice.dtype)

    def _exponent(self, offset: Miller, lattice: Lattice) -> torch.Tensor:
        """-log of F_latt over its height, in the lattice's dtype.

        N times the offset and then its square: of the square of N a tilted spot would lose digits.
        """
        h, k, l = (step.to(lattice.dtype) for step in offset)
        rows = lattice.tensor.to(lattice.dtype).unbind(0)
        first, second, third = (row[0] * h + row[1] * k + row[2] * l for row in rows)
        scale = (lattice.fudge / WIDTH).to(lattice.dtype)
        return scale * (first * first + second * second + third * third)

    def _least_exponent(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """A bound from below of the exponent: N^2 is above the part of its diagonal that was prepared."""
        (part,) = lattice.parameters
        square = (lattice.tensor * lattice.tensor).sum(dim=0) * (part * lattice.fudge / WIDTH)
        h, k, l = distance
        first, second, third = square.to(lattice.dtype).unbind(0)
        return first * h * h + second * k * k + third * l * l


def _height(lattice: Lattice) -> torch.Tensor:
    """det(N), in the lattice's dtype."""
    (a, d, f), (_, b, e), (_, _, c) = (row.unbind(0) for row in lattice.tensor.unbind(0))
    return (a * (b * c - e * e) - d * (d * c - e * f) + f * (d * e - b * f)).to(lattice.dtype)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the shape."""
    return [GaussIndex]
