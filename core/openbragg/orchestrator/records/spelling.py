"""A simulation as a command line: the flags that say the same as its values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from openbragg.model import Detector, Experiment
from openbragg.model.scalars import is_tensor, plain
from openbragg.options import OptionSpec, options_of
from openbragg.orchestrator.finding.detectors import named_detectors
from openbragg.orchestrator.outputs.outputs import Output
from openbragg.orchestrator.renders import Renders, roles_of
from openbragg.roles import Registry
from openbragg.units import unit

#: Digits after the first with which a number is tried, the fewest first.
_PRECISIONS = range(17)
#: So many digits after the first a whole number may have to be written without a point.
_EXACT = 15
#: Neighbours of a number that are tried where its own conversion back does not give it.
_NEIGHBOURS = 4
#: Fields that follow from others.
_IMPLIED = ("implied_pivot",)


class UnspeakableError(Exception):
    """What no flag says."""


def spelled(
    registry: Registry, simulation: Renders, wanted: Sequence[Output] = (), images: int | None = None
) -> tuple[str, ...]:
    """The words of a command line that simulates the same.

    Raises
    ------
    UnspeakableError
        With the name of a value that only Python can give.
    """
    experiment = simulation.experiment
    words: list[str] = []
    for role in registry.roles:
        for hook, plugin in roles_of(simulation):
            if hook == role.hook:
                words += _plugin(registry, hook, plugin)
    words += _detector(registry, experiment)
    for part in (experiment.beam, experiment.crystal, experiment.scan, experiment.sampling):
        words += _options(part)
    if simulation.compat:
        words += ["-compat", ",".join(sorted(simulation.compat))]
    for flag, value, default in (
        ("-precision", simulation.precision, "auto"),
        ("-device", str(simulation.device), "cpu"),
        ("-engine", simulation.engine, "auto"),
    ):
        words += [flag, value] if value != default else []
    if simulation.cull is not None:
        words += ["-cull", repr(simulation.cull)]
    if images is not None:
        words += ["-images", str(images)]
    for output in wanted:
        words += _output(output)
    return tuple(words)


def _detector(registry: Registry, experiment: Experiment) -> list[str]:
    """The flags of the detector; of one that is known by name, that name and what differs."""
    detector = experiment.detector
    try:
        return list(_options(detector))
    except UnspeakableError:
        wavelength = plain(experiment.beam.wavelength)
        for name, description in named_detectors(registry).descriptions().items():
            said = description.settings(wavelength)
            for settings in (said, description.settings()):
                if all(_equal(getattr(detector, field), value) for field, value in settings.items()):
                    fields = {attribute.name: attribute.default for attribute in attrs.fields(type(detector))}
                    blank = attrs.evolve(detector, **{field: fields[field] for field in settings})
                    return ["-detector", name, *_options(blank), *(_sensor(detector) if settings != said else ())]
        raise


def _sensor(detector: Detector) -> Iterator[str]:
    """The flags of a sensor, also where it is as by default: a detector by its name has another."""
    specs = dict(options_of(type(detector)))
    thickness, depth = detector.sensor_thickness, detector.attenuation_length
    yield from _option("Detector.sensor_thickness", specs["sensor_thickness"], thickness)
    surface = depth is None and plain(thickness) == 0.0
    depth = "inf" if surface else thickness if depth is None else depth
    yield from _option("Detector.attenuation_length", specs["attenuation_length"], depth)


def _plugin(registry: Registry, hook: str, plugin: Any) -> Iterator[str]:
    """The flags that choose a plugin, where it is not the default, and set its options."""
    role = next(role for role in registry.roles if role.hook == hook)
    if registry.of_name(hook, plugin.name) is None or registry.get(hook, plugin.name).cls is not type(plugin):
        raise UnspeakableError(f"the {role.title} {type(plugin).__name__}, which is not installed")
    if hook == "backgrounds":
        yield from ("-background", plugin.name)
    elif plugin.name != role.default:
        yield from (role.flag, plugin.name)
    default = registry.of_name(hook, role.default) if role.default else None
    shared = dict(default.options()) if default is not None and default.cls is not type(plugin) else {}
    yield from _options(plugin, shared)


def _options(thing: Any, shared: dict[str, OptionSpec] | None = None) -> Iterator[str]:
    """The flags that set the options of an object that are not at their defaults.

    `shared` has the declarations of flags that set fields which have none of their own.
    """
    fields = {attribute.name: attribute for attribute in attrs.fields(type(thing))}
    for name, own in options_of(type(thing)):
        value, default = getattr(thing, name), fields[name].default
        if value is default or (type(value) is type(default) and not is_tensor(value) and _equal(value, default)):
            continue
        if own.output and isinstance(value, Path):
            continue
        spec = own if own.spellings() else (shared or {}).get(name, own)
        yield from _option(f"{type(thing).__name__}.{name}", spec, value)
    for name, attribute in fields.items():
        value = getattr(thing, name)
        if "openbragg" not in attribute.metadata and name not in _IMPLIED and not _equal(value, attribute.default):
            raise UnspeakableError(f"{type(thing).__name__}.{name}")


def _option(where: str, spec: OptionSpec, value: Any) -> Iterator[str]:
    """The flag of one option, with its words."""
    if spec.type is bool:
        spelling = spec.flags[:1] if value else spec.negations[:1]
        if not spelling:
            raise UnspeakableError(where)
        yield spelling[0]
    elif spec.components:
        for spellings, element in zip(spec.components, value, strict=True):
            if element is not None:
                yield from (spellings[0], _word(where, spec, element))
    elif not spec.flags:
        raise UnspeakableError(where)
    elif spec.flags[0] == "-cell":
        yield spec.flags[0]
        yield from (_number(plain(each), "A" if place < 3 else "deg") for place, each in enumerate(value))
    else:
        yield spec.flags[0]
        several = isinstance(value, tuple | list) or (is_tensor(value) and value.dim() > 0)
        for element in value if several else [value]:
            yield _word(where, spec, element)


def _word(where: str, spec: OptionSpec, value: Any) -> str:
    if isinstance(value, str | Path):
        return str(value)
    if spec.type not in (float, int) or not (is_tensor(value) or isinstance(value, int | float)):
        raise UnspeakableError(where)
    number = plain(value)
    if spec.type is int:
        return str(int(value))
    return _number(number, spec.unit)


def _number(value: float, name: str) -> str:
    """The shortest number that means a value in a unit, to the last bit."""
    if not math.isfinite(value):
        return repr(value)
    measure = unit(name)
    shown = measure.from_si(value)
    for digits in _PRECISIONS:
        word = f"{shown:.{digits}e}"
        if measure.to_si(float(word)) == value:
            return f"{float(word):.17g}" if float(word).is_integer() and digits < _EXACT else repr(float(word))
    below = above = shown
    for _ in range(_NEIGHBOURS):
        below, above = math.nextafter(below, -math.inf), math.nextafter(above, math.inf)
        for near in (below, above):
            if measure.to_si(near) == value:
                return repr(near)
    return repr(shown)


def _output(output: Output) -> Iterator[str]:
    """The flags of a file that is written, and the options of its format."""
    if output.flag:
        yield from (output.flag, str(output.path))
    if output.format is not None:
        yield from _options(output.format)


def _equal(one: Any, other: Any) -> bool:
    if is_tensor(one) or is_tensor(other) or hasattr(one, "shape") or hasattr(other, "shape"):
        return one is other
    return bool(one == other)
