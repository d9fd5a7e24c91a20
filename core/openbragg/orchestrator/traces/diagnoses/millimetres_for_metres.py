"""Lengths in millimetres where metres are meant."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from openbragg.orchestrator.traces.diagnoses.evidence import in_all_that_differ, is_close, number, ratio, vector
from openbragg.orchestrator.traces.differences import Comparison, PixelComparison

_FACTOR = 1000.0
#: Of the longest component: what is called zero.
_ZERO = 1e-9


@attrs.frozen
class MillimetresForMetres:
    """A length of the detector's geometry is a thousand times the other's, and its axes agree."""

    name: ClassVar[str] = "millimetres-for-metres"
    explanation: ClassVar[str] = (
        "A distance, a beam centre or a pixel size was given in millimetres to a program that takes it for metres, or "
        "the other way round. -pix0_vector is in metres; -pix0_vector_mm, -distance, -Xbeam and -pixel are in "
        "millimetres."
    )

    def matches(self, comparison: Comparison) -> str | None:
        """See `Diagnosis.matches`."""
        return in_all_that_differ(comparison, _lengths)


def _lengths(pixel: PixelComparison) -> str | None:
    if not pixel.agrees("fdet_vec", "sdet_vec"):
        return None
    for side, thousand in (("B", _FACTOR), ("A", 1.0 / _FACTOR)):
        found = _components(pixel, thousand) or _along_beam(pixel, thousand) or _lone_distances(pixel, thousand)
        if found:
            return f"{found} of {side} {'are' if ' and ' in found else 'is'} 1000 times the other's"
    return None


def _components(pixel: PixelComparison, factor: float) -> str | None:
    """The origin and the way from it to the pixel, component by component on the detector's axes."""
    axes, origin, position = (vector(pixel, name) for name in ("fdet_vec", "pix0_vector_meters", "pixel_pos_meters"))
    slow = vector(pixel, "sdet_vec")
    if axes is None or slow is None or origin is None or position is None:
        return None
    frame = np.array([axes[0], slow[0], np.cross(axes[0], slow[0])])
    parts = {
        "the origin's place in the detector's plane (beam centre)": [frame[:2] @ np.array(each) for each in origin],
        "the origin's distance": [frame[2:] @ np.array(each) for each in origin],
        "the way from the origin to the pixel (pixel size)": [
            frame @ (np.array(end) - np.array(start)) for start, end in zip(origin, position, strict=True)
        ],
    }
    longest = max(float(np.abs(each).max()) for pair in parts.values() for each in pair)
    names = []
    for name, (ours, theirs) in parts.items():
        kept = [_relation(a, b, factor, _ZERO * longest) for a, b in zip(ours, theirs, strict=True)]
        if None in kept:
            return None
        if _FACTOR in kept:
            names.append(name)
    return " and ".join(names) or None


def _relation(ours: float, theirs: float, factor: float, zero: float) -> float | None:
    """The factor, 1 when two components are the same, None when they are related otherwise."""
    if is_close(theirs, factor * ours) and max(abs(ours), abs(theirs)) > zero:
        return _FACTOR
    return 1.0 if abs(theirs - ours) <= zero or is_close(theirs, ours) else None


def _along_beam(pixel: PixelComparison, factor: float) -> str | None:
    """The detector's distance along a beam that is not along its normal: the origin moves along the beam."""
    origin, beam, close = (
        vector(pixel, "pix0_vector_meters"),
        vector(pixel, "incident_vec"),
        number(pixel, "close_distance_meters"),
    )
    fast, slow = vector(pixel, "fdet_vec"), vector(pixel, "sdet_vec")
    if None in (origin, beam, close, fast, slow) or ratio(close) is None or not is_close(ratio(close) or 0.0, factor):
        return None
    assert origin is not None and beam is not None and close is not None and fast is not None and slow is not None
    normal = np.cross(fast[0], slow[0])
    distance = abs(close[0] / float(normal @ np.array(beam[0])))
    moved = np.array(origin[1]) - np.array(origin[0])
    expected = (factor - 1.0) * distance * np.array(beam[0])
    return "the detector's distance" if np.abs(moved - expected).max() <= 1e-6 * np.abs(expected).max() else None


def _lone_distances(pixel: PixelComparison, factor: float) -> str | None:
    """Distances, when nothing is known of the vectors."""
    if vector(pixel, "pix0_vector_meters") is not None and vector(pixel, "pixel_pos_meters") is not None:
        return None
    names = {"R_distance_meters": "R", "close_distance_meters": "the close distance"}
    found = [words for name, words in names.items() if is_close(ratio(number(pixel, name)) or 0.0, factor)]
    return " and ".join(found) or None
