"""What bands of energies have in common: a width, and channels spread over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openbragg import InputError, scalar, unit

if TYPE_CHECKING:
    import torch

    from openbragg import Beam

_ENERGY, _WIDTH = unit("eV").from_si, unit("electronvolts").from_si


def relative_width(beam: Beam, part: Any, energy: Any, flag: str) -> torch.Tensor:
    """The width of a band as a part of the beam's photon energy, ().

    Parameters
    ----------
    beam
        Whose `wavelength` is the band's.
    part, energy
        The width as such a part, or in joules; one of them is None.
    flag
        What sets the first of them; with ``_energy`` behind it, the second.

    Raises
    ------
    InputError
        When none is given, or both are.
    """
    if (part is None) == (energy is None):
        raise InputError(f"expected one width of the spectrum: {flag} in % or {flag}_energy in eV")
    return scalar(part) if part is not None else _WIDTH(scalar(energy)) / _ENERGY(scalar(beam.wavelength))


def evenly(first: Any, last: Any, count: int) -> torch.Tensor:
    """So many numbers from one to another, float64, (count,); a single one is 0, where the band's own energy is."""
    import torch

    if count == 1:
        return torch.zeros(1, dtype=torch.float64)
    start, end = scalar(first), scalar(last)
    return start + (end - start) * torch.linspace(0.0, 1.0, count, dtype=torch.float64)


def wavelengths_at(beam: Beam, offsets: torch.Tensor, flag: str) -> torch.Tensor:
    """Wavelengths in metres of energies that differ from the beam's by these parts of it, (channels,).

    Raises
    ------
    InputError
        When the band would reach down to no energy at all.
    """
    energies = 1.0 + offsets
    if not bool((energies > 0.0).all()):
        raise InputError(f"{flag}: the spectrum is so wide that it reaches energies below 0")
    return scalar(beam.wavelength) / energies
