"""Compiled code is told from another's by all that it was made from, and by nothing else."""

from __future__ import annotations

import importlib
import os
import py_compile
import shutil
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
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan, Simulation
from openbragg.cli.registry import load_registry
from openbragg.engine.compiled import origins
from openbragg.engine.compiled.block import block_plan, tensors_in
from openbragg.engine.compiled.compilation import SETTINGS, CompilationError
from openbragg.engine.compiled.kernel import fits
from openbragg.engine.compiled.kinds import FORWARD
from openbragg.engine.compiled.signature import (
    ChangeableError,
    _translation,
    options_of,
    plain_text,
    plugin_sources,
    signature_of,
)
from openbragg.engine.compiled.watching import watched
from openbragg.engine.plan import Plan

A = 1e-10
SHAPE = """
import attrs
{imports}
WIDTH = 0.4
WEIGHTS = [1.0, 2.0]

{base}
@attrs.frozen
class Shape(Base):
    name = "shape"
    summary = "for a test"
    flags = ()
    strength: float = 1.0
    height = 2.0

    def factors(self, offset, nearest, lattice):
        return (self.strength * offset.h * WIDTH,)
"""
BASE = "class Base:\n    pass\n"

Write = Callable[..., ModuleType]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module's file, and load it from there."""
    monkeypatch.syspath_prepend(tmp_path)
    # A file that changes twice in a second would be loaded from what Python kept of its first state.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def make(name: str, text: str, *, load: bool = True) -> Any:
        file = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        importlib.invalidate_caches()
        if not load:
            return None
        monkeypatch.delitem(sys.modules, name, raising=False)
        module = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


def shape_module(write: Write, imports: str = "", base: str = BASE) -> Any:
    return write("acme_shape", SHAPE.format(imports=imports, base=base))


def test_the_same_class_has_the_same_sources(write: Write) -> None:
    first = plugin_sources(shape_module(write).Shape)
    assert plugin_sources(shape_module(write).Shape) == first
    assert set(first[0]) == {"acme_shape"}


