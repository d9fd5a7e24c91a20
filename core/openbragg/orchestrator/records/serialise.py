"""Experiments and plugins as plain JSON values, and back.

Every object of an attrs class becomes an object of JSON with one key for each field; `plain_values` says how the values
are written. A field that cannot be written and holds its default is ``{"default": true}``.
"""

from __future__ import annotations

import sys
import types
import typing
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
from cattrs import Converter

from openbragg.errors import InputError, PluginError, quoted
from openbragg.options import OptionSpec, option_spec
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.records.plain_values import MisfitError, read_value, write_value

T = TypeVar("T")

#: An object of JSON that stays one, because what it holds is read where its class is known.
JsonObject = typing.NewType("JsonObject", dict[str, Any])

_SIMPLE = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
_DEFAULT = {"default": True}
_LEFT_OUT = object()
#: What the metadata of a field that holds a plugin calls the hook of its role.
_PLUGIN = "plugin"


def to_plain(thing: Any, where: str = "") -> Any:
    """An object of an attrs class as values that JSON has.

    Parameters
    ----------
    thing
        An `openbragg.Experiment`, a plugin, or any other object whose fields hold plain data or objects like it.
    where
        What an error calls the object.

    Raises
    ------
    InputError
        When a field holds something that cannot be written; the message names the field.
    """
    try:
        return _converter().unstructure(thing)
    except MisfitError as misfit:
        raise InputError(misfit.line(where)) from None


def from_plain(cls: type[T], value: Any, where: str = "") -> T:
    """An object of an attrs class from what `to_plain` made of one.

    Everything goes through the rules of the fields' declarations and the class's own checks. No key may be missing or
    unknown.

    Raises
    ------
    InputError
        When a value is not what its field takes; the message names the place, the rule and the value.
    """
    try:
        return _converter().structure(value, cls)
    except MisfitError as misfit:
        raise InputError(misfit.line(where)) from None


@cache
def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook_factory(attrs.has, lambda cls: partial(_write_object, cls))
    converter.register_structure_hook_factory(attrs.has, lambda cls: lambda value, _: _read_object(cls, value))
    converter.register_structure_hook_func(lambda kind: kind is Any, lambda value, _: read_value(value))
    for kind, expected in _SIMPLE.items():
        converter.register_structure_hook(kind, partial(_read_simple, expected))
    converter.register_structure_hook_func(_is_tuple, _read_tuple)
    converter.register_structure_hook_func(lambda kind: kind is JsonObject, _read_json_object)
    return converter


def _write_object(cls: type, thing: Any) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for attribute in _fields(cls):
        value = getattr(thing, attribute.name)
        try:
            written[attribute.name] = _write_field(cls, attribute, value)
        except MisfitError as misfit:
            if not _is_default(attribute, value):
                raise misfit.within(attribute.name) from None
            written[attribute.name] = dict(_DEFAULT)
    return written


def _write_field(cls: type, attribute: attrs.Attribute[Any], value: Any) -> Any:
    spec, hint = option_spec(attribute), _hint(cls, attribute.name)
    if spec is not None and spec.type is Path and isinstance(value, Path):
        return str(value)
    if hint is JsonObject:
        return value
    if _PLUGIN in attribute.metadata and value is not None:
        name = value if isinstance(value, str) else getattr(value, "name", None)
        if not isinstance(name, str):
            raise MisfitError(f"a value of type {type(value).__name__} cannot be recorded")
        return {"plugin": name, "options": None if isinstance(value, str) else _write_object(type(value), value)}
    # Only the type of a field says to which class an object in it is to be read back.
    return write_value(value, _converter().unstructure if hint is not Any else None)


def _read_object(cls: type[T], value: Any) -> T:
    fields = _fields(cls)
    names = [attribute.name for attribute in fields]
    if not isinstance(value, dict):
        raise MisfitError(f"expected an object with the keys of a {cls.__name__}, got {quoted(value)}")
    for key in value:
        if key not in names:
            raise MisfitError(f"unknown key {quoted(key)}")
    arguments: dict[str, Any] = {}
    for attribute in fields:
        if attribute.name not in value:
            raise MisfitError(f"the key {attribute.name} is missing")
        try:
            made = _read_field(cls, attribute, value[attribute.name])
        except MisfitError as misfit:
            raise misfit.within(attribute.name) from None
        if made is not _LEFT_OUT:
            arguments[str(attribute.alias)] = made
    try:
        return cls(**arguments)
    except Exception as error:
        # The class may be anyone's: whatever it says to these values, they are at fault.
        raise MisfitError(str(error) or type(error).__name__) from None


def _read_field(cls: type, attribute: attrs.Attribute[Any], value: Any) -> Any:
    if value == _DEFAULT and attribute.default is not attrs.NOTHING:
        return _LEFT_OUT
    spec = option_spec(attribute)
    if _PLUGIN in attribute.metadata:
        return _read_plugin(attribute.metadata[_PLUGIN], value)
    if spec is not None:
        return _read_option(attribute.default, spec, value)
    return _converter().structure(value, _hint(cls, attribute.name))


