"""Traces written: as lines of text in the reference program's layout, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from openbragg.orchestrator.traces.model import STEP_AXES, TracedPixel

FORMAT = "openbragg-trace"
VERSION = 1
#: Numbers that the reference prints of every rotation step, in its order.
_STEP_NAMES = ("k_frac", "F_latt_b", "F_latt")
#: The first of the numbers that follow the steps.
_AFTER_STEPS = "I_before_scaling"


def write_log(pixels: Iterable[TracedPixel]) -> Iterator[str]:
    """Lines of text, numbers with 15 significant digits.

    Of each pixel one line a value, and between them one line a step. Steps that are not the first of every axis but
    phi say where they are.
    """
    for pixel in pixels:
        yield f"TRACE_CONFIG: tracing pixel (spixel={pixel.slow}, fpixel={pixel.fast})"
        names = list(pixel.values)
        middle = names.index(_AFTER_STEPS) if _AFTER_STEPS in names else len(names)
        yield from (_value_line(name, pixel.values[name]) for name in names[:middle])
        yield from map(_step_line, pixel.steps)
        yield from (_value_line(name, pixel.values[name]) for name in names[middle:])


def to_json(pixels: Iterable[TracedPixel]) -> str:
    """JSON with every number exactly as it is; what is no finite number becomes null."""
    content = {"format": FORMAT, "version": VERSION, "pixels": [attrs.asdict(pixel) for pixel in pixels]}
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _value_line(name: str, value: float | list[float]) -> str:
    numbers = value if isinstance(value, list) else [value]
    return f"TRACE_PY: {name} " + " ".join(f"{number:.15g}" for number in numbers)


def _step_line(step: dict[str, Any]) -> str:
    words = [f"phi_tic={step['phi_tic']}", f"phi_deg={step['phi_deg']:.15g}"]
    words += [f"{name}={step[name]:.15g}" for name in _STEP_NAMES if step.get(name) is not None]
    words += [f"{axis}={step[axis]}" for axis in STEP_AXES if axis != "phi_tic" and step.get(axis)]
    return "TRACE_PY_PHI " + " ".join(words)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and value - value != 0.0:
        return None
    return value
