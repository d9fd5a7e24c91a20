"""A file that is no record, or not quite one, is one line with its name."""

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import openbragg
from command_line import SMALL, run
from openbragg import InputError, PluginError
from openbragg.orchestrator.records.record import read_record
from records import WITH_FILES, done, recorded, refused, rewrite

pytestmark = pytest.mark.usefixtures("inputs")


def mutations() -> list[Any]:
    """Ways to break a record, each with a word that the line about it has."""

    def setting(*way: Any, to: Any) -> Callable[[dict[str, Any]], None]:
        def change(record: Any) -> None:
            for step in way[:-1]:
                record = record[step]
            record[way[-1]] = to

        return change

    broken = [
        (setting("format", to="something"), "not a record of a run"),
        (setting("schema", to=2), "later version"),
        (setting("schema", to=0), "schema"),
        (setting("schema", to="1"), "schema"),
        (setting("schema", to=True), "schema"),
        (setting("openbragg", to=1), "openbragg: expected a word, got 1"),
        (setting("created", to="yesterday"), "created: expected a time in UTC"),
        (setting("created", to="2026-01-31T12:00:00"), "created: expected a time in UTC"),
        (setting("arguments", to="-cell 50"), "arguments: expected a list"),
        (setting("arguments", 3, to=5), "arguments[3]: expected a word, got 5"),
        (setting("arguments", 0, to="-sell"), "arguments: no such flag: -sell"),
        (setting("arguments", to=["--help"]), "arguments: no such flag: --help"),
        (setting("arguments", to=["-cell", "fifty"]), "arguments: -cell: expected a finite number"),
        (setting("arguments", to=["-cell", "50", "-hkl"]), "arguments: -hkl: expected 1 values, got 0"),
        (setting("arguments", to=["-roi", "1", "2"]), "arguments: -roi: expected 4 values"),
        (setting("arguments", to=["-hkl", "a\0b"]), "arguments: expected a word that a command line can have"),
        (setting("arguments", to=["-hkl", "\ud800"]), "arguments: expected a word that a command line can have"),
        (setting("folder", to=None), "folder: expected a word, got None"),
        (setting("experiment", to=[]), "experiment: expected an object, got []"),
        (setting("plugins", 0, to="mosflm"), "plugins[0]: expected an object"),
        (setting("plugins", 0, "options", to=None), "plugins[0].options: expected an object"),
        (setting("seeds", to={}), "seeds: the key noise is missing"),
        (setting("seeds", "noise", to=1.5), "seeds.noise: expected a whole number, got 1.5"),
        (setting("notices", to=[None]), "notices[0]: expected a word, got None"),
        (setting("inputs", 0, "sha256", to="abc"), "inputs[0]: sha256: expected 64 hexadecimal digits"),
        (setting("inputs", 0, "bytes", to=-1), "inputs[0]: bytes: expected a whole number of 0 or more"),
        (setting("inputs", 0, "path", to="\0"), "inputs[0]: path: expected a word"),
        (setting("outputs", 0, "colour", to="red"), "outputs[0]: unknown key 'colour'"),
        (setting("machine", "threads", to="2"), "machine.threads: expected a whole number, got '2'"),
        (setting("weather", to="fine"), "unknown key 'weather'"),
        (lambda record: record.pop("machine"), "the key machine is missing"),
        (lambda record: record["inputs"][0].pop("flag"), "inputs[0]: the key flag is missing"),
    ]
    return [pytest.param(change, word, id=word) for change, word in broken]


