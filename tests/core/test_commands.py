"""Commands of plugins: found, described, run, taken away, contained when broken, refused when they clash."""

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import run
from openbragg.cli.registry import CORE_COMMANDS, load_registry

Install = Callable[..., None]

#: A command with an option of its own, made with click alone.
GREET = """
import attrs
import click
from openbragg import hookimpl, option

@attrs.frozen
class Greet:
    name = "{name}"
    summary = "say something kind"
    flags = ()
    times: int = option("-times", default=2, type=int, unit="words", help="How often.")

    @classmethod
    def command(cls, registry):
        {body}

@hookimpl
def commands():
    return [Greet]
"""
MADE = """
        from openbragg.commands import ModelCommand, assignments_of, construct, given, section

        def run():
            made = construct(cls, assignments_of(given(click.get_current_context())))
            click.echo(" ".join(["hello"] * made.times))

        return ModelCommand(cls.name, [section("greeting", cls)], callback=run, help="Say something kind.")
"""
GOOD = GREET.format(name="greet", body=MADE.strip())


def complaint(*words: object, status: int = 1) -> str:
    """The one line of a command that stopped with an error."""
    finished = run(*words)
    assert (finished.status, finished.out) == (status, "")
    (line,) = finished.complaints()
    return line.removeprefix("openbragg: error: ")


def test_a_third_partys_command_is_called_by_its_name_with_flags_of_its_own(install: Install) -> None:
    install("acme", greet=GOOD)
    assert run("greet").out == "hello hello\n"
    assert run("greet", "-times", "3").out == run("greet", "--times=3").out == "hello hello hello\n"
    assert "-times: expected a whole number" in complaint("greet", "-times", "often", status=2)
    assert "--times" in run("greet", "--help").out


def test_the_overview_and_the_list_of_plugins_have_it(install: Install) -> None:
    install("acme", "2.3", greet=GOOD)
    assert ["greet", "say", "something", "kind"] in [line.split() for line in run("--help").out.splitlines()]
    plugins, _, options = run("plugins").out.partition("\n\n")
    (row,) = [line for line in plugins.splitlines() if "acme" in line]
    assert row.split()[:2] == ["command", "greet"]
    assert "acme 2.3" in row
    (row,) = [line for line in options.splitlines() if line.startswith("command: greet ")]
    assert row.split()[2:] == ["-times", "words", "2", "2"]


def test_its_flags_are_its_own_and_may_be_those_of_a_simulation_too(install: Install) -> None:
    install("acme", greet=GOOD.replace('"-times"', '"-distance"'))
    assert run("greet", "-distance", "1").out == "hello\n"
    assert "-times" not in run("simulate", "--help", "all").out


def test_built_in_commands_are_plugins_that_can_be_taken_away() -> None:
    names = [found.name for found in load_registry(()).of_role("commands")]
    assert names
    for name in names:
        finished = run("--no-plugin", name, "--help")
        assert [line for line in finished.out.splitlines() if line.split()[:1] == [name]] == []
        assert f"the plugin {name!r} is blocked" in complaint(name, "--no-plugin", name)
        assert run(name, "--help").status == 0


def test_the_core_has_no_module_of_a_command_but_its_own() -> None:
    folder = Path(__file__).parents[2] / "core" / "openbragg" / "cli"
    modules = {path.stem for path in folder.glob("*.py")}
    named = {found.name.replace("-", "_") for found in load_registry(()).of_role("commands")}
    assert set(CORE_COMMANDS) == {"simulate", "plugins"} <= modules
    assert modules & named == set()


def test_entry_points_of_commands_have_their_names() -> None:
    for found in load_registry(()).of_role("commands"):
        assert found.entry_point == found.name


def test_two_commands_of_one_name_stop_with_both_distributions_named(install: Install) -> None:
    install("acme_mine", "3.1", mine=GOOD)
    install("acme_theirs", "3.2", theirs=GOOD)
    for words in (("greet",), ("--help",), ("plugins",)):
        line = complaint(*words)
        for word in ("'greet'", "acme_mine 3.1", "acme_theirs 3.2"):
            assert word in line
    assert run("greet", "--no-plugin", "acme_theirs").out == "hello hello\n"


@pytest.mark.parametrize("name", ["cache", *CORE_COMMANDS])
def test_the_name_of_a_command_that_is_there_cannot_be_taken(install: Install, name: str) -> None:
    install("acme", "3.1", greet=GREET.format(name=name, body=MADE.strip()))
    line = complaint("--help")
    assert repr(name) in line
    assert "acme 3.1" in line
    assert "openbragg" in line


BROKEN = {
    "exception at import": ("raise RuntimeError('out of order')", "out of order"),
    "no class method": (GOOD.replace("def command(", "def make("), "command()"),
    "no summary": (GOOD.replace("summary =", "no_summary ="), "summary"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_command_costs_one_line_and_says_why_when_it_is_called(install: Install, way: str) -> None:
    source, reason = BROKEN[way]
    install("acme", greet=source)
    finished = run("--help")
    assert finished.status == 0
    assert "simulate" in finished.out
    (line,) = finished.complaints()
    for word in ("greet", "acme", reason):
        assert word in line
    called = run("greet")
    assert called.status == 1
    assert called.complaints()[-1].startswith("openbragg: error: the plugin 'greet' could not be loaded: ")
    assert reason in called.complaints()[-1]


def test_a_command_that_cannot_be_made_is_one_line_that_says_whose_it_is(install: Install) -> None:
    install("acme", "3.1", greet=GREET.format(name="greet", body="raise KeyError('no words')"))
    assert run("--help").err == ""
    line = complaint("greet")
    for word in ("greet of acme 3.1", "KeyError", "no words"):
        assert word in line


def test_a_name_that_no_command_has_is_refused_with_those_there_are(install: Install) -> None:
    install("acme", greet=GOOD)
    line = complaint("gret", status=2)
    assert "'gret'" in line
    assert "greet" in line
