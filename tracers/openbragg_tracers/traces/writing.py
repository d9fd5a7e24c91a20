"""Traces written: as lines of text in the reference program's layout, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openbragg import TracedPixel
from openbragg_tracers.traces.model import STEP_AXES, Value

FORMAT = "openbragg-trace"
VERSION = 1
#: The key of a list of rotation steps, which is what scripts look for.
PER_PHI = "per_phi_entries"
#: Numbers that the reference prints of every rotation step, in its order.
_STEP_NAMES = ("k_frac", "F_latt_b", "F_latt")
#: The number that the reference prints between the first step and the second.
_AFTER_FIRST_STEP = "F_cell"
#: The first of the numbers that follow the steps.
_AFTER_STEPS = "I_before_scaling"


def write_log(pixels: Iterable[TracedPixel]) -> Iterator[str]:
    """Lines of text, numbers with 15 significant digits, in the order of the reference program.

    Of each pixel one line a value, and between them one line a step. Steps that are not the first of every axis but
    phi say where they are. Of a step there is what the reference prints; JSON has the rest.
    """
    for pixel in pixels:
        yield f"TRACE_CONFIG: tracing pixel (spixel={pixel.slow}, fpixel={pixel.fast})"
        names = list(pixel.values)
        end = names.index(_AFTER_STEPS) if _AFTER_STEPS in names else len(names)
        start = names.index(_AFTER_FIRST_STEP) if _AFTER_FIRST_STEP in names[:end] else end
        yield from (_value_line(name, pixel.values[name]) for name in names[:start])
        yield from map(_step_line, pixel.steps[:1])
        yield from (_value_line(name, pixel.values[name]) for name in names[start:end])
        yield from map(_step_line, pixel.steps[1:])
        yield from (_value_line(name, pixel.values[name]) for name in names[end:])


def log_text(pixels: Iterable[TracedPixel]) -> str:
    """The lines of `write_log` as one text."""
    return "".join(f"{line}\n" for line in write_log(pixels))


def to_json(pixels: Iterable[TracedPixel], further: Mapping[str, Any] | None = None) -> str:
    """JSON with every number exactly as it is; NaN and infinity are the words ``"nan"``, ``"inf"`` and ``"-inf"``.

    Parameters
    ----------
    pixels
        What was traced.
    further
        More to say of the whole file, beside ``format``, ``version`` and ``pixels``.
    """
    pixels = list(pixels)
    content = {
        "format": FORMAT,
        "version": VERSION,
        **(further or {}),
        "pixels": [
            {"slow": pixel.slow, "fast": pixel.fast, "values": pixel.values, "steps": pixel.steps, **pixel.further}
            for pixel in pixels
        ],
        PER_PHI: list(_per_phi_entries(pixels)),
    }
    return json.dumps(with_words(content), indent=1, allow_nan=False) + "\n"


def _per_phi_entries(pixels: list[TracedPixel]) -> Iterator[dict[str, Any]]:
    """What scripts that compare rotation steps look for: the first term of each; of several pixels, whose it is."""
    for pixel in pixels:
        indices = {"slow": pixel.slow, "fast": pixel.fast} if len(pixels) > 1 else {}
        first = {step["phi_tic"]: step for step in reversed(pixel.steps) if "k_frac" in step}
        for tic in sorted(first):
            yield {**indices, "phi_tic": tic, **{name: first[tic].get(name) for name in ("phi_deg", *_STEP_NAMES)}}


def with_words(value: Any) -> Any:
    """A value of JSON in which words stand for the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: with_words(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_words(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _value_line(name: str, value: Value) -> str:
    return f"TRACE_PY: {name} " + " ".join(map(_word, value if isinstance(value, list) else [value]))


def _step_line(step: dict[str, Any]) -> str:
    words = [f"phi_tic={step['phi_tic']}"]
    words += [f"{name}={_word(step[name])}" for name in ("phi_deg", *_STEP_NAMES) if step.get(name) is not None]
    words += [f"{axis}={step[axis]}" for axis in STEP_AXES if axis != "phi_tic" and step.get(axis)]
    return "TRACE_PY_PHI " + " ".join(words)


def _word(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"
