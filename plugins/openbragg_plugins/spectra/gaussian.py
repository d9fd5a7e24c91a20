"""A band of energies with the profile of a Gaussian."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import COUNT, POSITIVE, hookimpl, option

if TYPE_CHECKING:
    from openbragg import Beam, Channels, Spectrum

_FLAG = "-gaussian_width"
#: How far the channels reach to either side, in full widths at half maximum: to 0.2 per cent of the maximum.
_REACH = 1.5


@attrs.frozen
class Gaussian:
    """A Gaussian over the photon energy about that of the beam, in channels of even distances.

    They reach 1.5 times the full width at half maximum to either side, where 0.2 per cent of the maximum are left.
    """

    name: ClassVar[str] = "gaussian"
    summary: ClassVar[str] = "a Gaussian over the photon energy"
    flags: ClassVar[tuple[str, ...]] = ()

    width: Any = option(
        _FLAG, unit="%", rule=POSITIVE, help="Full width at half maximum, as a part of the photon energy."
    )
    width_energy: Any = option(
        f"{_FLAG}_energy", unit="electronvolts", rule=POSITIVE, help="The same as a width of energies."
    )
    count: int = option(
        "-gaussian_channels", default=25, type=int, rule=COUNT, unit="wavelengths", help="Number of channels."
    )

    def channels(self, beam: Beam) -> Channels:
        """See `openbragg.Spectrum.channels`."""
        from openbragg import Channels
        from openbragg_plugins.spectra.bands import evenly, relative_width, wavelengths_at

        width = relative_width(beam, self.width, self.width_energy, _FLAG)
        places = evenly(-_REACH, _REACH, self.count)
        return Channels(wavelengths_at(beam, width * places, _FLAG), (-4.0 * log(2.0) * places * places).exp())


@hookimpl
def spectra() -> list[type[Spectrum]]:
    """Offer the spectrum."""
    return [Gaussian]
