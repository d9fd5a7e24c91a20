"""How far X-rays get into the materials of sensors."""

from __future__ import annotations

import math
from bisect import bisect_right

import attrs

from openbragg.units import unit


@attrs.frozen
class _Material:
    """Density in g/cm^3, and mass attenuation coefficients: pairs of keV and cm^2/g, twice at an absorption edge."""

    density: float
    coefficients: tuple[tuple[float, float], ...]


#: Attenuation lengths that differ by a smaller part are of one material.
_ALIKE = 0.02
#: Mass attenuation coefficients of NIST, with the edges of the elements.
_MATERIALS = {
    "Si": _Material(
        2.33,
        (
            *((3.0, 978.4), (4.0, 452.9), (5.0, 245.0), (6.0, 147.0), (8.0, 64.68), (10.0, 33.89), (15.0, 10.34)),
            *((20.0, 4.464), (30.0, 1.436), (40.0, 0.7012), (50.0, 0.4385), (60.0, 0.3207), (80.0, 0.2228)),
            *((100.0, 0.1835), (150.0, 0.1448)),
        ),
    ),
    "CdTe": _Material(
        5.85,
        (
            *((5.0, 839.2), (6.0, 528.6), (8.0, 249.2), (10.0, 138.1), (15.0, 46.57), (20.0, 21.44)),
            *((26.711, 9.834), (26.711, 29.43), (30.0, 21.82), (31.814, 18.73), (31.814, 34.92), (40.0, 19.3)),
            *((50.0, 10.67), (60.0, 6.542), (80.0, 3.019), (100.0, 1.671), (150.0, 0.6071)),
        ),
    ),
}


def attenuates(material: str) -> bool:
    """Whether a material is tabulated."""
    return material in _MATERIALS


def attenuation_length(material: str, wavelength: float) -> float | None:
    """Depth in metres at which a material has absorbed all but 1/e of a beam.

    Between the tabulated energies the logarithm of the coefficient runs straight over that of the energy. None for a
    material or an energy that is not tabulated: Si from 3, CdTe from 5 to 150 keV.

    Parameters
    ----------
    material
        Its chemical formula: ``Si`` or ``CdTe``.
    wavelength
        In metres.
    """
    known = _MATERIALS.get(material)
    if known is None:
        return None
    energy = unit("eV").from_si(wavelength) * 1e-3
    energies = [pair[0] for pair in known.coefficients]
    if not energies[0] <= energy <= energies[-1]:
        return None
    above = min(bisect_right(energies, energy), len(energies) - 1)
    (low, first), (high, second) = known.coefficients[above - 1 : above + 1]
    part = math.log(energy / low) / math.log(high / low)
    coefficient = first * math.exp(part * math.log(second / first))
    return 0.01 / (coefficient * known.density)


def absorbing_material(length: float, wavelength: float) -> str:
    """The tabulated material whose attenuation length in metres is a given one, to a part in fifty; empty if none."""
    for material in _MATERIALS:
        known = attenuation_length(material, wavelength)
        if known is not None and abs(known - length) <= _ALIKE * known:
            return material
    return ""
