"""What every plugin class declares, whatever its role."""

from __future__ import annotations

from typing import Any

import attrs

from openbragg.options import options_of
from openbragg.testing.assertions import require


def check_declaration(plugin: Any, role: type) -> None:
    """The plugin is a frozen attrs object that keeps its role's protocol and says its name, summary and flags.

    Parameters
    ----------
    plugin
        An instance.
    role
        The protocol, for example `openbragg.LatticeShape`.

    Raises
    ------
    AssertionError
        With the name of the class and what it lacks.
    """
    cls = type(plugin)
    title = cls.__name__
    require(not isinstance(plugin, type), f"give an instance of {plugin!r}, not the class")
    require(attrs.has(cls), f"{title} is not an attrs class")
    require(isinstance(plugin, role), f"{title} lacks a method or attribute of {role.__name__}")
    require(_is_frozen(plugin), f"{title} can be changed after it is made; use attrs.frozen")
    name, summary, flags = cls.name, cls.summary, cls.flags
    require(isinstance(name, str) and name != "" and name == name.lower(), f"{title}.name is not lower case: {name!r}")
    require(
        isinstance(summary, str) and summary != "" and "\n" not in summary,
        f"{title}.summary is not a line: {summary!r}",
    )
    good = isinstance(flags, tuple) and all(isinstance(flag, str) and flag.startswith("-") for flag in flags)
    require(good, f"{title}.flags is not a tuple of words that begin with '-': {flags!r}")
    for field, spec in options_of(cls):
        require(spec.help != "", f"{title}.{field} has no help text")


def _is_frozen(plugin: Any) -> bool:
    try:
        plugin.name = plugin.name
    except attrs.exceptions.FrozenInstanceError:
        return True
    except AttributeError:
        return False
    del plugin.name
    return False
