"""Plugins that note which of their options are read, so that compiled code can be told apart by those alone."""

from __future__ import annotations

from typing import Any

import attrs

from openbragg.engine.block import tensors_in
from openbragg.engine.plan import Plan

_ROLES = ("shape", "structure_factors")
#: What hands out all fields at once.
_EVERYTHING = ("__dict__", "__getstate__")


def watched(plan: Plan) -> tuple[Plan, set[str]]:
    """A plan whose plugins note the options that are read.

    Returns
    -------
    The plan, and the set in which their names appear, as ``role.field``; fields that hold tensors are arguments of the
    compiled code and not noted.
    """
    read: set[str] = set()
    return attrs.evolve(plan, **{role: _watched(getattr(plan, role), role, read) for role in _ROLES}), read


def _watched(plugin: Any, role: str, read: set[str]) -> Any:
    """The same plugin as an object of a subclass that notes what is read of its fields."""
    cls = type(plugin)
    if not attrs.has(cls):
        return plugin
    names = {field.name for field in attrs.fields(cls)}
    noted = {name for name in names if not any(True for _ in tensors_in(getattr(plugin, name)))}

    def get(self: Any, name: str) -> Any:
        read.update(f"{role}.{each}" for each in (noted if name in _EVERYTHING else {name} & noted))
        return super(watching, self).__getattribute__(name)

    body = {"__getattribute__": get, "__module__": cls.__module__, "__slots__": ()}
    watching: Any = type(cls.__name__, (cls,), body)
    made = object.__new__(watching)
    for name in names:
        object.__setattr__(made, name, getattr(plugin, name))
    return made
