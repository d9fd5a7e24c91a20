"""Files of traces: what is read, what is kept, and what comes back when they are written."""

from __future__ import annotations

import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbragg import TracedPixel
from openbragg.errors import InputError
from openbragg_tracers.comparison.differences import compare_traces
from openbragg_tracers.traces.model import STEP_AXES, TraceFile
from openbragg_tracers.traces.reading import read_traces
from openbragg_tracers.traces.writing import to_json, write_log
from traced_model import Simulator

#: Logs of the reference program lie outside the project, where they are at hand.
SHARED = sorted((Path(__file__).parents[3] / "shared" / "reference" / "supervisor" / "traces").glob("*.log"))
SIMULATOR = Simulator(phi_steps=3)
LOG = """\
reading A.mat
TRACE_CONFIG: tracing pixel (spixel=4, fpixel=7)
TRACE_C: pix0_vector_meters -0.25 0.5 -1
 5% done
TRACE_C: R_distance_meters 0.328799655138644
TRACE_C: colour 3 dark blue
TRACE_C_PHI phi_tic=0 phi_deg=0 k_frac=-13.07 F_latt_b=-4.3 F_latt=-4.2
TRACE_C: F_cell 23.92
TRACE_C_PHI phi_tic=1 phi_deg=0.01 k_frac=-13.04 F_latt_b=5.3 F_latt=8 mosaic=2 strangeness=1e3 flavour=up
TRACE_C: steps 10
TRACE_CONFIG: tracing pixel (spixel=1, fpixel=0)
TRACE_C: F_cell -0
"""


def read(folder: Path, content: str | bytes, name: str = "a.log") -> TraceFile:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_traces(path)


def refused(folder: Path, content: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, content)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder / "a.log") in message
    return message


def step(**numbers: Any) -> dict[str, Any]:
    return {**dict.fromkeys(STEP_AXES, 0), **numbers}


def test_a_log_is_read_among_other_output(tmp_path: Path) -> None:
    first, second = read(tmp_path, LOG).pixels
    assert (first.slow, first.fast, second.slow, second.fast) == (4, 7, 1, 0)
    assert first.values == {
        "pix0_vector_meters": [-0.25, 0.5, -1],
        "R_distance_meters": 0.328799655138644,
        "colour": "3 dark blue",
        "F_cell": 23.92,
        "steps": 10,
    }
    assert first.steps == [
        step(phi_deg=0, k_frac=-13.07, F_latt_b=-4.3, F_latt=-4.2),
        step(phi_tic=1, phi_deg=0.01, k_frac=-13.04, F_latt_b=5.3, F_latt=8, mosaic=2, strangeness=1e3, flavour="up"),
    ]
    zero = second.values["F_cell"]
    assert isinstance(zero, float) and math.copysign(1.0, zero) == -1.0


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("TRACE_C:", "TRACE_PY:").replace("TRACE_C_PHI", "TRACE_PY_PHI"),
        lambda text: text.replace("TRACE_C:", "  TRACE_C:  "),
        lambda text: text.replace("TRACE_C:", "10%\r20%\rTRACE_C:"),
        lambda text: f"{'long ' * 100_000}\n{text}",
        lambda text: text.replace(
            "TRACE_C: F_cell 23.92\n", "TRACE_CONVERGED: no\nTRACE_C_PHIL phi_tic=x\nTRACE_C: F_cell 23.92\n"
        ),
        lambda text: text.replace(" 5% done", "TRACE_CONFIG: verbose (2)"),
        lambda text: text.replace(" 5% done", "\0\xff \u00e9"),
    ],
    ids=["CRLF", "TRACE_PY", "blanks", "returns", "long lines", "other words", "other setup", "binary"],
)
def test_what_is_around_a_trace_does_not_change_it(tmp_path: Path, change: Any) -> None:
    assert read(tmp_path, change(LOG)).pixels == read(tmp_path, LOG).pixels


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_log_cut_off_anywhere_is_read_up_to_its_last_whole_line(tmp_path: Path, ending: str) -> None:
    whole = LOG.replace("\n", ending).encode()
    read_somewhere = 0
    for length in range(len(whole)):
        cut = whole[:length]
        lines = cut[: cut.rfind(b"\n") + 1]
        try:
            expected = read(tmp_path, lines, "whole.log")
        except InputError:
            assert "no trace in it" in refused(tmp_path, cut)
            continue
        found = read(tmp_path, cut)
        read_somewhere += 1
        assert found.pixels == expected.pixels
        if lines != cut:
            last = lines.count(b"\n") + 1
            assert f"ends within line {last}" in found.notices[0]
    assert read_somewhere > len(whole) / 2


def test_a_trace_cut_off_between_lines_is_noticed(tmp_path: Path) -> None:
    lines = list(write_log([SIMULATOR.trace()]))
    assert read(tmp_path, "\n".join(lines) + "\n").notices == []
    (notice,) = read(tmp_path, "\n".join(lines[:-1]) + "\n").notices
    assert "before the floatimage_accumulated of pixel slow 100, fast 300" in notice


