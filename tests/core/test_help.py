"""``openbragg simulate --help``: what most runs need; with ``all`` every flag, in its group, with alias and unit."""

import re
from collections import Counter
from itertools import takewhile

import pytest

from command_line import run
from openbragg.cli.registry import COMMON_FLAGS, CORE_SECTIONS, load_registry
from openbragg.options import OptionSpec, options_of
from openbragg.roles import Registry

CORE_GROUPS = [
    *("experiment", "detector", "beam", "crystal", "sampling", "background", "output", "provenance"),
    "without effect, as in the reference",
]
WRITTEN_OUT = {"deg": "degrees", "m": "metres", "A": "angstroms"}

#: For each group its rows; a row is its spellings and its whole text.
Groups = dict[str, list[tuple[set[str], str]]]


@pytest.fixture(scope="module")
def groups() -> Groups:
    finished = run("simulate", "--help", "all")
    assert finished.status == 0
    found: Groups = {}
    rows: list[list[str]] = []
    texts: dict[str, list[list[str]]] = {}
    for line in finished.out.splitlines():
        if re.fullmatch(r"\S.*:", line):
            rows = texts.setdefault(line[:-1], [])
        elif re.match(r"  -", line):
            rows.append(line.split())
        elif line.startswith("   "):
            rows[-1] += line.split()
    for title, lines in texts.items():
        found[title] = [(first_column(row), " ".join(row)) for row in lines]
    return found


def first_column(row: list[str]) -> set[str]:
    """The spellings that begin a row: all but the last end with a comma."""
    spellings = [*takewhile(lambda word: word.endswith(","), row)]
    return {word.rstrip(",") for word in [*spellings, row[len(spellings)]]}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(())


def kebab(flag: str) -> str:
    return "--" + flag.removeprefix("-").replace("_", "-").lower()


def row_of(groups: Groups, title: str, flag: str) -> str:
    """The text of the one row of a group that has a flag and its alias."""
    texts = [text for spellings, text in groups[title] if flag in spellings]
    assert len(texts) == 1, f"{flag} has {len(texts)} rows in {title}"
    assert kebab(flag) in next(spellings for spellings, text in groups[title] if text == texts[0])
    return texts[0]


def names_unit(text: str, unit: str) -> bool:
    """Whether a text has a unit as a word of its own, written out or in the singular."""
    words = {unit, unit.removesuffix("s") if len(unit) > 2 else unit, WRITTEN_OUT.get(unit, unit)}
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words)


def faults(groups: Groups, title: str, pairs: list[tuple[str, OptionSpec]]) -> list[str]:
    """What help lacks of some options."""
    missing = []
    for field, spec in pairs:
        for flag in spec.spellings():
            text = row_of(groups, title, flag)
            unit = spec.other_units.get(flag, spec.unit)
            if unit and not names_unit(text, unit):
                missing.append(f"{flag} ({field}) does not name its unit {unit}: {text}")
    return missing


def test_help_begins_with_the_groups_of_the_core_in_their_order(groups: Groups) -> None:
    assert list(groups)[: len(CORE_GROUPS)] == CORE_GROUPS


def test_help_goes_on_with_one_group_for_each_plugin_that_has_flags(groups: Groups, registry: Registry) -> None:
    titles = [
        f"{found.role.title}: {found.name}" for found in registry.found if found.role.simulates and found.spellings()
    ]
    assert list(groups)[len(CORE_GROUPS) : -1] == titles
    assert list(groups)[-1] == "help"


@pytest.mark.parametrize("title", CORE_GROUPS)
def test_every_option_of_the_core_is_in_its_group_with_alias_and_unit(groups: Groups, title: str) -> None:
    assert [fault for cls in CORE_SECTIONS[title] for fault in faults(groups, title, options_of(cls))] == []


def test_every_option_of_a_plugin_is_in_its_group_with_alias_and_unit(groups: Groups, registry: Registry) -> None:
    missing = []
    for found in registry.found:
        if found.role.simulates and found.spellings():
            missing += faults(groups, f"{found.role.title}: {found.name}", found.options())
    assert missing == []


