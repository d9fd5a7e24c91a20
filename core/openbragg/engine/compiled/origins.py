"""What compiled code comes from, as far as files tell it: the core, plugins, Python, torch, the processor.

Nothing here needs torch, so that a list of what is in the cache can say at once what is out of date.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

#: Parts of the core that compiled code is made from.
_CORE = ("engine", "model", "roles", "units.py", "options.py")
#: Kinds of files that are written, not made.
_WRITTEN = (".py", ".h")
#: Packages that are named by their version, not read.
_VERSIONED = ("torch", "numpy")
#: The core's own files are read anyway, attrs makes no numbers.
_PASSED = ("openbragg", "attr", "attrs")
#: An import in a source: its word, what may stand before it on its line and after it.
_IMPORT = re.compile(r"\bimport\b")
_FROM = re.compile(r"\bfrom\b([ \t\f.\w]*)$")
_NAMES = re.compile(r"\s*\(((?:[^)#]|#[^\n]*)*)|([^\n;#]*)")
_COMMENT = re.compile(r"#[^\n]*")
_CONTINUED = re.compile(r"\\\n")


def surroundings() -> dict[str, str]:
    """What all entries of the cache have in common that are made by this program on this machine."""
    return {
        "core": core_sources(),
        "python": platform.python_version(),
        "torch": torch_version(),
        "processor": processor(),
    }


def outdated(signature: Mapping[str, Any]) -> str | None:
    """What has changed since an entry with this signature was made, in a few words; None where nothing has.

    What only a program's memory knows, such as a constant that it changed, is not looked at.
    """
    for name, value in surroundings().items():
        if signature.get(name) != value:
            return f"other {name}"
    sources = signature.get("sources")
    if not isinstance(sources, dict):
        return "no plugins named"
    for name, value in sources.items():
        text = module_source(name)
        if value not in (_installed(name), None if text is None else hashlib.sha256(text).hexdigest()):
            return f"other {name}"
    return None


@lru_cache(maxsize=1)
def core_sources() -> str:
    """A hash of the core's own files, those among them that compiled code includes."""
    folder = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.sha256()
    for file in core_files(folder):
        digest.update(f"{file.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def core_files(folder: Path) -> list[Path]:
    """The files of a core that lies in a folder, which compiled code is made from."""
    files: list[Path] = []
    for part in _CORE:
        place = folder / part
        files += sorted(file for file in place.rglob("*") if file.suffix in _WRITTEN) if place.is_dir() else [place]
    return files


def torch_version() -> str:
    """The version of torch and the commit it was built from; read from its files where it is not loaded."""
    loaded = sys.modules.get("torch")
    if loaded is not None:
        return f"{loaded.__version__} {loaded.version.git_version}"
    try:
        spec = importlib.util.find_spec("torch")
        values = _assigned(Path(spec.origin or "" if spec is not None else "").with_name("version.py").read_text())
        return f"{values['__version__']} {values['git_version']}"
    except (ImportError, ValueError, OSError, KeyError):
        return ""


def _assigned(text: str) -> dict[str, object]:
    """Names that a module's source gives a literal value."""
    found: dict[str, object] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update((target.id, node.value.value) for target in targets if isinstance(target, ast.Name))
    return found


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor and what it can do: code for one may be nonsense to another."""
    # The variable with which torch is told to do with less than the processor can.
    described = [platform.machine(), os.environ.get("ATEN_CPU_CAPABILITY", "")]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    wanted = ("model name", "flags", "features", "cpu part")
    # Of one core: all are alike where it matters.
    seen: dict[str, str] = {}
    for line in lines:
        word = line.partition(":")[0].strip().lower()
        if word in wanted or len(lines) == 1:
            seen.setdefault(word, line)
    digest = hashlib.sha256("\n".join([*described, *seen.values()]).encode()).hexdigest()
    return f"{described[0]} {digest[:16]}"


def module_origins(modules: Iterable[str]) -> dict[str, str]:
    """What modules are made of: hashes of their files and of those of all that they import, by module.

    Modules of the standard library and of the core are left out; packages that were installed go by their version and
    the list of their files, unless a module that was asked for lies in them.
    """
    waiting = list(modules)
    asked = set(waiting)
    own = {_top(name) for name in waiting} - set(_VERSIONED)
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        top = _top(name)
        if name in found or top in _PASSED or (top in sys.stdlib_module_names and name not in asked):
            continue
        installed = None if top in own else _installed(top)
        if installed is not None:
            found[top] = installed
            continue
        text = module_source(name)
        if text is not None:
            found[name] = hashlib.sha256(text).hexdigest()
            waiting.extend(_imported(name, text))
    return found


def module_source(name: str) -> bytes | None:
    """The file of a module, or None where there is none; nothing is imported."""
    origin = getattr(sys.modules.get(name), "__file__", None) or _file(name)
    try:
        return Path(origin).read_bytes() if origin else None
    except OSError:
        return None


def _top(name: str) -> str:
    return name.partition(".")[0]


def _file(name: str) -> str | None:
    """Where a module lies that is not loaded; its packages are not loaded either."""
    parts = name.split(".")
    try:
        spec = importlib.util.find_spec(parts[0])
        for count in range(2, len(parts) + 1):
            if spec is None or spec.submodule_search_locations is None:
                return None
            spec = PathFinder.find_spec(".".join(parts[:count]), list(spec.submodule_search_locations))
    except (ImportError, ValueError, AttributeError, OSError):
        return None
    return spec.origin if spec is not None and spec.has_location else None


@lru_cache(maxsize=256)
def _installed(top: str) -> str | None:
    """Version of the distribution of a package's name and a hash of its list of files; None where there is no such."""
    if top == "torch":
        return torch_version()
    try:
        distribution = importlib.metadata.distribution(top)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    if top in _VERSIONED:
        return distribution.version
    record = distribution.read_text("RECORD")
    if record is None or not any(line.startswith((f"{top}/", f"{top}.py,")) for line in record.splitlines()):
        return None  # editable, or of another name: its files say what it is
    return f"{distribution.version} {hashlib.sha256(record.encode()).hexdigest()[:16]}"


@lru_cache(maxsize=256)
def _imported(name: str, text: bytes) -> tuple[str, ...]:
    """Modules that a module's source names in imports, at its top or inside functions."""
    if b"\0" in text:
        return ()  # compiled code: its hash is all there is
    package = name if _is_package(name) else name.rpartition(".")[0]
    return tuple(imports_in(text.decode(errors="replace"), package))


def imports_in(text: str, package: str) -> Iterator[str]:
    """Modules that imports in a source name, and what they take from them, which may be modules.

    Looked for by their words: a parser would take most of the time in which compiled code is found. A line of a text in
    the source may be taken for an import; none of those that are there is missed.
    """
    text = _CONTINUED.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    for word in _IMPORT.finditer(text):
        line = text[text.rfind("\n", 0, word.start()) + 1 : word.start()]
        origin = _FROM.search(line)
        before = (line if origin is None else line[: origin.start()]).rstrip()
        if before and before[-1] not in ":;\ufeff":
            continue
        inside, alone = _NAMES.match(text, word.end()).groups()  # type: ignore[union-attr]
        listed = (_COMMENT.sub("", inside) if inside is not None else alone).split(",")
        names = ["".join(each.partition(" as ")[0].split()) for each in (" ".join(one.split()) for one in listed)]
        if origin is None:
            for parts in (name.split(".") for name in names if name):
                yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
            continue
        module = "".join(origin[1].split())
        level = len(module) - len(module.lstrip("."))
        base = package.split(".")[: len(package.split(".")) - level + 1] if level else []
        module = ".".join([*base, *([module[level:]] if module[level:] else [])])
        if module:
            yield module
            yield from (f"{module}.{name}" for name in names if name)


def _is_package(name: str) -> bool:
    if name in sys.modules:
        return hasattr(sys.modules[name], "__path__")
    return Path(_file(name) or "").name == "__init__.py"
