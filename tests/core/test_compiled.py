"""Compiled code gives the image that torch's own operations give, is made once a model, and is missed without harm.

All tests here share one folder of compiled code and therefore one worker; whoever needs a model first compiles it.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

import openbragg
from assembly import OBJDUMP, loops
from command_line import Finished, run
from mosaic_model import A, experiment, table
from openbragg import Experiment, Panel, Simulation
from openbragg.cli.registry import load_registry
from openbragg.engine.compiled.cache import COMPILER_VARIABLE, Cache
from openbragg.engine.compiled.conversions import HEADER
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.compiled.kernel import Kernel, _address, tensors_of
from openbragg.engine.compiled.loading import compiler_folder
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.plan import turned
from openbragg.engine.rendering import render_panel
from openbragg.engine.threads import default_threads
from openbragg.orchestrator.rendering import Rendering

COMPILER = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")

pytestmark = [
    pytest.mark.xdist_group("compiled"),
    pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"there is no C++ compiler {COMPILER}"),
]

#: The same model as flags: of one structure with `experiment()`.
FLAGS = (
    *("-cell", "30", "40", "50", "-N", "5", "-default_F", "50", "-lambda", "1.2"),
    *("-detpixels", "20", "-pixel", "2", "-detector_thick", "300", "-detector_abs", "200", "-thicksteps", "3"),
    *("-oversample", "1", "-nonoise", "-floatfile", "out.bin"),
)
LORENTZ = """
import attrs
from openbragg import hookimpl, option

@attrs.frozen
class Lorentz:
    name = "lorentz"
    summary = "spots with long tails"
    flags = ("-lorentz_xtal",)
    width: float = option("-lorentz_width", default=0.4, help="Half-width.")
    label: str = option("-lorentz_label", default="none", type=str, metavar="TEXT", help="Only a word.")

    def factors(self, offset, nearest, lattice):
        square = sum((n * step / self.width) ** 2 for n, step in zip(lattice.cells, offset))
        return ((lattice.cells.prod() / (1.0 + square)).to(lattice.dtype),)

@hookimpl
def lattice_shapes():
    return [Lorentz]
"""
#: A shape that looks at a number, as no plugin should.
LOOKING = LORENTZ.replace("return ((", "float(square.sum().item())\n        return ((")


@pytest.fixture
def code_folder(common_code: Path) -> Path:
    """The folder of compiled code that these tests share with others."""
    return common_code


@pytest.fixture
def cache(code_folder: Path) -> Cache:
    """The cache in it."""
    return Cache(code_folder)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each block that compiled code sums."""
    made: list[int] = []
    original = Kernel.__call__

    def counted(self: Kernel, arguments: Any) -> Any:
        made.append(len(arguments))
        return original(self, arguments)

    monkeypatch.setattr(Kernel, "__call__", counted)
    return made


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code must not be called."""

    def refused(*_: Any) -> Any:
        raise AssertionError("compiled code was called")

    monkeypatch.setattr(Kernel, "__call__", refused)


FLAT = openbragg.plugin("structure_factors", "hkl", default_F=50.0)


def said_otherwise(rendering: Rendering) -> list[str]:
    """Notices but for those that something is compiled for the first time."""
    return [line for line in rendering.choices.notices if not line.startswith("compiling ")]


def agree(model: Experiment, calls: list[int], precision: str = "mixed", **options: Any) -> Rendering:
    """See that both ways give one image without a word on how, but that of the first time."""
    options = {"structure_factors": FLAT, "precision": precision, **options}
    eager = Simulation(model, engine="eager", **options).rendering()
    before = len(calls)
    compiled = Simulation(model, engine="compiled", threads=2, **options).rendering()
    assert len(calls) > before
    assert said_otherwise(compiled) == said_otherwise(eager)
    for mine, others in zip(compiled.images, eager.images, strict=True):
        assert float(others.max()) > 0.0
        if precision == "double":
            # Sums of the same float64 numbers in another order.
            torch.testing.assert_close(mine, others, rtol=1e-12, atol=0.0)
        else:
            # What single precision of the amplitudes costs.
            assert float((mine - others).abs().max()) < 1e-6 * float(others.max())
    return compiled


AXES: dict[str, dict[str, Any]] = {
    "as it was compiled": {},
    "one subpixel": {"oversample": 1},
    "nine subpixels": {"oversample": 3},
    "four sources": {"dispersion": 0.01, "dispersion_steps": 4},
    "one step": {"steps": 1},
    "seven steps": {"steps": 7},
    "one domain": {"mosaic_spread": 0.0, "mosaic_domains": 1},
    "nine domains": {"mosaic_domains": 9},
    "one layer": {"sensor_layers": 1},
    "one of all": {"oversample": 1, "steps": 1, "mosaic_domains": 1, "mosaic_spread": 0.0, "sensor_layers": 1},
    "other numbers": {"cells": (3, 7, 11), "pixel_size": 1e-3, "wavelength": 0.9 * A, "rotation": (0.1, 0.2, 0.3)},
    "one pixel": {"pixels": (1, 1)},
    "a region": {"region": (3, 17, 5, 13)},
    "a mask": {"mask": np.random.default_rng(1).random((20, 24)) < 0.3},
    "a region and a mask": {"region": (3, 17, 5, 13), "mask": np.random.default_rng(2).random((20, 24)) < 0.3},
}


@pytest.mark.parametrize("way", AXES)
def test_one_code_serves_all_lengths_of_the_axes(cache: Cache, calls: list[int], way: str) -> None:
    agree(experiment(), calls)
    entries = cache.entries()
    agree(experiment(**AXES[way]), calls)
    assert cache.entries() == entries


def test_kept_code_converts_in_registers(cache: Cache, calls: list[int]) -> None:
    agree(experiment(), calls)
    header = HEADER.read_text()
    sources = [file.read_text() for file in Path(os.environ[COMPILER_VARIABLE]).rglob("*.kernel.cpp")]
    assert sources
    assert all(header in source for source in sources)
    if OBJDUMP is not None and platform.machine() == "x86_64":
        hot = [loop for entry in cache.entries() for loop in loops(entry.library, "cpp_fused") if loop.narrows()]
        assert hot
        assert not [loop.waits() for loop in hot if loop.waits()]


def test_the_compiler_keeps_its_headers_with_our_code_but_where_the_user_says(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMPILER_VARIABLE, "elsewhere")
    with compiler_folder(cache):
        assert os.environ[COMPILER_VARIABLE] == "elsewhere"
    monkeypatch.delenv(COMPILER_VARIABLE)
    with compiler_folder(cache):
        assert os.environ[COMPILER_VARIABLE] == str(cache.compiler_folder())
    assert COMPILER_VARIABLE not in os.environ


def test_an_engine_that_may_choose_sums_all_terms_where_code_is_there(calls: list[int]) -> None:
    full = agree(experiment(), calls)
    chosen = Simulation(experiment(), structure_factors=FLAT, cull=1e-3).rendering()
    assert chosen.use.compiled and not chosen.culled
    assert torch.equal(chosen.images[0], full.images[0])
    (line,) = [line for line in chosen.choices.notices if line.startswith("nothing is culled: ")]
    assert line.endswith(" have no end, and compiled code takes less time for all terms than for tiles")


def test_panels_share_their_code(cache: Cache, calls: list[int]) -> None:
    agree(experiment(), calls)
    entries = cache.entries()
    agree(experiment(pixels=(None, None), layout=LAYOUT), calls)
    assert cache.entries() == entries


#: Two panels, one of them turned upside down.
LAYOUT = (
    Panel(pixels=(10, 12), pixel_size=2e-3),
    Panel(pixels=(8, 5), pixel_size=2e-3, offset=(0.02, 0.03, 0.0), axes=((-1.0, 0, 0), (0, -1.0, 0), (0, 0, 1.0))),
)
SOURCES = ((-1.0, 0.001, 0.0, 1.0, 1.2 * A), (-1.0, -0.001, 0.0, 3.0, 1.21 * A))


#: All factors of single terms, not of their sum.
OF_TERMS = {f"oversample_{factor}": True for factor in ("capture", "polarization", "solid_angle")}


def test_round_crystal_in_water_with_a_table_weighted_sources_a_limit_and_a_curved_detector(calls: list[int]) -> None:
    model = experiment(water=2e-8, sources=SOURCES, curved=True, resolution_limit=4 * A, **OF_TERMS)
    agree(model, calls, "double", structure_factors=table(4), lattice_shape="round")


def test_interpolated_table(calls: list[int]) -> None:
    agree(experiment(cells=(2, 4, 3), fudge=0.01), calls, structure_factors=table(4), lattice_shape="gauss")


@pytest.mark.nightly
def test_interpolated_table_with_the_reference_s_latch(calls: list[int]) -> None:
    """The marks of missing neighbours decide from which pixel on nothing is interpolated."""
    model = experiment(cells=(2, 4, 3), fudge=0.01)
    ours = agree(model, calls, structure_factors=table(4), lattice_shape="gauss")
    latched = agree(model, calls, structure_factors=table(4), lattice_shape="gauss", compat=["interpolation-latch"])
    assert not torch.equal(ours.images[0], latched.images[0])


@pytest.mark.nightly
def test_top_hat_spots_on_panels_with_all_factors_of_single_terms(calls: list[int]) -> None:
    model = experiment(fudge=0.001, pixels=(None, None), layout=LAYOUT, **OF_TERMS)
    agree(model, calls, "double", lattice_shape="tophat")


def test_the_number_of_threads_does_not_change_the_image(calls: list[int]) -> None:
    one, two, many = (
        Simulation(experiment(), structure_factors=FLAT, engine="compiled", threads=threads).rendering().images[0]
        for threads in (1, 2, 7)
    )
    assert calls
    assert torch.equal(one, two)
    assert torch.equal(one, many)


def test_code_that_is_there_is_used_unasked(calls: list[int]) -> None:
    compiled = Simulation(experiment(), structure_factors=FLAT, engine="compiled").rendering().images[0]
    calls.clear()
    assert torch.equal(Simulation(experiment(), structure_factors=FLAT).rendering().images[0], compiled)
    assert calls


def test_a_second_call_opens_no_file_and_hashes_nothing(calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What belongs to a process is looked at once in it, whichever way the crystal is turned afterwards."""
    layout = agree(experiment(), calls)
    engine, plan = Engine(name="compiled", threads=2), layout.plan
    panel = plan.panels[0]
    pixels = choose_pixels(panel.pixels, None, None, plan.device)
    render_panel(plan, panel, dtype=torch.float32, engine=engine, pixels=pixels)
    seen: list[str] = []
    watching = True

    def noted(event: str, arguments: Any) -> None:
        if watching and event in ("open", "os.listdir", "os.scandir", "ctypes.dlopen", "import", "compile"):
            seen.append(f"{event} {arguments}")

    def refused(*_: Any) -> Any:
        raise AssertionError("something was hashed")

    # A hook stays for good; this one looks away afterwards.
    sys.addaudithook(noted)
    monkeypatch.setattr(hashlib, "sha256", refused)
    calls.clear()
    try:
        for angle in (0.1, 0.2, 0.3):
            crystal = attrs.evolve(layout.experiment.crystal, misset=(angle, 0.0, 0.0))
            made = turned(plan, attrs.evolve(layout.experiment, crystal=crystal), layout.laboratory, layout.parts)
            render_panel(made, panel, dtype=torch.float32, engine=engine, pixels=pixels)
    finally:
        watching = False
    assert seen == []
    assert len(calls) >= 3


