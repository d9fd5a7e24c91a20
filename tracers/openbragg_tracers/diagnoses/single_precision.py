"""Amplitudes in single precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import in_all_that_differ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import Diagnosis, PixelComparison

_BEFORE_AMPLITUDES = ("geometry", "q", "cell", "h k l")
#: A few times the spacing of float32 numbers: what a product of some factors, squared and summed, may lose.
_LARGEST = 5e-6


@attrs.frozen
class SinglePrecision:
    """Nothing differs before the amplitudes, and what differs does so by less than single precision resolves."""

    name: ClassVar[str] = "single-precision"
    summary: ClassVar[str] = "amplitudes in single precision"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "F_latt axes"
    explanation: ClassVar[str] = (
        "One program works out amplitudes in single precision. That is no fault; to compare them closely, trace with "
        "-precision double, or allow 5e-6 with --tolerance."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        return in_all_that_differ(pixels, _rounded)


def _rounded(pixel: PixelComparison) -> str | None:
    if not pixel.phases_agree(*_BEFORE_AMPLITUDES):
        return None
    sizes = [difference.size for difference in pixel.values]
    sizes += [size for step in pixel.steps for size in step.sizes.values()]
    if max(sizes) > _LARGEST:
        return None
    return f"no difference is above {max(sizes):.2g}, and none comes before the amplitudes"


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [SinglePrecision]
