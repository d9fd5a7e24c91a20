"""The incident X-ray beam."""

from __future__ import annotations

from typing import Any

import attrs

from openbragg.model.scalars import Scalar
from openbragg.options import COUNT_OR_NONE, FINITE, FRACTION, NOT_NEGATIVE, POSITIVE, Rule, option, singles

#: Photons per square metre when nothing else is said: the reference program's value.
DEFAULT_FLUENCE = 125932015286227086360700780544.0


#: x, y, z, weight and wavelength.
_SOURCE_NUMBERS = 5


def _are_sources(rows: Any) -> bool:
    whole = all(0 < len(row) <= _SOURCE_NUMBERS for row in rows)
    return whole and all(value is None or _is_number(value) for row in rows for value in row)


def _is_number(value: Any) -> bool:
    numbers = singles(value)
    return len(numbers) == 1 and FINITE.accepts(numbers[0])


def _rows(given: Any) -> Any:
    """Sources as rows of five: None for what a row does not say, an array's or a tensor's numbers one by one."""
    if given is None or isinstance(given, str):
        return given
    try:
        rows = [list(row) for row in given]
    except TypeError:
        return given
    return tuple((*row, *(None,) * (_SOURCE_NUMBERS - len(row))) for row in rows)


_SOURCES = Rule("rows of x, y, z, weight and wavelength", _are_sources)


@attrs.frozen
class Beam:
    """The beam: its wavelength, its strength and its polarization.

    Attributes
    ----------
    sources
        Rows (x, y, z, weight, wavelength) of sources, a list, an array or a tensor, seen from the crystal, in metres;
        None stands for what is not given: upstream along the beam, 1, and `wavelength`. They replace divergence and
        dispersion.

    All fields are in SI units; a dispersion is a part of the wavelength. Fields that hold a number may hold a
    0-dimensional tensor with a gradient instead.
    """

    wavelength: Scalar = option(
        "-lambda",
        "-wave",
        "-wavelength",
        other_units={"-energy": "eV"},
        default=1.0e-10,
        unit="A",
        rule=POSITIVE,
        help="Wavelength of the beam; or its photon energy, with -energy, in eV.",
    )
    wavelength_shift: Scalar = option(
        "-lambda_shift", default=0.0, unit="A", help="Added to all wavelengths, after -lambda_scale."
    )
    wavelength_scale: Scalar = option(
        "-lambda_scale", default=1.0, rule=POSITIVE, help="What all wavelengths are multiplied by."
    )
    fluence: Scalar = option(
        "-fluence",
        default=DEFAULT_FLUENCE,
        unit="photons/m^2",
        rule=NOT_NEGATIVE,
        help="Photons per area that hit the crystal in the exposure.",
    )
    flux: Scalar | None = option(
        "-flux",
        unit="photons/s",
        rule=NOT_NEGATIVE,
        help="Photons per second in the beam; with -exposure and -beamsize it replaces -fluence.",
    )
    exposure: Scalar = option("-exposure", default=1.0, unit="s", rule=POSITIVE, help="Exposure time.")
    size: Scalar = option(
        "-beamsize",
        default=1.0e-4,
        unit="mm",
        rule=POSITIVE,
        help="Width of the square beam; a larger crystal is clipped to it in height and width.",
    )
    divergence_range: tuple[Scalar | None, Scalar | None] = option(
        "-divergence",
        components=(("-hdivrange",), ("-vdivrange",)),
        default=(None, None),
        unit="mrad",
        rule=NOT_NEGATIVE,
        parts=("horizontally", "vertically"),
        help="Full angle over which the sources are spread, along and across the polarization.",
    )
    divergence_step: tuple[Scalar | None, Scalar | None] = option(
        components=(("-hdivstep",), ("-vdivstep",)),
        default=(None, None),
        unit="mrad",
        rule=NOT_NEGATIVE,
        parts=("horizontally", "vertically"),
        help="Angle between two sources.",
    )
    divergence_steps: tuple[int | None, int | None] = option(
        "-divsteps",
        components=(("-hdivsteps",), ("-vdivsteps",)),
        default=(None, None),
        type=int,
        rule=COUNT_OR_NONE,
        unit="sources",
        parts=("horizontally", "vertically"),
        help="Number of sources in each direction. Default: 1, or 2 at the ends of a range.",
    )
    round_divergence: bool = option(
        "-round_div",
        negations=("-square_div",),
        default=True,
        type=bool,
        help="Cut the grid of sources to an ellipse.",
    )
    dispersion: Scalar = option(
        "-dispersion",
        default=0.0,
        unit="%",
        rule=NOT_NEGATIVE,
        help="Full spread of the wavelength, as a part of it.",
    )
    dispersion_steps: int | None = option(
        "-dispsteps",
        type=int,
        rule=COUNT_OR_NONE,
        unit="wavelengths",
        help="Number of wavelengths. Default: 2 at the ends of the spread.",
    )
    sources: Any = option(
        "-sourcefile",
        type=str,
        input=True,
        whole=_SOURCES,
        converter=_rows,
        metavar="FILE",
        help="Sources one by one, instead of divergence and dispersion: x y z, weight, wavelength (m); or a spectrum: "
        "wavelength (A) or energy (eV), weight.",
    )
    polarization: Scalar = option(
        "-polar",
        default=0.0,
        rule=FRACTION,
        help="Kahn polarization factor: 1 fully polarized, 0 unpolarized, -1 fully polarized at right angles.",
    )
    no_polarization_factor: bool = option(
        "-nopolar", default=False, type=bool, help="Leave the polarization factor out: it is 1 everywhere."
    )

    @property
    def photons_per_area(self) -> Scalar:
        """Fluence in photons per square metre: from the flux where one is given, else `fluence`."""
        if self.flux is None or (not hasattr(self.flux, "detach") and self.flux == 0.0):
            return self.fluence
        return self.flux * self.exposure / self.size / self.size