def test_what_compiled_code_gives_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing holds an output but who asked for it: a long run needs no more memory than a short one."""
    given: list[weakref.ref[torch.Tensor]] = []
    run_code = Kernel.__call__

    def noted(kernel: Kernel, arguments: Any) -> list[torch.Tensor]:
        found = run_code(kernel, arguments)
        given.extend(map(weakref.ref, found))
        return found

    monkeypatch.setattr(Kernel, "__call__", noted)
    Simulation(experiment(), engine="compiled", threads=2, structure_factors=FLAT).photons()
    gc.collect()
    assert given
    assert not any(output() is not None for output in given)


@pytest.mark.usefixtures("eager")
def test_a_small_run_is_not_compiled_unasked(cache: Cache) -> None:
    entries = cache.entries()
    other = experiment(point_pixel=True)
    rendering = Simulation(other, structure_factors=FLAT).rendering()
    assert cache.entries() == entries
    reference = Simulation(other, structure_factors=FLAT, engine="eager").rendering()
    assert torch.equal(rendering.images[0], reference.images[0])
    assert rendering.choices.notices == reference.choices.notices


@pytest.mark.usefixtures("eager")
def test_gradients_are_not_compiled_away() -> None:
    wavelength = torch.tensor(1.2 * A, dtype=torch.float64, requires_grad=True)
    Simulation(experiment(wavelength=wavelength), structure_factors=FLAT).rendering().images[0].sum().backward()
    assert wavelength.grad is not None


def simulated(*words: str) -> tuple[Finished, np.ndarray[Any, Any]]:
    """A finished command, and its image."""
    finished = run("simulate", *FLAGS, *words)
    assert finished.status == 0, finished.err
    image = np.fromfile("out.bin", dtype="<f4")
    assert image.max() > 0
    return finished, image


def about_code(err: str) -> list[str]:
    """The lines on stderr that say something of compiled code."""
    return [line for line in err.splitlines() if "compiled" in line]


def close(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> bool:
    return bool(np.abs(one - two).max() < 1e-6 * two.max())


def test_the_command_line_takes_engine_and_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache, calls: list[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    agree(experiment(), calls)
    entries = cache.entries()
    calls.clear()
    finished, compiled = simulated("--engine", "compiled", "--threads", "2")
    assert calls
    assert cache.entries() == entries
    calls.clear()
    other, eager = simulated("-engine", "eager", "-threads", "1")
    assert not calls
    assert close(compiled, eager)
    assert finished.err == other.err


@pytest.mark.parametrize(
    "words",
    [
        ("--engine", "fast"),
        ("-engine",),
        ("--threads", "0"),
        ("--threads", "-1"),
        ("--threads", "two"),
        ("--threads", "1.5"),
        ("-threads", "nan"),
    ],
    ids=" ".join,
)
def test_a_bad_engine_or_number_of_threads_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    finished = run("simulate", *FLAGS, *words)
    assert finished.status == 2
    (line,) = finished.complaints()
    assert words[0].lstrip("-") in line
    assert not Path("out.bin").exists()


def test_a_third_partys_shape_is_compiled_and_its_options_count_where_they_are_read(
    install: Callable[..., None], cache: Cache, calls: list[int]
) -> None:
    install("acme", first=LORENTZ)
    finished, compiled = simulated("-lorentz_xtal", "--engine", "compiled")
    assert about_code(finished.err) == []
    assert calls
    _, eager = simulated("-lorentz_xtal", "--engine", "eager")
    assert close(compiled, eager)
    entries = cache.entries()
    assert entries[-1].signature["names"] == ["lorentz", "hkl"]
    assert dict(entries[-1].options) == {"shape.width": "0.4"}
    calls.clear()
    _, again = simulated("-lorentz_xtal", "-lorentz_label", "other")
    assert calls
    assert np.array_equal(again, compiled)
    calls.clear()
    _, wider = simulated("-lorentz_xtal", "-lorentz_width", "0.5")
    assert not calls
    _, reference = simulated("-lorentz_xtal", "-lorentz_width", "0.5", "--engine", "eager")
    assert np.array_equal(wider, reference)
    assert cache.entries() == entries


def test_a_shape_that_cannot_be_compiled_is_computed_with_one_notice(
    install: Callable[..., None], cache: Cache, calls: list[int]
) -> None:
    install("acme", first=LOOKING)
    entries = cache.entries()
    finished, image = simulated("-lorentz_xtal", "--engine", "compiled")
    assert not calls
    (line,) = about_code(finished.err)
    assert line.startswith("openbragg: notice: no compiled code")
    quiet, eager = simulated("-lorentz_xtal", "--engine", "eager")
    assert about_code(quiet.err) == []
    assert np.array_equal(image, eager)
    assert cache.entries() == entries


def test_a_shape_that_cannot_be_compiled_leaves_stderr_to_the_notices(install: Callable[..., None]) -> None:
    install("acme", first=LOOKING)
    finished, _ = simulated("-lorentz_xtal", "--engine", "compiled")
    assert all(line.startswith("openbragg: notice: ") for line in finished.complaints())


def test_what_cannot_be_compiled_is_said_once_for_all_panels(install: Callable[..., None]) -> None:
    install("acme", first=LOOKING)
    shape = load_registry(()).get("lattice_shapes", "lorentz").cls()
    model = experiment(pixels=(None, None), layout=LAYOUT)
    notices = (
        Simulation(model, structure_factors=FLAT, lattice_shape=shape, engine="compiled").rendering().choices.notices
    )
    assert len(about_code("\n".join(notices))) == 1


def outside(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in another process."""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
    )
    assert finished.returncode == 0, finished.stderr
    return finished


