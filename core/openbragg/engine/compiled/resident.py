"""Kernels that this process has loaded, found again by a key that costs no look at any file.

What belongs to a process is looked at once in it: the sources of plugins, whether the cache's folder is to be trusted,
whether a library is the one that was compiled. Afterwards it is enough that the plugins' classes and the modules that
they come from hold the very objects that they held then.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from operator import is_
from types import FunctionType
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.block import leaves_in, tensors_in
from openbragg.engine.compiled.kernel import Kernel, fits
from openbragg.engine.compiled.live import live_code
from openbragg.engine.compiled.signature import (
    ChangeableError,
    content_of,
    functions_in,
    is_known,
    namespaces_of,
    options_of,
    plugin_sources,
)
from openbragg.engine.plan import Plan

#: Structures of which kernels are kept, and classes that are remembered.
_MOST_STRUCTURES, _MOST_CLASSES = 64, 256
#: Types of what never changes.
_FIXED = (str, int, float, bool, bytes, type(None))


@attrs.frozen(eq=False)
class Structure:
    """All of a plan on which the code for it depends, but for the plugins' options.

    Attributes
    ----------
    key
        Equal for equal structures, in this process.
    pinned
        Objects that stand in the key by their places.
    """

    key: Hashable
    pinned: tuple[Any, ...]


@attrs.frozen(eq=False)
class Occasion:
    """A use of code: a key, and the plugins that stand in it by their places."""

    key: Hashable
    plugins: tuple[Any, ...]


class Codes:
    """What tells plugins' code from others', looked at once for as long as this is held: for what is asked together."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, tuple[Hashable, tuple[Any, ...]]]] = {}

    def of(self, plugin: Any) -> tuple[Hashable, tuple[Any, ...]]:
        """See `_code_of`."""
        known = self._known.get(id(plugin))
        if known is None:
            # The plugin is held with it, so that no other has its place.
            known = self._known[id(plugin)] = plugin, _code_of(plugin)
        return known[1]


def structure_of(plan: Plan, kind: str, codes: Codes | None = None) -> Structure:
    """The structure of a plan from `block_plan` for a kind of code; with what is known of plugins' `codes`."""
    plugins = plan.plugins
    known = codes or Codes()
    found = [known.of(plugin) for plugin in plugins]
    key = (
        kind,
        tuple(code for code, _ in found),
        tuple((name, tensor.dtype, tensor.dim()) for name, tensor in tensors_in(plan)),
        tuple((name, repr(leaf)) for name, leaf in leaves_in(plan, stop=plugins)),
        torch.get_default_dtype(),
        str(torch.get_default_device()),
    )
    return Structure(key, tuple(each for _, pinned in found for each in pinned))


@attrs.frozen(eq=False)
class _Resident:
    """A kernel, the values of options that it was made with, and what its key must keep alive."""

    kernel: Kernel
    options: dict[str, str]
    pinned: tuple[Any, ...]


class Residents:
    """The kernels of a process, by structure and by where they come from."""

    def __init__(self) -> None:
        self._kernels: dict[Hashable, list[_Resident]] = {}
        self._absent: dict[Hashable, tuple[int, Occasion]] = {}
        self._lock = threading.Lock()

    def find(self, key: Hashable, plan: Plan, arguments: list[torch.Tensor]) -> Kernel | None:
        """The kernel that serves a plan with these arguments, if one is there."""
        for resident in self._kernels.get(key, ()):
            if all(options_of(plan, name) == value for name, value in resident.options.items()) and fits(
                resident.kernel.shapes[: len(arguments)], resident.kernel.dtypes[: len(arguments)], arguments
            ):
                return resident.kernel
        return None

    def keep(self, key: Hashable, kernel: Kernel, options: dict[str, str], pinned: tuple[Any, ...]) -> None:
        """Keep a kernel; those of the structure that came first go when there are too many."""
        with self._lock:
            self._kernels.setdefault(key, []).append(_Resident(kernel, options, pinned))
            while len(self._kernels) > _MOST_STRUCTURES:
                self._kernels.pop(next(iter(self._kernels)))

    def known_absent(self, occasion: Occasion, state: int | None) -> bool:
        """Whether a cache in a state is known to have nothing."""
        known = self._absent.get(occasion.key)
        return known is not None and known[0] == state

    def note_absent(self, occasion: Occasion, state: int | None) -> None:
        """Note that a cache in a state has nothing; None for a state that is not known."""
        if state is None:
            return
        with self._lock:
            self._absent[occasion.key] = (state, occasion)
            while len(self._absent) > _MOST_STRUCTURES:
                self._absent.pop(next(iter(self._absent)))


