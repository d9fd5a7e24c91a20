"""Photon-counting noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import InputError, hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import NoiseModel


@attrs.frozen
class Poisson:
    """Counts drawn from a Poisson distribution around the expected photons of each pixel."""

    name: ClassVar[str] = "poisson"
    summary: ClassVar[str] = "photon-counting statistics"
    flags: ClassVar[tuple[str, ...]] = ()

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        """See `openbragg.NoiseModel.counts`; float64 whole numbers.

        Raises
        ------
        InputError
            When a pixel's expectation is negative or not a number.
        """
        import torch

        from openbragg_noise.photon_statistics import poisson

        expected = photons.detach()
        # Of no number, nothing is the least.
        if expected.numel() and not float(expected.min()) >= 0.0:
            raise InputError("poisson noise: an expected number of photons is negative or not a number")
        return poisson(expected, torch.Generator(device=expected.device).manual_seed(seed))


@hookimpl
def noise_models() -> list[type[NoiseModel]]:
    """Offer photon-counting noise."""
    return [Poisson]
