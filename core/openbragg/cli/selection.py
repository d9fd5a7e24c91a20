"""Which plugin plays each role, from the flags in their order."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import attrs
import click

from openbragg.cli.compose import Flag, FlagOption, SwitchOption, assignments_of, construct
from openbragg.cli.defaults import typed
from openbragg.cli.settings import BackgroundChoice
from openbragg.errors import OpenBraggError, PluginError, UsageError
from openbragg.orchestrator.finding.detectors import NamedDetector
from openbragg.orchestrator.finding.recognition import recognised, shares
from openbragg.orchestrator.outputs import outputs
from openbragg.roles import ROLES, Found, Registry, Role

#: Role whose last flag wins, as in the reference program; elsewhere two different choices are a mistake.
_LAST_WINS = "geometry_conventions"

#: The role that -nonoise is about.
_NOISE = "noise_models"
_SILENCE = "-nonoise"
#: The role of which any number take part.
_BACKGROUNDS = "backgrounds"

Given = list[tuple[click.Option, list[str]]]


@attrs.frozen
class Selected:
    """The plugins of a run, made from their flags.

    Attributes
    ----------
    roles
        For each role that has one plugin at a time, by hook name, that plugin.
    backgrounds
        Every background that was asked for, by its name or one of its options, in that order.
    formats
        Every image format, with its options.
    truths
        Every truth format, likewise.
    notices
        What the user should know about the choice.
    tracers
        Those that an option names, or all, each with the distribution it is from.
    """

    roles: dict[str, Any]
    formats: list[Any]
    truths: list[Any]
    notices: list[str]
    backgrounds: list[Any] = attrs.field(factory=list)
    tracers: list[tuple[Any, str]] = attrs.field(factory=list)


def select(
    registry: Registry, given: Given, hooks: Collection[str] | None = None, detector: NamedDetector | None = None
) -> Selected:
    """Choose and make the plugins of all roles, or of those with these hooks.

    Where a detector is known by name, the noise model begins from the options that belong to it.

    Raises
    ------
    UsageError
        When two plugins of a role were asked for, or an option of one that is not in use was given.
    PluginError
        When a plugin was asked for that is not there, or what a detector says of the noise is nothing for the model.
    """
    assignments = assignments_of(given)
    tracers = _named(registry, "tracers", assignments) or registry.of_role("tracers")
    roles: dict[str, Any] = {}
    notices: list[str] = []
    for role in ROLES:
        if not role.default or (hooks is not None and role.hook not in hooks):
            continue
        wishes = _wishes(registry, role.hook, role.flag, _after_silence(given) if role.hook == _NOISE else given)
        chosen = _chosen(wishes, role.hook, role.title, notices)
        default = registry.of_name(role.hook, role.default)
        by_name = bool(wishes) and (chosen != role.default or wishes[-1][1].split()[0] == role.flag)
        found = None if by_name else _read_by(registry, role, default, assignments)
        found = found or registry.get(role.hook, chosen or role.default)
        own = _with_shared(found, default, assignments)
        _refuse_idle_options(registry, role.hook, found, own)
        suiting = _suiting(found, detector) if role.hook == _NOISE else {}
        roles[role.hook] = construct(found.cls, own, **suiting)
        if suiting and detector is not None:
            notices += _said_of_noise(found, own, suiting, detector)
    standing = _without_withdrawn(assignments)
    # Some only read.
    writing = [found for found in registry.of_role("image_formats") if hasattr(found.cls, "write")]
    formats = [construct(found.cls, standing) for found in writing]
    backgrounds = _backgrounds(registry, assignments) if hooks is None or _BACKGROUNDS in hooks else []
    truths = [construct(found.cls, assignments) for found in registry.of_role("truth_formats")]
    made = [(construct(found.cls, assignments), found.origin()) for found in tracers]
    return Selected(roles, formats, truths, notices, backgrounds, made)


def images_to_write(selected: Selected, contents: Iterable[str]) -> list[outputs.Output]:
    """The files that were asked for, or else the formats' defaults for these contents.

    Where the noise model is the absence of noise, there are none of counts, and `selected` gets a notice for each that
    was asked for.
    """
    noise = selected.roles[_NOISE]
    silent = noise.name == _SILENCE.removeprefix("-")
    asked = outputs.requested(selected.formats)
    if not asked:
        return outputs.defaults(selected.formats, [word for word in contents if not (silent and word == "counts")])
    for output in asked:
        if silent and output.content == "counts":
            line = f"{output.flag} {output.path} is not written: the noise model is {noise.name}"
            selected.notices.append(line)
    return [output for output in asked if not (silent and output.content == "counts")]


def defaults_left_out(
    selected: Selected, contents: Iterable[str], written: list[outputs.Output]
) -> list[outputs.Output]:
    """The formats' defaults that are not written because other files of theirs were asked for.

    None where no file was asked for of a format that has a default.
    """
    if not any(output.format.default_file(output.content) is not None for output in written):
        return []
    silent = selected.roles[_NOISE].name == _SILENCE.removeprefix("-")
    wanted = [word for word in contents if not (silent and word == "counts")]
    there = {(output.format.name, output.content) for output in written}
    return [
        output
        for output in outputs.defaults(selected.formats, wanted)
        if (output.format.name, output.content) not in there
    ]


def overrule(registry: Registry, earlier: Given, later: Given) -> Given:
    """The flags of `earlier` without those that ask for another plugin in a role for which `later` asks for one."""
    for role in ROLES:
        wishes = _wishes(registry, role.hook, role.flag, later)
        if wishes:
            earlier = [
                (option, words)
                for option, words in earlier
                if all(name == wishes[-1][0] for name, _ in _wishes(registry, role.hook, role.flag, [(option, words)]))
            ]
    return earlier


def _named(registry: Registry, hook: str, assignments: list[tuple[Flag, list[str]]]) -> list[Found]:
    """The plugins of a role that options name, each once."""
    names = dict.fromkeys(words[0] for flag, words in assignments if flag.spec.role == hook)
    return [registry.get(hook, name) for name in names]


def _backgrounds(registry: Registry, assignments: list[tuple[Flag, list[str]]]) -> list[Any]:
    """The backgrounds that flags ask for, each once."""
    owners = {found.cls: found.name for found in registry.of_role(_BACKGROUNDS)}
    asked = [
        words[0] if flag.owner is BackgroundChoice else owners[flag.owner]
        for flag, words in assignments
        if flag.owner is BackgroundChoice or flag.owner in owners
    ]
    return [construct(registry.get(_BACKGROUNDS, name).cls, assignments) for name in dict.fromkeys(asked)]


def _wishes(registry: Registry, hook: str, flag: str, given: Given) -> list[tuple[str, str]]:
    """(plugin name, flag that asks for it), in the order of the command line; none in a role of many at once."""
    if not flag:
        return []
    switches = {spelling: plugin.name for plugin in registry.of_role(hook) for spelling in plugin.cls.flags}
    owners = {plugin.cls: plugin.name for plugin in registry.of_role(hook)}
    explicit: list[tuple[str, str]] = []
    implied: list[tuple[str, str]] = []
    fields: dict[str, str] = {}
    for option, words in given:
        spelling = option.opts[0]
        if isinstance(option, SwitchOption) and spelling in switches:
            explicit.append((switches[spelling], spelling))
        elif isinstance(option, FlagOption) and spelling == flag:
            explicit.append((words[0], f"{spelling} {words[0]}"))
        elif isinstance(option, FlagOption) and option.flag.owner in owners:
            wish = (owners[option.flag.owner], spelling)
            (explicit if hook == _LAST_WINS else implied).append(wish)
            fields[spelling] = option.flag.field
    return explicit or _without_shared(registry, hook, implied, fields)


def _suiting(noise: Found, detector: NamedDetector | None) -> dict[str, Any]:
    """The options of a noise model that belong to a detector, which together must make one."""
    if detector is None:
        return {}
    options = dict(detector.description.noise.get(noise.name, {}))
    try:
        noise.cls(**options)
    except (TypeError, OpenBraggError) as error:
        raise PluginError(
            f"the detector {detector.name} of {detector.family.origin()} does not suit the noise model {noise.name}: "
            f"{error}"
        ) from None
    return options


def _said_of_noise(
    noise: Found, own: list[tuple[Flag, list[str]]], suiting: dict[str, Any], detector: NamedDetector
) -> list[str]:
    """What is to be said of the options that a noise model has from a detector; nothing where flags say otherwise."""
    flagged = {flag.field for flag, _ in own if flag.owner is noise.cls}
    specs = dict(noise.options())
    words = [
        f"{specs[field].flags[0]} {typed(value, specs[field].unit)}"
        for field, value in suiting.items()
        if field not in flagged
    ]
    return [f"the noise model {noise.name} begins from what suits {detector.name}: {' '.join(words)}"] if words else []


def _without_shared(
    registry: Registry, hook: str, wishes: list[tuple[str, str]], fields: dict[str, str]
) -> list[tuple[str, str]]:
    """Without the flags of the default plugin that another plugin which is wished for, or any by itself, shares."""
    default = next(role.default for role in ROLES if role.hook == hook)
    others = [plugin for plugin in registry.of_role(hook) if plugin.name != default]
    wished = [plugin for plugin in others if any(plugin.name == name for name, _ in wishes)]
    return [
        (name, flag)
        for name, flag in wishes
        if name != default or not any(shares(plugin.cls, fields[flag]) for plugin in wished or others)
    ]


def _read_by(
    registry: Registry, role: Role, default: Found | None, assignments: list[tuple[Flag, list[str]]]
) -> Found | None:
    """The plugin that recognises the file given to the role's default plugin; None where there is none."""
    if default is None:
        return None
    for flag, words in reversed(assignments):
        if flag.owner is default.cls and flag.spec.input:
            readers = [plugin for plugin in registry.of_role(role.hook) if shares(plugin.cls, flag.field)]
            if readers:
                return recognised(registry, role.hook, Path(words[0]))
    return None


