"""Random spikes under an envelope: the pulses of a free-electron laser that starts from noise."""

from __future__ import annotations

from functools import lru_cache
from math import log, pi
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import COUNT, POSITIVE, SEED, hookimpl, option

if TYPE_CHECKING:
    import torch

    from openbragg import Beam, Channels, Spectrum

_FLAG = "-sase_width"
#: How far the channels reach to either side, in full widths at half maximum of the envelope.
_REACH = 1.5
_WORD = (1 << 64) - 1


@attrs.frozen
class Sase:
    """Spikes at random places, another set in each image, under a Gaussian envelope over the photon energy.

    The field is normal noise, smoothed to the width of a spike: its intensity at each energy has the negative
    exponential distribution of self-amplified spontaneous emission, about a mean that is the envelope. The sum of all
    channels is the same in every image, as the fluence is given.

    Source: T. Pfeifer et al., Opt. Lett. 35, 3441 (2010), with the smoothing done over energies.
    """

    name: ClassVar[str] = "sase"
    summary: ClassVar[str] = "random spikes under a Gaussian, others in each image"
    flags: ClassVar[tuple[str, ...]] = ()

    width: Any = option(
        _FLAG, unit="%", rule=POSITIVE, help="Full width at half maximum of the envelope, part of the photon energy."
    )
    width_energy: Any = option(
        f"{_FLAG}_energy", unit="electronvolts", rule=POSITIVE, help="The same as a width of energies."
    )
    spike: Any = option(
        "-sase_spike", default=0.1, unit="%", rule=POSITIVE, help="Width of a spike, as a part of the envelope's."
    )
    seed: int = option("-sase_seed", default=1, type=int, rule=SEED, help="Seed of the spikes of all images.")
    count: int = option(
        "-sase_channels", default=100, type=int, rule=COUNT, unit="wavelengths", help="Number of channels."
    )

    def channels(self, beam: Beam) -> Channels:
        """See `openbragg.Spectrum.channels`."""
        return self.channels_of(beam, 1)

    def channels_of(self, beam: Beam, image: int) -> Channels:
        """See `openbragg.ShotSpectrum.channels_of`."""
        from openbragg import Channels, scalar
        from openbragg_plugins.spectra.bands import evenly, relative_width, wavelengths_at

        width = relative_width(beam, self.width, self.width_energy, _FLAG)
        places = evenly(-_REACH, _REACH, self.count)
        apart = (places.unsqueeze(0) - places.unsqueeze(1)) / scalar(self.spike)
        smoothing = (-2.0 * log(2.0) * apart * apart).exp()
        real, imaginary = _noise(self.seed, image, self.count)
        intensity = ((smoothing @ real).square() + (smoothing @ imaginary).square()) / smoothing.square().sum(dim=1)
        weights = (-4.0 * log(2.0) * places * places).exp() * intensity
        return Channels(wavelengths_at(beam, width * places, _FLAG), weights)


@lru_cache(maxsize=64)
def _noise(seed: int, image: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Real and imaginary parts of normal deviates whose squares have the mean 1, (count,) each; not to be changed."""
    import numpy as np
    import torch

    # From numbers of the generator itself, which stay what they are when numpy draws normal ones otherwise.
    uniform = np.random.Generator(np.random.PCG64([seed & _WORD, image])).random((2, count))
    radius, angle = np.sqrt(-np.log1p(-uniform[0])), 2.0 * pi * uniform[1]
    return torch.from_numpy(radius * np.cos(angle)), torch.from_numpy(radius * np.sin(angle))


@hookimpl
def spectra() -> list[type[Spectrum]]:
    """Offer the spectrum."""
    return [Sase]