@pytest.mark.parametrize(("change", "word"), mutations())
def test_a_broken_record_is_one_line_with_its_name(change: Callable[[dict[str, Any]], None], word: str) -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    rewrite(change)
    line = refused("--from", "run.json")
    assert line.startswith("run.json: ")
    assert word in line
    assert len(line) < 250


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not a record of a run: Expecting value in line 1, column 1"),
        (b"{", "not a record of a run"),
        (b"null", "not a record of a run"),
        (b"[]", "not a record of a run"),
        (b"\xff\xfe{}", "no text in UTF-8 at byte 0"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": 1e999}', "the number '1e999' is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is too large"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands there twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b'{"a":' * 200_000, "too many small parts"),
        (b"SIMPLE  =                    T", "not a record of a run"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_file_that_is_no_record_is_one_line_with_its_name(content: bytes, word: str) -> None:
    Path("run.json").write_bytes(content)
    line = refused("--from", "run.json")
    assert line.startswith("run.json: ")
    assert word in line
    assert len(line) < 250


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.json", "No such file"), (".", "directory"), ("a\0b", "null byte")]
)
def test_a_record_that_cannot_be_read_is_one_line(name: str, reason: str) -> None:
    assert reason in refused("--from", name)


def test_an_endless_file_is_no_record() -> None:
    assert "too large for a record of a run" in refused("--from", "/dev/zero")


@pytest.mark.parametrize("piece", [b"[],", b"{},", b'"ab",', b"1.5,", b'"\\u0416",', "\u0416".encode()], ids=repr)
def test_a_file_takes_no_more_than_ten_times_its_size_in_memory(piece: bytes) -> None:
    body = piece * (12_000_000 // len(piece))
    content = b'["' + body + b'"]' if piece == "\u0416".encode() else b"[" + body + b"0]"
    Path("run.json").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read_record(Path("run.json"))
        assert tracemalloc.get_traced_memory()[1] < 10 * len(content)
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A record as it stands in a file."""
    home = tmp_path_factory.mktemp("sample")
    before = Path.cwd()
    os.chdir(home)
    try:
        done(*SMALL, "-floatfile", "a.bin", "--record", "run.json")
    finally:
        os.chdir(before)
    return (home / "run.json").read_bytes()


@given(data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_record_is_read_or_refused_in_one_line(sample: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)))
    length = data.draw(st.integers(0, 40))
    other = data.draw(st.binary(max_size=10) | st.sampled_from([b"", b"null", b"0", b"{}", b'"x"', b"[", b"}", b","]))
    Path("run.json").write_bytes(sample[:start] + other + sample[start + length :])
    for read in (read_record, openbragg.load_run):
        line = "run.json"
        try:
            read(Path("run.json"))
        except PluginError as error:
            line += str(error)
        except openbragg.OpenBraggError as error:
            line = str(error)
        assert len(line.splitlines()) == 1
        assert "run.json" in line


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_repeat_of_a_damaged_record_never_breaks(sample: bytes, data: st.DataObject) -> None:
    record = json.loads(sample)
    key = data.draw(st.sampled_from(sorted(record)))
    value = data.draw(st.none() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.text(max_size=9), max_size=3))
    record[key] = value
    Path("run.json").write_text(json.dumps(record))
    finished = run("simulate", "--from", "run.json", "-floatfile", "out.bin")
    assert finished.status in (0, 1, 2)
    if finished.status:
        (line,) = finished.complaints()
        assert line.startswith("openbragg: error: ")


def test_a_truncated_record_is_refused_wherever_it_ends(sample: bytes) -> None:
    for end in range(0, len(sample) - 2, 37):
        Path("run.json").write_bytes(sample[:end])
        with pytest.raises(InputError, match=r"^run\.json: not a record of a run"):
            read_record(Path("run.json"))


def test_python_names_file_and_place_of_a_wrong_experiment() -> None:
    recorded(*SMALL)
    rewrite(lambda record: record["experiment"]["beam"].update(wavelength="x"))
    with pytest.raises(InputError) as caught:
        openbragg.load_run("run.json")
    assert str(caught.value) == "run.json: experiment.beam.wavelength: expected a number above 0, got 'x'"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda record: record["plugins"].pop(0), "plugins: expected one of the role geometry_conventions, got 0"),
        (lambda record: record["plugins"].append(record["plugins"][1]), "expected one of the role structure_factors"),
        (lambda record: record["plugins"][1]["options"].update(default_F="x"), "structure_factors hkl.default_F"),
        (lambda record: record["plugins"][1]["options"].pop("file"), "the key file is missing"),
        (lambda record: record.update(quirks=["wrong"]), "wrong"),
    ],
)
def test_python_refuses_a_record_without_what_it_needs(change: Callable[[Any], None], word: str) -> None:
    recorded(*SMALL)
    rewrite(change)
    with pytest.raises(openbragg.OpenBraggError) as caught:
        openbragg.load_run("run.json")
    assert str(caught.value).startswith("run.json: ")
    assert word in str(caught.value)


def test_python_says_when_a_record_is_of_another_version() -> None:
    recorded(*SMALL)

    def older(record: dict[str, Any]) -> None:
        record["openbragg"] = "0.0.1"
        del record["experiment"]["beam"]["flux"]

    rewrite(older)
    with pytest.raises(InputError, match=r"flux is missing.*made with openbragg 0\.0\.1"):
        openbragg.load_run("run.json")
