"""The sources: every direction and wavelength of the incident beam."""

from __future__ import annotations

from typing import Any

import attrs
import torch

from openbragg.errors import InputError
from openbragg.model import Beam
from openbragg.model.geometry import Laboratory
from openbragg.model.intervals import Interval, resolve_interval
from openbragg.model.scalars import Scalar, is_tensor, plain
from openbragg.model.vectors import carries_derivatives, rotation_about, scalar, unit
from openbragg.roles import Channels, ShotSpectrum, Spectrum
from openbragg.units import ANGSTROM

#: Where a source stands of which the place is not given, in metres upstream; only its direction matters.
_SOURCE_DISTANCE = 10.0
#: Points of a round divergence beyond this part of the ellipse, squared, are dropped; the reference's number.
_ROUND_LIMIT = 1.1
#: More sources than any beam is sampled with.
_MOST_SOURCES = 1 << 16
#: A mean that differs by a smaller part is the same.
_ROUNDING = 1e-12
#: Of a listed source: x, y, z, weight and wavelength.
_NUMBERS = 5


@attrs.frozen(kw_only=True, eq=False)
class Sources:
    """Unit vectors along the beams (sources, 3), wavelengths in metres and weights of mean 1, both (sources,)."""

    incident: torch.Tensor
    wavelengths: torch.Tensor
    weights: torch.Tensor


def make_sources(
    beam: Beam,
    laboratory: Laboratory,
    spectrum: Spectrum,
    *,
    image: int = 1,
    weighted: bool = True,
    exact: bool = True,
) -> Sources:
    """Sources in the reference program's order: horizontal angle, vertical angle, wavelength.

    Parameters
    ----------
    beam, laboratory
        The beam's settings, and its direction and polarization.
    spectrum
        Which wavelengths it has.
    image
        Number of the image in its series, of which a spectrum may be another in each.
    weighted
        Whether the weights of listed sources count.
    exact
        How steps are counted, see `resolve_interval`.

    Raises
    ------
    InputError
        When no source is left, or a listed one has no direction, wavelength or weight.
    """
    channels = channels_of(beam, spectrum, image)
    if beam.sources is not None:
        return _listed(beam, laboratory, channels, weighted)
    horizontal, vertical = (
        resolve_interval(*settings, exact=exact)
        for settings in zip(beam.divergence_range, beam.divergence_step, beam.divergence_steps, strict=True)
    )
    count = channels.wavelengths.numel()
    if horizontal.count * vertical.count * count > _MOST_SOURCES:
        raise InputError(f"{horizontal.count} x {vertical.count} x {count} sources are too many")
    across = unit(torch.linalg.cross(laboratory.beam, laboratory.polarization))
    directions = []
    for column in range(horizontal.count):
        for row in range(vertical.count):
            h, v = _point(horizontal, column), _point(vertical, row)
            if beam.round_divergence and _outside(h, horizontal, v, vertical):
                continue
            tilted = rotation_about(laboratory.polarization, v) @ laboratory.beam
            directions.append(rotation_about(across, h) @ tilted)
    if not directions:
        raise InputError("-round_div leaves no source of this divergence; use -square_div or more steps")
    return Sources(
        incident=torch.stack(directions).repeat_interleave(count, dim=0),
        wavelengths=_moved(beam, channels.wavelengths).repeat(len(directions)),
        weights=_mean_one(channels.weights).repeat(len(directions)),
    )


def channels_of(beam: Beam, spectrum: Spectrum, image: int = 1) -> Channels:
    """The channels of a spectrum for one image, checked.

    Raises
    ------
    InputError
        When it has none, or wavelengths and weights that cannot be.
    """
    varies = image > 1 and isinstance(spectrum, ShotSpectrum)
    found = spectrum.channels_of(beam, image) if varies else spectrum.channels(beam)  # type: ignore[attr-defined]
    lengths, weights = found.wavelengths.detach(), found.weights.detach()
    if not (
        lengths.numel()
        and bool((lengths > 0.0).all() & lengths.isfinite().all())
        and bool((weights >= 0.0).all() & weights.isfinite().all())
        and bool((weights > 0.0).any())
    ):
        raise InputError(
            f"the spectrum {spectrum.name} has wavelengths or weights that cannot be: expected wavelengths above 0 and "
            "weights of 0 or more, not all of them 0"
        )
    return found


def moved_channels(beam: Beam, spectrum: Spectrum, image: int = 1) -> Channels:
    """The spectrum of one image with the beam's scale and shift of wavelengths, its weights with the sum 1.

    Raises
    ------
    InputError
        See `channels_of`.
    """
    channels = channels_of(beam, spectrum, image)
    return Channels(_moved(beam, channels.wavelengths), channels.weights / channels.weights.sum())