def test_a_pixel_of_which_nothing_is_said_is_left_out_with_a_notice(tmp_path: Path) -> None:
    found = read(tmp_path, LOG[: LOG.index("TRACE_C: F_cell -0")])
    assert [pixel.slow for pixel in found.pixels] == [4]
    (notice,) = found.notices
    assert "nothing of pixel slow 1, fast 0" in notice


def test_what_stands_there_twice_is_kept_once_with_a_notice(tmp_path: Path) -> None:
    found = read(tmp_path, LOG.replace("TRACE_C: steps 10\n", "TRACE_C: steps 10\n" + "TRACE_C: F_cell 1\n" * 3))
    assert found.pixels[0].values["F_cell"] == 23.92
    (notice,) = found.notices
    assert "line 11" in notice and "F_cell" in notice


@pytest.mark.parametrize("word", ["nan", "-nan", "NaN", "nan(0x8000000000000)", "-nan(ind)", "-1.#IND", "1.#QNAN"])
def test_nan_is_read_as_c_libraries_print_it(tmp_path: Path, word: str) -> None:
    (pixel, _) = read(tmp_path, LOG.replace("23.92", word)).pixels
    value = pixel.values["F_cell"]
    assert isinstance(value, float) and math.isnan(value)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("(spixel=4, fpixel=7)", "(4, 7)", 2, "spixel=S"),
        ("(spixel=4, fpixel=7)", "(spixel=4", 2, "spixel=S"),
        ("-0.25 0.5 -1", "-0.25 0.5", 3, "pix0_vector_meters: expected 3 numbers"),
        ("-0.25 0.5 -1", "-0.25 0.5 east", 3, "pix0_vector_meters: expected 3 numbers"),
        ("0.328799655138644", "1 2", 5, "R_distance_meters: expected a number"),
        ("0.328799655138644", "far", 5, "R_distance_meters: expected a number"),
        ("0.328799655138644", "1_000", 5, "R_distance_meters: expected a number"),
        (" R_distance_meters 0.328799655138644", " R_distance_meters", 5, "a name and its values"),
        ("phi_tic=0 ", "", 7, "phi_tic=NUMBER"),
        ("phi_tic=0 ", "phi_tic=0.5 ", 7, "phi_tic: expected a whole number"),
        ("phi_tic=0 ", "phi_tic=-1 ", 7, "phi_tic: expected a whole number"),
        ("mosaic=2", "mosaic=x", 9, "mosaic: expected a whole number"),
        ("k_frac=-13.04", "k_frac=", 9, "NAME=NUMBER"),
        ("k_frac=-13.04", "k_frac", 9, "NAME=NUMBER"),
        ("k_frac=-13.04", "=-13.04", 9, "NAME=NUMBER"),
        ("-0.25 0.5 -1", "1 " * 50_000, 3, "too long"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in LOG
    message = refused(tmp_path, LOG.replace(old, new, 1))
    assert f"line {line}: " in message
    assert said in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no trace in it"),
        ("done\n", "no trace in it"),
        ("TRACE_CONFIG: tracing pixel (spixel=4, fpixel=7)\n", "no trace in it"),
        ("TRACE_C: F_cell 3\n", "line 1: expected first which pixel"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 99, "no trace in it"),
        ("{", "not a file of traces"),
        ("{}", "expected the format 'openbragg-trace'"),
        ('{"format": "openbragg-trace"}', "expected version 1"),
        ('{"format": "openbragg-trace", "version": 2, "pixels": []}', "expected version 1, got 2"),
        ('{"format": "openbragg-trace", "version": 1}', "pixels: expected a list"),
        ('{"format": "openbragg-trace", "version": 1, "pixels": []}', "pixels is empty"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


@pytest.mark.parametrize("line", ["TRACE_C_PHI phi_tic=0\n", "TRACE_CONFIG: tracing pixel (spixel=1, fpixel=1)\n"])
def test_a_log_of_countless_small_parts_is_refused_before_it_takes_the_memory(tmp_path: Path, line: str) -> None:
    beginning = "TRACE_CONFIG: tracing pixel (spixel=1, fpixel=1)\nTRACE_C: F_cell 1\n"
    assert "too many small parts" in refused(tmp_path, beginning + line * 150_000)


def test_a_file_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            read_traces(path)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("slow",), -1, "pixels[0].slow: expected a whole number"),
        (("fast",), 2.5, "pixels[0].fast: expected a whole number"),
        (("values",), [], "pixels[0].values: expected an object"),
        (("steps",), {}, "pixels[0].steps: expected a list"),
        (("values", "F_cell"), "many", "pixels[0].values.F_cell: expected a number"),
        (("values", "F_cell"), [1.0], "pixels[0].values.F_cell: expected a number"),
        (("values", "fdet_vec"), 1.0, "pixels[0].values.fdet_vec: expected 3 numbers"),
        (("values", "fdet_vec"), [1.0, 2.0], "pixels[0].values.fdet_vec: expected 3 numbers"),
        (("values", "new"), [[1.0]], "pixels[0].values.new[0]: expected a number"),
        (("values", "new"), {}, "pixels[0].values.new: expected a number"),
        (("steps", 1), 3, "pixels[0].steps[1]: expected an object"),
        (("steps", 1, "phi_tic"), "0", "pixels[0].steps[1].phi_tic: expected a whole number"),
        (("steps", 1, "k_frac"), [], "pixels[0].steps[1].k_frac: expected a number"),
    ],
)
def test_a_wrong_value_in_json_is_named(tmp_path: Path, place: tuple[Any, ...], value: Any, said: str) -> None:
    content = json.loads(to_json([SIMULATOR.trace()]))
    inner = content["pixels"][0]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    assert said in refused(tmp_path, json.dumps(content))


