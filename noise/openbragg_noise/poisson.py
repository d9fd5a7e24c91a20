"""Photon-counting noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import InputError, hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import NoiseModel

#: Above this expectation a normal deviate stands in: its skewness is wrong by 1e-6, while torch's Poisson deviates,
#: right up to here, lose their variance (by 15 % at 1e15).
_LARGEST = 1e12


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

        expected = photons.detach().to(torch.float64)
        if not bool((expected >= 0).all()):
            raise InputError("poisson noise: an expected number of photons is negative or not a number")
        generator = torch.Generator(device=expected.device).manual_seed(seed)
        bright = expected > _LARGEST
        any_bright = bool(bright.any())
        counts = torch.poisson(expected.clamp(max=_LARGEST) if any_bright else expected, generator=generator)
        if any_bright:
            normal = torch.randn(expected.shape, generator=generator, dtype=torch.float64, device=expected.device)
            counts = torch.where(bright, (expected + expected.sqrt() * normal).round(), counts)
        return counts


@hookimpl
def noise_models() -> list[type[NoiseModel]]:
    """Offer photon-counting noise."""
    return [Poisson]