#: Those of this process.
RESIDENTS = Residents()


class _Space:
    """A namespace as it was: the same as long as it holds the same objects, and these hold what they held."""

    def __init__(self, space: Any, passed: Callable[[str], bool]) -> None:
        self._space, self._passed = space, passed
        self._all = _members(space)
        self._names, self._values = self._now()
        self._contents = [
            _Content(value)
            for value in self._values
            if isinstance(value, list | dict | set | torch.Tensor) or type(value).__module__ == "numpy"
        ]
        self._functions = [(function, _made_of(function)) for _, function in functions_in(space)]

    def unchanged(self) -> bool:
        return (
            self._holds_the_same()
            and all(_made_of(function) == parts for function, parts in self._functions)
            and all(content.unchanged() for content in self._contents)
        )

    def _holds_the_same(self) -> bool:
        members = _members(self._space)
        if _are(members, self._all):
            return True
        # Something came, or went, that is passed over perhaps.
        names, values = self._now()
        same = names == self._names and _are(values, self._values)
        self._all = members if same else self._all
        return same

    def _now(self) -> tuple[list[str], list[Any]]:
        pairs = [(name, value) for name, value in list(self._space.items()) if not self._passed(name)]
        return [name for name, _ in pairs], [value for _, value in pairs]


class _Content:
    """A list, dict, set, array or tensor with what it held."""

    def __init__(self, value: Any) -> None:
        self._value, self._text = value, content_of(value)
        listed = isinstance(value, list | dict | set)
        # What cannot change by itself only has to be there still, which is soon seen.
        self._members = _members(value) if listed and all(map(_is_fixed, _members(value))) else None

    def unchanged(self) -> bool:
        if self._members is not None and _are(_members(self._value), self._members):
            return True
        return content_of(self._value) == self._text


def _members(value: Any) -> tuple[Any, ...]:
    """What a list or set holds, or the names and values of a dict or namespace, one object after the other."""
    return (*tuple(value), *tuple(value.values())) if isinstance(value, Mapping) else tuple(value)


def _is_fixed(value: Any) -> bool:
    return type(value) in _FIXED or (type(value) is tuple and all(map(_is_fixed, value)))


def _are(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether the very same objects are in both, in one order."""
    return len(some) == len(others) and all(map(is_, some, others))


@attrs.frozen(eq=False)
class _Class:
    """A class as it was when its sources were read.

    Attributes
    ----------
    number
        Its own; None where sources do not tell what it does.
    spaces
        The namespaces that count.
    later
        Modules that count once they are loaded.
    """

    number: int | None
    spaces: list[_Space]
    later: tuple[str, ...] = ()

    def unchanged(self) -> bool:
        return all(space.unchanged() for space in self.spaces) and not any(name in sys.modules for name in self.later)


_classes: dict[type, _Class] = {}
_numbers: Iterator[int] = iter(range(1 << 62))


def _code_of(plugin: Any) -> tuple[Hashable, tuple[Any, ...]]:
    """What tells a plugin's code from others', and what must be kept alive for that."""
    cls = type(plugin)
    known = _classes.get(cls)
    if known is None or not known.unchanged():
        known = _classes[cls] = _read(cls)
        while len(_classes) > _MOST_CLASSES:
            _classes.pop(next(iter(_classes)))
    if known.number is not None:
        return (known.number, cls), ()
    live = live_code(plugin)
    return live.text, live.pinned


def _read(cls: type) -> _Class:
    try:
        sources, _ = plugin_sources(cls)
    except ChangeableError:
        return _Class(None, [_Space(vars(cls), lambda name: False)])
    spaces = [
        _Space(space, (lambda name: False) if isinstance(owner, type) else (lambda name: name.startswith("__")))
        for owner, space in namespaces_of(cls, sources)
    ]
    later = tuple(name for name in sources if name not in sys.modules and not is_known(name))
    return _Class(next(_numbers), spaces, later)


def _made_of(function: FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__
