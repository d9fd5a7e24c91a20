"""What a truth format may ask of the core: flags given several times, standard output, tracers, preparation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from command_line import SMALL, Finished, run
from openbragg import InputError, option
from openbragg.cli.compose import construct, flags_of
from openbragg.options import Rule
from openbragg.orchestrator.outputs.outputs import Output, check, requested, write_output
from openbragg.orchestrator.records.serialise import from_plain, to_plain

Install = Callable[..., None]

NOTES = """
from typing import ClassVar
import attrs
from openbragg import InputError, hookimpl, option

@attrs.frozen
class Notes:
    name: ClassVar[str] = "notes"
    summary: ClassVar[str] = "words about a run"
    flags: ClassVar[tuple[str, ...]] = ()
    {extra}
    note: tuple[str, ...] = option("-note", several=True, type=str, metavar="WORD", help="A word; several times.")
    ask: tuple[str, ...] = option("-ask", several=True, type=str, role="tracers", help="A tracer.")
    file: str | None = option("-notes", type=str, output="truth", stdout=True, help="Where to.")

    def refuses(self, experiment):
        return None if self.note else "expected with -note"

    def unasked(self):
        return "file" if self.note else None

    def write_truth(self, stream, path, truth):
        names = [tracer.name + " of " + origin.split()[0] for tracer, origin in truth.tracers]
        photons = float(truth.trace(1, 2).value)
        stream.write((", ".join([*self.note, *names, repr(photons)]) + chr(10)).encode())

@hookimpl
def truth_formats():
    return [Notes]
"""
PREPARED = """
    def prepared(self, truth):
        if "bad" in self.note:
            raise InputError("there is a bad word")
        return attrs.evolve(self, note=("prepared", *self.note))
