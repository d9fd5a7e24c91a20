"""What tells the code of one model from another's within a process: without files, and by what a class does now."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest
import torch

import openbragg
from mosaic_model import experiment
from openbragg import Simulation
from openbragg.engine.compiled.block import block_plan
from openbragg.engine.compiled.live import live_code
from openbragg.engine.compiled.resident import structure_of
from openbragg.engine.plan import Plan

FLAT = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
MODULE = """
import attrs

WIDTH = 0.4
WEIGHTS = [1.0, 2.0]

def half(x):
    return 0.5 * x

@attrs.frozen
class Shape:
    name = "resident"
    summary = "for a test"
    flags = ()
    strength: float = 1.0

    def factors(self, offset, nearest, lattice):
        return ((half(offset.h) * WIDTH * WEIGHTS[0]).to(lattice.dtype),)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module with a shape, loaded from its file."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "acme_resident.py").write_text(MODULE)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "acme_resident", raising=False)
    made = importlib.import_module("acme_resident")
    monkeypatch.setitem(sys.modules, "acme_resident", made)
    return made


def plan_of(shape: Any = "square", precision: str = "mixed", **changed: Any) -> Plan:
    options = {"structure_factors": FLAT, "lattice_shape": shape, "precision": precision}
    plan = Simulation(experiment(**changed), **options).layout().plan
    return block_plan(plan, plan.panels[0])


def key_of(shape: Any = "square", kind: str = "sums", **changed: Any) -> Any:
    return structure_of(plan_of(shape, **changed), kind).key


def test_other_numbers_and_lengths_have_the_same_structure() -> None:
    key = key_of()
    assert key_of(misset=(0.1, 0.2, 0.3), wavelength=1e-10, pixel_size=1e-3) == key
    assert key_of(mosaic_domains=9, steps=1, oversample=1, sensor_layers=1) == key
    hash(key)


@pytest.mark.parametrize("changed", [{"point_pixel": True}, {"curved": True}, {"precision": "double"}, {"water": 1e-6}])
def test_another_structure_has_another_key(changed: dict[str, Any]) -> None:
    assert key_of(**changed) != key_of()


def test_another_kind_or_shape_has_another_key() -> None:
    assert len({key_of(), key_of("round"), key_of(kind="bounds")}) == 3


def test_another_default_dtype_has_another_key() -> None:
    key = key_of()
    torch.set_default_dtype(torch.float64)
    try:
        assert key_of() != key
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "change",
    [
        lambda module: setattr(module, "WIDTH", 0.5),
        lambda module: module.WEIGHTS.append(3.0),
        lambda module: setattr(module, "half", lambda x: x),
        lambda module: setattr(module.Shape, "factors", lambda *each: (each[1].h.to(each[3].dtype),)),
        lambda module: setattr(module.half, "__code__", (lambda x: 2.0 * x).__code__),
        lambda module: setattr(module.half, "__defaults__", (1.0,)),
    ],
    ids=["a constant", "a list", "a function", "a method", "its code", "its defaults"],
)
def test_what_a_program_changes_in_a_plugin_makes_another_key(
    module: Any, change: Callable[[ModuleType], None]
) -> None:
    key = key_of(module.Shape())
    assert key_of(module.Shape(strength=2.0)) == key  # options are told apart elsewhere
    change(module)
    assert key_of(module.Shape()) != key


