"""Units at the boundary: what a user types, turned into SI, and back.

Inside OpenBragg everything is in metres, radians, seconds and photons. A unit's conversion is written as the
reference program writes it (a division by 1000, not a multiplication by 0.001), so that a value typed here and
there is the same number to the last bit and every `ceil` that follows decides alike.
"""

from math import pi
from typing import Any, Protocol, TypeVar, overload

import attrs

#: Classical electron radius squared, in square metres, as the reference program has it.
ELECTRON_RADIUS_SQUARED = 7.94079248018965e-30
#: Molecules in a mole, as the reference program has it.
AVOGADRO = 6.02214179e23
#: hc, in electronvolt ångströms, as the reference program rounds it.
HC_EV_ANGSTROM = 12398.42
#: Joules in an electronvolt, exactly.
_ELECTRONVOLT = 1.602176634e-19
#: Metres in an ångström.
ANGSTROM = 1e-10
#: Degrees in a radian.
DEGREES = 180.0 * (1.0 / pi)


_Quantity = TypeVar("_Quantity")


class Conversion(Protocol):
    """A number, an array or a tensor in another unit."""

    @overload
    def __call__(self, value: float, /) -> float: ...

    @overload
    def __call__(self, value: _Quantity, /) -> _Quantity: ...


@attrs.frozen
class Unit:
    """A unit that users type.

    Attributes
    ----------
    name
        The unit as it is printed, for example ``mm``.
    to_si, from_si
        The conversions; each takes and returns a number, an array or a tensor.
    """

    name: str
    to_si: Conversion
    from_si: Conversion


def _divided(name: str, divisor: float) -> Unit:
    return Unit(name, _division_by(divisor), _product_with(divisor))


def _times(name: str, factor: float) -> Unit:
    return Unit(name, _product_with(factor), _division_by(factor))


def _division_by(divisor: float) -> Conversion:
    def convert(value: Any, /) -> Any:
        return value / divisor

    return convert


def _product_with(factor: float) -> Conversion:
    def convert(value: Any, /) -> Any:
        return value * factor

    return convert


def _same(value: Any, /) -> Any:
    return value


def _wavelength(energy: Any, /) -> Any:
    return (HC_EV_ANGSTROM / energy) / 1.0e10


def _energy(wavelength: Any, /) -> Any:
    return HC_EV_ANGSTROM / (wavelength * 1.0e10)


_UNITS = {
    unit.name: unit
    for unit in (
        _divided("mm", 1000.0),
        _times("um", 1e-6),
        _divided("A", 1e10),
        # The reference multiplies some lengths and divides others; the last bit may differ.
        _divided("microns", 1e6),
        _times("angstroms", 1e-10),
        _divided("deg", DEGREES),
        _divided("mrad", 1000.0),
        _divided("%", 100.0),
        _divided("A^2", 1e20),
        _divided("um^3", 1e18),
        _times("electrons/A^3", 1e30),
        _divided("ns", 1e9),
        _times("1/A", 1e10),
        _times("g/cm^3", 1000.0),
        _divided("g/mol", 1000.0),
        _times("photons/mm^2", 1e6),
        # A photon energy stands for its wavelength; a width of energies does not.
        Unit("eV", _wavelength, _energy),
        _times("electronvolts", _ELECTRONVOLT),
    )
}


def unit(name: str) -> Unit:
    """Find a unit by its name, such as ``A``, ``mm``, ``deg``, ``eV`` or ``1/A``.

    A name without conversion (``m``, ``photons/s``, ``pixels``) is SI already.
    """
    return _UNITS.get(name) or Unit(name, _same, _same)
