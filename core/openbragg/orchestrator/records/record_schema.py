"""The JSON schema of a record, made from the classes that it is made of.

``python -m openbragg.orchestrator.records.record_schema`` prints it; `docs/reference/record.schema.json` is what it
printed last.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from pathlib import Path
from typing import Any

import attrs

from openbragg.model import Experiment
from openbragg.options import (
    COUNT,
    COUNT_OR_NONE,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    OptionSpec,
    Rule,
    option_spec,
)
from openbragg.orchestrator.reading.strict_json import layout
from openbragg.orchestrator.records.record import Record
from openbragg.orchestrator.records.serialise import JsonObject

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
_BOUNDS: tuple[tuple[Rule, dict[str, Any]], ...] = (
    (POSITIVE, {"exclusiveMinimum": 0}),
    (NOT_NEGATIVE, {"minimum": 0}),
    (FRACTION, {"minimum": -1, "maximum": 1}),
    (COUNT, {"minimum": 1}),
    (COUNT_OR_NONE, {"minimum": 0}),
    (SEED, {"minimum": -(1 << 63), "maximum": (1 << 63) - 1}),
)
#: Units that people type, and those of the fields.
_SI = {
    "mm": "m",
    "um": "m",
    "microns": "m",
    "A": "m",
    "angstroms": "m",
    "eV": "m",
    "deg": "rad",
    "mrad": "rad",
    "%": "",
}


def record_schema() -> dict[str, Any]:
    """The schema, in the draft of 2020-12."""
    definitions: dict[str, Any] = {}
    top = _object(Record, definitions)
    top["properties"]["experiment"] = {**_kind(Experiment, definitions), **_described(Record, "experiment")}
    definitions["Experiment"]["description"] = "What was simulated, in SI units and radians."
    return {"$schema": _DIALECT, "title": "The record of a run of openbragg simulate", **top, "$defs": definitions}


def _object(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    properties = {}
    for attribute in attrs.fields(cls):
        spec = option_spec(attribute)
        kind = _kind(hints[attribute.name], definitions) if spec is None else _option(attribute.default, spec)
        more = attribute.metadata.get("schema", {})
        properties[attribute.name] = {**kind, **more, **_described(cls, attribute.name)}
        if spec is not None:
            properties[attribute.name]["description"] = _sentence(spec)
    return {
        "description": (inspect.getdoc(cls) or "").partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _kind(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """What a type of Python is in JSON; classes go into `definitions`."""
    if hint is JsonObject:
        return {"type": "object"}
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        if parts[-1] is Ellipsis:
            return {"type": "array", "items": _kind(parts[0], definitions)}
        length = len(parts)
        return {"type": "array", "items": _kind(parts[0], definitions), "minItems": length, "maxItems": length}
    if types.NoneType in parts:
        (other,) = (part for part in parts if part is not types.NoneType)
        if other not in _TYPES:
            return {"anyOf": [_kind(other, definitions), {"type": "null"}]}
        return {"type": [_TYPES[other], "null"]}
    if isinstance(hint, type) and attrs.has(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    # A number, or a vector of them.
    return {"type": ["number", "array"]}


def _option(default: Any, spec: OptionSpec) -> dict[str, Any]:
    """What the value of an option is in JSON."""
    if spec.type is str and spec.input:
        # What a file held.
        return {"type": ["array", "object", "null"]}
    single = _single(spec)
    length = spec.length if isinstance(spec.length, tuple) else (spec.length, spec.length)
    fewest, most = (len(spec.components),) * 2 if spec.components else length
    if most == 1:
        return _or_null(single, spec.words) if default is None else single
    blank = isinstance(default, tuple) and None in default
    several = {"type": "array", "items": _or_null(single) if blank else single, "minItems": fewest, "maxItems": most}
    return _or_null(several, spec.words) if default is None else several


def _single(spec: OptionSpec) -> dict[str, Any]:
    bounds = next((bounds for rule, bounds in _BOUNDS if spec.rule is rule), {})
    words = {"enum": list(spec.rule.words)} if spec.rule is not None and spec.rule.words else {}
    return {"type": _TYPES[spec.type], **bounds, **words}


def _or_null(kind: dict[str, Any], words: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"anyOf": [kind, *([{"enum": list(words)}] if words else []), {"type": "null"}]}


def _sentence(spec: OptionSpec) -> str:
    unit = _SI.get(spec.unit, spec.unit) if spec.type is float else ""
    return spec.help + (f" In {unit}." if unit else "")


def _described(cls: Any, field: str) -> dict[str, str]:
    """What the class's docstring says of a field."""
    rows = re.findall(r"^(\w[\w, ]*)\n((?:    .*\n?)+)", inspect.getdoc(cls) or "", flags=re.MULTILINE)
    texts = [" ".join(text.split()) for names, text in rows if field in names.split(", ")]
    return {"description": texts[0]} if texts else {}


if __name__ == "__main__":
    print(layout(record_schema()))
