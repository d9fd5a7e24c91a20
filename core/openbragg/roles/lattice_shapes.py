"""The contract of lattice shapes, and the lattice that they are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import attrs

from openbragg.roles.miller import Miller
from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import torch

    from openbragg.model import Experiment


@attrs.frozen(eq=False)
class Lattice:
    """The finite lattice a shape is asked about.

    Attributes
    ----------
    cells
        Number of unit cells along a, b and c: float64, shape (3,).
    tensor
        N of shapes whose cells are a symmetric tensor, `cells` on its diagonal: float64, shape (3, 3).
    reciprocal_metric
        Dot products of a*, b*, c*, in 1/m^2: float64, shape (3, 3).
    fudge
        The user's factor on the squared distance from a lattice point: float64, shape ().
    dtype
        The precision in which amplitudes are wanted. Offsets come in float64; bring them (or what you make of them) to
        this dtype before expensive functions.
    signed
        Whether the sign of F_latt is wanted. The image needs its square alone and says so; a shape may ignore this.
    parameters
        What a `PreparedLatticeShape` prepared.
    """

    cells: torch.Tensor
    tensor: torch.Tensor
    reciprocal_metric: torch.Tensor
    fudge: torch.Tensor
    dtype: torch.dtype
    signed: bool = True
    parameters: tuple[torch.Tensor, ...] = ()

    def volume(self) -> torch.Tensor:
        """Volume of a unit cell, in cubic metres: float64, shape ()."""
        return self.reciprocal_metric.det().rsqrt()

    def distance_squared(self, offset: Miller, factor: torch.Tensor) -> torch.Tensor:
        """Squared distance from the lattice point in 1/m^2 times a factor, in the dtype of `offset`."""
        h, k, l = offset
        metric = (self.reciprocal_metric * factor).to(h.dtype)
        along_h = metric[0, 0] * h + 2.0 * (metric[0, 1] * k + metric[0, 2] * l)
        along_k = metric[1, 1] * k + 2.0 * metric[1, 2] * l
        return along_h * h + (along_k * k + metric[2, 2] * l * l)

    def length_per_cells(self) -> torch.Tensor:
        """The longest vector of which the sum of (N dh)^2 is 1, in 1/m, with the fudge: float64, shape ().

        The size of the spots of a crystal of N cells, and of its fringes' period.
        """
        import torch

        # The rows N a, N b, N c have the least singular value of this metric's root.
        direct = self.reciprocal_metric.inverse() * (self.cells.unsqueeze(0) * self.cells.unsqueeze(1))
        shortest: torch.Tensor = torch.linalg.eigvalsh(direct)[0]
        return (self.fudge * shortest).rsqrt()

    def scaled_distance_squared(self, offset: Miller) -> torch.Tensor:
        """Squared distance from the point in 1/angstrom^2 times (Na Nb Nc)^2 and the fudge, in the dtype of `offset`.

        The measure in which the reference program's Gaussian and flat spots are round.
        """
        return self.distance_squared(offset, 1e-20 * self.cells.prod() ** 2 * self.fudge)

    def least_distance_squared(self, distance: Miller, factor: torch.Tensor) -> torch.Tensor:
        """A bound from below of `distance_squared`, in `dtype`.

        For all offsets whose absolute values are at least `distance`. An offset x along one axis puts a point on a
        plane that is x d from the lattice point, d the spacing of the reciprocal lattice's planes across that axis;
        d^2 is one over the diagonal element of the inverse metric.
        """
        metric = self.reciprocal_metric * factor
        minors = [metric[i, i] * metric[j, j] - metric[i, j] ** 2 for i, j in ((1, 2), (2, 0), (0, 1))]
        volume = metric[0, 0] * minors[0] - metric[0, 1] * (metric[0, 1] * metric[2, 2] - metric[1, 2] * metric[0, 2])
        volume = volume + metric[0, 2] * (metric[0, 1] * metric[1, 2] - metric[1, 1] * metric[0, 2])
        squares = [step * step * (volume / minor).to(self.dtype) for step, minor in zip(distance, minors, strict=True)]
        return squares[0].maximum(squares[1]).maximum(squares[2])

    def least_scaled_distance_squared(self, distance: Miller) -> torch.Tensor:
        """A bound from below of `scaled_distance_squared`, in `dtype`; see `least_distance_squared`."""
        return self.least_distance_squared(distance, 1e-20 * self.cells.prod() ** 2 * self.fudge)


@runtime_checkable
class LatticeShape(Plugin, Protocol):
    """The amplitude of the finite lattice's transform, F_latt, around a lattice point."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """Factors whose product is F_latt: three, along a, b and c, of a separable shape; else one.

        Parameters
        ----------
        offset
            Fractional index minus nearest whole index, float64, within half an index.
        nearest
            The nearest whole index, float64.
        lattice
            Cells, metric, fudge and dtype.

        Returns
        -------
        Tensors of the offsets' shape (after broadcasting) and `lattice.dtype`; dimensionless.
        """


@runtime_checkable
class PreparedLatticeShape(LatticeShape, Protocol):
    """A shape with numbers of its own, which it reads from `Lattice.parameters`.

    Numbers that stand in the options themselves would be compiled into code: another value would be another model, and
    no gradient would flow to it.
    """

    def prepare(self, experiment: Experiment, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """The parameters, float64 on the lattice's device, for a resolved experiment and the lattice without them.

        Raises
        ------
        InputError
            When its settings cannot be used.
        """


@runtime_checkable
class CountingLatticeShape(LatticeShape, Protocol):
    """A shape of whole unit cells; for it the command line refuses numbers of cells that are not whole."""

    counts_cells: ClassVar[bool]


@runtime_checkable
class TensorLatticeShape(LatticeShape, Protocol):
    """A shape that reads `Lattice.tensor`; of any other, ``-N_offdiagonal`` is refused."""

    takes_tensor: ClassVar[bool]


@runtime_checkable
class GaussianLatticeShape(LatticeShape, Protocol):
    """A shape whose F_latt^2 is a Gaussian of the offset; what mosaicity in closed form needs."""

    def gaussian(self, lattice: Lattice) -> tuple[torch.Tensor, torch.Tensor]:
        """The peak of F_latt, (), and the inverse of the covariance of F_latt^2 over the index, (3, 3); float64.

        F_latt^2 = peak^2 exp(-offset . inverse . offset / 2), offsets as columns h, k, l.
        """


@runtime_checkable
class SmearedLatticeShape(LatticeShape, Protocol):
    """A shape whose F_latt^2 is a Gaussian of the offset, around each lattice point another one."""

    def gaussians(self, nearest: torch.Tensor, lattice: Lattice) -> tuple[torch.Tensor, torch.Tensor]:
        """The integral of F_latt^2 over the index, the same around all points, and its covariances; float64.

        Parameters
        ----------
        nearest
            The lattice points' indices, float64, (points, 3).

        Returns
        -------
        The integral, (), and the covariances of F_latt^2 over the index around each point, (points, 3, 3).
        """


@runtime_checkable
class ReferenceLatticeShape(LatticeShape, Protocol):
    """A shape of which the reference program's evaluation loses digits in places; what ``--compat`` may ask for."""

    def as_reference(self, quirks: frozenset[str]) -> LatticeShape:
        """The shape as the reference evaluates it, as far as these of its quirks go; itself, where none concerns it.

        Its factors may be in float64 whatever the lattice's dtype, where digits in single precision would not tell.
        """


