"""Rings of hexagonal ice."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, POSITIVE, hookimpl, option, unit

if TYPE_CHECKING:
    import numpy as np
    import torch

    from openbragg import Background, Experiment, PanelRays

    Array = np.ndarray[Any, np.dtype[np.float64]]

#: Cell of ice Ih near 100 K, angstroms; typical.
_A, _C = 4.497, 7.322
#: Molecules in the cell, and the kilograms in a mole.
_MOLECULES, _MOLAR_MASS = 4, 18e-3
#: Height of the oxygen above the middle of its layer of tetrahedra, as a part of c, where these are regular.
_Z = 1.0 / 16.0
#: From an oxygen to the hydrogens on the way to its neighbours, each there half the time; angstroms, typical.
_OH = 0.98
#: Isotropic displacement of all atoms, angstrom^2; typical of 100 K.
_B = 1.5
#: Rings of smaller d spacing, angstroms, are too weak to be seen.
_FINEST = 0.9
#: And so are those of a smaller part of the strongest reflection; most of them are extinct.
_WEAKEST = 1e-6
#: A ring is seen so many standard deviations away, where it is 1e-16 of its height.
_REACH = 8.6
#: Nodes of the table of rings in a standard deviation: between them it is right to 5e-10 of a ring's height.
_FINENESS = 64
#: Of so many there is none.
_MOST = 1 << 20
#: Full width at half maximum of a Gaussian, in standard deviations.
_WIDTH = 2.3548200450309493


@attrs.frozen
class Ice:
    """A powder of hexagonal ice in the beam: rings of one width, on the absolute scale of its structure.

    Grains are small and of all orientations; the sharp rings have no diffuse scattering beneath them.
    """

    name: ClassVar[str] = "ice"
    summary: ClassVar[str] = "powder rings of hexagonal ice"
    flags: ClassVar[tuple[str, ...]] = ()

    thickness: float = option(
        "-ice_thick", default=0.01e-3, unit="mm", rule=NOT_NEGATIVE, help="Solid ice along the beam, as wide as it."
    )
    width: float = option(
        "-ice_width",
        default=unit("1/A").to_si(0.01),
        unit="1/A",
        rule=POSITIVE,
        help="Full width of the rings at half maximum, in 1/d: about 0.9 over the width of the grains.",
    )

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        """See `openbragg.Background.prepare`: 1/d of the rings and their strengths, and the table of `_table`."""
        import torch

        places, strengths = (torch.from_numpy(column).to(device) for column in rings())
        spread = self.width / _WIDTH
        end = float(places[-1]) + _REACH * spread
        number = int(end / spread * _FINENESS) + 2
        if number > _MOST:
            return places, strengths
        nodes = torch.arange(number, dtype=torch.float64, device=device) * (spread / _FINENESS)
        values, slopes = _rings_at(nodes, places, strengths, spread)
        # Beyond the last one there is nothing.
        values[-1] = slopes[-1] = 0.0
        return places, strengths, values, slopes * (spread / _FINENESS)

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.Background.photons`."""
        places, strengths, *table = tables
        spread = self.width / _WIDTH

        def intensity(stol: torch.Tensor) -> torch.Tensor:
            inverse_d = 2.0 * stol.reshape(-1)
            if table:
                return _between(inverse_d * (_FINENESS / spread), table[0], table[1]).reshape(stol.shape)
            return _rings_at(inverse_d, places, strengths, spread)[0].reshape(stol.shape)

        cells = rays.beam_area * (self.thickness / (cell_volume() * 1e-30))
        return cells * rays.scattered(intensity)


