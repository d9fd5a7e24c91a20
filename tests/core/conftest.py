"""Fixtures for tests of the core."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbragg.roles import BLOCK_VARIABLE
from records import FILES

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution; each entry point names a module of its own with a given source."""
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    modules = []

    def make(name: str, version: str = "1.0", /, **sources: str) -> None:
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        points = ["[openbragg]"]
        for entry, source in sources.items():
            module = f"{name}_{entry}"
            (site / f"{module}.py").write_text(source)
            points.append(f"{entry} = {module}")
            modules.append(module)
        (info / "entry_points.txt").write_text("\n".join(points) + "\n")
        importlib.invalidate_caches()

    yield make
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with input files."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder
