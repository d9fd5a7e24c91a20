"""Which plugin reads a file: `-hkl FILE` of any kind."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from openbragg.errors import InputError, UsageError, shown
from openbragg.options import options_of
from openbragg.orchestrator.finding.keywords import by_fields
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.roles import ROLES, Found, Registry, StructureFactors

#: So much of a file is shown to the plugins.
_BEGINNING = 1 << 20
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
_STRUCTURE_FACTORS = "structure_factors"


def structure_factors_of(path: Path | str, **options: Any) -> StructureFactors:
    """Structure factors from a file of any kind that an installed plugin reads.

    For example ``structure_factors_of("1abc.pdb", resolution=1.5e-10)``; the options are those of the plugin, named as
    `plugin` takes them. A file that no plugin recognises is taken for a table of h k l F.

    Raises
    ------
    OpenBraggError
        When an option's value breaks its rule, or more than one plugin recognises the file.
    UsageError
        When the plugin has no such option; the message lists those that it has.
    """
    registry = default_registry()
    default = next(role.default for role in ROLES if role.hook == _STRUCTURE_FACTORS)
    found = recognised(registry, _STRUCTURE_FACTORS, Path(path)) or registry.get(_STRUCTURE_FACTORS, default)
    made: StructureFactors = found.cls(file=Path(path), **by_fields(found, options))
    return made


def recognised(registry: Registry, hook: str, path: Path) -> Found | None:
    """The plugin of a role that reads a file, by what is in it or else by the end of its name; None where none does.

    Only regular files are looked at: a pipe can be read once.

    Raises
    ------
    UsageError
        When more than one recognises what is in it.
    """
    readers = [plugin for plugin in registry.of_role(hook) if callable(getattr(plugin.cls, "recognises", None))]
    if not readers:
        return None
    content = beginning_of(path)
    if content is None:
        return None
    named = [plugin for plugin in readers if plugin.cls.recognises(content)]
    if len(named) > 1:
        names = " and ".join(plugin.name for plugin in named)
        flag = named[0].role.flag
        raise UsageError(f"{shown(str(path))} is recognised by {names}: choose one with {flag}")
    if not named:
        suffix = _suffix(path)
        named = [plugin for plugin in readers if suffix in getattr(plugin.cls, "suffixes", ())]
    return named[0] if len(named) == 1 else None


def shares(cls: Any, field: str) -> bool:
    """Whether a plugin's class leaves an option to the flags of its role's default plugin: it has one without flags."""
    return any(name == field and not spec.spellings() for name, spec in options_of(cls))


def _suffix(path: Path) -> str:
    name = Path(path.name[:-3]) if path.name.lower().endswith(".gz") else path
    return name.suffix.lower()


def refuse_unreadable(path: Path) -> None:
    """Refuse what cannot be opened, and what is no regular file: a pipe that nobody writes to would never end.

    Raises
    ------
    InputError
        One line that says why.
    """
    try:
        if not path.exists() or path.is_file():
            with path.open("rb"):
                return
        reason = "it is a folder" if path.is_dir() else "it is not a regular file"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise InputError(f"cannot read {shown(str(path))}: {reason}")


def beginning_of(path: Path) -> bytes | None:
    """What a regular file begins with, unpacked; None for what is no such file, or cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            content = stream.read(_BEGINNING)
    except (OSError, ValueError):
        return None
    if not content.startswith(_GZIP):
        return content
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(content, _BEGINNING)
    except zlib.error:
        return b""
