"""``openbragg simulate --help``: every flag, in its group, with its alias and its unit."""

import re
from collections import Counter
from itertools import takewhile

import pytest

from command_line import run
from openbragg.cli.registry import CORE_SECTIONS, load_registry
from openbragg.options import OptionSpec, options_of
from openbragg.roles import Registry

CORE_GROUPS = [
    *("detector", "beam", "crystal", "sampling", "background", "output", "provenance"),
    "without effect, as in the reference",
]
WRITTEN_OUT = {"deg": "degrees", "m": "metres", "A": "angstroms"}

#: For each group its rows; a row is its spellings and its whole text.
Groups = dict[str, list[tuple[set[str], str]]]


@pytest.fixture(scope="module")
def groups() -> Groups:
    finished = run("simulate", "--help")
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
    spellings = Counter(spelling for rows in groups.values() for row, _ in rows for spelling in row)
    assert [spelling for spelling, rows in spellings.items() if rows > 1] == []


def test_the_overview_names_every_command_and_the_flags_for_all() -> None:
    text = run("--help").out
    for word in ("simulate", "plugins", "--no-plugin", "--debug", "--version"):
        assert word in text


@pytest.mark.parametrize("spelling", ["--help", "-h"])
def test_help_answers_whatever_else_is_on_the_line(spelling: str) -> None:
    finished = run("simulate", "-cell", "50", spelling)
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.startswith("Usage: openbragg simulate")
