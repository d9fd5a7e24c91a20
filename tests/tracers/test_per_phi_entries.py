"""Lists of rotation steps at the top of a JSON file: written for scripts that look for them, read from any program."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from command_line import run
from openbragg import InputError
from openbragg_tracers.traces.reading import read_traces

CELL = (40.0, 50.0, 60.0)
MODEL = (
    "-cell 40 50 60 90 90 90 -N 3 -default_F 100 -lambda 1 -distance 100 -pixel 1 -detpixels 21 -phi 10 -osc 3 "
    "-phisteps 3 -oversample 1 -precision double -mosflm"
).split()
KEYS = ["phi_tic", "phi_deg", "k_frac", "F_latt_b", "F_latt"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def entries(*words: object) -> list[dict[str, Any]]:
    finished = run("trace", *MODEL, *words, "--json", "a.json")
    assert finished.status == 0, finished.err
    made: list[dict[str, Any]] = json.loads(Path("a.json").read_text())["per_phi_entries"]
    return made


def written(name: str, content: Any) -> Path:
    path = Path(name)
    path.write_text(json.dumps(content))
    return path


def laue(index: float) -> float:
    """The lattice sum of three cells."""
    return math.sin(3.0 * math.pi * index) / math.sin(math.pi * index)


def test_entries_have_the_numbers_of_a_calculation_by_hand() -> None:
    """An orthorhombic cell upright at phi 0, seen by a MOSFLM detector, whose spindle is z and along fast."""
    slow, fast = 4, 15
    found = entries("--pixel", slow, fast)
    assert [list(entry) for entry in found] == [KEYS] * 3
    assert [entry["phi_tic"] for entry in found] == [0, 1, 2]
    assert [entry["phi_deg"] for entry in found] == pytest.approx([10.0, 11.0, 12.0])
    # The beam meets the detector at (21 + 1) / 2 pixels, and half a pixel further, from the first corner.
    y, z = -(slow + 0.5 - 11.5), fast + 0.5 - 11.5
    length = math.sqrt(100.0**2 + y**2 + z**2)
    q = (100.0 / length - 1.0, y / length, z / length)
    for entry in found:
        phi = math.radians(entry["phi_deg"])
        a = (math.cos(phi), math.sin(phi), 0.0)
        b = (-math.sin(phi), math.cos(phi), 0.0)
        h, k = (
            edge * sum(p * r for p, r in zip(axis, q, strict=True)) for edge, axis in zip(CELL, (a, b), strict=False)
        )
        l = CELL[2] * q[2]
        assert entry["k_frac"] == pytest.approx(k, abs=1e-9)
        assert entry["F_latt_b"] == pytest.approx(laue(k), rel=1e-7)
        assert entry["F_latt"] == pytest.approx(laue(h) * laue(k) * laue(l), rel=1e-6)


def test_of_several_pixels_each_entry_says_whose_it_is() -> None:
    found = entries("--pixel", 4, 15, "--pixel", 7, 2)
    assert [list(entry) for entry in found] == [["slow", "fast", *KEYS]] * 6
    assert [(entry["slow"], entry["fast"], entry["phi_tic"]) for entry in found] == [
        *((4, 15, tic) for tic in range(3)),
        *((7, 2, tic) for tic in range(3)),
    ]


def test_an_entry_is_the_first_of_the_selected_terms_of_a_step() -> None:
    found = entries("--pixel", 4, 15, "-mosaic", 1, "-mosaic_dom", 3, "--select", "mosaic=all")
    assert [entry["phi_tic"] for entry in found] == [0, 1, 2]
    (pixel,) = json.loads(Path("a.json").read_text())["pixels"]
    assert len(pixel["steps"]) == 9
    first = [step["k_frac"] for step in pixel["steps"] if step["mosaic"] == 0]
    assert [entry["k_frac"] for entry in found] == first
    (one,) = entries("--pixel", 4, 15, "--select", "phi=2")
    assert one["phi_tic"] == 2


def test_what_a_shape_does_not_have_is_null_and_without_the_tracer_there_is_none() -> None:
    assert {entry["F_latt_b"] for entry in entries("--pixel", 4, 15, "-gauss_xtal")} == {None}
    assert entries("--pixel", 4, 15, "--tracer", "scaling") == []


@pytest.mark.parametrize("key", ["per_phi_entries", "traces"])
@pytest.mark.parametrize("place", ["in each entry", "in the file", "nowhere"])
def test_a_list_alone_is_compared_with_a_trace(key: str, place: str) -> None:
    found = entries("--pixel", 4, 15)
    named = {"slow": 4, "fast": 15}
    content: dict[str, Any] = {key: [{**named, **entry} for entry in found] if place == "in each entry" else found}
    if place == "in the file":
        content |= {"pixel": named, "timestamp": "today", "device": "cpu"}
    finished = run("compare-traces", "a.json", written("b.json", content))
    assert finished.status == 0, finished.err
    notice = ["openbragg: notice: b.json does not say which pixel it traces"] if place == "nowhere" else []
    assert finished.complaints() == notice
    assert "pixel slow 4, fast 15" in finished.out
    assert "3 in both; all within tolerance" in finished.out
    content[key][1]["k_frac"] *= 1.001
    finished = run("compare-traces", written("b.json", content), "a.json")
    assert finished.status == 3
    assert "h k l (k_frac) at phi_tic 1: 0.000999" in finished.out


def test_two_lists_without_a_pixel_are_compared_with_each_other() -> None:
    found = entries("--pixel", 4, 15)
    paths = [written(name, {"traces": found}) for name in ("b.json", "c.json")]
    finished = run("compare-traces", *paths, "--json", "-")
    assert finished.status == 0
    (pixel,) = json.loads(finished.out)["pixels"]
    assert pixel["A"] == pixel["B"] == {"slow": None, "fast": None}
    assert "pixel without a name" in run("compare-traces", *paths).out


def test_a_list_without_a_pixel_is_not_taken_for_one_of_several() -> None:
    found = entries("--pixel", 4, 15)
    written("b.json", {"traces": found})
    entries("--pixel", 4, 15, "--pixel", 7, 2)
    finished = run("compare-traces", "a.json", "b.json")
    assert finished.status == 2
    assert "A has 4 15, 7 2, B has one without a name" in finished.err


def test_a_list_of_several_pixels_is_read() -> None:
    found = entries("--pixel", 4, 15, "--pixel", 7, 2)
    traces = read_traces(written("b.json", {"per_phi_entries": found, "by": "another program"}))
    assert [(pixel.slow, pixel.fast, len(pixel.steps)) for pixel in traces.pixels] == [(4, 15, 3), (7, 2, 3)]
    assert traces.further == {"by": "another program"}
    assert traces.notices == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"traces": []}, "no trace in it: traces is empty"),
        ({"traces": {}}, "traces: expected a list"),
        ({"per_phi_entries": [3]}, "per_phi_entries[0]: expected an object"),
        ({"per_phi_entries": [{"k_frac": 1.0}]}, "per_phi_entries[0].phi_tic: expected a whole number"),
        ({"per_phi_entries": [{"phi_tic": -1}]}, "per_phi_entries[0].phi_tic: expected a whole number"),
        ({"traces": [{"phi_tic": 0, "k_frac": "much"}]}, "traces[0].k_frac: expected a number"),
        ({"traces": [{"phi_tic": 0, "slow": 1}]}, "traces[0].fast: expected a whole number"),
        ({"traces": [{"phi_tic": 0}], "pixel": {"slow": 1}}, "traces[0].fast: expected a whole number"),
        ({"traces": [{"phi_tic": 0}], "pixel": 7}, "pixel: expected an object"),
        (
            {"traces": [{"phi_tic": 0, "slow": 1, "fast": 2}, {"phi_tic": 1}]},
            "traces: expected slow and fast in each entry, or in none",
        ),
    ],
)
def test_a_damaged_list_is_refused_with_the_place(content: Any, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        read_traces(written("b.json", content))
    assert str(caught.value).startswith("b.json: ")
    assert expected in str(caught.value)