def test_json_comes_back_exactly(tmp_path: Path) -> None:
    pixels = [SIMULATOR.trace(), SIMULATOR.trace(3, 5)]
    assert read(tmp_path, to_json(pixels)).pixels == pixels


def test_json_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    pixel = attrs.evolve(SIMULATOR.trace(), further={"remark": {"by": ["hand"]}})
    pixel = attrs.evolve(pixel, values={**pixel.values, "colour": "blue", "made": [1.0, 2.0]})
    pixel.steps[0]["flavour"] = "up"
    pixel.steps[0]["F_latt_a"] = None
    found = read(tmp_path, to_json([pixel], {"program": "simulator 3"}))
    assert found.pixels == [pixel]
    assert found.further == {"program": "simulator 3"}
    assert to_json(found.pixels, found.further) == to_json([pixel], {"program": "simulator 3"})


def test_numbers_that_are_none_come_back_from_json(tmp_path: Path) -> None:
    pixel = TracedPixel(1, 2, {"polar": math.nan, "fdet_vec": [math.inf, -math.inf, 0.0]}, [step(k_frac=math.nan)])
    text = to_json([pixel])
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    for content in (text, text.replace('"nan"', "NaN").replace('"inf"', "Infinity").replace('"-inf"', "-1e999")):
        (found,) = read(tmp_path, content).pixels
        assert to_json([found]) == text


def test_a_byte_order_mark_and_blanks_before_json_are_passed_over(tmp_path: Path) -> None:
    text = to_json([SIMULATOR.trace()])
    assert read(tmp_path, b"\xef\xbb\xbf \n" + text.encode()).pixels == read(tmp_path, text).pixels


def test_traces_are_read_from_a_pipe(tmp_path: Path) -> None:
    for text in (LOG, to_json([SIMULATOR.trace()])):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_text, args=(text,))
        writer.start()
        found = read_traces(pipe)
        writer.join()
        pipe.unlink()
        assert found.pixels == read(tmp_path, text).pixels


@pytest.mark.skipif(not SHARED, reason="the reference's traces are not here")
@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_the_reference_s_log_comes_back_line_by_line(path: Path) -> None:
    lines = path.read_text().splitlines()
    expected = [line.replace("TRACE_C:", "TRACE_PY:").replace("TRACE_C_PHI", "TRACE_PY_PHI") for line in lines]
    assert list(write_log(read_traces(path).pixels)) == expected


# The largest numbers of all become infinite with 15 digits.
numbers = st.floats(-1e300, 1e300)
values = st.dictionaries(
    st.from_regex(r"[A-Za-z_]{1,12}\d", fullmatch=True),
    numbers | st.lists(numbers, min_size=2, max_size=4),
    max_size=6,
)
steps = st.builds(
    lambda tic, angle, index: step(phi_tic=tic, phi_deg=angle, k_frac=index),
    st.integers(0, 3),
    numbers,
    numbers,
)
traced = st.builds(TracedPixel, st.integers(0, 9), st.integers(0, 9), values, st.lists(steps, min_size=1, max_size=5))


@given(st.lists(traced, min_size=1, max_size=3))
def test_a_log_by_way_of_json_is_the_same_log(
    tmp_path_factory: pytest.TempPathFactory, pixels: list[TracedPixel]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    log = read(folder, "".join(f"{line}\n" for line in write_log(pixels)))
    back = read(folder, to_json(log.pixels), "a.json")
    assert back.pixels == log.pixels
    compared = compare_traces(log, back)
    assert all(each.size == 0.0 for pixel in compared.pixels for each in pixel.values)
    assert all(size == 0.0 for pixel in compared.pixels for each in pixel.steps for size in each.sizes.values())
    assert list(write_log(back.pixels)) == list(write_log(log.pixels))


@given(
    st.sampled_from([LOG.encode(), to_json([SIMULATOR.trace()]).encode()]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3)), max_size=4),
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, damage: list[tuple[int, bytes, int]]
) -> None:
    for place, inserted, removed in damage:
        at = place % len(content)
        content = content[:at] + inserted + content[at + removed :]
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    message = outcome(path)
    assert message is None or (str(path) in message and "\n" not in message)


def outcome(path: Path) -> str | None:
    """What is said of a file that cannot be used; None of one that was read, written and compared."""
    try:
        found = read_traces(path)
        to_json(found.pixels)
        compare_traces(found, found)
    except InputError as error:
        return str(error)
    return None
