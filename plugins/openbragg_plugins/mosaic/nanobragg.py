"""Mosaic domains as the reference program draws them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal, MosaicBlocks, MosaicModel

#: Domains when their number is not given, as in the reference.
_DEFAULT_DOMAINS = 10


@attrs.frozen
class Nanobragg:
    """Random rotations up to a largest angle, the first domain unrotated.

    The axis is random and the angle the spread times (1 - r^2)^(1/3), r even in (-1, 1): most are near the largest.
    Source: nanoBragg.c, whose stream of random numbers it has, deviate for deviate.
    """

    name: ClassVar[str] = "nanobragg"
    summary: ClassVar[str] = "random rotations up to the mosaic spread, as the reference draws them"
    flags: ClassVar[tuple[str, ...]] = ()

    def domains(self, crystal: Crystal) -> int:
        """See `openbragg.MosaicModel.domains`: 10 by default, 1 without a spread."""
        spread = crystal.mosaic_spread
        if spread is None or (not hasattr(spread, "detach") and spread == 0.0):
            return 1
        return crystal.mosaic_domains or _DEFAULT_DOMAINS

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """See `openbragg.MosaicModel.blocks`.

        The reference rounds each angle to single precision; a spread with a gradient is left unrounded, where the two
        differ by 6e-8 of the angle.
        """
        import torch

        from openbragg import MosaicBlocks, rotation_about, scalar

        about, parts = _drawn(crystal.mosaic_domains or 1, crystal.mosaic_seed)
        spread = scalar(crystal.mosaic_spread if crystal.mosaic_spread is not None else 0.0)
        if spread.requires_grad:
            return MosaicBlocks(rotation_about(about, spread * parts))
        angles = (spread.to(torch.float32) * parts.to(torch.float32)).to(torch.float64)
        return MosaicBlocks(rotation_about(about, angles))


@lru_cache(maxsize=8)
def _drawn(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Axes (domains, 3) and parts of the spread (domains,); not to be changed."""
    import torch

    from openbragg import draw_mosaic_domains

    drawn = draw_mosaic_domains(count, seed)
    axes = torch.tensor([axis for axis, _ in drawn], dtype=torch.float64)
    return axes, torch.tensor([part for _, part in drawn], dtype=torch.float64)


@hookimpl
def mosaic_models() -> list[type[MosaicModel]]:
    """Offer the model."""
    return [Nanobragg]
