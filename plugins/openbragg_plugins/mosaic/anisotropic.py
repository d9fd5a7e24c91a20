"""Mosaic blocks that are turned further about one axis than about another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import POSITIVE, InputError, hookimpl, one_of, option
from openbragg_plugins.mosaic.spiral import paired, pairs, parts, spiral_axes, unrotated
from openbragg_plugins.mosaic.spreads import SPIRAL, degrees_of, is_spread, spread_of

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal, MosaicBlocks, MosaicModel

_LAB, _CRYSTAL = "lab", "crystal"


@attrs.frozen(eq=False)
class Anisotropic:
    """The model ``spiral`` with three spreads, about the laboratory's axes or along the crystal's.

    The standard deviation of the angle about an axis u is 1 / sqrt(|u' T u|), T = diag(1 / spread^2) about the
    laboratory's axes; along the crystal's it is S diag(1 / spread^2) S^-1 with unit vectors along a, b and c as columns
    of S, and the blocks turn with the crystal when the spindle does. Source: diffBragg.

    Attributes
    ----------
    spreads
        The three standard deviations in radians; may be tensors. By default all are the crystal's mosaic spread.
    axes
        ``lab`` or ``crystal``.
    quantiles
        As in ``spiral``.
    """

    name: ClassVar[str] = "anisotropic"
    summary: ClassVar[str] = "as spiral, with three spreads about the axes of the laboratory or the crystal"
    flags: ClassVar[tuple[str, ...]] = ()

    spreads: Any = option(
        "-mosaic_spreads",
        length=(3, 3),
        unit="deg",
        rule=POSITIVE,
        metavar="x y z",
        help="Standard deviations of the blocks' rotations about three axes. Default: -mosaic for each.",
    )
    axes: str = option(
        "-mosaic_axes",
        type=str,
        default=_LAB,
        rule=one_of(_LAB, _CRYSTAL),
        metavar="lab | crystal",
        help="The axes of -mosaic_spreads: x, y and z of the laboratory, or a, b and c of the crystal.",
    )
    quantiles: Any = attrs.field(default=None, kw_only=True)

    def domains(self, crystal: Crystal) -> int:
        """See `openbragg.MosaicModel.domains`: 10 by default, an even number; 1 without a spread.

        Raises
        ------
        InputError
            When the crystal has a spread beside the three.
        """
        if self.spreads is None:
            return pairs(self.name, crystal, self.quantiles) if is_spread(crystal) else 1
        if is_spread(crystal):
            raise InputError(f"give -mosaic or -mosaic_spreads; -mosaic is {degrees_of(crystal):.6g} degrees")
        return pairs(self.name, crystal, self.quantiles)

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """See `openbragg.MosaicModel.blocks`."""
        from openbragg import MosaicBlocks

        if crystal.mosaic_domains in (None, 1):
            return MosaicBlocks(unrotated())
        about = spiral_axes(crystal.mosaic_domains or 2)
        angles = self._deviations(crystal, about, axes) * parts(self.name, crystal, self.quantiles)
        return MosaicBlocks(paired(about, angles), mounted=self.axes == _CRYSTAL)

    def spread_notice(self, crystal: Crystal) -> str:
        """See `openbragg.AdvisedMosaicModel.spread_notice`."""
        return SPIRAL.notice(self.name, crystal)

    def _deviations(self, crystal: Crystal, about: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
        """Standard deviation of the angle about each of some unit vectors (axes, 3), in radians, (axes,)."""
        import torch

        from openbragg import scalar

        given = [spread_of(crystal)] * 3 if self.spreads is None else [scalar(spread) for spread in self.spreads]
        inverse = torch.stack(given).pow(-2.0).diag()
        if self.axes == _CRYSTAL:
            along = (axes / axes.norm(dim=1, keepdim=True)).T
            inverse = along @ inverse @ torch.linalg.inv(along)
        return torch.einsum("ai,ij,aj->a", about, inverse, about).abs().rsqrt()


@hookimpl
def mosaic_models() -> list[type[MosaicModel]]:
    """Offer the model."""
    return [Anisotropic]
