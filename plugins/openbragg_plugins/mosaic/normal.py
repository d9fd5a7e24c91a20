"""Mosaic blocks whose rotations are normally distributed about three axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl, one_of, option
from openbragg_plugins.mosaic.draws import normal_deviates, random_points, scrambled_sobol
from openbragg_plugins.mosaic.spreads import NORMAL, is_spread, spread_of

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal, MosaicBlocks, MosaicModel

#: Domains when their number is not given: a power of two, of which the sequence is most even.
_DEFAULT_DOMAINS = 16
_SOBOL, _RANDOM = "sobol", "random"


@attrs.frozen
class Normal:
    """Rotation vectors whose components along any three axes are normally distributed; the spread is their deviation.

    It is the law whose sum over all orientations the model ``closed`` has. A rotation vector lies along the axis and is
    as long as the angle.
    """

    name: ClassVar[str] = "normal"
    summary: ClassVar[str] = "rotations normally distributed about each axis, sampled evenly or at random"
    flags: ClassVar[tuple[str, ...]] = ()

    sequence: str = option(
        "-mosaic_sequence",
        type=str,
        default=_SOBOL,
        rule=one_of(_SOBOL, _RANDOM),
        metavar="sobol | random",
        help="How rotations of the model normal are drawn: by a scrambled Sobol sequence, or by random numbers.",
    )

    def domains(self, crystal: Crystal) -> int:
        """See `openbragg.MosaicModel.domains`: 16 by default, 1 without a spread."""
        return (crystal.mosaic_domains or _DEFAULT_DOMAINS) if is_spread(crystal) else 1

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """See `openbragg.MosaicModel.blocks`."""
        from openbragg import MosaicBlocks, rotation_about

        drawn = scrambled_sobol if self.sequence == _SOBOL else random_points
        vectors = normal_deviates(drawn(crystal.mosaic_domains or 1, crystal.mosaic_seed))
        lengths = vectors.norm(dim=1)
        return MosaicBlocks(rotation_about(vectors / lengths[:, None], spread_of(crystal) * lengths))

    def spread_notice(self, crystal: Crystal) -> str:
        """See `openbragg.AdvisedMosaicModel.spread_notice`."""
        return NORMAL.notice(self.name, crystal)


@hookimpl
def mosaic_models() -> list[type[MosaicModel]]:
    """Offer the model."""
    return [Normal]
