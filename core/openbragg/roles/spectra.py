"""The contract of spectra: the wavelengths of the beam."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import attrs

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import torch

    from openbragg.model import Beam


@attrs.frozen(eq=False)
class Channels:
    """A spectrum as a sum over wavelengths.

    Attributes
    ----------
    wavelengths
        In metres: float64, (channels,).
    weights
        Photons of each in any unit, 0 or more, not all 0: float64, (channels,). The fluence is that of all together.
    """

    wavelengths: torch.Tensor
    weights: torch.Tensor


@runtime_checkable
class Spectrum(Plugin, Protocol):
    """The wavelengths of the beam, and how many of its photons have each."""

    def channels(self, beam: Beam) -> Channels:
        """The spectrum of a beam whose `wavelength` is given.

        Numbers may be tensors with gradients, which must flow on.

        Raises
        ------
        InputError
            When its settings, or a file, cannot be used.
        """


@runtime_checkable
class DispersedSpectrum(Spectrum, Protocol):
    """A spectrum that is told its width by the beam's ``-dispersion`` and ``-dispsteps``; others have no use for them.

    Attributes
    ----------
    takes_dispersion
        True.
    """

    takes_dispersion: ClassVar[bool]


@runtime_checkable
class DescribedSpectrum(Spectrum, Protocol):
    """A spectrum that says its wavelengths by itself, whatever the beam's is."""

    def mean_wavelength(self) -> float | None:
        """The mean by weight, in metres; a wavelength that the user does not give is taken from here.

        None where it says none yet. Called before torch is loaded.

        Raises
        ------
        InputError
            When its file cannot be used.
        """


@runtime_checkable
class ShotSpectrum(Spectrum, Protocol):
    """A spectrum that is another in each image of a series."""

    def channels_of(self, beam: Beam, image: int) -> Channels:
        """The spectrum of image `image`, from 1; that of the first is `channels`."""
