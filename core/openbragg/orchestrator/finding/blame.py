"""Which plugin an error comes from: role, name, module and method, in one line."""

from __future__ import annotations

from types import FrameType
from typing import Any

import attrs

from openbragg.errors import PluginError
from openbragg.roles.table import ROLES


def wrong_answer(hook: str, plugin: Any, method: str, reason: str) -> PluginError:
    """The error for an answer that breaks the contract of a role."""
    title = next(role.title for role in ROLES if role.hook == hook)
    return PluginError(_line(title, _class(plugin), method, reason))


def blamed(error: BaseException) -> str | None:
    """The line for an error that a plugin's method let out; None where none had a part in it.

    Of plugins that call each other the last one is named.
    """
    found: str | None = None
    reason = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no reason given'}"
    step = error.__traceback__
    while step is not None:
        owner = _owner(step.tb_frame)
        if owner is not None:
            cls, title = owner
            found = _line(title, cls, step.tb_frame.f_code.co_name, reason)
        step = step.tb_next
    return found


def _line(title: str, cls: Any, method: str, reason: str) -> str:
    return f"the {title} {cls.name} ({cls.__module__}): {method}(): {reason}"


def _class(plugin: Any) -> Any:
    return plugin if isinstance(plugin, type) else type(plugin)


def _owner(frame: FrameType) -> tuple[Any, str] | None:
    """The plugin class of which a frame runs a method, and the title of its role."""
    for word in ("self", "cls"):
        if word not in frame.f_code.co_varnames[:1]:
            continue
        cls = _class(frame.f_locals.get(word))
        named = attrs.has(cls) and isinstance(getattr(cls, "name", None), str)
        if named and isinstance(getattr(cls, "flags", None), tuple):
            for role in ROLES:
                if not role.missing(cls):
                    return cls, role.title
    return None
