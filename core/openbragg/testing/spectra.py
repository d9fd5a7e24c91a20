"""Properties of spectra."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch

from openbragg.model import Beam
from openbragg.model.vectors import scalar
from openbragg.roles import Channels, DescribedSpectrum, ShotSpectrum, Spectrum
from openbragg.testing.assertions import require, require_close
from openbragg.testing.declaration import check_declaration

#: More channels than any beam is sampled with.
_MOST = 1 << 16
#: Of a mean whose terms are summed in another order.
_ROUNDING = 1e-9
#: Images of which each is drawn twice.
_IMAGES = (1, 2, 7)


def check_spectrum(
    spectrum: Spectrum,
    beam: Beam,
    *,
    mean: float,
    tolerance: float = _ROUNDING,
    parameters: Sequence[str] = (),
) -> None:
    """Everything below.

    Parameters
    ----------
    spectrum
        An instance with its options.
    beam
        What it is asked about.
    mean
        The mean wavelength by weight, metres.
    tolerance
        Part of it by which it may differ.
    parameters
        Options that are numbers, by which there are gradients.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the numbers.
    """
    check_declaration(spectrum, Spectrum)
    check_channels(spectrum.channels(beam))
    check_mean_wavelength(spectrum, beam, mean, tolerance)
    check_same_again(spectrum, beam)
    if isinstance(spectrum, ShotSpectrum):
        check_shots(spectrum, beam)
    check_spectrum_gradients(spectrum, beam, parameters)


def check_channels(channels: Channels) -> None:
    """Wavelengths are finite and above 0; weights are finite, 0 or more, and not all 0; there are as many of both."""
    wavelengths, weights = channels.wavelengths, channels.weights
    for name, values in (("wavelengths", wavelengths), ("weights", weights)):
        require(isinstance(values, torch.Tensor), f"{name} must be a tensor, got {type(values).__name__}")
        require(values.dtype == torch.float64, f"{name} must be float64, got {values.dtype}")
        require(values.ndim == 1, f"{name} must be (channels,), got {tuple(values.shape)}")
        require(bool(values.isfinite().all()), f"{name} must be finite")
    require(wavelengths.shape == weights.shape, f"{len(wavelengths)} wavelengths have {len(weights)} weights")
    require(1 <= len(wavelengths) <= _MOST, f"expected 1 to {_MOST} channels, got {len(wavelengths)}")
    require(bool((wavelengths > 0.0).all()), f"the shortest wavelength is {float(wavelengths.detach().min())} m")
    require(bool((weights >= 0.0).all()), f"the smallest weight is {float(weights.detach().min())}")
    require(bool((weights > 0.0).any()), "all weights are 0")


def check_mean_wavelength(spectrum: Spectrum, beam: Beam, mean: float, tolerance: float = _ROUNDING) -> None:
    """The mean wavelength by weight is what it should be; one that the spectrum says by itself is the same."""
    channels = spectrum.channels(beam)
    found = (channels.wavelengths * channels.weights).sum() / channels.weights.sum()
    require_close(found, mean, "the mean wavelength (m)", relative=tolerance)
    if isinstance(spectrum, DescribedSpectrum) and (said := spectrum.mean_wavelength()) is not None:
        require_close(said, found, "mean_wavelength (m)", relative=_ROUNDING)


def check_same_again(spectrum: Spectrum, beam: Beam) -> None:
    """Asked again, it is the same, whatever random numbers were drawn meanwhile."""
    first = spectrum.channels(beam)
    state = torch.get_rng_state()
    torch.rand(3)
    second = spectrum.channels(beam)
    torch.set_rng_state(state)
    _require_same(first, second, "asked again")


def check_shots(spectrum: ShotSpectrum, beam: Beam) -> None:
    """Every image has channels, the same whenever it is asked for; the first has those of `channels`."""
    _require_same(spectrum.channels_of(beam, 1), spectrum.channels(beam), "image 1")
    found = {image: spectrum.channels_of(beam, image) for image in _IMAGES}
    for image in reversed(_IMAGES):
        check_channels(found[image])
        _require_same(spectrum.channels_of(beam, image), found[image], f"image {image}")


def check_spectrum_gradients(spectrum: Spectrum, beam: Beam, parameters: Sequence[str] = ()) -> None:
    """Gradients of wavelengths and normalised weights by options, and by the beam's wavelength, are their slopes.

    All are scaled to their own size, so that a step of them is one of all.
    """
    sizes = [float(scalar(getattr(spectrum, name)).detach()) for name in parameters]
    names = [*parameters]
    described = isinstance(spectrum, DescribedSpectrum)
    if not described:
        sizes.append(float(scalar(beam.wavelength).detach()))
    if not sizes:
        return

    def outcome(*factors: torch.Tensor) -> torch.Tensor:
        values = [factor * size for factor, size in zip(factors, sizes, strict=True)]
        changed = attrs.evolve(spectrum, **dict(zip(names, values, strict=False)))  # type: ignore[misc]
        asked = beam if described else attrs.evolve(beam, wavelength=values[-1])
        channels = changed.channels(asked)
        lengths = channels.wavelengths / float(scalar(beam.wavelength).detach())
        return torch.cat([lengths, channels.weights / channels.weights.sum()])

    ones = [torch.ones((), dtype=torch.float64, requires_grad=True) for _ in sizes]
    torch.autograd.gradcheck(outcome, ones, eps=1e-6, atol=1e-6, rtol=1e-4)


def _require_same(one: Channels, other: Channels, which: str) -> None:
    for name in ("wavelengths", "weights"):
        first, second = getattr(one, name), getattr(other, name)
        require(bool(torch.equal(first, second)), f"the {name} of {which} are others: {first} and {second}")
