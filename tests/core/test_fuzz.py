"""Parsers and spoilt files: a value or one line, soon, in little memory. `corpora` has the files and the promise."""

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command_line import run
from corpora import AMPLITUDES, MATRIX, SOURCES, TABLE, WORDS, Parser, Verdict, checked, chunk, judge, numbers, parsers
from openbragg.errors import OpenBraggError

GEOMETRIES = ("expt", "xds-inp", "xparm", "crystfel", "crystfel-cell")
NAMES = (
    *("matrix", "hkl", "reflections", "dump", "header", "sources", "rotations", "spectrum", "corrections", "atoms"),
    *("map", "stol", "picture", "cbf", "tiff", "record", "trace"),
    *GEOMETRIES,
)
#: Far more than any of these small files takes, on any machine.
SECONDS = 20
#: So many bad files are enough to see that a command line treats all of them alike.
SEVERAL = 6
OLD = b"an image that someone needs\n"
#: A test's folder serves all its examples: each one writes its file anew.
fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

Mutation = Callable[[bytes], bytes]


@contextmanager
def patience() -> Iterator[None]:
    """No more than `SECONDS` of work, where signals reach this thread; waiting for others does not count."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise TimeoutError(f"no end after {SECONDS} s")

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@cache
def warm(name: str, path: Path) -> Parser:
    """A parser that has read and refused something already: what it imports for that is not counted."""
    parser = parsers()[name]
    for content in (next(iter(parser.good.values())), next(iter(parser.bad.values()))):
        path.write_bytes(content)
        with suppress(OpenBraggError):
            parser.read(path)
    return parser


def judged(name: str, folder: Path, content: bytes) -> Verdict:
    """What a parser makes of a file."""
    with patience():
        return judge(warm(name, folder / "file"), folder / "file", content)


@pytest.mark.parametrize("name", NAMES)
def test_good_files_are_read(tmp_path: Path, name: str) -> None:
    lines = {case: judged(name, tmp_path, content).line for case, content in parsers()[name].good.items()}
    assert lines == dict.fromkeys(lines)


@pytest.mark.parametrize("name", NAMES)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    for case, content in parsers()[name].bad.items():
        assert judged(name, tmp_path, content).line is not None, case


@pytest.mark.parametrize("name", NAMES)
def test_files_that_once_were_too_much_are_read_or_refused(tmp_path: Path, name: str) -> None:
    for content in parsers()[name].odd.values():
        judged(name, tmp_path, content)


def test_every_parser_is_tried() -> None:
    assert tuple(parsers()) == NAMES


def places(content: bytes) -> st.SearchStrategy[int]:
    """Places in a file, its first bytes more often than others: what is said there decides most."""
    return st.integers(0, len(content)) | st.integers(0, min(len(content), 64))


@st.composite
def cut(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    return content[: draw(places(content))]


@st.composite
def with_other_bytes(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    spoilt = bytearray(content)
    for place in draw(st.lists(places(content), max_size=4)):
        spoilt[place : place + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(spoilt)


@st.composite
def with_something_put_in(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    place = draw(places(content))
    return content[:place] + draw(st.sampled_from(words) | st.binary(max_size=8)) + content[place:]


@st.composite
def with_something_taken_out(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    place = draw(places(content))
    return content[:place] + content[place + draw(st.integers(0, 40)) :]


@st.composite
def with_another_number(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    """One of the numbers in the text is another one, or none: so headers lie about sizes."""
    found = list(re.finditer(rb"[-+]?\d[\d.]*(?:[eE][-+]?\d+)?", content[:4096]))
    if not found:
        return content
    chosen = draw(st.sampled_from(found))
    return content[: chosen.start()] + draw(st.sampled_from(WORDS)) + content[chosen.end() :]


@st.composite
def with_another_size(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    """Some bytes are another whole number: so binary headers lie."""
    place = draw(places(content))
    number = draw(st.sampled_from((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1)))
    length = draw(st.sampled_from((1, 2, 4, 8)))
    spoilt = (number % (1 << 8 * length)).to_bytes(length, draw(st.sampled_from(("little", "big"))))
    return content[:place] + spoilt + content[place + length :]


@st.composite
def with_repetitions(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    """A piece or a line many times over."""
    times = draw(st.sampled_from((2, 3, 50, 3000)))
    if draw(st.booleans()):
        lines = content.splitlines(keepends=True) or [b""]
        line = draw(st.integers(0, len(lines) - 1))
        return b"".join((*lines[:line], lines[line][:20] * times, *lines[line:]))
    place = draw(places(content))
    return content[:place] + content[place : place + draw(st.integers(1, 8))] * times + content[place:]


@st.composite
def with_lines_exchanged(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    return b"".join(draw(st.permutations(content[:2000].splitlines(keepends=True)))) + content[2000:]


@st.composite
def in_other_letters(draw: st.DrawFn, content: bytes, words: tuple[bytes, ...]) -> bytes:
    change: Mutation = draw(
        st.sampled_from(
            [
                lambda spoilt: spoilt.decode("latin-1").encode("utf-16"),
                lambda spoilt: spoilt.decode("latin-1").encode("utf-8-sig"),
                lambda spoilt: spoilt.decode("latin-1").encode("cp500"),
                lambda spoilt: spoilt.replace(b"\n", b"\r"),
                lambda spoilt: spoilt.replace(b"\n", b"\r\n"),
                lambda spoilt: spoilt.replace(b"\n", b" "),
                lambda spoilt: spoilt.replace(b" ", b"\0"),
                lambda spoilt: spoilt.replace(b" ", b"\xa0"),
                lambda spoilt: spoilt.replace(b".", b","),
                lambda spoilt: spoilt.replace(b" ", b" " * 9000),
                checked,
            ]
        )
    )
    return change(content)


MUTATIONS = (
    cut,
    with_other_bytes,
    with_something_put_in,
    with_something_taken_out,
    with_another_number,
    with_another_size,
    with_repetitions,
    with_lines_exchanged,
    in_other_letters,
)


@given(st.data())
@fuzz
@pytest.mark.parametrize("name", NAMES)
def test_any_file_is_read_or_refused_in_one_line(tmp_path: Path, name: str, data: st.DataObject) -> None:
    parser = parsers()[name]
    content = data.draw(st.sampled_from([*parser.good.values(), b""]))
    for mutation in data.draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3)):
        content = data.draw(mutation(content[:30000], (*parser.words, *WORDS)))
    if data.draw(st.booleans()):
        content = parser.change(content, data.draw(st.randoms(use_true_random=False)))
    judged(name, tmp_path, content)


@given(st.integers(1, 3), st.randoms(use_true_random=False))
@fuzz
def test_records_with_other_values_are_read_or_refused_in_one_line(
    tmp_path: Path, changes: int, random: Random
) -> None:
    parser = parsers()["record"]
    content = parser.good["ours"]
    for _ in range(changes):
        content = parser.change(content, random)
    judged("record", tmp_path, content)


@given(st.binary(max_size=100))
@fuzz
@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    judged(name, tmp_path, content)


#: Files of a quarter of a mebibyte whose parts are as small as they can be, so that their values take the most memory.
DENSE = [
    ("matrix", b"1\n"),
    ("matrix", b"\n"),
    ("hkl", b"0 0 0 0\n"),
    ("hkl", b"12\n"),
    ("hkl", b"12 "),
    ("hkl", b"\n"),
    ("reflections", b"   1   2   3  100.00    1.00\n"),
    ("sources", b"1 1 1 1 1\n"),
    ("sources", b"12 "),
    ("stol", b"0 0\n"),
    ("stol", b"12 "),
    ("header", b"{HEADER_BYTES=60000;" + b"".join(b"%x=;" % key for key in range(12000))),
    ("record", b"[],"),
    ("record", b'{"a":{"b":[1,2]}},'),
    ("trace", b"TRACE_CONFIG: tracing pixel (spixel=4, fpixel=7)\nTRACE_C: a 1\n"),
    ("trace", b"TRACE_C: a 1\n"),
    ("trace", b"TRACE_C_PHI phi_tic=0\n"),
    ("expt", b"[],"),
    ("expt", b'{"a":{"b":[1,2]}},'),
    ("xds-inp", b"SEGMENT= 1 1 1 1\n"),
    ("xds-inp", b"UNTRUSTED_RECTANGLE= 0 1 2 3\n"),
    ("xds-inp", b"A= "),
    ("xparm", b"1 1 1 1 1\n"),
    ("crystfel", b"a/fs=x\n"),
    ("crystfel", b"a=1\n"),
]


#: What has to stand before them.
BEGINNINGS = {"record": b"[", "expt": b"[", "trace": b"TRACE_CONFIG: tracing pixel (spixel=4, fpixel=7)\n"}


@pytest.mark.parametrize(("name", "part"), DENSE)
def test_a_file_of_many_small_parts_takes_little_memory(tmp_path: Path, name: str, part: bytes) -> None:
    judged(name, tmp_path, BEGINNINGS.get(name, b"") + part * ((1 << 18) // len(part)))


HARMLESS: list[tuple[str, str, Mutation]] = [
    *(
        (name, change, mutation)
        for name in ("matrix", "hkl", "sources", "stol", "record", *GEOMETRIES)
        for change, mutation in {
            "windows ends": lambda content: content.replace(b"\n", b"\r\n"),
            "old ends": lambda content: content.replace(b"\n", b"\r"),
            "trailing blanks": lambda content: content.replace(b"\n", b" \t\n") + b"\n\n  \n",
            "no end": lambda content: content.rstrip(b"\n"),
            "blanks before": lambda content: b"\n \n" + content,
        }.items()
    ),
    ("hkl", "columns", lambda content: content.replace(b" ", b"   \t")),
    ("sources", "columns", lambda content: content.replace(b" ", b" , ")),
    ("stol", "comments", lambda content: content.replace(b"\n", b"\n# of 1/\xc3\x85\n")),
    ("dump", "blanks", lambda content: content.replace(b" ", b"  ", 1).replace(b"\n", b" \r\n", 1)),
    ("header", "windows ends", lambda content: content.replace(b"\n", b"\r\n", 5).replace(b" " * 5, b"", 1)),
    ("header", "more at the end", lambda content: content + b"\0" * 7),
    ("header", "blanks", lambda content: content.replace(b"=", b" = ", 4).replace(b" " * 8, b"", 1)),
    ("record", "one line", lambda content: json.dumps(json.loads(content)).encode()),
    ("record", "mark of the letters", lambda content: b"\xef\xbb\xbf" + content),
]


@pytest.mark.parametrize(
    ("name", "mutation"), [pytest.param(name, mutation, id=f"{name} {change}") for name, change, mutation in HARMLESS]
)
def test_what_changes_nothing_changes_nothing(tmp_path: Path, name: str, mutation: Mutation) -> None:
    for content in parsers()[name].good.values():
        expected, found = (judged(name, tmp_path, version) for version in (content, mutation(content)))
        assert found.line is None
        for one, other in zip(numbers(expected.value), numbers(found.value), strict=True):
            np.testing.assert_array_equal(other, one)


def test_a_remark_in_a_png_changes_nothing(tmp_path: Path) -> None:
    content = parsers()["picture"].good["deep"]
    remarked = content[:33] + chunk(b"tEXt", b"Comment\0" + b"x" * 2000) + content[33:]
    expected, found = (judged("picture", tmp_path, version).value.pixels for version in (content, remarked))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_refuses_bad_files_and_leaves_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    parser = parsers()[name]
    Path("out.bin").write_bytes(OLD)
    for case, content in list(parser.bad.items())[:SEVERAL]:
        Path("bad file").write_bytes(content)
        words = [word.replace("FILE", "bad file") for word in parser.route]
        output = {"simulate": ("-floatfile", "out.bin"), "compare": ("--output", "out")}.get(words[0], ())
        with patience():
            finished = run(*words, *output)
        assert finished.status == 1, (case, finished)
        assert finished.out == "", case
        (line,) = finished.complaints()
        assert line.startswith("openbragg: error: "), case
        assert "bad file" in line, (case, line)
        assert Path("bad file").read_bytes() == content, case
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bad file", "out.bin"], case
        assert Path("out.bin").read_bytes() == OLD, case


def test_a_bad_mask_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.img"
    for case, content in list(parsers()["header"].bad.items())[:SEVERAL]:
        bad.write_bytes(content)
        finished = run("simulate", *parsers()["header"].route[1:-2], "-mask", bad, "-floatfile", tmp_path / "out.bin")
        assert finished.status == 1, case
        assert [str(bad) in line for line in finished.complaints()] == [True], case
        assert [path.name for path in tmp_path.iterdir()] == ["bad.img"], case


def test_spoilt_files_are_now_and_then_still_good(tmp_path: Path) -> None:
    """So that the tests above do not only see errors."""
    for name, content in {"matrix": MATRIX, "hkl": TABLE, "sources": SOURCES, "stol": AMPLITUDES}.items():
        spoilt = [content.replace(b"0", digit) for digit in (b"1", b"2", b"3")]
        assert any(judged(name, tmp_path, version).line is None for version in spoilt), name