def _with_shared(
    found: Found, default: Found | None, assignments: list[tuple[Flag, list[str]]]
) -> list[tuple[Flag, list[str]]]:
    """Flags of the default plugin as those of a plugin that shares them."""
    if default is None or found.cls is default.cls:
        return assignments
    return [
        (attrs.evolve(flag, owner=found.cls), words)
        if flag.owner is default.cls and shares(found.cls, flag.field)
        else (flag, words)
        for flag, words in assignments
    ]


def _after_silence(given: Given) -> Given:
    """Without a bare -nonoise that a later file of counts takes back, as in the reference."""
    counts = [
        number
        for number, (option, _) in enumerate(given)
        if isinstance(option, FlagOption) and option.flag.spec.output == "counts"
    ]
    last = counts[-1] if counts else -1
    return [pair for number, pair in enumerate(given) if number > last or pair[0].opts[0] != _SILENCE]


def _without_withdrawn(assignments: list[tuple[Flag, list[str]]]) -> list[tuple[Flag, list[str]]]:
    """Without a bare -nopgm that a later flag of the same format takes back, as -pgmscale does in the reference."""
    last = {flag.owner: number for number, (flag, _) in enumerate(assignments)}
    return [
        (flag, words)
        for number, (flag, words) in enumerate(assignments)
        if not (flag.constant is False and flag.spec.output and number < last[flag.owner])
    ]


def _chosen(wishes: list[tuple[str, str]], hook: str, title: str, notices: list[str]) -> str | None:
    if not wishes:
        return None
    last, by = wishes[-1]
    others = [flag for name, flag in wishes if name != last]
    if others and hook != _LAST_WINS:
        raise UsageError(f"two {title.removesuffix('s')}s at once: {others[-1]} and {by}")
    if others:
        notices.append(f"{others[-1]} is overruled by the later {by}: the {title} is {last}")
    return last


def _refuse_idle_options(registry: Registry, hook: str, chosen: Found, given: list[tuple[Flag, list[str]]]) -> None:
    """A flag of a plugin that plays no part would be lost without a word; conventions say so in a notice instead."""
    if hook == _LAST_WINS:
        return
    for plugin in registry.of_role(hook):
        for flag, _ in given:
            if flag.owner is plugin.cls and plugin is not chosen:
                raise UsageError(
                    f"{flag.spellings[0]} belongs to the {plugin.role.title} {plugin.name}, not {chosen.name}"
                )
