"""One wavelength, or a few spread evenly about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import InputError, hookimpl

if TYPE_CHECKING:
    from openbragg import Beam, Channels, Spectrum

#: More wavelengths than any beam is sampled with.
_MOST = 1 << 16


@attrs.frozen
class Dispersion:
    """The beam's wavelength; with ``-dispersion`` and ``-dispsteps`` so many that are spread evenly about it.

    Listed sources replace it. Source: nanoBragg.c.
    """

    name: ClassVar[str] = "dispersion"
    summary: ClassVar[str] = "the wavelength alone, or spread evenly by -dispersion"
    flags: ClassVar[tuple[str, ...]] = ()
    takes_dispersion: ClassVar[bool] = True

    def channels(self, beam: Beam) -> Channels:
        """See `openbragg.Spectrum.channels`."""
        import torch

        from openbragg import Channels, resolve_interval, scalar

        central = scalar(beam.wavelength)
        if beam.sources is not None:
            return Channels(central.reshape(1), torch.ones(1, dtype=torch.float64))
        interval = resolve_interval(beam.dispersion, None, beam.dispersion_steps)
        if interval.count > _MOST:
            raise InputError(f"{interval.count} wavelengths are too many: {_MOST} are taken at most")
        step, half = scalar(interval.step), scalar(interval.range) / 2.0
        wavelengths = torch.stack([central * (1.0 + (step * tic - half)) for tic in range(interval.count)])
        return Channels(wavelengths, torch.ones(interval.count, dtype=torch.float64))


@hookimpl
def spectra() -> list[type[Spectrum]]:
    """Offer the spectrum."""
    return [Dispersion]
