"""Traces in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from openbragg import InputError, TracedPixel, parse_json, quoted, read_at_most
from openbragg_tracers.traces.log import number
from openbragg_tracers.traces.model import STEP_AXES, TraceFile, Value
from openbragg_tracers.traces.quantities import known_names, quantity
from openbragg_tracers.traces.writing import FORMAT, PER_PHI, VERSION

_LARGEST = 1 << 28
#: The numbers of a step have short names and many digits; a compact file takes this many times its size.
_EXPANSION = 12
#: Keys of what other programs write: nothing but rotation steps.
LISTS = (PER_PHI, "traces")
#: Letters of a name that needs no marks around it.
_LONG = 40
_WHAT = "a file of traces"


def read_document(stream: BinaryIO, path: Path) -> TraceFile:
    """Read traces in JSON.

    Raises
    ------
    InputError
        When it is no such file; the message names it, and the place in it.
    """
    content = read_at_most(stream, _LARGEST + 1)
    if len(content) > _LARGEST:
        raise InputError(f"{path}: too large for {_WHAT}")
    document = parse_json(content, path, _WHAT, expansion=_EXPANSION, must_be_finite=False)
    listing = next((key for key in LISTS if key in document and not {"format", "pixels"} & document.keys()), None)
    if listing is not None:
        return _listed(document, listing, path)
    if document.get("format") != FORMAT:
        raise InputError(f"{path}: expected the format {FORMAT!r}, got {quoted(document.get('format'))}")
    if document.get("version") != VERSION:
        raise InputError(f"{path}: expected version {VERSION}, got {quoted(document.get('version'))}")
    listed = _of_kind(document.get("pixels"), list, path, "pixels")
    if not listed:
        raise InputError(f"{path}: no trace in it: pixels is empty")
    pixels = [_pixel(each, path, f"pixels[{place}]") for place, each in enumerate(listed)]
    known = ("format", "version", "pixels", PER_PHI)
    further = {key: value for key, value in document.items() if key not in known}
    return TraceFile(path, "JSON", pixels, further=further)


def _listed(document: dict[str, Any], key: str, path: Path) -> TraceFile:
    """Traces of which there is only a list of rotation steps, each of which, or the file, may say whose it is."""
    entries = _of_kind(document[key], list, path, key)
    if not entries:
        raise InputError(f"{path}: no trace in it: {key} is empty")
    whole = _of_kind(document.get("pixel", {}), dict, path, "pixel")
    pixels: dict[tuple[int | None, int | None], list[dict[str, Any]]] = {}
    for index, step in enumerate(entries):
        place = f"{key}[{index}]"
        step = _of_kind(step, dict, path, place)
        own = whole | {axis: step.pop(axis) for axis in ("slow", "fast") if axis in step}
        slow, fast = (_index(own.get(axis), path, f"{place}.{axis}") if own else None for axis in ("slow", "fast"))
        _index(step.get("phi_tic"), path, f"{place}.phi_tic")
        _mend_step(step, path, place)
        pixels.setdefault((slow, fast), []).append(step)
    if (None, None) in pixels and len(pixels) > 1:
        raise InputError(f"{path}: {key}: expected slow and fast in each entry, or in none")
    further = {name: value for name, value in document.items() if name not in (key, "pixel")}
    notices = [f"{path} does not say which pixel it traces"] if (None, None) in pixels else []
    traced = [TracedPixel(slow, fast, {}, steps) for (slow, fast), steps in pixels.items()]
    return TraceFile(path, "JSON", traced, notices, further=further)


def _pixel(content: Any, path: Path, place: str) -> TracedPixel:
    content = _of_kind(content, dict, path, place)
    slow, fast = (_index(content.get(key), path, f"{place}.{key}") for key in ("slow", "fast"))
    values = _of_kind(content.get("values", {}), dict, path, f"{place}.values")
    steps = _of_kind(content.get("steps", []), list, path, f"{place}.steps")
    # What was read is mended where it stands: of many steps, another copy would take much memory.
    for name in [name for name, value in values.items() if value is None]:
        del values[name]
    for name, value in values.items():
        values[name] = _value(name, value, path, _within(f"{place}.values", name))
    for index, step in enumerate(steps):
        _mend_step(step, path, f"{place}.steps[{index}]")
    further = {key: value for key, value in content.items() if key not in ("slow", "fast", "values", "steps")}
    return TracedPixel(slow, fast, values, steps, further)


def _value(name: str, value: Any, path: Path, place: str) -> Value:
    if isinstance(value, list):
        for index, each in enumerate(value):
            value[index] = _number(each, path, f"{place}[{index}]")
        if name in known_names() and (not quantity(name).is_vector or len(value) != 3):
            expected = "3 numbers" if quantity(name).is_vector else "a number"
            raise InputError(f"{path}: {place}: expected {expected}, got {quoted(value)}")
        return value
    if quantity(name).is_vector:
        raise InputError(f"{path}: {place}: expected 3 numbers, got {quoted(value)}")
    return _scalar(name, value, path, place)


def _mend_step(content: Any, path: Path, place: str) -> None:
    """Check a step, fill in the axes on which it is the first, and make numbers of words that are numbers."""
    step = _of_kind(content, dict, path, place)
    for axis in STEP_AXES:
        _index(step.setdefault(axis, 0), path, f"{place}.{axis}")
    for name, value in step.items():
        if name not in STEP_AXES and value is not None:
            step[name] = _scalar(name, value, path, _within(place, name))


def _within(place: str, name: str) -> str:
    """Where something of any name stands."""
    return (
        f"{place}.{name}" if name.isascii() and name.isidentifier() and len(name) < _LONG else f"{place}.{quoted(name)}"
    )


def _scalar(name: str, value: Any, path: Path, place: str) -> float | str:
    """A number, or the word of a name that the calculation does not know."""
    if isinstance(value, str) and name not in known_names() and number(value) is None:
        return value
    return _number(value, path, place)


def _number(value: Any, path: Path, place: str) -> float:
    found = number(value) if isinstance(value, str) else value
    if not isinstance(found, int | float):
        raise InputError(f"{path}: {place}: expected a number, got {quoted(value)}")
    return found


def _index(value: Any, path: Path, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{path}: {place}: expected a whole number from 0 on, got {quoted(value)}")
    return value


def _of_kind(value: Any, kind: type, path: Path, place: str) -> Any:
    if not isinstance(value, kind):
        expected = "a list" if kind is list else "an object"
        raise InputError(f"{path}: {place}: expected {expected}, got {quoted(value)}")
    return value
