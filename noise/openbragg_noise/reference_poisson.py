"""The reference program's photon-counting noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import InputError, hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import NoiseModel

#: The reference's generator counts modulo this; a larger seed is the same as its remainder.
_MODULUS = 2147483647


@attrs.frozen
class ReferencePoisson:
    """The counts that the reference program draws from the same image with the same seed, pixel after pixel.

    Expected photons are rounded to single precision, as the reference keeps them. The deviates are Poisson's within
    that precision only, whole numbers up to a million expected photons, and single-precision normal deviates above.
    Seeds below 1 count as 1. Each deviate depends on all before it, so that they are drawn on the CPU wherever the
    photons are, one at a time. Where numba is not installed that takes hundreds of times as long.

    Equal seeds give counts equal to the reference's where both use the same C library on an x86-64 processor: the
    last bit of an exponential or a tangent may decide how many deviates are used.
    """

    name: ClassVar[str] = "reference-poisson"
    summary: ClassVar[str] = "the reference program's noise, count for count"
    flags: ClassVar[tuple[str, ...]] = ("-reference_poisson",)

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        """See `openbragg.NoiseModel.counts`; float64.

        Raises
        ------
        InputError
            When a pixel's expectation is negative or not a finite number.
        """
        import torch

        from openbragg_noise.reference_deviates import draw

        expected = photons.detach().to("cpu", torch.float32).reshape(-1)
        if expected.numel() and not (float(expected.min()) >= 0.0 and float(expected.max()) < math.inf):
            raise InputError("reference-poisson noise: an expected number of photons is negative or not finite")
        counts = draw(expected.numpy(), max(seed, 1) % _MODULUS)
        return torch.from_numpy(counts).reshape(photons.shape).to(photons.device)


@hookimpl
def noise_models() -> list[type[NoiseModel]]:
    """Offer the reference program's noise."""
    return [ReferencePoisson]
