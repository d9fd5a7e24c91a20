"""Files of geometry: which plugin reads one, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openbragg.errors import InputError, UsageError, shown
from openbragg.model.described import Geometry
from openbragg.orchestrator.finding.recognition import beginning_of, refuse_unreadable
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.roles import Found, Registry

_HOOK = "geometry_readers"


def read_geometry(path: Path | str, reader: str | None = None, **options: Any) -> Geometry:
    """What a file says of panels, beam, goniometer, scan and crystal, in SI units and radians.

    Parameters
    ----------
    path
        A file of any kind that an installed plugin reads.
    reader
        Name of the plugin; by default the one that recognises the file.
    options
        Those of the plugin, for example ``camera_length=0.1``.

    Raises
    ------
    OpenBraggError
        When the file cannot be used; one line that names it.
    TypeError
        When the plugin has no such option.
    """
    found = reader_of(default_registry(), Path(path), reader)
    geometry: Geometry = found.cls(**options).read(Path(path))
    return geometry


def read_geometries(path: Path | str, reader: str | None = None) -> list[Geometry]:
    """What a file of several experiments says of each, in their order; of other files the one that there is.

    Parameters are those of `read_geometry`, and so are the errors.
    """
    found = reader_of(default_registry(), Path(path), reader)
    plugin = found.cls()
    every: Any = getattr(plugin, "read_all", None)
    made: list[Geometry] = [plugin.read(Path(path))] if every is None else every(Path(path))
    return made


def reader_of(registry: Registry, path: Path, name: str | None = None) -> Found:
    """The plugin that reads a file: the one of this name, or else the one that recognises it.

    Raises
    ------
    InputError
        When the file cannot be read, or none recognises it.
    UsageError
        When more than one does.
    """
    if name is not None:
        named_reader = registry.get(_HOOK, name)
        refuse_unreadable(path)
        return named_reader
    refuse_unreadable(path)
    content = beginning_of(path) or b""
    readers = registry.of_role(_HOOK)
    named = [plugin for plugin in readers if plugin.cls.recognises(content, path.name)]
    if len(named) > 1:
        names = " and ".join(plugin.name for plugin in named)
        raise UsageError(f"{shown(str(path))} is recognised by {names}: choose one with -geometry_reader")
    if not named:
        known = ", ".join(plugin.name for plugin in readers) or "none"
        raise InputError(
            f"{shown(str(path))} is no geometry file that an installed reader recognises; installed: {known}"
        )
    return named[0]
