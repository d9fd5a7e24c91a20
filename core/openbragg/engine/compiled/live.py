"""Code as the program has it in memory: what tells a plugin from another that no file tells apart.

A class of a script or a notebook is what its functions say now, and what they refer to: other functions, classes,
numbers and arrays by their names. Written as text, it is the same for a cell that is run again, and another once
anything in it changes.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.signature import content_of, functions_in, is_known

#: Parts of a function's code beside the names and constants in it.
_PARTS = ("co_flags", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_varnames", "co_freevars")
#: What a class has that is not its own doing.
_PASSED = ("__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__")


@attrs.frozen(eq=False)
class LiveCode:
    """A hash of code and all that it refers to, and the objects in it that are told apart by their places alone."""

    text: str
    pinned: tuple[Any, ...]


def live_code(plugin: Any) -> LiveCode:
    """What a plugin's class does now.

    The state of a plugin that has no list of its options counts too; an option's values are `options_of`'s affair.
    """
    reader = _Reader()
    parts = [reader.text(type(plugin))]
    if not attrs.has(type(plugin)):
        parts.append(reader.state(plugin))
    return LiveCode(hashlib.sha256("\n".join(parts).encode()).hexdigest(), tuple(reader.pinned))


class _Reader:
    """Writes objects down, each once."""

    def __init__(self) -> None:
        self.pinned: list[Any] = []
        self._seen: dict[int, int] = {}

    def text(self, value: Any) -> str:
        """A value as text: of equal texts, values compute the same."""
        plain = content_of(value)
        if plain is not None:
            return plain
        if id(value) in self._seen:
            return f"#{self._seen[id(value)]}"
        self._seen[id(value)] = len(self._seen)
        # So that no other object comes to lie there meanwhile.
        self.pinned.append(value)
        return self._written(value)

    def state(self, value: Any) -> str:
        """What an object holds, in its namespace and its slots."""
        held = dict(getattr(value, "__dict__", {}))
        for base in type(value).__mro__:
            slots = vars(base).get("__slots__", ())
            for name in [slots] if isinstance(slots, str) else slots:
                if hasattr(value, name):
                    held[name] = getattr(value, name)
        return self._pairs(held.items())

    def _written(self, value: Any) -> str:
        if isinstance(value, list | tuple | set | frozenset):
            texts = [self.text(part) for part in value]
            return f"{type(value).__name__}{sorted(texts) if isinstance(value, set | frozenset) else texts}"
        if isinstance(value, dict):
            return f"dict{self._pairs((self.text(name), part) for name, part in value.items())}"
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, MethodType):
            return f"method {self.text(value.__func__)} of {self.text(value.__self__)}"
        if isinstance(value, partial):
            return f"partial {self.text(value.func)} {self.text(value.args)} {self.text(value.keywords)}"
        if isinstance(value, property):
            return f"property {[self.text(each) for each in (value.fget, value.fset, value.fdel)]}"
        if isinstance(value, cached_property):
            return f"property {self.text(value.func)}"
        if isinstance(value, staticmethod | classmethod):
            return f"{type(value).__name__} {self.text(value.__func__)}"
        if isinstance(value, BuiltinFunctionType):
            return f"function {value.__module__}.{value.__qualname__}"
        if isinstance(value, torch.dtype | torch.device):
            return repr(value)
        if hasattr(value, "__wrapped__"):
            return f"wrapped {self.text(value.__wrapped__)}"
        if isinstance(value, enum.Enum) or is_known(type(value).__module__):
            return f"{type(value).__qualname__} at {id(value)}"
        return f"{self.text(type(value))} {self.state(value)}"

    def _pairs(self, pairs: Iterable[tuple[str, Any]]) -> str:
        return str([f"{name}={self.text(part)}" for name, part in pairs])

    def _class(self, cls: type) -> str:
        if is_known(cls.__module__):
            return f"class {cls.__module__}.{cls.__qualname__}"
        space = {name: value for name, value in vars(cls).items() if name not in _PASSED}
        functions = dict(functions_in(space))
        others = {
            name: text
            for name, value in space.items()
            if name not in functions and (text := content_of(value)) is not None
        }
        bases = [self.text(base) for base in cls.__bases__]
        return f"class {cls.__qualname__} {bases} {self._pairs(functions.items())} {sorted(others.items())}"

    def _function(self, function: FunctionType) -> str:
        if is_known(function.__module__ or ""):
            return f"function {function.__module__}.{function.__qualname__}"
        code = function.__code__
        names = sorted(set(_names(code)))
        space = function.__globals__
        closure = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        parts = [
            self._code(code),
            self.text(function.__defaults__),
            self.text(function.__kwdefaults__),
            self.text(closure),
            self._pairs((name, space[name]) for name in names if name in space),
        ]
        # What a name finds in a module that the function may look into.
        modules = [space[name] for name in names if isinstance(space.get(name), ModuleType)]
        for module in modules:
            if not is_known(module.__name__):
                parts.append(self._pairs((name, vars(module)[name]) for name in names if name in vars(module)))
        return f"function {parts}"

    def _code(self, code: CodeType) -> str:
        constants = [
            self._code(constant) if isinstance(constant, CodeType) else repr(constant) for constant in code.co_consts
        ]
        parts = [str(getattr(code, name)) for name in _PARTS]
        return str([code.co_code.hex(), code.co_names, constants, *parts])


def _names(code: CodeType) -> Iterator[str]:
    """All names in code, of functions within it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
