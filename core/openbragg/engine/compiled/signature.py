"""All on which compiled code depends: what changes any of it makes an old entry of the cache useless."""

from __future__ import annotations

import enum
import hashlib
import inspect
import marshal
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.block import leaves_in, tensors_in
from openbragg.engine.compiled.compilation import SETTINGS
from openbragg.engine.compiled.origins import module_origins, surroundings
from openbragg.engine.plan import PRECISIONS, Plan

#: Of these alone one knows that the text tells all.
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
#: Functions of these packages are what their version says, also where a process has not loaded them.
_TRUSTED = ("openbragg", "attr", "attrs", "torch", "numpy", "gemmi")
#: What `lru_cache` makes of a function.
_Remembering = type(lru_cache(len))
#: Nanoseconds that no clock of a file system leaves out.
_WELL_AFTER = 2_000_000_000
#: How the name of a file begins in code that attrs wrote.
_GENERATED = "<attrs generated"


class ChangeableError(Exception):
    """A plugin whose code cannot be told from another's by its source; the message says why."""


def signature_of(plan: Plan, kind: str) -> dict[str, Any]:
    """The signature of the code for a plan from `block_plan`.

    Parameters
    ----------
    plan
        Its structure counts: which tensors it has and of what dtype, and everything in it that is no tensor; the
        plugins' options are left to `options_of`.
    kind
        What the code computes.

    Raises
    ------
    ChangeableError
        When a plugin is not an attrs class, or is not what a module's file says.
    """
    plugins = plan.plugins
    sources: dict[str, str] = {}
    values: dict[str, str] = {}
    for plugin in plugins:
        more_sources, more_values = plugin_sources(type(plugin))
        sources |= more_sources
        values |= more_values
    precisions = [name for name, dtype in PRECISIONS.items() if dtype == plan.lattice.dtype]
    return {
        "kind": kind,
        "names": [str(getattr(plugin, "name", "")) for plugin in plugins],
        "precision": precisions[0] if precisions else str(plan.lattice.dtype),
        "tensors": [[name, str(tensor.dtype), tensor.dim()] for name, tensor in tensors_in(plan)],
        "model": [[name, repr(leaf)] for name, leaf in leaves_in(plan, stop=plugins)],
        "plugins": [f"{type(plugin).__module__}.{type(plugin).__qualname__}" for plugin in plugins],
        "sources": sources,
        "values": values,
        "settings": {name: str(value) for name, value in SETTINGS.items()},
        # What torch makes of a number, or of a tensor that is made without a word on where.
        "defaults": [str(torch.get_default_dtype()), str(torch.get_default_device())],
        **surroundings(),
    }


def options_of(plan: Plan, name: str) -> str | None:
    """The value of a plugin's option, by the name under which the cache knows it; None where it is not plain."""
    role, _, field = name.partition(".")
    plugin: Any = getattr(plan, role, None)
    value = getattr(plugin, field, _PLAIN)
    cls: Any = type(plugin)
    fields = {each.name for each in attrs.fields(cls)} if attrs.has(cls) else set()
    # Tensors are arguments of the code where they stand in a field; anywhere else they would be in the code.
    return None if field not in fields and tensors_in(value) else plain_text(value)


def plain_text(value: Any) -> str | None:
    """A plain value, or a tuple or list of such, as text that no other value has; None for anything else.

    A tensor in it counts by its place alone: its numbers are arguments of the code.
    """
    if type(value) in (tuple, list):
        parts = [plain_text(part) for part in value]
        word = type(value).__name__
        return None if None in parts else f"{word}({', '.join(part for part in parts if part is not None)})"
    if isinstance(value, torch.Tensor):
        return f"tensor {value.dtype} {value.dim()}"
    if isinstance(value, enum.Enum):
        return f"{type(value).__module__}.{type(value).__qualname__}.{value.name}"
    if type(value) in _PLAIN or isinstance(value, Path):
        return repr(value)
    # Of numpy's numbers, which are floats and so on too, the text tells all as well.
    if isinstance(value, _PLAIN) and type(value).__module__ == "numpy":
        return repr(value)
    return None


def plugin_sources(cls: type) -> tuple[dict[str, str], dict[str, str]]:
    """What a plugin's class is made of: the origins of the modules of its bases and of all that they import.

    Returns
    -------
    What `module_origins` says of the modules, and hashes of the values that their namespaces, and those of the classes,
    hold while the program runs: it may have changed them.

    Raises
    ------
    ChangeableError
        When a class was made in a function or outside of a file, has no list of its options, or has been changed.
    """
    if not attrs.has(cls):
        raise ChangeableError(f"{cls.__qualname__} is no attrs class")
    bases = [base for base in cls.__mro__ if not is_known(base.__module__)]
    modules = {base.__module__ for base in bases}
    for base in bases:
        if "<locals>" in base.__qualname__:
            raise ChangeableError(f"{base.__qualname__} was made inside a function")
        if base.__module__ == "__main__":
            # Its namespace holds whatever the program works with.
            raise ChangeableError(f"{base.__qualname__} is of the running program; of a module's file it would be")
        for name, function in functions_in(vars(base)):
            _refuse_changed(f"{base.__qualname__}.{name}", function)
            modules.add(function.__module__)
    origins = module_origins(sorted(modules))
    for base in bases:
        if base.__module__ not in origins:
            raise ChangeableError(f"{base.__qualname__} was not defined in a file")
    values = {}
    for owner, space in namespaces_of(cls, origins):
        if isinstance(owner, type):
            values[f"{owner.__module__}.{owner.__qualname__}"] = _values(space)
            continue
        values[owner] = _values(space)
        for name, function in functions_in(space):
            if function.__module__ == owner:
                _refuse_changed(f"{owner}.{name}", function)
    return origins, values


