"""All on which compiled code depends: what changes any of it makes an old entry of the cache useless."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import platform
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from openbragg.engine.block import leaves_in, tensors_in
from openbragg.engine.compilation import SETTINGS
from openbragg.engine.plan import Plan

#: Packages of the core that compiled code is made from.
_CORE = ("engine", "model", "roles.py", "units.py", "options.py")
#: What a plugin may import that is named by its version, not read.
_VERSIONED = ("torch", "numpy")
#: The core's own files are read anyway, attrs makes no numbers.
_PASSED = ("openbragg", "attr", "attrs")
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


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
        When a plugin was not defined in a module's file.
    """
    plugins = (plan.shape, plan.structure_factors)
    return {
        "kind": kind,
        "tensors": [[name, str(tensor.dtype), tensor.dim()] for name, tensor in tensors_in(plan)],
        "model": [[name, repr(leaf)] for name, leaf in leaves_in(plan, stop=plugins)],
        "plugins": [f"{type(plugin).__module__}.{type(plugin).__qualname__}" for plugin in plugins],
        "sources": {name: text for plugin in plugins for name, text in plugin_sources(type(plugin)).items()},
        "core": core_sources(),
        "settings": {name: str(value) for name, value in SETTINGS.items()},
        "python": platform.python_version(),
        "torch": f"{torch.__version__} {torch.version.git_version}",
        "processor": processor(),
    }


def options_of(plan: Plan, name: str) -> str | None:
    """The value of a plugin's option, by the name under which the cache knows it; None where it is not plain."""
    role, _, field = name.partition(".")
    value = getattr(getattr(plan, role, None), field, _PLAIN)
    return plain_text(value)


def plain_text(value: Any) -> str | None:
    """A plain value, or a tuple of such, as text that no other value has; None for anything else."""
    if isinstance(value, tuple):
        parts = [plain_text(part) for part in value]
        return None if None in parts else f"({', '.join(part for part in parts if part is not None)})"
    if isinstance(value, (*_PLAIN, Path)):
        return repr(value)
    return None


@lru_cache(maxsize=1)
def core_sources() -> str:
    """A hash of the core's own files."""
    folder = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for part in _CORE:
        place = folder / part
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(f"{file.relative_to(folder)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def plugin_sources(cls: type) -> dict[str, str]:
    """What a plugin's class is made of: hashes of the files of its module and of all that they import, by module.

    Modules of the standard library and of the core are left out, torch and numpy go by their versions. The plain values
    in a module's namespace count too, for a program may have changed them.

    Raises
    ------
    ChangeableError
        When the class was made in a function or outside of a file.
    """
    if "<locals>" in cls.__qualname__:
        raise ChangeableError(f"{cls.__qualname__} was made inside a function")
    found: dict[str, str] = {}
    waiting = [cls.__module__]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in found or top in _PASSED or (top in sys.stdlib_module_names and name != cls.__module__):
            continue
        if top in _VERSIONED:
            found[top] = str(getattr(sys.modules.get(top), "__version__", ""))
            continue
        text = _source(name)
        if text is None:
            if name == cls.__module__:
                raise ChangeableError(f"{cls.__qualname__} was not defined in a file")
            continue
        digest = hashlib.sha256(text)
        for place, value in _plain_values(name).items():
            digest.update(f"{place}={value}\0".encode())
        found[name] = digest.hexdigest()
        waiting.extend(_imported(name, text))
    return found


def _source(name: str) -> bytes | None:
    """The file of a module, or None where there is none."""
    origin = getattr(sys.modules.get(name), "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return None
        origin = spec.origin if spec is not None else None
    try:
        return Path(origin).read_bytes() if origin else None
    except OSError:
        return None


def _plain_values(name: str) -> Mapping[str, str]:
    values = vars(sys.modules[name]) if name in sys.modules else {}
    texts = {place: plain_text(value) for place, value in sorted(values.items()) if not place.startswith("__")}
    return {place: text for place, text in texts.items() if text is not None}


def _imported(name: str, text: bytes) -> Iterator[str]:
    """Modules that a module's source names in imports, at its top or inside functions."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return  # compiled code: its hash is all there is
    package = name if hasattr(sys.modules.get(name), "__path__") else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor and what it can do: code for one may be nonsense to another."""
    described = [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    wanted = ("model name", "flags", "features", "cpu part")
    # Of one core: all are alike where it matters.
    seen: dict[str, str] = {}
    for line in lines:
        word = line.partition(":")[0].strip().lower()
        if word in wanted:
            seen.setdefault(word, line)
    digest = hashlib.sha256("\n".join([*described, *seen.values()]).encode()).hexdigest()
    return f"{' '.join(described)} {digest[:16]}"