@runtime_checkable
class AdvisedLatticeShape(LatticeShape, Protocol):
    """A shape that knows what helps where its spots are too narrow to be seen."""

    def when_faint(self, lattice: Lattice) -> str:
        """What to do where the crystal of a lattice adds next to nothing to an image: the end of a notice, one line."""


@runtime_checkable
class SampledLatticeShape(LatticeShape, Protocol):
    """A shape that says how wide its spots are: by that, and not by the crystal's size, subpixels are chosen."""

    def spot_width(self, lattice: Lattice) -> float:
        """How wide the narrowest thing in a spot is, across its narrowest direction, in 1/m: three samples show it.

        Of a spot that falls off smoothly it is the full width at half height of F_latt^2, of one with fringes their
        period, and of one with an edge so small a part of it that the edge does no harm: a third is off by 2 %.
        """


@runtime_checkable
class BoundedLatticeShape(LatticeShape, Protocol):
    """A shape of which it can be said that it is below something away from lattice points; what ``--cull`` needs."""

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """A bound of \\|F_latt\\| wherever the offset is at least so far from 0 along each of a, b and c.

        Parameters
        ----------
        distance
            Least absolute values of the offsets along a, b and c, in `lattice.dtype`, from 0 to 1/2.
        lattice
            Cells, metric, fudge and dtype.

        Returns
        -------
        Tensor of the distances' shape (after broadcasting) and `lattice.dtype`. The closer to the largest \\|F_latt\\|
        there is, the more can be left out.
        """


@runtime_checkable
class LocalLatticeShape(LatticeShape, Protocol):
    """A shape whose spots end: it can be said how far from a lattice point they matter; what the sparse sum needs."""

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """How far from a lattice point F_latt^2 may be above a level.

        Parameters
        ----------
        level
            Of F_latt^2, above 0: float64, any shape.
        length
            Of q at the lattice points, in 1/m: float64, of the same shape.
        lattice
            Cells, metric, fudge and dtype; what single precision rounds counts.

        Returns
        -------
        Distances between q and the lattice point in 1/m, float64, of the shape of `level`: F_latt^2 is nowhere farther
        away above the level. Below 0 where it is nowhere above it, and infinite where no distance is known. Not smaller
        for a longer q or a lower level.
        """
