"""Plugins that note which of their options are read, so that compiled code can be told apart by those alone."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any

import attrs

from openbragg.engine.compiled import block
from openbragg.engine.compiled.compilation import CompilationError
from openbragg.engine.plan import Plan

_ROLES = ("shape", "structure_factors")
#: What hands out all fields at once.
_EVERYTHING = ("__dict__", "__getstate__")
#: What is no option, though objects may have it.
_PASSED = ("__weakref__", "__dict__")


def watched(plan: Plan) -> tuple[Plan, set[str]]:
    """A plan whose plugins note the options that are read.

    Returns
    -------
    The plan, and the set in which their names appear, as ``role.field``. Tensors in a field are arguments of the
    compiled code; which there are, and what else the field holds, is noted. Taking a plan apart to replace its tensors
    is no reading.

    Raises
    ------
    CompilationError
        When a plugin's class cannot have a subclass, or an object of it is not to be copied.
    """
    read: set[str] = set()
    return attrs.evolve(plan, **{role: _watched(getattr(plan, role), role, read) for role in _ROLES}), read


def _watched(plugin: Any, role: str, read: set[str]) -> Any:
    """The same plugin as an object of a subclass that notes what is read of its state."""
    cls = type(plugin)
    if not attrs.has(cls):
        return plugin
    try:
        return _observing(plugin, role, read)
    except Exception as error:
        # Of a class one may make anything, one that has no subclasses too.
        raise CompilationError(f"{cls.__qualname__}: {type(error).__name__}: {error}") from error


def _observing(plugin: Any, role: str, read: set[str]) -> Any:
    cls = type(plugin)
    names = _state(plugin)

    def get(self: Any, name: str) -> Any:
        if (name in names or name in _EVERYTHING) and sys._getframe(1).f_globals is not vars(block):
            read.update(f"{role}.{each}" for each in (names if name in _EVERYTHING else [name]))
        return super(watching, self).__getattribute__(name)

    body = {"__getattribute__": get, "__module__": cls.__module__, "__qualname__": cls.__qualname__, "__slots__": ()}
    watching: Any = type(cls.__name__, (cls,), body)
    made = object.__new__(watching)
    for name in names:
        object.__setattr__(made, name, getattr(plugin, name))
    return made


def _state(plugin: Any) -> set[str]:
    """Names of an object's fields and of whatever else it holds, except what it works out from them when asked."""
    cls = type(plugin)
    names = {field.name for field in attrs.fields(cls)} | set(getattr(plugin, "__dict__", {}))
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        names.update([slots] if isinstance(slots, str) else slots)
    worked_out = {name for base in cls.__mro__ for name, value in vars(base).items() if _is_cached(value)}
    return {name for name in names - worked_out if name not in _PASSED and hasattr(plugin, name)}


def _is_cached(value: Any) -> bool:
    return isinstance(value, cached_property)
