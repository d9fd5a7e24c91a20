"""A matrix whose wavelength was not taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import common_ratio, in_all_that_differ, is_close, number, vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import Diagnosis, PixelComparison


@attrs.frozen
class MatrixWavelength:
    """The cell is as many times as large as the wavelength says, or as small, and q agrees."""

    name: ClassVar[str] = "matrix-wavelength"
    summary: ClassVar[str] = "a matrix whose wavelength was not taken out"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "cell"
    explanation: ClassVar[str] = (
        "The matrix that MOSFLM writes is in units of the wavelength: its columns are a*, b* and c* times lambda in "
        "angstroms. A program that does not divide by the wavelength, or divides a matrix that has none, has a cell "
        "that is off by this factor."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        return in_all_that_differ(pixels, _scaled)


def _scaled(pixel: PixelComparison) -> str | None:
    wavelength = number(pixel, "lambda_angstroms")
    if (
        wavelength is None
        or wavelength[0] == 0.0
        or is_close(wavelength[0], 1.0)
        or not pixel.phases_agree("geometry", "q")
    ):
        return None
    lengths = {
        "cell": common_ratio(vector(pixel, f"rot_{axis}_angstroms") for axis in "abc"),
        "h k l": common_ratio([vector(pixel, "hkl_frac")]),
    }
    known = {name: found for name, found in lengths.items() if found is not None}
    compared = {difference.phase for difference in pixel.values} & {"cell", "h k l"}
    if not known or compared - set(known):
        return None
    named = f"lambda ({wavelength[0]:g} angstroms)"
    if all(is_close(found, wavelength[0]) for found in known.values()):
        return f"B's {' and '.join(known)} are A's times {named}"
    if all(is_close(found * wavelength[0], 1.0) for found in known.values()):
        return f"B's {' and '.join(known)} are A's divided by {named}"
    return None


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [MatrixWavelength]
