"""How many examples property tests draw, where compiled code is kept, and distributions installed for a test.

Every run draws the same ones, so that a change is judged by itself. ``HYPOTHESIS_PROFILE=nightly``, or
``--hypothesis-profile=nightly``, draws twenty times as many, others each time, and keeps those that fail; it also runs
the tests marked ``nightly``, most of which compile a further model.
"""

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from openbragg.engine.compiled.cache import COMPILER_VARIABLE
from openbragg.orchestrator.finding import registry
from openbragg.roles import BLOCK_VARIABLE

Install = Callable[..., None]

#: A test may ask for a multiple of these numbers; no example has a time limit.
settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes of a run find out once what the processor and the C++ compiler can do: several seconds each."""
    if not hasattr(config, "workerinput"):
        os.environ[COMPILER_VARIABLE] = tempfile.mkdtemp(prefix="openbragg-tests-")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests marked ``nightly`` to the profile of that name."""
    if (config.getoption("--hypothesis-profile") or os.environ.get("HYPOTHESIS_PROFILE")) == "nightly":
        return
    for item in items:
        if item.get_closest_marker("nightly") is not None:
            item.add_marker(pytest.mark.skip(reason="a long variant, for HYPOTHESIS_PROFILE=nightly"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(COMPILER_VARIABLE), ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _metadata_read_once() -> Iterator[None]:
    """A process reads the entry points of a path once, as a command does; here it stands for hundreds of commands."""
    known: dict[Any, EntryPoints] = {}

    def found(**wanted: str) -> EntryPoints:
        places = (Path(place) for place in sys.path)
        key = (*wanted.items(), *((place, place.stat().st_mtime_ns) for place in places if place.exists()))
        if key not in known:
            known[key] = entry_points(**wanted)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "entry_points", found)
        yield


@pytest.fixture
def code_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a test keeps compiled code: nowhere yet. A module whose tests share code says so with one of its own."""
    return tmp_path_factory.getbasetemp() / "code" / uuid4().hex


@pytest.fixture(scope="session")
def common_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled code that tests of the group ``compiled`` share: models of one structure are one code."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(autouse=True)
def _own_cache(code_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user or another test has compiled does not decide how a test computes."""
    monkeypatch.setenv("OPENBRAGG_CACHE", str(code_folder))


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
