"""Finding plugins: entry points in, classes out, with their origins and their faults."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from types import FunctionType, ModuleType
from typing import Any

import attrs
import pluggy

from openbragg import hookspecs
from openbragg.errors import PluginError
from openbragg.options import options_of
from openbragg.roles import BLOCK_VARIABLE, ROLES, Found, Registry, Role

_OWN_DISTRIBUTION = "openbragg"
#: What `pluggy.HookimplMarker` leaves on a function.
_MARK = f"{hookspecs.GROUP}_impl"


def load(
    blocked: Collection[str] = (), core_flags: Collection[str] = (), core_commands: Collection[str] = ()
) -> Registry:
    """Load every plugin that is installed and not blocked.

    Parameters
    ----------
    blocked
        Names of entry points or of whole distributions to leave alone, ``*`` for all third-party ones; those in
        ``OPENBRAGG_NO_PLUGINS`` are added. They are not imported.
    core_flags, core_commands
        Flags of a simulation, and names of commands, that plugins must not claim.

    Raises
    ------
    PluginError
        When two plugins of one role have one name, or one flag is claimed twice; both distributions are named.
    """
    named = [word.strip() for word in os.environ.get(BLOCK_VARIABLE, "").split(",") if word.strip()]
    refused = frozenset((*blocked, *named))
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    points: dict[str, EntryPoint] = {}
    faults: list[tuple[str, str]] = []
    skipped = []
    for point in _installed():
        if _is_blocked(point, refused):
            skipped.append(point.name)
            continue
        key = f"{_distribution(point)}:{point.name}"
        try:
            loaded = point.load()
            manager.register(_Marked(loaded) if isinstance(loaded, ModuleType) else loaded, name=key)
            manager.check_pending()
        except (Exception, SystemExit) as error:
            faults.append((point.name, _one_line(point, error)))
            if manager.has_plugin(key):
                manager.unregister(name=key)
        else:
            points[key] = point
    found = sorted(_offered(manager, points, faults), key=_order)
    _refuse_clashes(found, core_flags, core_commands)
    return Registry(tuple(found), tuple(faults), tuple(skipped), ROLES)


@cache
def default_registry() -> Registry:
    """The plugins for calls from Python, loaded once a process; faults are said on stderr."""
    registry = load()
    for _, fault in registry.faults:
        print(f"openbragg: plugin skipped: {fault}", file=sys.stderr)
    return registry


def python_of_command(name: str) -> Any:
    """What a command of an installed plugin offers Python by a name, see `openbragg.Command`; else None."""
    for found in default_registry().of_role("commands"):
        offered: Any = getattr(found.cls, "python", None)
        if offered is not None and getattr(found.cls, "python_name", found.name) == name:
            return offered()
    return None


class _Marked:
    """The marked functions of a module alone, for pluggy looks at each name of what it is given with care.

    Modules have many names, and looking would take a good part of the time in which a command starts.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._names = [
            name for name, value in vars(module).items() if isinstance(value, FunctionType) and _MARK in vars(value)
        ]
        vars(self).update((name, vars(module)[name]) for name in self._names)

    def __dir__(self) -> list[str]:
        return self._names

    def __repr__(self) -> str:
        return repr(self._module)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Marked) and other._module is self._module

    def __hash__(self) -> int:
        return hash(self._module)


def _installed() -> list[EntryPoint]:
    """Entry points of the group, each once, in a stable order."""
    unique = {(_distribution(point), point.name, point.value): point for point in entry_points(group=hookspecs.GROUP)}
    return [unique[key] for key in sorted(unique)]


def _distribution(point: EntryPoint) -> str:
    return _identity(point.dist)[0] if point.dist is not None else "unknown"


@cache
def _identity(distribution: Distribution) -> tuple[str, str]:
    """Name and version; for each question anew, all metadata would be read and parsed."""
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def _is_blocked(point: EntryPoint, refused: frozenset[str]) -> bool:
    third_party = _distribution(point) != _OWN_DISTRIBUTION
    return point.name in refused or _distribution(point) in refused or (third_party and "*" in refused)


def _one_line(point: EntryPoint, error: BaseException) -> str:
    reason = " ".join(str(error).split()) or "no reason given"
    return f"{point.name} of {_distribution(point)}: {type(error).__name__}: {reason}"


def _offered(
    manager: pluggy.PluginManager, points: dict[str, EntryPoint], faults: list[tuple[str, str]]
) -> Iterator[Found]:
    for role in ROLES:
        for implementation in getattr(manager.hook, role.hook).get_hookimpls():
            point = points[implementation.plugin_name]
            try:
                classes = [_checked(cls, role) for cls in implementation.function()]
            except (Exception, SystemExit) as error:
                faults.append((point.name, _one_line(point, error)))
                continue
            version = _identity(point.dist)[1] if point.dist is not None else "?"
            for cls in classes:
                yield Found(
                    role=role,
                    cls=cls,
                    distribution=_distribution(point),
                    version=version,
                    entry_point=point.name,
                    path=_path(cls),
                )


def _checked(cls: Any, role: Role) -> Any:
    """A class that keeps its role's contract, as far as can be told without using it."""
    if not (isinstance(cls, type) and attrs.has(cls)):
        raise TypeError(f"{cls!r} is not an attrs class")
    _refuse_unkept(cls, role)
    return cls


@cache
def _refuse_unkept(cls: Any, role: Role) -> None:
    """See that a class keeps a role's contract: once a process, where hundreds of commands may run in one."""
    for name in ("name", "summary"):
        if not (isinstance(getattr(cls, name, None), str) and getattr(cls, name)):
            raise TypeError(f"{cls.__name__} has no {name}")
    flags = getattr(cls, "flags", None)
    if not isinstance(flags, tuple) or not all(isinstance(flag, str) and flag.startswith("-") for flag in flags):
        raise TypeError(f"{cls.__name__}.flags must be a tuple of flags that begin with '-'")
    for field, spec in options_of(cls):
        for flag in spec.spellings():
            if not flag.startswith("-"):
                raise TypeError(f"{cls.__name__}.{field}: the flag {flag!r} must begin with '-'")
    missing = role.missing(cls)
    if missing:
        raise TypeError(f"{cls.__name__} is no {role.title}: it has no {', '.join(missing)}()")


def _path(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    return (module.__file__ if module is not None else None) or cls.__module__


def _order(plugin: Found) -> tuple[int, bool, str, str]:
    return ROLES.index(plugin.role), plugin.distribution != _OWN_DISTRIBUTION, plugin.distribution, plugin.name


def _refuse_clashes(found: Iterable[Found], core_flags: Collection[str], core_commands: Collection[str]) -> None:
    names: dict[tuple[str, str], Found] = {}
    flags = {kebab(flag): f"{_OWN_DISTRIBUTION} itself" for flag in core_flags}
    for plugin in found:
        other = names.setdefault((plugin.role.hook, plugin.name), plugin)
        if other is not plugin:
            raise PluginError(
                f"two plugins offer the {plugin.role.title} {plugin.name!r}: {other.origin()} and {plugin.origin()}; "
                "block one with --no-plugin"
            )
        if plugin.role.hook == "commands" and plugin.name in core_commands:
            raise PluginError(
                f"{plugin.origin()} offers the command {plugin.name!r}, which {_OWN_DISTRIBUTION} itself has; "
                "block it with --no-plugin"
            )
        if not plugin.role.simulates:
            continue
        claim = f"{plugin.origin()} ({plugin.role.title} {plugin.name})"
        for flag in dict.fromkeys(plugin.spellings()):
            owner = flags.setdefault(kebab(flag), claim)
            if owner is not claim:
                raise PluginError(
                    f"the flag {flag} is claimed twice: by {owner} and by {claim}; block one with --no-plugin"
                )


def kebab(flag: str) -> str:
    """The double-dash alias of a flag: ``-detector_rotx`` becomes ``--detector-rotx``."""
    return "--" + flag.lstrip("-").replace("_", "-").lower()
