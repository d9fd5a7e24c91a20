"""A comparison in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from openbragg import PixelComparison, TraceDifference, TracedPixel, TracePlace
from openbragg.commands import json_layout
from openbragg_tracers.comparison.differences import Comparison, names_of_one, steps_of_one
from openbragg_tracers.comparison.findings import Finding
from openbragg_tracers.traces.model import STEP_AXES, TraceFile
from openbragg_tracers.traces.writing import with_words

FORMAT = "openbragg-trace-comparison"
VERSION = 1


def as_json(comparison: Comparison, findings: Iterable[Finding] = ()) -> str:
    """Everything of a comparison; docs/reference/compare-traces.md says what the keys mean."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "verdict": "diverged" if comparison.diverged() else "within",
        "A": _file(comparison.first),
        "B": _file(comparison.second),
        "tolerance": {"default": comparison.tolerances.default, **comparison.tolerances.named},
        "diagnoses": [attrs.asdict(finding) for finding in findings],
        "only_in_A": [_indices(pixel) for pixel in comparison.only_first],
        "only_in_B": [_indices(pixel) for pixel in comparison.only_second],
        "pixels": [_pixel(pixel) for pixel in comparison.pixels],
    }
    return json_layout(with_words(content)) + "\n"


def _file(file: TraceFile) -> dict[str, Any]:
    return {"file": file.name(), "kind": file.kind, "pixels": len(file.pixels), "notices": file.notices}


def _indices(pixel: TracedPixel) -> dict[str, int | None]:
    return {"slow": pixel.slow, "fast": pixel.fast}


def _pixel(pixel: PixelComparison) -> dict[str, Any]:
    found = pixel.first_divergence
    names, places = names_of_one(pixel), steps_of_one(pixel)
    return {
        "A": _indices(pixel.first),
        "B": _indices(pixel.second),
        "verdict": "within" if found is None else "diverged",
        "first_divergence": None if found is None else _difference(found),
        "values": [_difference(each) for each in pixel.values],
        "steps": [
            {**_place(step.place), "differences": dict(step.sizes), "within": pixel.step_agrees(step)}
            for step in pixel.steps
        ],
        "only_in_A": {"names": names[0], "steps": [_place(place) for place in places[0]]},
        "only_in_B": {"names": names[1], "steps": [_place(place) for place in places[1]]},
    }


def _place(place: TracePlace) -> dict[str, int]:
    repeat = {"repeat": place.repeat} if place.repeat else {}
    return {axis: getattr(place, axis) for axis in STEP_AXES} | repeat


def _difference(difference: TraceDifference) -> dict[str, Any]:
    made: dict[str, Any] = {"phase": difference.phase, "quantity": difference.name}
    if difference.place is not None:
        made |= _place(difference.place)
    elif difference.phi_tic is not None:
        made["phi_tic"] = difference.phi_tic
    return made | {
        "A": difference.first,
        "B": difference.second,
        "difference": difference.size,
        "tolerance": difference.tolerance,
        "within": not difference.diverged,
    }
