"""``openbragg compare-traces``: every exit status, every output, the reference's logs, and faults of plugins."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import pytest

from command_line import Finished, run
from openbragg import TracedPixel
from openbragg_tracers.traces.writing import to_json, write_log
from traced_model import Simulator

Install = Callable[..., None]

GOOD = Simulator()
STALE = attrs.evolve(GOOD, carries_over=True)
#: Of the reference program, where its cases are at hand.
CASE = Path(__file__).parents[3] / "shared" / "reference" / "supervisor"
PIXELS = [(100, 2000), (685, 1039), (1039, 685), (900, 1200)]

#: A crystal that has everything that a plugin can get wrong.
MODEL = (
    "-cell 70 80 90 95 100 105 -misset 10 20 30 -N 4 -default_F 100 -lambda 1.1 -distance 80 -pixel 0.5 -detpixels 24 "
    "-detector_rotx 3 -detector_roty -2 -phi 0 -osc 1 -phisteps 4 -oversample 1 -precision double -pivot sample"
).split()
#: A convention of a third party: that of MOSFLM with something gone wrong.
CONVENTION = """
from typing import ClassVar
import attrs
from openbragg import Laboratory, hookimpl
from openbragg_conventions.mosflm import Mosflm

@attrs.frozen
class Faulty(Mosflm):
    name: ClassVar[str] = "faulty"
    flags: ClassVar[tuple[str, ...]] = ("-faulty",)

    def place(self, detector):
        x, y = detector.beam_centre
        half = 0.5 * detector.pixel_size
        return super().place(attrs.evolve(detector, {change}))

@hookimpl
def geometry_conventions():
    return [Faulty]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a good trace, as log and as JSON, and one of a stale orientation."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    log("good.log", GOOD.trace())
    Path("good.json").write_text(to_json([GOOD.trace()]))
    Path("stale.json").write_text(to_json([STALE.trace()]))
    return place


def log(name: str, *pixels: TracedPixel) -> Path:
    path = Path(name)
    path.write_text("".join(f"{line}\n" for line in write_log(pixels)))
    return path


def compare(*words: object) -> Finished:
    return run("compare-traces", *words)


def complaint(*words: object, status: int) -> str:
    finished = compare(*words)
    assert finished.status == status, finished.err
    assert finished.out == ""
    (line,) = finished.complaints()
    return line