"""


def simulate(*words: object) -> Finished:
    return run("simulate", *SMALL, "-floatfile", "a.bin", *words)


@pytest.fixture
def notes(install: Install) -> None:
    install("acme", "1.0", notes=NOTES.format(extra=PREPARED))


@pytest.mark.usefixtures("notes")
def test_a_flag_may_be_given_several_times_and_its_values_keep_their_order() -> None:
    finished = simulate("-note", "b", "--note", "a", "-note", "b", "-notes", "n.txt")
    assert finished.status == 0, finished.err
    assert Path("n.txt").read_text().startswith("prepared, b, a, b, ")
    assert f"{'wrote':<16}n.txt (notes, truth)" in finished.out.splitlines()


@pytest.mark.usefixtures("notes")
def test_without_a_file_it_goes_to_standard_output_when_the_format_says_so() -> None:
    finished = simulate("-note", "a")
    assert finished.status == 0
    assert finished.out.startswith("prepared, a, ")
    assert not any("notes" in line for line in finished.out.splitlines() if line.startswith("wrote"))
    assert simulate("-note", "a", "-notes", "-").out == finished.out
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["a.bin"]


@pytest.mark.usefixtures("notes")
def test_tracers_are_those_that_are_named_or_all_and_a_trace_is_the_image_s() -> None:
    simulate("-note", "a", "-notes", "n.txt")
    words = Path("n.txt").read_text().split(", ")
    assert {"per-phi of openbragg", "scaling of openbragg"} <= set(words)
    simulate("-note", "a", "-notes", "n.txt", "-ask", "scaling", "-ask", "scaling")
    *said, photons = Path("n.txt").read_text().split(", ")
    assert said == ["prepared", "a", "scaling of openbragg"]
    image = memoryview(Path("a.bin").read_bytes()).cast("f")
    assert float(photons) == image[1 * 4 + 2]


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (("-ask", "nobody", "-note", "a"), 1, "unknown tracer 'nobody'; installed: "),
        (("-ask", "scaling"), 2, "-ask: expected with -note"),
        (("-notes", "n.txt"), 2, "-notes: expected with -note"),
        (("-note", "a", "-notes", "a.bin"), 2, "two outputs are to be written to a.bin"),
        (("-note", "a", "-notes", "missing/n.txt"), 1, "cannot write missing/n.txt"),
        (("-note", "bad", "-notes", "n.txt"), 1, "there is a bad word"),
    ],
)
def test_what_cannot_be_is_one_line_and_no_file(words: tuple[str, ...], status: int, expected: str) -> None:
    finished = simulate(*words)
    assert finished.status == status
    # Where only the rendered image shows it, the choices were said before.
    assert finished.out == "" or (words[1] == "bad" and "expected time" in finished.out.splitlines()[-1])
    assert finished.complaints()[-1].startswith("openbragg: error: ")
    assert expected in finished.complaints()[-1]
    assert [path for path in Path().iterdir() if path.is_file()] == []


@pytest.mark.usefixtures("notes")
def test_what_went_to_standard_output_is_no_file_of_the_record_but_its_plugins_are() -> None:
    assert simulate("-note", "a", "-note", "b", "-ask", "scaling", "-record", "run.json").status == 0
    record = json.loads(Path("run.json").read_text())
    assert [file["path"] for file in record["outputs"]] == ["a.bin"]
    used = {(plugin["role"], plugin["name"]): plugin["options"] for plugin in record["plugins"]}
    assert ("tracers", "scaling") in used and ("tracers", "per-phi") not in used
    assert used["truth_formats", "notes"] == {"note": ["a", "b"], "ask": ["scaling"], "file": None}
    again = run("simulate", "-from", "run.json", "-note", "c")
    assert again.status == 0
    assert again.out.startswith("prepared, a, b, c, scaling of openbragg, ")


@pytest.mark.usefixtures("notes")
def test_a_series_has_it_too_and_it_is_prepared() -> None:
    finished = simulate("-note", "a", "-images", "2", "-osc", "1")
    assert finished.status == 0, finished.err
    assert finished.out.startswith("prepared, a, ")
    assert not any("notes" in line for line in finished.out.splitlines() if line.startswith("wrote"))


def test_what_is_about_one_image_is_refused_with_a_series(install: Install) -> None:
    install("acme", "1.0", notes=NOTES.format(extra="of_one_image: ClassVar[bool] = True"))
    assert simulate("-note", "a").status == 0
    finished = simulate("-note", "a", "-images", "2", "-osc", "1")
    assert finished.status == 2
    assert finished.err == "openbragg: error: -note: is about one image; expected without -images\n"


@attrs.frozen
class Several:
    """Fields that take their flag several times."""

    pairs: tuple[tuple[int, int], ...] = option("-pair", several=True, type=int, length=2, help="Pairs.")
    words: tuple[str, ...] = option("-word", several=True, type=str, help="Words.")
    sizes: tuple[float, ...] = option(
        "-size", several=True, unit="mm", rule=Rule("a number above 0", lambda value: value > 0), help="Lengths."
    )


def test_values_are_in_si_and_an_empty_tuple_without_the_flag() -> None:
    flags = {flag.spellings[0]: flag for flag in flags_of(Several)}
    given = [("-pair", "1 2"), ("-size", "5"), ("-pair", "3 4"), ("-word", "a b"), ("-size", "0.1")]
    made = construct(Several, [(flags[flag], text.split() if flag == "-pair" else [text]) for flag, text in given])
    assert made == Several(pairs=((1, 2), (3, 4)), words=("a b",), sizes=(0.005, 0.0001))
    assert Several() == Several(pairs=(), words=(), sizes=())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pairs", [1, 2]),
        ("pairs", ((1, 2.5),)),
        ("words", "a"),
        ("words", (1,)),
        ("sizes", (1.0, -1.0)),
        ("sizes", 1.0),
    ],
)
def test_what_is_no_tuple_of_such_values_is_refused_from_python(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"Several.{field}: expected"):
        Several(**{field: value})


def test_they_can_be_written_down_and_read_back() -> None:
    made = Several(pairs=((1, 2), (3, 4)), words=("a", "b"), sizes=(0.5,))
    plain = json.loads(json.dumps(to_plain(made)))
    assert plain == {"pairs": [[1, 2], [3, 4]], "words": ["a", "b"], "sizes": [0.5]}
    assert from_plain(Several, plain) == made
    for field, value in (("pairs", [[1]]), ("pairs", 3), ("words", [1]), ("sizes", [-1.0])):
        with pytest.raises(InputError, match=field):
            from_plain(Several, {**plain, field: value})


@attrs.frozen
class TwoFiles:
    """A format of which one file may be standard output."""

    name: ClassVar[str] = "two"
    first: str | None = option("-first", type=str, output="truth", stdout=True, help="One.")
    second: str | None = option("-second", type=str, output="truth", help="Another.")


def test_a_dash_is_standard_output_only_where_the_option_says_so(tmp_path: Path, capsys: Any) -> None:
    first, second = requested([TwoFiles(first="-", second="-")])
    assert (first.stdout, second.stdout) == (True, False)
    write_output(first, lambda stream: stream.write("Ångström\n".encode()))
    assert capsys.readouterr().out == "Ångström\n"
    (file,) = requested([TwoFiles(first="./-")])
    assert not file.stdout


def test_two_outputs_cannot_both_be_standard_output() -> None:
    outputs = [Output(Path("-"), None, "truth", flag, stdout=True) for flag in ("-first", "-second")]
    check(outputs[:1])
    with pytest.raises(Exception, match="two outputs are to be written to standard output"):
        check(outputs)
