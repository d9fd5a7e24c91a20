"""No noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import NoiseModel


@attrs.frozen
class NoNoise:
    """Hands the expected photons on; no noise image is written."""

    name: ClassVar[str] = "nonoise"
    summary: ClassVar[str] = "expected photons as they are; no noise image"
    flags: ClassVar[tuple[str, ...]] = ("-nonoise",)

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        """See `openbragg.NoiseModel.counts`."""
        return photons


@hookimpl
def noise_models() -> list[type[NoiseModel]]:
    """Offer the absence of noise."""
    return [NoNoise]