def as_json(*words: object) -> dict[str, Any]:
    finished = compare(*words, "--json", "-")
    content: dict[str, Any] = json.loads(finished.out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert finished.status == (0 if content["verdict"] == "within" else 3)
    return content


def test_traces_within_tolerance_are_status_0() -> None:
    finished = compare("good.log", "good.json")
    assert (finished.status, finished.err) == (0, "")
    assert re.search(r"^verdict +within tolerance$", finished.out, re.MULTILINE)
    assert "diagnosis" not in finished.out


def test_traces_that_diverge_are_status_3_with_the_first_divergence_and_a_diagnosis() -> None:
    finished = compare("good.json", "stale.json")
    assert (finished.status, finished.err) == (3, "")
    for line in (
        r"^first divergence  cell \(rot_a_angstroms\) at phi_tic 0: 0\.\d+, tolerance 1e-09$",
        r"^diagnosis         phi-carryover: B repeats phi_tic 5 at phi_tic 0, where phi is 0; all other steps agree$",
        r"^steps             6 in both; 1 beyond tolerance: phi_tic 0$",
        r"^ +I_before_scaling +\S+ +\S+ +\S+ +\S+\*$",
        r"^ +polar +\S+ +\S+ +1 +0$",
    ):
        assert re.search(line, finished.out, re.MULTILINE), line


def test_columns_of_the_report_are_aligned() -> None:
    lines = compare("good.json", "stale.json").out.splitlines()
    start = lines.index("differences of the steps") + 1
    table = lines[start : start + 7]
    assert table[0].split()[:4] == ["phi_tic", "phi_deg", "h_frac", "k_frac"]
    ends = [[match.end() for match in re.finditer(r"\S+", line)] for line in table]
    assert all(end == ends[0] for end in ends)
    assert all("*" in cell for cell in table[1].split()[2:5])
    assert all("*" not in line for line in table[2:])


@pytest.mark.parametrize(
    ("words", "status"),
    [((), 3), (("--tolerance", "3"), 0), (("--tolerance", "rot_a_angstroms=3"), 3), (("--tolerance", "1e-9"), 3)],
)
def test_tolerances_decide(words: tuple[str, ...], status: int) -> None:
    assert compare("good.json", "stale.json", *words).status == status


def test_a_tolerance_of_one_quantity_moves_the_first_divergence() -> None:
    words = [word for axis in "abc" for word in ("--tolerance", f"rot_{axis}_angstroms=inf")]
    content = as_json("good.json", "stale.json", *words)
    assert content["pixels"][0]["first_divergence"]["quantity"] == "hkl_frac"
    assert content["tolerance"]["rot_a_angstroms"] == "inf"


def test_a_tolerance_of_what_there_is_not_is_refused() -> None:
    assert "neither trace has 'F_lat'" in complaint("good.json", "good.log", "--tolerance", "F_lat=1", status=2)
    Path("more.json").write_text(to_json([attrs.evolve(GOOD.trace(), values={"colour": 1.0, **GOOD.trace().values})]))
    assert compare("good.json", "more.json", "--tolerance", "colour=1").status == 0


def test_different_pixels_need_a_word() -> None:
    log("other.log", attrs.evolve(GOOD.trace(), fast=7))
    assert "--any-pixel compares them" in complaint("good.log", "other.log", status=2)
    finished = compare("good.log", "other.log", "--any-pixel")
    assert finished.status == 0
    assert "pixel slow 100, fast 300 of A, slow 100, fast 7 of B" in finished.out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("good.log",), 2, "Missing argument 'B'"),
        (("good.log", "none.log"), 1, "cannot read none.log: No such file"),
        (("good.log", "."), 1, "cannot read .: Is a directory"),
        (("good.log", "empty.log"), 1, "empty.log: no trace in it"),
        (("good.log", "good.json", "--tolerance", "small"), 2, "--tolerance: expected"),
        (("good.log", "good.json", "--html", "no/a.html"), 1, "cannot write no/a.html: there is no folder"),
        (("good.log", "good.json", "--json", "good.json"), 2, "--json: good.json would be overwritten"),
        (("good.log", "good.json", "--markdown", "a", "--html", "a"), 2, "two outputs are to be written to a"),
        (("good.log", "good.json", "--markdown", "-", "--html", "-"), 2, "can go to standard output"),
    ],
)
def test_what_cannot_be_done_is_one_line(words: tuple[str, ...], status: int, said: str) -> None:
    Path("empty.log").write_text("")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert said in complaint(*words, status=status)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_notices_name_the_file_and_go_to_stderr() -> None:
    text = Path("good.log").read_text()
    Path("cut.log").write_text(text[: text.index("TRACE_PY_PHI phi_tic=3") + 9])
    finished = compare("good.log", "cut.log")
    assert finished.status == 0
    first, second = finished.complaints()
    assert "cut.log ends within line" in first
    assert "cut.log ends before the floatimage_accumulated" in second
    assert "3 steps: phi_tic 3; phi_tic 4; phi_tic 5" in finished.out


def test_what_only_one_has_is_listed() -> None:
    finished = compare("good.log", "good.json")
    assert re.search(r"^only in B +h_frac of steps, l_frac of steps", finished.out, re.MULTILINE)
    log("two.log", GOOD.trace(), GOOD.trace(1, 2))
    assert re.search(r"^only in A +1 pixel: slow 1, fast 2$", compare("two.log", "good.json").out, re.MULTILINE)


def test_of_many_steps_a_terminal_shows_those_that_diverged() -> None:
    many = attrs.evolve(GOOD, phi_steps=300, phi_step=0.01)
    Path("a.json").write_text(to_json([many.trace()]))
    trace = many.trace()
    trace.steps[277]["k_frac"] += 1.0
    Path("b.json").write_text(to_json([trace]))
    out = compare("a.json", "b.json", "--markdown", "a.md").out
    assert "differences of the steps (260 more steps, 0 of them beyond tolerance)" in out
    assert re.search(r"^ +277 +2\.77 ", out, re.MULTILINE)
    assert len(re.findall(r"^\| \d+ \|", Path("a.md").read_text(), re.MULTILINE)) == 300


def test_files_are_written_beside_the_report() -> None:
    finished = compare("good.json", "stale.json", "--markdown", "a.md", "--json", "a.json", "--html", "a.html")
    assert finished.status == 3
    assert re.findall(r"^wrote +(.*)$", finished.out, re.MULTILINE) == ["a.md", "a.json", "a.html"]
    assert finished.out.startswith(compare("good.json", "stale.json").out)
    for flag, name in (("--markdown", "a.md"), ("--json", "a.json"), ("--html", "a.html")):
        assert compare("good.json", "stale.json", flag, "-").out == Path(name).read_text()


def test_markdown_has_well_formed_tables() -> None:
    text = compare("good.json", "stale.json", "--markdown", "-").out
    assert "- **diagnosis**: phi-carryover: B repeats" in text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert len({line.count(" | ") for line in block}) == 1
        assert re.fullmatch(r"\|( :?---:? \|)+", block[1])


