"""A recorded run can be repeated to the byte, from the command line and from Python."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_registry import GOOD

import openbragg
from command_line import SMALL
from openbragg import PluginError
from openbragg.orchestrator.finding.registry import default_registry
from records import RUNS, WITH_FILES, done, notices, recorded, refused, sha256, written

pytestmark = pytest.mark.usefixtures("inputs", "clock")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that gives no seed twice."""
    seconds = count(1_700_000_000, 10)
    monkeypatch.setattr("openbragg.orchestrator.resolving.resolve.time", SimpleNamespace(time=lambda: next(seconds)))


@pytest.mark.parametrize("words", RUNS)
def test_a_repeat_writes_the_same_bytes_and_says_the_same(words: str) -> None:
    done(*SMALL, "-noisefile", "noise.img", "-seed", "1")
    first = recorded(*SMALL, *words.split())
    names = [file["path"] for file in first["outputs"]]
    assert names
    before = written(names)
    for name in names:
        Path(name).unlink()
    again = done("--from", "run.json", "--record", "again.json")
    assert written(names) == before
    second = json.loads(Path("again.json").read_text())
    assert notices(again) == first["notices"] == second["notices"]
    for record in (first, second):
        del record["created"]
    assert second == first


@pytest.mark.parametrize("words", RUNS)
def test_python_renders_the_same_photons_from_a_record(words: str) -> None:
    done(*SMALL, "-noisefile", "noise.img", "-seed", "1")
    record = recorded(*SMALL, *words.split(), "-floatfile", "float.bin")
    loaded = openbragg.load_run("run.json")
    image = loaded.simulation.rendering().images[0]
    assert image.to(torch.float32).numpy().tobytes() == Path("float.bin").read_bytes()
    # What was resolved once stays as it is.
    assert loaded.simulation.layout().experiment == loaded.simulation.experiment
    noise = next(used["name"] for used in record["plugins"] if used["role"] == "noise_models")
    assert loaded.simulation.noise.name == noise


def test_the_arguments_alone_repeat_a_run() -> None:
    record = recorded(*SMALL, "-misset", "random")
    names = [file["path"] for file in record["outputs"]]
    before = written(names)
    done(*record["arguments"])
    assert written(names) == before


def test_a_run_is_repeated_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    before = Path("a.bin").read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert notices(done("--from", "../home/run.json")) == []
    assert Path("a.bin").read_bytes() == before
    assert {path.name for path in elsewhere.iterdir()} == {"a.bin"}


@pytest.mark.parametrize("absolute", [False, True])
def test_a_folder_may_move_with_its_record(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    matrix = inputs / "a.mat" if absolute else "a.mat"
    recorded("-mat", matrix, "-hkl", "a.hkl", "-detpixels", "4", "-fluence", "1e32", "-floatfile", "a.bin")
    before = Path("a.bin").read_bytes()
    inputs.rename(tmp_path / "moved")
    inputs.mkdir()
    monkeypatch.chdir(inputs)
    assert notices(done("--from", "../moved/run.json")) == []
    assert Path("a.bin").read_bytes() == before
    loaded = openbragg.load_run("../moved/run.json")
    assert loaded.simulation.rendering().images[0].numpy().tobytes() == before


def test_an_input_is_found_in_the_current_folder_too(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    before = Path("a.bin").read_bytes()
    records, here = tmp_path / "records", tmp_path / "here"
    records.mkdir()
    (inputs / "run.json").rename(records / "run.json")
    inputs.rename(here)
    monkeypatch.chdir(here)
    assert notices(done("--from", "../records/run.json")) == []
    assert Path("a.bin").read_bytes() == before


def test_of_several_files_the_one_that_was_read_is_taken(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    before = Path("a.bin").read_bytes()
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("run.json", "a.hkl"):
        (inputs / name).rename(kept / name)
    Path("a.hkl").write_text("0 0 0 5\n")
    assert notices(done("--from", kept / "run.json")) == []
    assert Path("a.bin").read_bytes() == before


def test_a_repeat_with_a_third_partys_plugin_needs_it(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme", "1.0", first=GOOD)
    record = recorded(*SMALL, "-lone_cell", "-lone_strength", "2.5", "-floatfile", "a.bin")
    before = Path("a.bin").read_bytes()
    shape = next(plugin for plugin in record["plugins"] if plugin["role"] == "lattice_shapes")
    assert shape == {
        "role": "lattice_shapes",
        "name": "lone",
        "options": {"strength": 2.5},
        "distribution": "acme",
        "version": "1.0",
    }
    assert notices(done("--from", "run.json")) == []
    assert Path("a.bin").read_bytes() == before
    default_registry.cache_clear()
    assert openbragg.load_run("run.json").simulation.rendering().images[0].numpy().tobytes() == before
    line = refused("--from", "run.json", "--no-plugin", "acme")
    assert "lone" in line and "acme 1.0" in line and "blocked" in line
    monkeypatch.setenv("OPENBRAGG_NO_PLUGINS", "acme")
    default_registry.cache_clear()
    with pytest.raises(PluginError, match="lone"):
        openbragg.load_run("run.json")
    default_registry.cache_clear()


def test_a_repeat_without_a_plugin_that_was_chosen_by_name_is_refused() -> None:
    recorded(*SMALL, "-lattice_shape", "gauss")
    assert "blocked" in refused("--from", "run.json", "--no-plugin", "gauss")


def test_a_third_partys_input_is_checked_also_where_it_is_a_default(install: Callable[..., None]) -> None:
    table = 'table: Path = option("-lone_table", type=Path, default=Path("lone.txt"), help="A table.")'
    source = GOOD.replace("    def factors", f"    {table}\n\n    def factors")
    install("acme", "1.0", first=f"from pathlib import Path\n{source}")
    Path("lone.txt").write_text("one")
    record = recorded(*SMALL, "-lone_cell", "-fluence", "1e32", "-floatfile", "a.bin")
    assert [(file["flag"], file["path"], file["sha256"]) for file in record["inputs"]] == [
        ("-lone_table", "lone.txt", sha256("lone.txt"))
    ]
    assert notices(done("--from", "run.json")) == []
    Path("lone.txt").write_text("two")
    assert refused("--from", "run.json").startswith("-lone_table lone.txt is not what the run of run.json read")
    assert "-lone_table lone.txt" in notices(done("--from", "run.json", "--force"))[0]
