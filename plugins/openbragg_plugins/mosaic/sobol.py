"""The reference's mosaic domains, spread evenly over their law."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_plugins.mosaic.draws import scrambled_sobol
from openbragg_plugins.mosaic.spreads import is_spread, spread_of

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal, MosaicBlocks, MosaicModel

#: Domains when their number is not given: a power of two, of which the sequence is most even.
_DEFAULT_DOMAINS = 16


@attrs.frozen
class Sobol:
    """The law of ``nanobragg``, sampled by a scrambled Sobol sequence; no domain is unrotated.

    An image needs fewer domains for the same error: with about 1,000 it is as near to the mean over all orientations as
    with 8,192 random ones. Powers of two are best.
    """

    name: ClassVar[str] = "sobol"
    summary: ClassVar[str] = "the law of nanobragg, sampled evenly: fewer domains do"
    flags: ClassVar[tuple[str, ...]] = ()

    def domains(self, crystal: Crystal) -> int:
        """See `openbragg.MosaicModel.domains`: 16 by default, 1 without a spread."""
        return (crystal.mosaic_domains or _DEFAULT_DOMAINS) if is_spread(crystal) else 1

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """See `openbragg.MosaicModel.blocks`."""
        import torch

        from openbragg import MosaicBlocks, rotation_about

        first, second, third = (2.0 * scrambled_sobol(crystal.mosaic_domains or 1, crystal.mosaic_seed) - 1.0).unbind(1)
        ring = (1.0 - second * second).sqrt()
        about = torch.stack([ring * (pi * first).sin(), ring * (pi * first).cos(), second], dim=1)
        return MosaicBlocks(rotation_about(about, spread_of(crystal) * (1.0 - third * third).pow(1.0 / 3.0)))


@hookimpl
def mosaic_models() -> list[type[MosaicModel]]:
    """Offer the model."""
    return [Sobol]