def _rings_at(
    inverse_d: torch.Tensor, places: torch.Tensor, strengths: torch.Tensor, spread: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Height of the rings of a standard deviation at 1/d in 1/metres, (any,), and how it rises, times metres."""
    import torch

    reach = _REACH * spread
    # The most rings that reach one place.
    ring = torch.arange(len(places), device=places.device)
    most = int((torch.searchsorted(places, places + 2.0 * reach) - ring).max())
    # Behind the last one come rings of no strength, so that every place has as many.
    far = torch.nn.functional.pad(places, (0, most), value=float(places[-1]) + 4.0 * reach)
    heights = torch.nn.functional.pad(strengths / (spread * (2.0 * pi) ** 0.5), (0, most))
    first = torch.searchsorted(places, inverse_d.detach() - reach)
    total, rise = torch.zeros_like(inverse_d), torch.zeros_like(inverse_d)
    for further in range(most):
        chosen = first + further
        away = (inverse_d - far.index_select(0, chosen)) / spread
        height = heights.index_select(0, chosen) * (-0.5 * away * away).exp()
        total, rise = total + height, torch.addcmul(rise, height, away, value=-1.0 / spread)
    return total, rise


def _between(position: torch.Tensor, values: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Cubics of Hermite between nodes at whole numbers, whose slopes are those to the next node; (any,)."""
    inside = position.clamp(max=float(len(values) - 1))
    interval = inside.detach().long().clamp(max=len(values) - 2)
    way = inside - interval
    start, rise = values.index_select(0, interval), slopes.index_select(0, interval)
    further = interval + 1
    step = values.index_select(0, further) - start
    end = slopes.index_select(0, further)
    # start + way (rise + way ((3 step - 2 rise - end) + way (rise + end - 2 step)))
    twist = rise + end - 2.0 * step
    bend = step - rise - twist
    return start + way * (rise + way * (bend + way * twist))


def cell_volume() -> float:
    """In cubic angstroms."""
    return float(0.75**0.5 * _A * _A * _C)


def rings() -> tuple[Array, Array]:
    """The rings: 1/d in 1/metres, and strength in 1/metres, (rings,) each.

    A ring's strength over a profile of area 1 in 1/d is F^2 of a cell, the mean over all orientations. The transform of
    a grain of n cells is n |F|^2 / V times a peak of volume 1 at each point of the reciprocal lattice; over all
    orientations a point at the distance q spreads over a sphere of area 4 pi q^2. Thus, of every cell, sum over the
    points of |F|^2 / (4 pi q^2 V).
    """
    import numpy as np

    h, k, l = _indices()
    inverse_d = np.sqrt(4.0 / 3.0 * (h * h + h * k + k * k) / _A**2 + (l / _C) ** 2)
    inside = (inverse_d > 0.0) & (inverse_d <= 1.0 / _FINEST)
    h, k, l, inverse_d = (column[inside] for column in (h, k, l, inverse_d))
    strength = _cell_amplitudes_squared(h, k, l, inverse_d / 2.0) / (4.0 * pi * inverse_d**2 * cell_volume())
    there = strength > _WEAKEST * strength.max()
    inverse_d, strength = inverse_d[there], strength[there]
    places, ring = np.unique(inverse_d.round(9), return_inverse=True)
    strengths: Array = np.bincount(ring.reshape(-1), strength).astype(float)
    per_metre = unit("1/A").to_si
    return per_metre(places), per_metre(strengths)


def _indices() -> tuple[Array, ...]:
    """All h k l that may lie within the finest ring."""
    import numpy as np

    most = int(2.0 * max(_A, _C) / _FINEST)
    grid = np.arange(-most, most + 1.0)
    return tuple(axis.reshape(-1) for axis in np.meshgrid(grid, grid, grid, indexing="ij"))


def _cell_amplitudes_squared(h: Array, k: Array, l: Array, stol: Array) -> Array:
    """|F|^2 of the cell in squared electrons, for sin(theta)/lambda in 1/angstrom."""
    import gemmi
    import numpy as np

    phases = {"O": np.zeros(len(h), dtype=complex), "H": np.zeros(len(h), dtype=complex)}
    for element, occupancy, (x, y, z) in _atoms():
        phases[element] += occupancy * np.exp(2j * pi * (h * x + k * y + l * z))
    total = np.zeros(len(h), dtype=complex)
    for element, sum_ in phases.items():
        coefficients = gemmi.Element(element).it92
        pairs = zip(coefficients.a, coefficients.b, strict=True)
        total += sum_ * (coefficients.c + sum(a * np.exp(-b * stol**2) for a, b in pairs))
    found: Array = (np.abs(total) * np.exp(-_B * stol**2)) ** 2
    return found


def _atoms() -> list[tuple[str, float, tuple[float, ...]]]:
    """Element, occupancy and fractional coordinates of all atoms of the cell, space group P 63/m m c.

    Oxygens at 4f, each with four neighbours; on the way to each of them half a hydrogen.
    """
    import numpy as np

    third = 1.0 / 3.0
    oxygens = [
        np.array(place)
        for place in (
            (third, 2 * third, _Z),
            (2 * third, third, 0.5 + _Z),
            (2 * third, third, -_Z),
            (third, 2 * third, 0.5 - _Z),
        )
    ]
    axes = np.array([[_A, 0.0, 0.0], [-_A / 2.0, 0.75**0.5 * _A, 0.0], [0.0, 0.0, _C]])
    shifts = [np.array((i, j, k), dtype=float) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
    atoms: list[tuple[str, float, tuple[float, ...]]] = [("O", 1.0, tuple(place)) for place in oxygens]
    for place in oxygens:
        away = [other + shift - place for other in oxygens for shift in shifts]
        lengths = [float(np.linalg.norm(step @ axes)) for step in away]
        for step, length in zip(away, lengths, strict=True):
            if 0.0 < length < 3.0:  # angstroms: neighbours are 2.75 away, the next ones 4.5
                atoms.append(("H", 0.5, tuple(place + step * (_OH / length))))
    return atoms


@hookimpl
def backgrounds() -> list[type[Background]]:
    """Offer rings of ice."""
    return [Ice]
