"""A wide band with a steep edge on the side of high energies, as an undulator's harmonic has it."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import COUNT, PART, POSITIVE, hookimpl, option

if TYPE_CHECKING:
    from openbragg import Beam, Channels, Spectrum

_FLAG = "-pink_width"
#: How far the channels reach, in the half width at half maximum of their side: to 1.6 and 0.2 per cent of the maximum.
_TAIL, _EDGE = 6.0, 3.0


@attrs.frozen
class Pink:
    """A band with its maximum at the beam's photon energy, an exponential tail below and the edge of a Gaussian above.

    Of its full width at half maximum a part, `edge`, lies above the maximum and the rest below. The channels, at even
    distances of energy, reach 6 times the half width of the tail down and 3 times that of the edge up.
    """

    name: ClassVar[str] = "pink"
    summary: ClassVar[str] = "a wide band, steep above and with a tail below"
    flags: ClassVar[tuple[str, ...]] = ()

    width: Any = option(
        _FLAG, unit="%", rule=POSITIVE, help="Full width at half maximum, as a part of the photon energy."
    )
    width_energy: Any = option(
        f"{_FLAG}_energy", unit="electronvolts", rule=POSITIVE, help="The same as a width of energies."
    )
    edge: Any = option(
        "-pink_edge", default=0.1, unit="%", rule=PART, help="Part of the width that lies above the maximum."
    )
    count: int = option(
        "-pink_channels", default=100, type=int, rule=COUNT, unit="wavelengths", help="Number of channels."
    )

    def channels(self, beam: Beam) -> Channels:
        """See `openbragg.Spectrum.channels`."""
        from openbragg import Channels, scalar
        from openbragg_plugins.spectra.bands import evenly, relative_width, wavelengths_at

        width = relative_width(beam, self.width, self.width_energy, _FLAG)
        above = scalar(self.edge)
        below = 1.0 - above
        places = evenly(-_TAIL * below, _EDGE * above, self.count)
        tail, steep = -places / below, (places / above).square()
        weights = (-log(2.0) * tail.where(places < 0.0, steep)).exp()
        return Channels(wavelengths_at(beam, width * places, _FLAG), weights)


@hookimpl
def spectra() -> list[type[Spectrum]]:
    """Offer the spectrum."""
    return [Pink]