def namespaces_of(cls: type, origins: Iterable[str]) -> Iterator[tuple[type | str, Mapping[str, Any]]]:
    """The namespaces that say what a class does: those of its bases, and of modules of these names that are loaded."""
    for base in cls.__mro__:
        if not is_known(base.__module__):
            yield base, vars(base)
    for module in origins:
        if module in sys.modules and not is_known(module):
            yield module, vars(sys.modules[module])


def is_known(module: str) -> bool:
    """Whether a module is the core's, Python's, or of a package that is what its version says."""
    top = module.partition(".")[0]
    return top in _TRUSTED or (top in sys.stdlib_module_names and top != "__main__")


def functions_in(space: Any) -> Iterator[tuple[str, FunctionType]]:
    """Functions in a namespace, those within properties and the like too; none that torch, numpy or attrs made."""
    for name, value in list(space.items()):
        for each in _held(value):
            function = inspect.unwrap(each)
            if isinstance(function, FunctionType):
                generated = function.__code__.co_filename.startswith(_GENERATED)
                if not generated and not is_known(function.__module__ or ""):
                    yield name, function


def _held(value: Any) -> tuple[Any, ...]:
    """Functions that something holds; of what is not known to hold any, nothing is asked."""
    if isinstance(value, property):
        return tuple(each for each in (value.fget, value.fset, value.fdel) if each is not None)
    if isinstance(value, cached_property):
        return (value.func,)
    if isinstance(value, staticmethod | classmethod):
        return _held(value.__func__)
    return (value,) if isinstance(value, FunctionType | _Remembering) else ()


def _refuse_changed(name: str, function: FunctionType) -> None:
    """See that a function is what its file says now: the file or the function may have changed since it was loaded."""
    file = Path(function.__code__.co_filename)
    try:
        found = file.stat()
        codes = _codes(file, found.st_mtime_ns, found.st_size)
    except (OSError, SyntaxError, ValueError):
        codes = frozenset()
    if function.__code__ not in codes:
        raise ChangeableError(f"{name} is not what a file says")


@lru_cache(maxsize=256)
def _codes(file: Path, changed: int, size: int) -> frozenset[CodeType]:
    """All code in a file as Python makes it; the other arguments tell one state of it from the next."""
    codes: set[CodeType] = set()
    waiting: list[CodeType] = [_translation(file) or compile(file.read_bytes(), str(file), "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        codes.add(code)
        waiting.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return frozenset(codes)


def _translation(file: Path) -> CodeType | None:
    """What Python keeps of a file, where that was made well after the file's last change; to make it again takes time.

    Python itself goes by the file's time in whole seconds and by its length; a file may have changed within one.
    """
    if os.name != "posix":
        return None  # where the last change is not told
    try:
        place = Path(cache_from_source(str(file)))
        source, made = file.stat(), place.stat().st_mtime_ns
        if made - max(source.st_ctime_ns, source.st_mtime_ns) < _WELL_AFTER:
            return None
        content = place.read_bytes()
        expected = MAGIC_NUMBER + struct.pack("<III", 0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
        code = marshal.loads(content[len(expected) :]) if content.startswith(expected) else None
    except (OSError, NotImplementedError, ValueError, EOFError, TypeError):
        return None
    return code if isinstance(code, CodeType) else None


def _values(space: Any) -> str:
    """A hash of the plain values, arrays and tensors in a namespace, and of lists, sets and dicts of them."""
    digest = hashlib.sha256()
    for name, value in sorted(space.items()):
        text = None if name.startswith("__") else content_of(value)
        if text is not None:
            digest.update(f"{name}={text}\0".encode())
    return digest.hexdigest()


def content_of(value: Any) -> str | None:
    """A plain value, an array or a tensor, or a list, set or dict of such, as text; None for anything else."""
    if isinstance(value, torch.Tensor):
        if value.is_meta or value.layout != torch.strided:
            return None
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return f"{value.dtype} {tuple(value.shape)} {hashlib.sha256(flat).hexdigest()}"
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes"):
        if value.dtype.hasobject:
            return None  # addresses
        return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if type(value) in (tuple, list, set, frozenset, dict):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        texts = [(content_of(key), content_of(part)) for key, part in pairs]
        if any(None in pair for pair in texts):
            return None
        if isinstance(value, set | frozenset):
            return f"{type(value).__name__} {sorted(str(part) for _, part in texts)}"
        return f"{type(value).__name__} {texts}"
    return plain_text(value)
