"""Wavelengths and weights one by one: from a file, or from Python."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, hookimpl, option
from openbragg_plugins.spectra.nxmx import read_nxmx_spectrum, recognises

if TYPE_CHECKING:
    from openbragg import Beam, Channels, Spectrum

#: Wavelengths in metres and weights, (channels,) each.
Shot = tuple[tuple[float, ...], tuple[float, ...]]


@attrs.frozen(eq=False)
class Listed:
    """Each wavelength with its weight, whatever the beam's wavelength is.

    A file has two columns, a wavelength in angstroms or a photon energy in eV, and a weight; or it is NXmx, and its
    ``incident_wavelength`` and ``incident_wavelength_weights`` are taken: of an image of a series those of that image,
    where the file has them shot by shot. A series that is longer begins anew.

    Attributes
    ----------
    wavelengths, weights
        From Python, in place of a file: metres and photons in any unit, arrays or tensors (channels,), which may carry
        gradients; or (shots, channels), one spectrum for each image.
    """

    name: ClassVar[str] = "listed"
    summary: ClassVar[str] = "wavelengths and weights of a file: two columns, or NXmx"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-spectrum_file",
        type=Path,
        metavar="FILE",
        help="Spectrum of the beam: wavelength (A) or photon energy (eV), and weight; or an NXmx file that has one.",
    )
    wavelengths: Any = attrs.field(default=None, kw_only=True)
    weights: Any = attrs.field(default=None, kw_only=True)

    def mean_wavelength(self) -> float | None:
        """See `openbragg.DescribedSpectrum.mean_wavelength`; of a file with many shots, that of the first."""
        if self.file is None:
            return None
        lengths, weights = self._shot(1)
        return sum(length * weight for length, weight in zip(lengths, weights, strict=True)) / sum(weights)

    def channels(self, beam: Beam) -> Channels:
        """See `openbragg.Spectrum.channels`."""
        return self.channels_of(beam, 1)

    def channels_of(self, beam: Beam, image: int) -> Channels:
        """See `openbragg.ShotSpectrum.channels_of`."""
        import torch

        from openbragg import Channels

        if self.wavelengths is not None:
            lengths = torch.as_tensor(self.wavelengths, dtype=torch.float64)
            weights = (
                torch.ones_like(lengths.detach())
                if self.weights is None
                else torch.as_tensor(self.weights, dtype=torch.float64)
            )
            if weights.shape[-1:] != lengths.shape[-1:] or not 1 <= lengths.ndim <= weights.ndim <= 2:
                shapes = f"{tuple(lengths.shape)} and {tuple(weights.shape)}"
                raise InputError(f"Listed: expected as many weights as wavelengths, got {shapes}")
            return Channels(_of_image(lengths, image), _of_image(weights, image))
        found, strengths = self._shot(image)
        return Channels(torch.tensor(found, dtype=torch.float64), torch.tensor(strengths, dtype=torch.float64))

    def _shot(self, image: int) -> Shot:
        """Of an image, by its number from 1.

        Raises
        ------
        InputError
            When there is no file, or it cannot be used.
        """
        if self.file is None:
            raise InputError("the spectrum listed has no file: name one with -spectrum_file")
        try:
            changed = self.file.stat().st_mtime_ns
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self.file}: {getattr(error, 'strerror', None) or error}") from None
        return _read(self.file, changed, image)


def _of_image(values: Any, image: int) -> Any:
    return values if values.ndim == 1 else values[(image - 1) % len(values)]


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, image: int) -> Shot:
    """The spectrum of an image in a file that was changed last at this time."""
    from openbragg import read_spectrum

    if recognises(path):
        return read_nxmx_spectrum(path, image)
    lengths, weights = read_spectrum(path)
    return tuple(lengths), tuple(weights)


@hookimpl
def spectra() -> list[type[Spectrum]]:
    """Offer the spectrum."""
    return [Listed]