def _read_plugin(hook: str, value: Any) -> Any:
    """A plugin that a field holds: by its name and its options, by its name alone, or none."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"plugin", "options"} or not isinstance(value["plugin"], str):
        raise MisfitError(f"expected a plugin and its options, got {quoted(value)}")
    try:
        found = default_registry().get(hook, value["plugin"])
    except PluginError as error:
        raise MisfitError(str(error)) from None
    return found.name if value["options"] is None else _read_object(found.cls, value["options"])


def _read_option(default: Any, spec: OptionSpec, value: Any) -> Any:
    """The value of a field that is an option, checked by its declaration."""
    made = read_value(value)
    if spec.several:
        if not isinstance(made, tuple):
            raise MisfitError(f"expected a list, got {quoted(made)}")
        one = attrs.evolve(spec, several=False)
        return tuple(_read_option(attrs.NOTHING, one, element) for element in value)
    if made is None:
        if default is not None:
            raise MisfitError(f"expected {_expected(spec)}, got None")
        return None
    if spec.type is Path:
        if made is False and spec.negations:
            return made
        if not isinstance(made, str | Path):
            raise MisfitError(f"expected the name of a file, got {quoted(made)}")
        return Path(made)
    if spec.type is bool:
        return _read_simple(_SIMPLE[bool], value, bool)
    if spec.type is str:
        # What a file holds is checked by the class.
        return made if spec.input else _obeying(spec, _read_simple(_SIMPLE[str], value, str))
    if isinstance(made, str):
        if made not in spec.words:
            raise MisfitError(f"expected {_expected(spec)}, got {quoted(made)}")
        return made
    return _read_numbers(default, spec, made)


def _read_numbers(default: Any, spec: OptionSpec, made: Any) -> Any:
    """A number, or the tuple of numbers that the declaration asks for."""
    length = spec.length if isinstance(spec.length, tuple) else (spec.length, spec.length)
    fewest, most = (len(spec.components),) * 2 if spec.components else length
    if most == 1:
        return _obeying(spec, made)
    if not isinstance(made, tuple) or not fewest <= len(made) <= most:
        count = f"{most}" if fewest == most else f"{fewest} to {most}"
        raise MisfitError(f"expected {count} values, got {quoted(made)}")
    blank = isinstance(default, tuple) and None in default
    for place, element in enumerate(made):
        if element is None and blank:
            continue
        try:
            _obeying(spec, element)
        except MisfitError as misfit:
            raise misfit.within(f"[{place}]") from None
    if spec.whole is not None and not spec.whole.accepts(made):
        raise MisfitError(f"expected {spec.whole.text}, got {quoted(made)}")
    return made


def _obeying(spec: OptionSpec, single: Any) -> Any:
    """A single value that is of the declared kind and obeys the rule."""
    is_number = isinstance(single, int | float) and not isinstance(single, bool)
    if (spec.type in (int, float) and not is_number) or (spec.rule is not None and not spec.rule.accepts(single)):
        raise MisfitError(f"expected {_expected(spec)}, got {quoted(single)}")
    return single


def _expected(spec: OptionSpec) -> str:
    return spec.rule.text if spec.rule is not None else _SIMPLE.get(spec.type, "the name of a file")


def _read_simple(expected: str, value: Any, kind: type) -> Any:
    made = read_value(value)
    is_number = isinstance(made, int | float) and not isinstance(made, bool)
    if not (is_number if kind is float else type(made) is kind):
        raise MisfitError(f"expected {expected}, got {quoted(made)}")
    return made


def _is_tuple(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple


def _read_tuple(value: Any, kind: Any) -> tuple[Any, ...]:
    kinds = typing.get_args(kind)
    if not isinstance(value, list | tuple):
        raise MisfitError(f"expected a list, got {quoted(value)}")
    if kinds[-1:] == (Ellipsis,):
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise MisfitError(f"expected {len(kinds)} values, got {len(value)}")
    made = []
    for place, (element, wanted) in enumerate(zip(value, kinds, strict=True)):
        try:
            made.append(_converter().structure(element, wanted))
        except MisfitError as misfit:
            raise misfit.within(f"[{place}]") from None
    return tuple(made)


def _read_json_object(value: Any, _: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise MisfitError(f"expected an object, got {quoted(value)}")
    return JsonObject(value)


def _fields(cls: Any) -> list[attrs.Attribute[Any]]:
    return [attribute for attribute in attrs.fields(cls) if attribute.init]


@cache
def _hint(cls: type, name: str) -> Any:
    """The type of a field; Any where it is none of those that are told apart here, or only a type checker sees it."""
    for module in dict.fromkeys(base.__module__ for base in cls.__mro__):

        def holder() -> None: ...

        holder.__annotations__ = {name: attrs.fields_dict(cls)[name].type}
        try:
            hint = typing.get_type_hints(holder, vars(sys.modules[module]))[name]
        except Exception:
            continue
        return hint if _is_known(hint) else Any
    return Any


def _is_known(kind: Any) -> bool:
    if kind is Any or kind is JsonObject or kind in _SIMPLE:
        return True
    parts = typing.get_args(kind)
    if _is_tuple(kind):
        return all(part is Ellipsis or _is_known(part) for part in parts)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        others = [part for part in parts if part is not types.NoneType]
        return len(others) == 1 < len(parts) and _is_known(others[0])
    return isinstance(kind, type) and attrs.has(kind)


def _is_default(attribute: attrs.Attribute[Any], value: Any) -> bool:
    default: Any = attribute.default
    if not hasattr(default, "factory"):
        return default is value
    try:
        return not default.takes_self and bool(default.factory() == value)
    except Exception:
        return False
