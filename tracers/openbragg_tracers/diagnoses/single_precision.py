"""Amplitudes in single precision."""

from __future__ import annotations

from typing import ClassVar

import attrs

from openbragg.orchestrator.traces.diagnoses.evidence import in_all_that_differ
from openbragg.orchestrator.traces.differences import Comparison, PixelComparison

_BEFORE_AMPLITUDES = ("geometry", "q", "cell", "h k l")
#: A few times the spacing of float32 numbers: what a product of some factors, squared and summed, may lose.
_LARGEST = 5e-6


@attrs.frozen
class SinglePrecision:
    """Nothing differs before the amplitudes, and what differs does so by less than single precision resolves."""

    name: ClassVar[str] = "single-precision"
    explanation: ClassVar[str] = (
        "One program works out amplitudes in single precision. That is no fault; to compare them closely, trace with "
        "-precision double, or allow 5e-6 with --tolerance."
    )

    def matches(self, comparison: Comparison) -> str | None:
        """See `Diagnosis.matches`."""
        return in_all_that_differ(comparison, _rounded)


def _rounded(pixel: PixelComparison) -> str | None:
    if not pixel.phases_agree(*_BEFORE_AMPLITUDES):
        return None
    sizes = [difference.size for difference in pixel.values]
    sizes += [size for step in pixel.steps for size in step.sizes.values()]
    if max(sizes) > _LARGEST:
        return None
    return f"no difference is above {max(sizes):.2g}, and none comes before the amplitudes"
