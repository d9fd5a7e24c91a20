"""Mosaic blocks along a spiral, in pairs."""

from __future__ import annotations

from math import pi
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, hookimpl
from openbragg_plugins.mosaic.spreads import SPIRAL, is_spread, spread_of

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal, MosaicBlocks, MosaicModel

#: Domains when their number is not given, as in the reference.
_DEFAULT_DOMAINS = 10


@attrs.frozen(eq=False)
class Spiral:
    """Axes along a spiral over a hemisphere, a rotation and its opposite about each, by normally distributed angles.

    n axes are half as many as domains, and their angles are the quantiles 0, 1/n, ... (n-1)/n of the absolute value of
    a normal distribution, shuffled by the seed; the spread is the standard deviation. Source: simtbx.nanoBragg and
    diffBragg, whose seed shuffles otherwise: `quantiles` takes theirs.

    Attributes
    ----------
    quantiles
        The n quantiles in the order of the axes, from 0 and below 1; by default shuffled.
    """

    name: ClassVar[str] = "spiral"
    summary: ClassVar[str] = "pairs of opposite rotations about axes on a spiral, normal angles; as in diffBragg"
    flags: ClassVar[tuple[str, ...]] = ()

    quantiles: Any = attrs.field(default=None, kw_only=True)

    def domains(self, crystal: Crystal) -> int:
        """See `openbragg.MosaicModel.domains`: 10 by default, an even number; 1 without a spread."""
        return pairs(self.name, crystal, self.quantiles) if is_spread(crystal) else 1

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """See `openbragg.MosaicModel.blocks`."""
        from openbragg import MosaicBlocks

        if crystal.mosaic_domains in (None, 1):
            return MosaicBlocks(unrotated())
        about = spiral_axes(crystal.mosaic_domains or 2)
        return MosaicBlocks(paired(about, spread_of(crystal) * parts(self.name, crystal, self.quantiles)))

    def spread_notice(self, crystal: Crystal) -> str:
        """See `openbragg.AdvisedMosaicModel.spread_notice`."""
        return SPIRAL.notice(self.name, crystal)


def pairs(model: str, crystal: Crystal, quantiles: Any) -> int:
    """How many domains there are, two for each axis.

    Raises
    ------
    InputError
        For an odd number, or one that does not fit the quantiles.
    """
    asked = crystal.mosaic_domains or (_DEFAULT_DOMAINS if quantiles is None else 2 * len(quantiles))
    if asked % 2:
        raise InputError(
            f"the mosaic model {model} has blocks in pairs: expected an even number of domains, got {asked}"
        )
    if quantiles is not None and asked != 2 * len(quantiles):
        raise InputError(
            f"the mosaic model {model} has {len(quantiles)} quantiles for the pairs of {asked} domains: expected half "
            "as many"
        )
    return asked


def unrotated() -> torch.Tensor:
    """The only rotation of a crystal without a spread, (1, 3, 3)."""
    import torch

    return torch.eye(3, dtype=torch.float64).unsqueeze(0)


def spiral_axes(domains: int) -> torch.Tensor:
    """Unit vectors along a spiral from the equator of a hemisphere to its pole, half as many as domains, (axes, 3)."""
    import torch

    count = domains // 2
    height = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    azimuth = (pi * count) ** 0.5 * height.asin()
    ring = (1.0 - height * height).sqrt()
    return torch.stack([ring * azimuth.cos(), ring * azimuth.sin(), height], dim=1)


def parts(model: str, crystal: Crystal, quantiles: Any) -> torch.Tensor:
    """The angle about each axis over its standard deviation, (axes,).

    Raises
    ------
    InputError
        For quantiles that are not from 0 and below 1.
    """
    import torch

    count = (crystal.mosaic_domains or 2) // 2
    if quantiles is None:
        quantiles = [number / count for number in range(count)]
        Random(crystal.mosaic_seed).shuffle(quantiles)
    given = torch.as_tensor(quantiles, dtype=torch.float64).reshape(-1)
    if not bool(((given >= 0.0) & (given < 1.0)).all()):
        raise InputError(f"the mosaic model {model}: expected quantiles of 0 or more and below 1")
    angles: torch.Tensor = 2.0**0.5 * given.erfinv()
    return angles


def paired(axes: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotations about axes by plus and then minus the angle of each in radians, (2 axes, 3, 3)."""
    import torch

    from openbragg import rotation_about

    both = torch.stack([angles, -angles], dim=1)
    return rotation_about(axes[:, None].expand(-1, 2, -1), both).reshape(-1, 3, 3)


@hookimpl
def mosaic_models() -> list[type[MosaicModel]]:
    """Offer the model."""
    return [Spiral]