def test_a_class_that_did_not_change_is_read_once(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from openbragg.engine.compiled import resident

    read: list[type] = []
    original = resident.plugin_sources
    monkeypatch.setattr(resident, "plugin_sources", lambda cls: read.append(cls) or original(cls))
    keys = {key_of(module.Shape()) for _ in range(5)}
    assert read.count(module.Shape) == 1
    assert len(keys) == 1


def test_what_python_notes_in_a_module_is_no_change_and_hides_none(module: Any) -> None:
    key = key_of(module.Shape())
    module.__warningregistry__ = {}
    assert key_of(module.Shape()) == key
    module.WIDTH = 0.5
    assert key_of(module.Shape()) != key


def test_a_module_that_is_loaded_later_counts_from_then_on(
    tmp_path: Path, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = MODULE.replace("return (", "import acme_later\n        return (acme_later.SCALE * ")
    (tmp_path / "acme_lazy.py").write_text(text)
    (tmp_path / "acme_later.py").write_text("SCALE = 2.0\n")
    importlib.invalidate_caches()
    for name in ("acme_lazy", "acme_later"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    lazy = importlib.import_module("acme_lazy")
    monkeypatch.setitem(sys.modules, "acme_lazy", lazy)
    key_of(lazy.Shape())
    later = importlib.import_module("acme_later")
    monkeypatch.setitem(sys.modules, "acme_later", later)
    key = key_of(lazy.Shape())
    later.SCALE = 3.0
    assert key_of(lazy.Shape()) != key


# ---- classes of a script or a notebook

CELL = """
import attrs
import numpy as np
WIDTH = 0.4
TABLE = np.array([1.0, 2.0])

def half(x):
    return 0.5 * x

class Settings:
    def __init__(self, height):
        self.height = height

SETTINGS = Settings(2.0)

@attrs.frozen
class Shape:
    name = "live"
    strength: float = 1.0
    places = 3

    def factors(self, offset, nearest, lattice):
        def inner(x):
            return half(x) * WIDTH
        return (inner(offset.h) * SETTINGS.height * float(TABLE[0]) * self.places,)
"""


def cell(text: str = CELL) -> dict[str, Any]:
    """What running a cell of a notebook leaves."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec"), space)
    return space


def live(space: dict[str, Any]) -> str:
    return live_code(space["Shape"]()).text


def test_a_cell_that_is_run_again_defines_the_same_class() -> None:
    assert live(cell()) == live(cell())
    assert live(cell()) == live(cell("# a word\n\n" + CELL))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("WIDTH = 0.4", "WIDTH = 0.5"),
        ("0.5 * x", "0.25 * x"),
        ("x) * WIDTH", "x) + WIDTH"),
        ("places = 3", "places = 4"),
        ("Settings(2.0)", "Settings(3.0)"),
        ("[1.0, 2.0]", "[1.0, 2.5]"),
        ("strength: float = 1.0", "strength: float = 1.0\n    other: float = 1.0"),
        ("def half(x):", "def half(x, y=1):"),
    ],
)
def test_another_cell_defines_another_class(old: str, new: str) -> None:
    assert old in CELL
    assert live(cell(CELL.replace(old, new))) != live(cell())


def test_what_a_program_changes_later_makes_another_class() -> None:
    space = cell()
    seen = [live(space)]
    space["WIDTH"] = 0.6
    seen.append(live(space))
    space["TABLE"][1] = 7.0
    seen.append(live(space))
    space["SETTINGS"].height = 5.0
    seen.append(live(space))
    space["half"] = np.abs
    seen.append(live(space))
    assert len(set(seen)) == len(seen)
    space["unrelated"] = 1.0
    assert live(space) == seen[-1]


def test_a_class_made_in_a_function_is_told_apart_by_what_it_closes_over() -> None:
    def made(width: float) -> Any:
        @attrs.frozen
        class Inner:
            name = "inner"

            def factors(self, offset: Any, nearest: Any, lattice: Any) -> Any:
                return (offset.h * width,)

        return Inner()

    assert live_code(made(0.4)).text == live_code(made(0.4)).text
    assert live_code(made(0.4)).text != live_code(made(0.5)).text


def test_the_state_of_a_plugin_without_declared_options_counts() -> None:
    class Plain:
        name = "plain"

        def __init__(self, width: float) -> None:
            self.width = width

        def factors(self, offset: Any, nearest: Any, lattice: Any) -> Any:
            return (offset.h * self.width,)

    assert live_code(Plain(0.4)).text == live_code(Plain(0.4)).text
    assert live_code(Plain(0.4)).text != live_code(Plain(0.5)).text
