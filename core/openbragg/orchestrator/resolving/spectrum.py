"""What is said of a run's spectrum."""

from __future__ import annotations

from openbragg.engine.sources import mean_wavelength, moved_channels
from openbragg.model import Experiment
from openbragg.model.scalars import plain
from openbragg.orchestrator.resolving.resolve import Choices
from openbragg.roles import DispersedSpectrum, Spectrum
from openbragg.units import unit

_ANGSTROM, _EV = unit("A").from_si, unit("eV").from_si
_THOUSAND = 1000.0


def report_spectrum(experiment: Experiment, spectrum: Spectrum, choices: Choices) -> None:
    """Say how many wavelengths a spectrum has and from where to where, and what of the flags has no part in it."""
    beam = experiment.beam
    dispersed = isinstance(spectrum, DispersedSpectrum)
    if not dispersed and (plain(beam.dispersion) > 0.0 or beam.dispersion_steps):
        choices.notices.append(f"-dispersion and -dispsteps have no part in the spectrum {spectrum.name}")
    channels = moved_channels(beam, spectrum, experiment.scan.image)
    count = channels.wavelengths.numel()
    if count == 1 and dispersed:
        return
    ends = sorted(map(plain, channels.wavelengths.aminmax()))
    mean = plain(mean_wavelength(beam, spectrum, experiment.scan.image))
    shortest, longest = (f"{_ANGSTROM(end):.6g}" for end in ends)
    lowest, highest = (f"{_EV(end) / _THOUSAND:.6g}" for end in reversed(ends))
    choices.made["spectrum"] = (
        f"{spectrum.name}, {count} wavelengths of {shortest} to {longest} A ({lowest} to {highest} keV), "
        f"mean {_ANGSTROM(mean):.6g} A"
    )
    if count > 1 and not dispersed and beam.sources is None:
        choices.notices.append(
            "the beam has a spectrum: what says one wavelength, as headers of images and predicted reflections do, has "
            "its mean"
        )
