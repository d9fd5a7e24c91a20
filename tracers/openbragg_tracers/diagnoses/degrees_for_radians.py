"""An angle in degrees where radians are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import in_all_that_differ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import Diagnosis, PixelComparison


@attrs.frozen
class DegreesForRadians:
    """A rotation of the detector, of the mounted crystal or of phi turns 57.3 times as far in one trace."""

    name: ClassVar[str] = "degrees-for-radians"
    summary: ClassVar[str] = "an angle in degrees where radians are meant"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "geometry"
    explanation: ClassVar[str] = (
        "The sine and cosine of an angle were taken of its degrees, or of radians that were converted twice: it turns "
        "180/pi = 57.3 times as far, or as little."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        from openbragg_tracers.diagnoses.turns import turned_crystal, turned_detector, turned_phi

        for check in (turned_detector, turned_crystal, turned_phi):
            said = in_all_that_differ(pixels, check)
            if said is not None:
                return said
        return None


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [DegreesForRadians]
