"""Lengths in millimetres where metres are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import in_all_that_differ, is_close, number, ratio, vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from openbragg import Diagnosis, PixelComparison

_FACTOR = 1000.0
#: Of the longest component: what is called zero.
_ZERO = 1e-9


@attrs.frozen
class MillimetresForMetres:
    """A length of the detector's geometry is a thousand times the other's, and its axes agree."""

    name: ClassVar[str] = "millimetres-for-metres"
    summary: ClassVar[str] = "lengths in millimetres where metres are meant"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "geometry"
    explanation: ClassVar[str] = (
        "A distance, a beam centre or a pixel size was given in millimetres to a program that takes it for metres, or "
        "the other way round. -pix0_vector is in metres; -pix0_vector_mm, -distance, -Xbeam and -pixel are in "
        "millimetres."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        return in_all_that_differ(pixels, _lengths)


def _lengths(pixel: PixelComparison) -> str | None:
    if not pixel.agrees("fdet_vec", "sdet_vec", "incident_vec"):
        return None
    for side, factor in (("B", _FACTOR), ("A", 1.0 / _FACTOR)):
        found = _components(pixel, factor) or _lone_distances(pixel, factor)
        if found:
            return f"{found} of {side} {'are' if ' and ' in found else 'is'} 1000 times the other's"
    return None


def _components(pixel: PixelComparison, factor: float) -> str | None:
    """The origin and the way from it to the pixel, component by component on the detector's axes.

    The origin is seen from the point nearest to the crystal and from where the beam meets the detector: a beam centre
    belongs to one or the other, and so does the distance.
    """
    import numpy as np

    fast, slow, beam = (vector(pixel, name) for name in ("fdet_vec", "sdet_vec", "incident_vec"))
    origin, position = vector(pixel, "pix0_vector_meters"), vector(pixel, "pixel_pos_meters")
    if fast is None or slow is None or origin is None or position is None:
        return None
    frame = np.array([fast[0], slow[0], np.cross(fast[0], slow[0])])
    origins = [frame @ np.array(each) for each in origin]
    ways = [frame @ np.array(end) - start for start, end in zip(origins, position, strict=True)]
    found = _scaled(origins, ways, factor)
    if found is None and beam is not None and frame[2] @ np.array(beam[0]):
        ray = frame @ np.array(beam[0])
        distances = [start[2] / ray[2] for start in origins]
        seen = [
            np.array([*(start - distance * ray)[:2], distance])
            for start, distance in zip(origins, distances, strict=True)
        ]
        found = _scaled(seen, ways, factor)
    return found


def _scaled(origins: list[NDArray[np.float64]], ways: list[NDArray[np.float64]], factor: float) -> str | None:
    """Which lengths are the factor times the other's, when all others are the same."""
    import numpy as np

    parts = {
        "the beam centre": [each[:2] for each in origins],
        "the distance": [each[2:] for each in origins],
        "the pixel size": ways,
    }
    longest = max(float(np.abs(each).max()) for pair in parts.values() for each in pair)
    names = []
    for name, (ours, theirs) in parts.items():
        relations = [_relation(a, b, factor, _ZERO * longest) for a, b in zip(ours, theirs, strict=True)]
        if None in relations:
            return None
        if _FACTOR in relations:
            names.append(name)
    return " and ".join(names) or None


def _relation(ours: float, theirs: float, factor: float, zero: float) -> float | None:
    """The factor, 1 when two components are the same, None when they are related otherwise."""
    if is_close(theirs, factor * ours) and max(abs(ours), abs(theirs)) > zero:
        return _FACTOR
    return 1.0 if abs(theirs - ours) <= zero or is_close(theirs, ours) else None


def _lone_distances(pixel: PixelComparison, factor: float) -> str | None:
    """Distances, when nothing is known of the vectors."""
    if vector(pixel, "pix0_vector_meters") is not None and vector(pixel, "pixel_pos_meters") is not None:
        return None
    names = {"R_distance_meters": "R", "close_distance_meters": "the close distance"}
    found = [words for name, words in names.items() if is_close(ratio(number(pixel, name)) or 0.0, factor)]
    return " and ".join(found) or None


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [MillimetresForMetres]
