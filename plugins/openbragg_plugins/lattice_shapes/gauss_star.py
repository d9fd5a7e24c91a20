"""A crystal whose spots are Gaussian and round in reciprocal space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import POSITIVE, hookimpl, option

if TYPE_CHECKING:
    import torch

    from openbragg import Experiment, Lattice, LatticeShape, Miller

#: Squared distance over the width's square at which the amplitude falls to 1/e, as in the reference's Gaussian.
_WIDTH = 0.63


@attrs.frozen
class GaussStar:
    """A Gaussian of the distance to the nearest lattice point, of one width for all reflections.

    F_latt = Na Nb Nc exp(-fudge r^2 / (0.63 w^2)), r the distance in reciprocal space and w the width: that of a cube
    of the edge 1 / w. Unlike in the shape ``gauss``, the number of cells does not matter to a width that is given; by
    default the cube has the volume of the crystal, and the spots have its intensity.
    """

    name: ClassVar[str] = "gauss_star"
    summary: ClassVar[str] = "Gaussian spots, round in reciprocal space, of one width in 1/A"
    flags: ClassVar[tuple[str, ...]] = ("-gauss_star",)

    width: Any = option(
        "-gauss_star_width",
        unit="1/A",
        rule=POSITIVE,
        help="Width of the spots, one over the edge of a cube. Default: that of a cube of the crystal's volume.",
    )

    def prepare(self, experiment: Experiment, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.PreparedLatticeShape.prepare`: the width in 1/m, ()."""
        from openbragg import scalar

        if self.width is not None:
            return (scalar(self.width).to(lattice.cells.device),)
        return ((lattice.cells.prod() * lattice.volume()).pow(-1.0 / 3.0),)

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """See `openbragg.LatticeShape.factors`; one factor."""
        from openbragg import Miller, exp_minus

        steps = Miller(*(step.to(lattice.dtype) for step in offset))
        exponent = lattice.distance_squared(steps, _sharpness(lattice))
        return (lattice.cells.prod().to(lattice.dtype) * exp_minus(exponent),)

    def gaussian(self, lattice: Lattice) -> tuple[torch.Tensor, torch.Tensor]:
        """See `openbragg.GaussianLatticeShape.gaussian`."""
        return lattice.cells.prod(), 4.0 * _sharpness(lattice) * lattice.reciprocal_metric

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.BoundedLatticeShape.bound`."""
        from openbragg import exp_minus

        exponent = lattice.least_distance_squared(distance, _sharpness(lattice))
        return lattice.cells.prod().to(lattice.dtype) * exp_minus(exponent)

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Lattice) -> torch.Tensor:
        """See `openbragg.LocalLatticeShape.reach`."""
        from openbragg import gaussian_reach

        return gaussian_reach(level, lattice.cells.prod(), 0.25 / _sharpness(lattice), lattice.dtype)

    def when_faint(self, lattice: Lattice) -> str:
        """See `openbragg.AdvisedLatticeShape.when_faint`; the width with which spots have the crystal's intensity."""
        width = float((lattice.cells.prod() * lattice.volume()).pow(-1.0 / 3.0)) * 1e-10
        return (
            "see whether -fluence, -N, the structure factors and the orientation are as meant; spots of a crystal of "
            f"so many cells are as wide as -gauss_star_width {width:.3g}"
        )


def _sharpness(lattice: Lattice) -> torch.Tensor:
    """What r^2 is multiplied by in the exponent, in square metres."""
    (width,) = lattice.parameters
    return lattice.fudge / (_WIDTH * width * width)


@hookimpl
def lattice_shapes() -> list[type[LatticeShape]]:
    """Offer the shape."""
    return [GaussStar]