def test_every_bare_flag_of_a_plugin_is_in_its_group_with_alias_and_summary(groups: Groups, registry: Registry) -> None:
    for found in registry.found:
        for flag in found.cls.flags:
            assert found.cls.summary in row_of(groups, f"{found.role.title}: {found.name}", flag)


def test_no_flag_stands_in_two_rows(groups: Groups) -> None:
    flags = [rows for title, rows in groups.items() if title != "help"]
    spellings = Counter(spelling for rows in flags for row, _ in rows for spelling in row)
    assert [spelling for spelling, rows in spellings.items() if rows > 1] == []


def test_the_overview_names_every_command_and_the_flags_for_all() -> None:
    text = run("--help").out
    for word in ("simulate", "plugins", "--no-plugin", "--debug", "--version"):
        assert word in text


def shown(*words: str) -> str:
    finished = run("simulate", *words)
    assert (finished.status, finished.err) == (0, "")
    return finished.out


def titles(text: str) -> list[str]:
    return re.findall(r"^(\S.*):$", text, re.MULTILINE)


def test_help_shows_the_flags_that_most_runs_need_by_group_with_defaults() -> None:
    text = shown("--help")
    assert titles(text) == [*COMMON_FLAGS, "help"]
    rows = re.findall(r"^  (-\S+?),? ", text, re.MULTILINE)
    assert rows == [flag for flags in COMMON_FLAGS.values() for flag in flags] + ["-h", "--help", "--help"]
    assert sum(map(len, COMMON_FLAGS.values())) == 21
    words = " ".join(text.split())
    assert "From the crystal to the detector along the beam. Default: 100." in words
    assert "Side of a square pixel. Default: 0.1." in words
    assert "--help GROUP" in words and "--help all" in words
    assert len(text.splitlines()) < 100


def test_hkl_says_which_files_it_takes() -> None:
    row = shown("--help").partition("-hkl, --hkl")[2].partition("-default_F")[0]
    assert all(kind in row for kind in ("MTZ", "CIF", "PDB"))


@pytest.mark.parametrize(
    "words", [("--help", "crystal"), ("--help=crystal",), ("-h", "crystal"), ("-N", "3", "--help", "crystal")]
)
def test_help_shows_all_of_a_group(words: tuple[str, ...], groups: Groups) -> None:
    text = shown(*words)
    assert titles(text) == ["crystal", "help"]
    assert all(flag in text for spellings, _ in groups["crystal"] for flag in spellings)


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("noise", "noise model: detector"),
        ("noise-model", "noise model: detector"),
        ("smv", "image format: smv"),
        ("gauss", "lattice shape: gauss"),
        ("background", "background"),
        ("without-effect", "without effect, as in the reference"),
        ("CRYSTAL", "crystal"),
    ],
)
def test_help_finds_groups_by_role_and_by_plugin(word: str, first: str) -> None:
    assert titles(shown("--help", word))[0] == first


def test_every_group_that_help_names_can_be_shown() -> None:
    # A line may end within a word with a hyphen.
    row = " ".join(shown("--help").split()).replace("- ", "-").partition("Show all flags of ")[2].partition(";")[0]
    names = row.split(", ")
    assert len(names) > 10
    for name in names:
        assert len(titles(shown("--help", name))) > 1


def test_help_of_a_group_that_is_none_lists_the_groups() -> None:
    finished = run("simulate", "--help", "cristal")
    assert (finished.status, finished.out) == (2, "")
    assert finished.err.startswith(
        "openbragg: error: --help cristal: no such group; there are experiment, detector, beam, crystal,"
    )


def test_a_command_that_simulates_shows_its_own_flags_first() -> None:
    text = run("trace", "--help").out
    assert titles(text)[:2] == ["trace", "experiment"]
    assert len(text.splitlines()) < 150


@pytest.mark.parametrize("spelling", ["--help", "-h"])
def test_help_answers_whatever_else_is_on_the_line(spelling: str) -> None:
    finished = run("simulate", "-cell", "50", spelling)
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.startswith("Usage: openbragg simulate")
