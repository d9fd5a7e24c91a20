"""The sum over all orientations of normally distributed blocks, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from math import e, pi
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import attrs

from openbragg import GaussianLatticeShape, InputError, hookimpl
from openbragg_plugins.mosaic.spiral import unrotated
from openbragg_plugins.mosaic.spreads import NORMAL, spread_of

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal, Lattice, LatticeShape, Miller, MosaicBlocks, MosaicModel


@attrs.frozen
class Closed:
    """Small rotations, normally distributed about each axis, summed over all orientations: one term for all domains.

    The spread s is their standard deviation about each axis. The rotations smear a Gaussian spot at g: they add
    s^2 (\\|g\\|^2 1 - g g') to its covariance, and leave its integral. It is what the model ``normal`` tends to with
    ever more domains, as long as rotations are small and spots narrower than the cell of the reciprocal lattice.
    """

    name: ClassVar[str] = "closed"
    summary: ClassVar[str] = "the mean over all orientations of normally distributed blocks; for Gaussian shapes"
    flags: ClassVar[tuple[str, ...]] = ()

    def domains(self, crystal: Crystal) -> int:
        """See `openbragg.MosaicModel.domains`: 1 for all."""
        return 1

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """See `openbragg.MosaicModel.blocks`: unrotated."""
        from openbragg import MosaicBlocks

        return MosaicBlocks(unrotated())

    def deviation(self, crystal: Crystal) -> float:
        """See `openbragg.ClosedMosaicModel.deviation`: the spread."""
        return float(spread_of(crystal).detach())

    def smeared(self, shape: LatticeShape, crystal: Crystal, lattice: Lattice) -> tuple[LatticeShape, Lattice]:
        """See `openbragg.ClosedMosaicModel.smeared`."""
        import torch

        if not isinstance(shape, GaussianLatticeShape):
            raise InputError(
                f"the mosaic model {self.name} has no closed form for the lattice shape {shape.name}: expected a "
                "Gaussian one, such as gauss_index, gauss_star or gauss"
            )
        peak, inverse = shape.gaussian(lattice)
        whitening, failed = torch.linalg.cholesky_ex(inverse)
        if bool(failed):
            raise InputError(f"spots of the lattice shape {shape.name} have no width: expected a -fudge above 0")
        # Rows of both are upper triangles: x = whitening . offset has the covariance 1, and g = place . h is a vector
        # in a frame of the crystal's.
        whitening, place = whitening.T, torch.linalg.cholesky(lattice.reciprocal_metric).T
        moved = torch.linalg.solve_triangular(place, whitening, upper=True, left=False)
        spread = spread_of(crystal).to(place.device)
        parameters = (peak, whitening, spread * place, moved, moved.det() * torch.linalg.inv(moved).T)
        return Smeared(), attrs.evolve(lattice, parameters=parameters)

    def spread_notice(self, crystal: Crystal) -> str:
        """See `openbragg.AdvisedMosaicModel.spread_notice`."""
        return NORMAL.notice(self.name, crystal)


@attrs.frozen
class Smeared:
    """A Gaussian spot at g, smeared by small rotations of the deviation s about each axis.

    With x the offset on the scale on which the spot is round and has the covariance 1, and B what takes vectors of
    reciprocal space there, the covariance is 1 + F F' with F = s B [g], [g] the matrix of g x. Of such a matrix of rank
    2, with F's columns f and with c = s cof(B) g,

        det = 1 + sum \\|f\\|^2 + s^2 \\|g\\|^2 \\|c\\|^2
        x' covariance^-1 x = (\\|x\\|^2 + sum \\|x cross f\\|^2 + s^2 \\|g\\|^2 (x . c)^2) / det

    in which nothing is subtracted, so that no digits are lost for any spread, and the gradients are those of
    polynomials. `Lattice.parameters` are the height, and the matrices of x, s g, B and c.
    """

    name: ClassVar[str] = "smeared"
    summary: ClassVar[str] = "a Gaussian shape, smeared by mosaicity in closed form"
    flags: ClassVar[tuple[str, ...]] = ()

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor, from numbers in float64."""
        import torch

        from openbragg import exp_minus

        peak, whitening = lattice.parameters[:2]
        x = _times_upper(whitening, offset)
        g, (first, second, third) = _smearing(nearest, lattice)
        c = _times_lower(lattice.parameters[4], g)
        length = _square(g)
        determinant = 1.0 + (_square(first) + _square(second) + _square(third)) + length * _square(c)
        columns = zip(first, second, third, strict=True)
        across = sum((_square(_cross(x, column)) for column in columns), torch.zeros_like(length))
        along = x[0] * c[0] + x[1] * c[1] + x[2] * c[2]
        form = (_square(x) + across + length * along * along) / determinant
        height = determinant.to(lattice.dtype).rsqrt().sqrt()
        return (peak.to(lattice.dtype) * height * exp_minus((0.25 * form).to(lattice.dtype)),)

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.LocalLatticeShape.reach`.

        The rotations add at most (s g)^2 to the variance v of the widest direction, and at least that to two variances
        on a scale of v, so that the height of the square falls to no more than v / (v + (s g)^2) of that of a spot at
        the origin. Of both the largest distance is where the height is e times the level; a longer q has it too.
        """
        import torch

        from openbragg import gaussian_reach

        peak, whitening, place = lattice.parameters[:3]
        sharpness = whitening.T @ whitening
        own = torch.linalg.eigvals(torch.linalg.solve(sharpness, lattice.reciprocal_metric)).real.max()
        spread = place.square().sum() / lattice.reciprocal_metric.trace()
        wider = 1.0 + spread * length.square() / own
        wider = torch.minimum(wider, peak * peak / (e * level)).clamp(min=1.0)
        reach = gaussian_reach(level, peak / wider.sqrt(), own * wider, lattice.dtype)
        # A low spot is known down to a lower level than one at the origin; a longer q is not to have a shorter reach.
        return torch.maximum(reach, gaussian_reach(level, peak, own, lattice.dtype))

    def gaussians(self, nearest: torch.Tensor, lattice: Lattice) -> tuple[torch.Tensor, torch.Tensor]:
        """See `openbragg.SmearedLatticeShape.gaussians`."""
        import torch

        peak, whitening = lattice.parameters[:2]
        rows = torch.stack([torch.stack(row, dim=-1) for row in _smearing(nearest.unbind(-1), lattice)[1]], dim=-2)
        unit = torch.eye(3, dtype=torch.float64, device=rows.device)
        spread = torch.linalg.inv(whitening)
        integral = peak**2 * (2.0 * pi) ** 1.5 / whitening.det().abs()
        return integral, spread @ (unit + rows @ rows.transpose(-1, -2)) @ spread.T


Three: TypeAlias = "tuple[torch.Tensor, torch.Tensor, torch.Tensor]"


def _smearing(nearest: Sequence[torch.Tensor], lattice: Lattice) -> tuple[Three, tuple[Three, Three, Three]]:
    """s g of a lattice point, and the rows of F; B is an upper triangle, and 0 below."""
    _, _, place, moved, _ = lattice.parameters
    x, y, z = g = _times_upper(place, nearest)
    (b11, b12, b13), (_, b22, b23), (_, _, b33) = (row.unbind(0) for row in moved.unbind(0))
    first = (b12 * z - b13 * y, b13 * x - b11 * z, b11 * y - b12 * x)
    second = (b22 * z - b23 * y, b23 * x, -b22 * x)
    return g, (first, second, (-b33 * y, b33 * x, 0.0 * x))


def _times_upper(matrix: torch.Tensor, vector: Sequence[torch.Tensor]) -> Three:
    x, y, z = vector
    (m11, m12, m13), (_, m22, m23), (_, _, m33) = (row.unbind(0) for row in matrix.unbind(0))
    return m11 * x + m12 * y + m13 * z, m22 * y + m23 * z, m33 * z


def _times_lower(matrix: torch.Tensor, vector: Sequence[torch.Tensor]) -> Three:
    x, y, z = vector
    (m11, _, _), (m21, m22, _), (m31, m32, m33) = (row.unbind(0) for row in matrix.unbind(0))
    return m11 * x, m21 * x + m22 * y, m31 * x + m32 * y + m33 * z


def _square(vector: Three) -> torch.Tensor:
    x, y, z = vector
    return x * x + y * y + z * z


def _cross(one: Three, other: Three) -> Three:
    (a, b, c), (x, y, z) = one, other
    return b * z - c * y, c * x - a * z, a * y - b * x


@hookimpl
def mosaic_models() -> list[type[MosaicModel]]:
    """Offer the model."""
    return [Closed]