@pytest.mark.parametrize("factors", ["hkl", "reflections", "model"])
def test_what_a_process_has_loaded_besides_does_not_matter(factors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that has read files by gemmi uses the code that a command has left."""
    importlib.import_module("gemmi")
    cls = load_registry(()).get("structure_factors", factors).cls
    first = plugin_sources(cls)
    assert "gemmi" in first[0]
    monkeypatch.delitem(sys.modules, "gemmi")
    assert plugin_sources(cls) == first


def test_another_source_is_another_class(write: Write) -> None:
    first = plugin_sources(shape_module(write).Shape)
    assert plugin_sources(write("acme_shape", SHAPE.format(imports="", base=BASE) + "# a word\n").Shape) != first


IMPORTS = {
    "at the top": ("import acme_helper", BASE),
    "from": ("from acme_helper import number", BASE),
    "all of it": ("from acme_helper import *", BASE),
    "in a function": ("", BASE + "\ndef work():\n    import acme_helper\n"),
    "by way of another": ("import acme_middle", BASE),
    "as a base": ("import sys", "import acme_helper\nBase = acme_helper.Base\n"),
    "as a base that nothing names": ("import sys", "Base = sys.modules['acme_' + 'helper'].Base\n"),
    "as a function that nothing names": (
        "import sys",
        BASE + "number = sys.modules['acme_' + 'helper'].number\nBase.number = number\n",
    ),
}


@pytest.mark.parametrize("way", IMPORTS)
def test_another_helper_is_another_class(write: Write, way: str) -> None:
    helper = "class Base:\n    pass\ndef number():\n    return 1\n"
    write("acme_helper", helper)
    write("acme_middle", "import acme_helper\n")
    imports, base = IMPORTS[way]
    first = plugin_sources(shape_module(write, imports, base).Shape)
    write("acme_helper", helper.replace("1", "2"))
    assert plugin_sources(shape_module(write, imports, base).Shape) != first


def test_a_helper_in_the_same_package_counts(write: Write) -> None:
    write("acme.__init__", "", load=False)
    write("acme.helper", "number = 1\n", load=False)
    text = SHAPE.format(imports="from . import helper", base=BASE)
    first = plugin_sources(write("acme.shape", text).Shape)
    assert set(first[0]) >= {"acme.shape", "acme.helper"}
    sys.modules.pop("acme.helper")
    write("acme.helper", "number = 2\n", load=False)
    assert plugin_sources(write("acme.shape", text).Shape) != first


def test_a_package_that_breaks_when_it_is_loaded_is_not_loaded(write: Write) -> None:
    write("acme_broken.__init__", "raise RuntimeError('loaded')\n", load=False)
    write("acme_broken.part", "", load=False)
    module = shape_module(write, base=BASE + "\ndef work():\n    from acme_broken import part\n")
    assert "acme_broken.part" in plugin_sources(module.Shape)[0]


def test_torch_and_numpy_go_by_their_versions(write: Write) -> None:
    sources, _ = plugin_sources(shape_module(write, "import torch.nn.functional\nimport numpy as np").Shape)
    assert sources["torch"] == origins.torch_version()
    assert not any(name.startswith(("torch.", "numpy.")) for name in sources)
    assert sources["numpy"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("WIDTH", 0.5), ("WEIGHTS", [1.0, 3.0]), ("NEW", 1), ("WIDTH", torch.ones(3)), ("WIDTH", {"a": (1, 2)})],
)
def test_a_constant_that_a_program_changed_makes_another_class(write: Write, name: str, value: Any) -> None:
    module = shape_module(write)
    first = plugin_sources(module.Shape)
    setattr(module, name, value)
    assert plugin_sources(module.Shape) != first


def test_a_list_a_class_or_a_tensor_that_a_program_changed_makes_another_class(write: Write) -> None:
    module = shape_module(write, "import torch", BASE + "TABLE = torch.zeros(3)\n")
    seen = [plugin_sources(module.Shape)]
    module.WEIGHTS.append(1.0)
    seen.append(plugin_sources(module.Shape))
    module.TABLE[1] = 1.0
    seen.append(plugin_sources(module.Shape))
    module.Shape.height = 3.0
    seen.append(plugin_sources(module.Shape))
    module.Base.depth = 3.0
    seen.append(plugin_sources(module.Shape))
    assert all(one != two for number, one in enumerate(seen) for two in seen[:number])


class Touchy:
    """Something of which nothing may be asked."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


def test_whatever_a_namespace_holds_may_lie_there(write: Write) -> None:
    module = shape_module(write)
    module.TOUCHY, module.NOTHING = Touchy(), torch.empty(3, device="meta")
    module.HALF, module.OBJECTS = torch.ones(2, dtype=torch.bfloat16), np.array([object()])
    first = plugin_sources(module.Shape)
    module.OBJECTS = np.array([object()])
    assert plugin_sources(module.Shape) == first
    module.HALF[0] = 2.0
    assert plugin_sources(module.Shape) != first


def test_a_method_that_a_program_replaced_makes_another_class(write: Write) -> None:
    module = shape_module(write)
    first = plugin_sources(module.Shape)
    other = write("acme_other", "def factors(self, offset, nearest, lattice):\n    return (offset.k,)\n")
    module.Shape.factors = other.factors
    assert plugin_sources(module.Shape) != first


def test_a_function_whose_file_changed_since_it_was_loaded_is_not_kept(write: Write, tmp_path: Path) -> None:
    module = shape_module(write)
    text = (tmp_path / "acme_shape.py").read_text()
    (tmp_path / "acme_shape.py").write_text(text.replace("offset.h", "offset.k"))
    with pytest.raises(ChangeableError, match=r"Shape\.factors"):
        plugin_sources(module.Shape)
    (tmp_path / "acme_shape.py").unlink()
    with pytest.raises(ChangeableError):
        plugin_sources(module.Shape)


def test_a_method_without_a_file_is_not_kept(write: Write) -> None:
    module = shape_module(write)
    space: dict[str, Any] = {"__name__": "acme_shape"}
    exec("def factors(self, offset, nearest, lattice):\n    return (offset.l,)\n", space)
    module.Shape.factors = space["factors"]
    with pytest.raises(ChangeableError, match=r"Shape\.factors"):
        plugin_sources(module.Shape)


def test_classes_made_in_functions_or_without_a_file_are_not_kept(write: Write) -> None:
    @attrs.frozen
    class Inner:
        pass

    with pytest.raises(ChangeableError, match="inside a function"):
        plugin_sources(Inner)

    module = shape_module(write, base="def made():\n    class Base:\n        pass\n    return Base\nBase = made()\n")
    with pytest.raises(ChangeableError, match="inside a function"):
        plugin_sources(module.Shape)

    space: dict[str, Any] = {"__name__": "acme_nowhere"}
    exec("import attrs\n@attrs.frozen\nclass Nowhere:\n    pass\n", space)
    with pytest.raises(ChangeableError, match="not defined in a file"):
        plugin_sources(space["Nowhere"])


def test_a_class_without_a_list_of_its_options_is_not_kept(write: Write) -> None:
    """Nobody could say which of its values the code was made with."""
    module = write("acme_plain", "class Plain:\n    def __init__(self, width):\n        self.width = width\n")
    with pytest.raises(ChangeableError, match="no attrs class"):
        plugin_sources(module.Plain)


# ---- the model


def plan_of(
    shape: Any = "square", factors: Any = None, precision: str = "mixed", compat: Any = (), **changed: Any
) -> Plan:
    """The plan of a block for a small model, with some fields changed by their names."""
    fields: dict[type, dict[str, Any]] = {
        Crystal: {"cell": (30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7), "cells": (5, 4, 3), "mosaic_domains": 3},
        Beam: {"wavelength": 1.2 * A},
        Detector: {"pixels": (6, 8), "pixel_size": 1e-3},
        Scan: {"start": 0.1, "range": 0.04, "steps": 2},
        Sampling: {"oversample": 2},
    }
    for name, value in changed.items():
        (cls,) = [cls for cls in fields if name in cls.__annotations__]
        fields[cls][name] = value
    model = Experiment(**{cls.__name__.lower(): cls(**values) for cls, values in fields.items()})
    factors = factors or openbragg.plugin("structure_factors", "hkl", default_F=50.0)
    made = Simulation(model, lattice_shape=shape, structure_factors=factors, precision=precision, compat=compat)
    layout = made.layout()
    return block_plan(layout.plan, layout.plan.panels[0])


def table(**options: Any) -> Any:
    index = torch.cartesian_prod(*[torch.arange(-3, 4)] * 3)
    return openbragg.plugin("structure_factors", "hkl", reflections=(index, index.sum(dim=1).double() + 50), **options)


SENSOR = {"sensor_thickness": 3e-4, "sensor_layers": 2, "attenuation_length": 2e-4}
SOURCES = ((0.0, 0.001, 1.0, 1.0, 1.2 * A), (0.0, -0.001, 1.0, 3.0, 1.21 * A))
STRUCTURES: dict[str, dict[str, Any]] = {
    "the usual": {},
    "shape": {"shape": "gauss"},
    "precision": {"precision": "double"},
    "table": {"factors": table(interpolate=False)},
    "interpolated table": {"factors": table(interpolate=True)},
    "water": {"water": 1e-8},
    "water as in the reference": {"water": 1e-8, "compat": "nanobragg"},
    "limit": {"resolution_limit": 4 * A},
    "curved": {"curved": True},
    "point pixel": {"point_pixel": True},
    "no polarization": {"no_polarization_factor": True},
    "weighted sources": {"sources": SOURCES},
    "sensor": SENSOR,
    "sensor as in the reference": {**SENSOR, "compat": "nanobragg"},
    "capture": {**SENSOR, "oversample_capture": True},
    "solid angle": {"oversample_solid_angle": True},
    "polarization": {"oversample_polarization": True},
}


def test_every_structure_has_its_own_signature() -> None:
    signatures = {name: signature_of(plan_of(**changed), "sums") for name, changed in STRUCTURES.items()}
    for one, mine in signatures.items():
        for other, theirs in signatures.items():
            assert (mine == theirs) == (one == other), (one, other)


def test_another_kind_of_code_has_its_own_signature() -> None:
    assert signature_of(plan_of(), "sums") != signature_of(plan_of(), "gradients")


@pytest.mark.parametrize(
    "changed",
    [
        {"cells": (9, 8, 7)},
        {"wavelength": 1.0 * A},
        {"mosaic_domains": 7},
        {"oversample": 1},
        {"pixels": (100, 3), "pixel_size": 1e-4, "rotation": (0.1, 0.2, 0.3)},
        {"steps": 5},
        {"factors": openbragg.plugin("structure_factors", "hkl", default_F=7.0)},
        {"fluence": 1e20},
    ],
)
def test_other_numbers_have_the_same_signature(changed: dict[str, Any]) -> None:
    assert signature_of(plan_of(**changed), "sums") == signature_of(plan_of(), "sums")


def changed_torch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch, "__version__", "2.0.0")


