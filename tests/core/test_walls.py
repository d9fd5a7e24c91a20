"""No file imports itself by way of others, not for a type and not inside a function.

What the walls between packages are, `lint-imports` checks; this is about files.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
#: Each holds import packages.
SOURCE_ROOTS = ("core", "conventions", "plugins", "noise", "tracers")
#: What a package makes itself when it is asked, of no file.
MADE = "__version__"


def modules(roots: list[Path]) -> dict[str, Path]:
    """The file of every module below some folders, by its name."""
    found = {}
    for root in roots:
        for file in root.rglob("*.py"):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """Which of the modules each of them names in its imports, wherever these stand."""
    return {name: {each for each in named(name, file, files) if each != name} for name, file in files.items()}


def named(module: str, file: Path, files: Mapping[str, Path]) -> Iterator[str]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")
            base = above[: len(above) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                if f"{source}.{alias.name}" in files:
                    yield f"{source}.{alias.name}"
                elif source in files and alias.name != MADE:
                    yield source


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The names of a circle of modules, each of which imports the next; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_no_circle_of_files() -> None:
    files = modules([ROOT / root for root in SOURCE_ROOTS])
    assert {"openbragg", "openbragg.engine.plan", "openbragg_tracers.scaling"} <= files.keys()
    assert circle(imports(files)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from package.first import x",
        "from package import first",
        "import package.first",
        "from . import first",
        "from .first import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.first import x",
        "def later():\n    from package.first import x",
    ],
)
def test_a_circle_is_found_however_it_is_closed(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "first.py").write_text("from package.second import y\nx = y\n")
    (folder / "second.py").write_text(f"{text}\ny = 1\n")
    found = circle(imports(modules([tmp_path])))
    assert set(found) == {"package.first", "package.second"}
    assert found[0] == found[-1]


def test_the_plain_engine_does_not_know_of_compiled_code() -> None:
    graph = imports(modules([ROOT / "core"]))
    waiting, seen = ["openbragg.engine.image", "openbragg.engine.trace"], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph[name])
    assert not {name for name in seen if name.startswith(("openbragg.engine.compiled", "openbragg.engine.sparse"))}