def test_json_says_everything() -> None:
    content = as_json("good.json", "stale.json")
    assert (content["format"], content["version"]) == ("openbragg-trace-comparison", 1)
    assert content["A"] == {"file": "good.json", "kind": "JSON", "pixels": 1, "notices": []}
    assert [finding["name"] for finding in content["diagnoses"]] == ["phi-carryover"]
    (pixel,) = content["pixels"]
    found = pixel["first_divergence"]
    assert (found["phase"], found["quantity"], found["phi_tic"]) == ("cell", "rot_a_angstroms", 0)
    assert found["A"] == GOOD.trace().values["rot_a_angstroms"]
    assert [each["quantity"] for each in pixel["values"]] == list(GOOD.trace().values)
    assert [step["within"] for step in pixel["steps"]] == [False] + [True] * 5
    assert pixel["steps"][1]["differences"]["k_frac"] == 0.0


def test_json_has_words_for_what_is_no_number() -> None:
    trace = GOOD.trace()
    trace.steps[1]["k_frac"] = float("nan")
    Path("nan.json").write_text(to_json([trace]))
    found = as_json("nan.json", "good.json")["pixels"][0]["first_divergence"]
    assert (found["A"], found["difference"], found["phi_tic"]) == ("nan", "inf", 1)


class Page(HTMLParser):
    """What stands in a page: elements that are open or were, and what they point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else() -> None:
    text = compare("good.json", "stale.json", "--html", "-").out
    page = Page(text)
    assert all(link.startswith("#") for link in page.links)
    assert "http" not in text.lower()
    assert "@import" not in text
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert page.tags.count("svg") == 1


def test_the_page_shows_the_curves_of_both_and_the_first_divergence() -> None:
    text = compare("good.json", "stale.json", "--html", "-").out
    svg = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    words = ["".join(element.itertext()).strip() for element in svg.iter("text")]
    for name in ("k_frac", "F_latt_b", "F_latt", "F_cell", "intensity", "phi (degrees)", "A", "B"):
        assert name in words
    assert any(word.startswith("first divergence: cell (rot_a_angstroms) at phi_tic 0: ") for word in words)
    assert "phi-carryover" in Page(text).text
    assert text.count('class="off"') > 10


def test_a_page_of_several_pixels_has_a_drawing_of_each_with_names_of_its_own() -> None:
    log("two.log", GOOD.trace(), GOOD.trace(1, 2), TracedPixel(3, 3, {"polar": 1.0}))
    page = Page(compare("two.log", "two.log", "--html", "-").out)
    assert page.tags.count("svg") == 2
    assert page.tags.count("h2") == 3


def test_names_of_files_do_no_harm_in_a_page() -> None:
    Path("<b>&_x_.json").write_text(to_json([GOOD.trace()]))
    text = compare("<b>&_x_.json", "good.json", "--html", "-").out
    assert "<b>" not in text
    assert "<b>&_x_.json" in Page(text).text
    assert r"\<b\>&\_x\_.json" in compare("<b>&_x_.json", "good.json", "--markdown", "-").out


def test_a_name_that_is_no_text_can_be_reported() -> None:
    name = os.fsdecode(b"caf\xe9.json")
    Path(name).write_text(to_json([GOOD.trace()]))
    for kind in ("markdown", "json", "html"):
        finished = compare(name, "stale.json", f"--{kind}", f"a.{kind}")
        assert (finished.status, finished.err) == (3, "")
        assert "caf?.json" in Path(f"a.{kind}").read_text()
    assert "caf?.json" in finished.out


def test_numbers_of_any_size_can_be_drawn() -> None:
    trace = GOOD.trace()
    for name in ("k_frac", "phi_deg"):
        for step, value in zip(trace.steps, (1e308, -1.7e308, 5e-324, math.inf, math.nan, 0.0), strict=True):
            step[name] = value
        Path("wild.json").write_text(to_json([trace]))
        finished = compare("wild.json", "wild.json", "--html", "-")
        assert (finished.status, finished.err) == (3, "")
        assert Page(finished.out).tags.count("svg") == 1


def test_pages_are_the_same_every_time() -> None:
    assert len({compare("good.json", "stale.json", "--html", "-").out for _ in range(2)}) == 1


def test_a_page_without_matplotlib_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'openbragg[plots]'" in complaint("good.json", "stale.json", "--html", "a.html", status=1)
    assert not Path("a.html").exists()
    assert compare("good.json", "stale.json", "--markdown", "a.md").status == 3


def test_a_comparison_leaves_torch_unloaded() -> None:
    code = (
        "import sys\nfrom openbragg.cli.main import main\n"
        "assert main(['compare-traces', 'good.json', 'stale.json']) == 3\n"
        "print(*{'torch', 'matplotlib', 'gemmi'} & set(sys.modules), file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stderr.split() == []


# ------------------------------------------------------------------------------------- traces of openbragg itself


def traced(name: str, *words: object) -> str:
    finished = run("trace", *MODEL, *words, "--pixel", 3, 17, "--pixel", 20, 5, "--json", name)
    assert finished.status == 0, finished.err
    return name


def diagnosed(content: dict[str, Any]) -> list[str]:
    return [finding["name"] for finding in content["diagnoses"]]


def test_a_log_and_a_json_of_one_trace_agree() -> None:
    assert run("trace", *MODEL, "--pixel", 3, 17, "--log", "a.log", "--json", "a.json").status == 0
    content = as_json("a.log", "a.json")
    assert content["verdict"] == "within"
    assert max(each["difference"] for each in content["pixels"][0]["values"]) < 1e-13


def test_traces_of_different_terms_share_those_of_the_first() -> None:
    mosaic = ("-mosaic", 0.5, "-mosaic_dom", 3)
    content = as_json(traced("a.json", *mosaic), traced("b.json", *mosaic, "--select", "mosaic=all"))
    assert content["verdict"] == "within"
    assert [len(pixel["only_in_B"]["steps"]) for pixel in content["pixels"]] == [8, 8]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--compat", "phi-carryover"), "phi-carryover"),
        (("-denzo",), "half-pixel-shift"),
        (("-fluence", 3e24), "constant-factor"),
    ],
)
def test_what_openbragg_can_do_differently_is_named(words: tuple[object, ...], expected: str) -> None:
    centre = ("-Xbeam", 6, "-Ybeam", 6)
    assert diagnosed(as_json(traced("a.json", *centre), traced("b.json", *centre, *words))) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("beam_centre=(x + half, y)", "half-pixel-shift"),
        ("beam_centre=(x, y - half)", "half-pixel-shift"),
        ("distance=1000.0 * detector.distance", "millimetres-for-metres"),
        ("beam_centre=(1000.0 * (x + half) - half, 1000.0 * (y + half) - half)", "millimetres-for-metres"),
        ("rotation=tuple(57.29577951308232 * angle for angle in detector.rotation)", "degrees-for-radians"),
    ],
)
def test_a_fault_in_a_convention_of_a_third_party_is_named(
    install: Install, folder: Path, monkeypatch: pytest.MonkeyPatch, change: str, expected: str
) -> None:
    install("acme", faulty=CONVENTION.format(change=change))
    monkeypatch.chdir(folder)
    for pivot in ("sample", "beam"):
        words = ("-Xbeam", 6, "-Ybeam", 7, "-pivot", pivot)
        content = as_json(traced("a.json", *words), traced("b.json", *words, "-faulty"))
        assert diagnosed(content) == [expected]
    assert content["pixels"][0]["first_divergence"]["phase"] == "geometry"


@pytest.mark.skipif(not CASE.is_dir(), reason="the reference's traces are not here")
class TestReference:
    """The four traces of the reference program, and those of the same flags."""

    @pytest.fixture
    def ours(self) -> Callable[..., str]:
        """Make a trace of the case's flags."""
        flags = json.loads((CASE / "case.json").read_text())["args"]
        flags = [str(CASE.parent / word) if word.startswith("supervisor/") else word for word in flags]

        def make(*words: str) -> str:
            pixels = [str(word) for pixel in PIXELS for word in ("--pixel", *pixel)]
            assert run("trace", *flags, "-precision", "double", *words, *pixels, "--log", "ours.log").status == 0
            return "ours.log"

        return make

    @pytest.fixture
    def theirs(self) -> str:
        """All four logs in one."""
        texts = [(CASE / "traces" / f"c_trace_s{slow}_f{fast}.log").read_text() for slow, fast in PIXELS]
        Path("theirs.log").write_text("".join(texts))
        return "theirs.log"

    def test_with_its_quirks_all_is_within_tolerance(self, ours: Callable[..., str], theirs: str) -> None:
        content = as_json(theirs, ours("--compat", "nanobragg"))
        assert content["verdict"] == "within"
        assert len(content["pixels"]) == 4

    def test_without_carryover_only_step_0_diverges_and_says_why(self, ours: Callable[..., str], theirs: str) -> None:
        content = as_json(theirs, ours("--compat", "pix0-ignored"))
        assert diagnosed(content) == ["phi-carryover"]
        assert len(content["pixels"]) == 4
        for pixel in content["pixels"]:
            found = pixel["first_divergence"]
            assert (found["phase"], found["quantity"], found["phi_tic"]) == ("cell", "rot_a_angstroms", 0)
            assert [step["within"] for step in pixel["steps"]] == [False] + [True] * 9
            assert max(size for step in pixel["steps"][1:] for size in step["differences"].values()) < 1e-9

    def test_without_any_quirk_the_geometry_diverges(self, ours: Callable[..., str], theirs: str) -> None:
        for pixel in as_json(theirs, ours())["pixels"]:
            assert pixel["first_divergence"]["quantity"] == "pix0_vector_meters"