def mean_wavelength(beam: Beam, spectrum: Spectrum, image: int = 1) -> torch.Tensor:
    """The one wavelength that stands for a spectrum, in metres, (): the mean by weight.

    Of a spectrum about the beam's own wavelength it is that, to the last digit; of listed sources, too, which need not
    have any of the spectrum's.
    """
    own = scalar(beam.wavelength)
    if beam.sources is None:
        channels = channels_of(beam, spectrum, image)
        mean = (channels.wavelengths * channels.weights).sum() / channels.weights.sum()
        own = own if plain((mean - own).abs()) <= _ROUNDING * plain(own) else mean
    return _moved(beam, own)


def _moved(beam: Beam, wavelengths: torch.Tensor) -> torch.Tensor:
    """Wavelengths after the beam's scale and shift.

    Raises
    ------
    InputError
        When they leave one that is none.
    """
    scale, shift = beam.wavelength_scale, beam.wavelength_shift
    if not (is_tensor(scale) or is_tensor(shift)) and (scale, shift) == (1.0, 0.0):
        return wavelengths
    moved = scalar(scale) * wavelengths + scalar(shift)
    if not bool((moved > 0.0).all()):
        raise InputError(f"-lambda_shift {plain(shift) / ANGSTROM:g} leaves no wavelength above 0")
    return moved


def _mean_one(weights: torch.Tensor) -> torch.Tensor:
    """Weights with the mean 1; equal ones are 1 to the last digit."""
    if not carries_derivatives(weights) and bool((weights == weights[0]).all()):
        return torch.ones_like(weights)
    return weights / weights.mean()


def _point(interval: Interval, tic: int) -> torch.Tensor:
    return scalar(interval.step) * tic - scalar(interval.range) / 2.0


def _outside(h: torch.Tensor, horizontal: Interval, v: torch.Tensor, vertical: Interval) -> bool:
    """Whether a point lies beyond the ellipse. A divergence in one direction only has none, and loses nothing."""
    squares = [_square(interval.range) for interval in (horizontal, vertical)]
    if 0.0 in squares:
        return False
    total = 0.0
    for angle, interval, square in zip((h, v), (horizontal, vertical), squares, strict=True):
        # An even number of points has none in the middle; the nearest pair counts as if it were there.
        shift = _square(interval.step) / 4.0 if interval.count % 2 == 0 else 0.0
        total += (_square(angle) - shift) / square
    return 4.0 * total > _ROUND_LIMIT


def _square(value: Scalar) -> float:
    """As a product, which goes to infinity where a power would raise an error."""
    return plain(value) * plain(value)


def _listed(beam: Beam, laboratory: Laboratory, channels: Channels, weighted: bool) -> Sources:
    if not len(beam.sources):
        raise InputError("the list of sources is empty")
    upstream = -_SOURCE_DISTANCE * laboratory.beam
    single = channels.wavelengths[0] if channels.wavelengths.numel() == 1 else beam.wavelength
    x, y, z, strengths, lengths = (
        _column(beam.sources, place, default) for place, default in enumerate((*upstream, 1.0, single))
    )
    places = torch.stack([x, y, z], dim=-1)
    distances = (x * x + y * y + z * z).sqrt().unsqueeze(-1)
    if not bool((distances > 0.0).all()):
        raise InputError(f"source {int(distances.argmin()) + 1} of the list stands where the crystal is")
    if not (bool((lengths > 0.0).all()) and bool((strengths >= 0.0).all()) and plain(strengths.sum()) > 0.0):
        raise InputError("sources need wavelengths above 0 and weights of 0 or more, not all of them 0")
    weights = strengths / strengths.mean() if weighted else torch.ones_like(strengths)
    incident, count = -places / distances, channels.wavelengths.numel()
    if count > 1:
        # Each source has the whole spectrum, unless the list says a wavelength of its own.
        if any(len(row) == _NUMBERS and row[-1] is not None for row in beam.sources):
            raise InputError("the listed sources have wavelengths of their own: there is no place for a spectrum")
        incident, lengths = incident.repeat_interleave(count, dim=0), channels.wavelengths.repeat(len(incident))
        weights = (weights.unsqueeze(1) * _mean_one(channels.weights)).reshape(-1)
    return Sources(incident=incident, wavelengths=_moved(beam, lengths), weights=weights)


def _column(rows: Any, place: int, default: Scalar) -> torch.Tensor:
    """The numbers at one place in all rows, (rows,); where a row has none, the default."""
    values = [row[place] if place < len(row) else None for row in rows]
    numbers = [0.0 if value is None else value for value in values]
    if any(is_tensor(value) for value in numbers):
        column = torch.stack([scalar(value) for value in numbers])
    else:
        column = torch.tensor(numbers, dtype=torch.float64)
    return column.where(torch.tensor([value is not None for value in values]), scalar(default))
