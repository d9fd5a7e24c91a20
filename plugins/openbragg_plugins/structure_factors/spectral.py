"""Amplitudes that are others at each wavelength, from tables of several columns.

Tables are those of a `TableLookup`, but for the first, which has two axes, (place, column):

- three tensors: the amplitude at each channel of a spectrum, and last their root mean square;
- four: the complex amplitude without dispersion, and for each element the complex sum over its atoms; `own`, f' and f''
  of each at the beam's own wavelength;
- six: the complex amplitude without dispersion; `own`, for each atom; the atoms, (atoms, 6): fractional coordinates,
  the B factor in square metres, the occupancy and the atomic number; and the reciprocal metric, (3, 3), in
  1/square metres.
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

from openbragg_plugins.structure_factors.places import at_places, place_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from openbragg import Miller

#: Tensors of tables with an amplitude for each channel.
CHANNELS = 3
#: Of tables with the sums over the atoms of each element, and of those with atoms.
_ELEMENTS, _ATOMS = 4, 6
#: More than single precision rounds a sum over atoms, as a part of the sum of sizes.
_ROUNDING = 1.0 + 1e-5


def is_spectral(tables: Sequence[torch.Tensor]) -> bool:
    """Whether tables are of amplitudes that differ with the wavelength."""
    return tables[0].ndim > 1


def own_numbers(tables: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The numbers of a source of the beam's own wavelength; of channels those of their root mean square."""
    table = tables[0]
    if len(tables) == CHANNELS:
        return (tables[1].new_full((), float(table.shape[1] - 1)),)
    return tuple(tables[3].unbind(0))


def spectral_amplitude(
    index: Miller, nearest: Miller, numbers: Sequence[torch.Tensor], tables: Sequence[torch.Tensor]
) -> torch.Tensor:
    """\\|F\\| in electrons; arguments as in `openbragg.SpectralStructureFactors.amplitude_at`."""
    table, lowest, highest = tables[:CHANNELS]
    columns = table.shape[1]
    place = place_inside(table, lowest, highest, tuple(nearest)) * columns
    flat = table.reshape(-1)
    if len(tables) == CHANNELS:
        return at_places(flat, place + numbers[0].to(place.dtype))
    real, imaginary = at_places(flat, place), at_places(flat, place + 1)
    pairs = zip(numbers[0::2], numbers[1::2], strict=True)
    if len(tables) == _ELEMENTS:
        parts = [
            (at_places(flat, place + 2 * k + 2), at_places(flat, place + 2 * k + 3)) for k in range(len(numbers) // 2)
        ]
    else:
        atoms, metric = tables[4], tables[5]
        square = _square(index, metric)
        parts = [_phased(nearest, square, atom, table.dtype) for atom in atoms.unbind(0)]
    for (first, second), (along, across) in zip(pairs, parts, strict=True):
        f_prime, f_second = first.to(table.dtype), second.to(table.dtype)
        real = real + f_prime * along - f_second * across
        imaginary = imaginary + f_second * along + f_prime * across
    squared = real * real + imaginary * imaginary
    # The root of nothing has no slope.
    nothing = squared == 0.0
    root: torch.Tensor = squared.masked_fill(nothing, 1.0).sqrt().masked_fill(nothing, 0.0)
    return root


def spectral_bound(tables: Sequence[torch.Tensor]) -> torch.Tensor:
    """A bound of \\|F\\| at each place, (place,): of all channels, or at the beam's own wavelength."""
    if len(tables) == CHANNELS:
        return tables[0].abs().amax(dim=1)
    return spectral_limits(tables[3].unsqueeze(0), tables)


def spectral_limits(numbers: torch.Tensor, tables: Sequence[torch.Tensor]) -> torch.Tensor:
    """A bound of \\|F\\| at each place for any of some sources, whose numbers are (sources, numbers): (place,)."""
    table = tables[0]
    if len(tables) == CHANNELS:
        return table[:, sorted({int(number) for number in numbers[:, 0].tolist()})].abs().amax(dim=1)
    real, imaginary = table[:, 0::2], table[:, 1::2]
    sizes = (real.square() + imaginary.square()).sqrt()
    strengths = (numbers[:, 0::2].square() + numbers[:, 1::2].square()).sqrt().amax(dim=0).to(table.dtype)
    if len(tables) == _ELEMENTS:
        return (sizes[:, 0] + (sizes[:, 1:] * strengths).sum(dim=1)) * _ROUNDING
    b_factors, occupancies = tables[4][:, 3], tables[4][:, 4].abs().to(table.dtype)
    # An atom that scatters the more the farther out, has no bound.
    added = (strengths * occupancies).sum().where((b_factors >= 0.0).all(), float("inf"))
    return (sizes[:, 0] + added) * _ROUNDING


def _square(index: Miller, metric: torch.Tensor) -> torch.Tensor:
    """\\|q\\|^2 in 1/square metres at a fractional index, float64."""
    h, k, l = index
    return (
        h * (h * metric[0, 0] + 2.0 * (k * metric[0, 1] + l * metric[0, 2]))
        + k * (k * metric[1, 1] + 2.0 * l * metric[1, 2])
        + l * l * metric[2, 2]
    )


def _phased(
    nearest: Miller, square: torch.Tensor, atom: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """occupancy exp(-B \\|q\\|^2 / 4) exp(2 pi i h x) of an atom: its real and imaginary parts."""
    x, y, z, b_factor, occupancy, _ = atom.unbind(0)
    turns = nearest.h * x + nearest.k * y + nearest.l * z
    angle = ((turns - turns.detach().round()) * (2.0 * pi)).to(dtype)
    strength = (square * b_factor * -0.25).to(dtype).exp() * occupancy.to(dtype)
    return strength * angle.cos(), strength * angle.sin()