def command(*words: str) -> str:
    """Python that runs a command."""
    return f"from openbragg.cli.main import main\nassert main({['simulate', *FLAGS, *words]!r}) == 0\n"


def test_without_a_compiler_there_is_one_notice_and_the_image(tmp_path: Path) -> None:
    code = command("--engine", "compiled")
    finished = outside(tmp_path, code, CXX=str(tmp_path / "c++"), OPENBRAGG_CACHE=str(tmp_path / "empty"))
    image = (tmp_path / "out.bin").read_bytes()
    (line,) = about_code(finished.stderr)
    assert line.startswith("openbragg: notice: no compiled code")
    assert line.endswith("c++, which CXX names, is no C++ compiler")
    assert all(line.startswith("openbragg: notice: ") for line in finished.stderr.splitlines())
    outside(tmp_path, command("--engine", "eager"))
    assert (tmp_path / "out.bin").read_bytes() == image
    assert Cache(tmp_path / "empty").entries() == []


def test_code_that_is_there_runs_without_the_compiler(tmp_path: Path, calls: list[int]) -> None:
    agree(experiment(), calls)
    code = (
        "from openbragg.engine.compiled.kernel import Kernel\noriginal, calls = Kernel.__call__, []\n"
        "Kernel.__call__ = lambda *each: calls.append(1) or original(*each)\n"
        + command("--engine", "compiled")
        + "import sys\nassert calls\n"
        "print('loaded', *(name for name in ('torch._inductor', 'torch._dynamo') if name in sys.modules))"
    )
    finished = outside(tmp_path, code, CXX=str(tmp_path / "c++"))
    assert finished.stdout.splitlines()[-1] == "loaded"
    assert about_code(finished.stderr) == []


def test_a_worker_process_uses_one_thread() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        # A worker that cannot begin would be waited for without an end.
        assert pool.apply_async(default_threads).get(timeout=300) == 1


def test_threads_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5, 7}, raising=False)
    assert default_threads() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5}, raising=False)
    assert default_threads() == 1


def test_handles_of_compiled_code_do_not_outlive_their_tensors() -> None:
    made = [torch.zeros(3), torch.ones(2)]
    handles = [_address(each) for each in torch._C._aoti.unsafe_alloc_void_ptrs_from_tensors(made)]
    assert [each._use_count() for each in made] == [2, 2]
    taken = tensors_of(handles)
    assert all(map(torch.equal, taken, made))
    assert [each._use_count() for each in made] == [1, 1]