def changed_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.version, "git_version", "0123")


def changed_python(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(origins.platform, "python_version", lambda: "3.0.0")


def changed_processor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(origins, "processor", lambda: "vax")


def changed_core(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(origins, "core_sources", lambda: "0")


def changed_settings(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(SETTINGS, "cpp.threads", 2)


@pytest.mark.parametrize(
    "change", [changed_torch, changed_commit, changed_python, changed_processor, changed_core, changed_settings]
)
def test_another_program_or_machine_has_another_signature(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    before = signature_of(plan_of(), "sums")
    assert signature_of(plan_of(), "sums") == before
    change(monkeypatch)
    assert signature_of(plan_of(), "sums") != before


def test_another_default_dtype_has_another_signature() -> None:
    """A plugin may make a tensor of a number without a word on its dtype."""
    before = signature_of(plan_of(), "sums")
    torch.set_default_dtype(torch.float64)
    try:
        assert signature_of(plan_of(), "sums") != before
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "file",
    [
        *("engine/evaluate.py", "model/crystal.py", "roles/miller.py", "engine/compiled/block.py", "units.py"),
        "engine/compiled/conversions.h",
    ],
)
def test_another_file_of_the_core_is_another_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    core = tmp_path / "openbragg"
    shutil.copytree(Path(origins.__file__).parent.parent.parent, core)
    monkeypatch.setattr(origins, "__file__", str(core / "engine" / "compiled" / "origins.py"))
    # Past what the function keeps.
    core_sources = origins.core_sources.__wrapped__
    before = core_sources()
    (core / file).write_text((core / file).read_text() + "\n")
    assert core_sources() != before
    (core / "engine" / "new.py").touch()
    (core / file).write_text((core / file).read_text()[:-1])
    assert core_sources() != before


# ---- the options


def read_of(plan: Plan) -> dict[str, str | None]:
    """The options that a block's sum reads, with their values."""
    observed, read = watched(plan)
    sums = FORWARD.function(observed)
    pixels = torch.zeros(16, dtype=torch.float64)
    (result, *_) = sums(*(tensor for _, tensor in tensors_in(plan)), pixels, pixels + 1.0)
    expected = FORWARD.function(plan)(*(tensor for _, tensor in tensors_in(plan)), pixels, pixels + 1.0)[0]
    assert torch.equal(result, expected)
    return {name: options_of(plan, name) for name in sorted(read)}


@attrs.frozen
class Watched:
    """A shape with options of several kinds, some of which it reads."""

    name = "watched"
    summary = "for a test"
    flags = ()
    strength: float = 2.0
    pair: Any = (1.0, 2.0)
    label: str = "x"
    direct: bool = True

    def factors(self, offset: Any, nearest: Any, lattice: Any) -> Any:
        whole = offset.h * self.strength * self._doubled() if self.direct else offset.h * self.pair[0] + self.pair[1]
        return (whole.to(lattice.dtype),)

    def _doubled(self) -> float:
        return 2 * self.strength


def test_options_that_are_read_are_noted_with_their_values() -> None:
    assert read_of(plan_of(Watched())) == {"shape.direct": "True", "shape.strength": "2.0"}
    assert read_of(plan_of(Watched(direct=False))) == {"shape.direct": "False", "shape.pair": "tuple(1.0, 2.0)"}


def test_a_number_beside_a_tensor_in_an_option_is_noted() -> None:
    first, second = (read_of(plan_of(Watched(pair=(torch.tensor(1.0), number), direct=False))) for number in (2.0, 3.0))
    assert first != second
    assert first == read_of(plan_of(Watched(pair=(torch.tensor(7.0), 2.0), direct=False)))


def test_the_file_and_the_reflections_of_a_table_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.hkl"
    file.write_text("1 0 0 5\n0 1 0 6\n0 0 1 7\n")
    assert read_of(plan_of(factors=openbragg.plugin("structure_factors", "hkl", file=file))) == {}
    assert read_of(plan_of(factors=table())) == {}
    assert read_of(plan_of(factors=table(interpolate=True))) == {}


@pytest.mark.parametrize("shape", ["square", "round", "gauss", "tophat"])
def test_built_in_plugins_read_no_option(shape: str) -> None:
    assert read_of(plan_of(shape)) == {}


@attrs.frozen(slots=False)
class Further(Watched):
    """A shape with more than its fields say."""

    scale = 1.0

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "scale", self.strength + 1.0)

    def factors(self, offset: Any, nearest: Any, lattice: Any) -> Any:
        return ((offset.h * self.scale).to(lattice.dtype),)


def test_what_an_object_holds_beside_its_fields_is_noted() -> None:
    assert read_of(plan_of(Further())) == {"shape.scale": "3.0"}


@attrs.frozen
class Copied(Watched):
    """A shape that asks for all its options at once."""

    def factors(self, offset: Any, nearest: Any, lattice: Any) -> Any:
        return ((offset.h * attrs.evolve(self, strength=3.0).strength).to(lattice.dtype),)


def test_an_object_that_is_copied_is_read_whole() -> None:
    assert set(read_of(plan_of(Copied()))) >= {"shape.pair", "shape.label", "shape.direct"}


class Childless(Watched):
    """A shape of which no class may be made."""

    def __init_subclass__(cls) -> None:
        raise TypeError("no subclasses")


def test_a_class_that_cannot_be_watched_cannot_be_compiled() -> None:
    with pytest.raises(CompilationError, match="Childless: TypeError: no subclasses"):
        watched(plan_of(Childless()))


def test_an_option_that_is_neither_plain_nor_a_tensor_has_no_text() -> None:
    assert read_of(plan_of(Watched(strength=Loud(2.0)))) == {"shape.direct": "True", "shape.strength": None}
    assert options_of(plan_of(), "shape.nosuch") is None
    assert options_of(plan_of(), "nosuch.name") is None


class Loud(float):
    """A number whose text does not tell it from others."""

    def __repr__(self) -> str:
        return "2.0"


def test_different_values_have_different_texts() -> None:
    values = [0, 0.0, -0.0, False, None, "0", b"0", 1, 1.0, True, "None", (), [], (0,), [0], ("0, 0",), ("0", "0")]
    values += [("0, 0", "0"), ("0", "0, 0"), float("nan"), float("inf"), 0j, Path("0"), ((0,), 0), (0, (0,)), 2**100]
    values += [torch.zeros(1), torch.zeros(1, 1), torch.zeros(1, dtype=torch.float64), 1e-300, 0.1 + 0.2, 0.3]
    texts = [plain_text(value) for value in values]
    assert None not in texts
    assert len(set(texts)) == len(texts)
    assert [plain_text(value) for value in (Loud(1.0), {}, object(), len, (1, object()))] == [None] * 5


# ---- the arguments

DOUBLE = "torch.float64"


@pytest.mark.parametrize(
    ("shapes", "lengths", "expected"),
    [
        ([["s0"], ["s0"]], [(3,), (3,)], True),
        ([["s0"], ["s0"]], [(3,), (4,)], False),
        ([["s0"], ["s1"]], [(3,), (4,)], True),
        ([["s0"], ["s0"]], [(1,), (1,)], True),
        ([[3]], [(3,)], True),
        ([[3]], [(4,)], False),
        ([["3"]], [(3,)], True),
        ([["3"]], [(4,)], False),
        ([["s0", 3]], [(5, 3)], True),
        ([["s0", 3]], [(5,)], False),
        ([["16*s0"], ["16*s0"]], [(32,), (32,)], True),
        ([["16*s0"], ["16*s0"]], [(32,), (48,)], False),
        ([["16*s0"]], [(17,)], False),
        ([["16*s0"], ["s0"]], [(32,), (2,)], True),
        ([["16*s0"], ["s0"]], [(32,), (3,)], False),
        ([["s0 + 1"]], [(4,)], False),
        ([["s0*s1"]], [(4,)], False),
        ([["2*s0 + 1"]], [(5,)], False),
        ([[""]], [(5,)], False),
        ([["s0"]], [(3,), (3,)], False),
        ([], [], True),
        ([[]], [()], True),
    ],
)
def test_code_fits_tensors_of_the_shapes_it_was_made_for(shapes: Any, lengths: Any, expected: bool) -> None:
    tensors = [torch.zeros(shape, dtype=torch.float64) for shape in lengths]
    assert fits(shapes, [DOUBLE] * len(shapes), tensors) is expected


def test_code_does_not_fit_another_dtype() -> None:
    assert not fits([["s0"]], [DOUBLE], [torch.zeros(3)])


@pytest.mark.skipif(os.name != "posix", reason="no other system tells when a file was changed last")
def test_what_python_keeps_of_a_file_is_taken_where_it_is_surely_of_that_file(tmp_path: Path) -> None:
    file = tmp_path / "acme.py"
    file.write_text("def f():\n    return 1\n")
    compiled = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    assert _translation(file) is None
    kept = Path(py_compile.compile(str(file), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP))
    assert _translation(file) is None, "the file may have changed in the same second"
    later = kept.stat().st_mtime + 10
    os.utime(kept, (later, later))
    assert _translation(file) == compiled
    file.write_text("def f():\n    return 100\n")
    assert _translation(file) is None, "another length"
    kept.write_bytes(b"nothing")
    os.utime(kept, (later, later))
    assert _translation(file) is None
