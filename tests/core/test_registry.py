"""Plugins: found through entry points, contained when broken, blocked when told, refused when they clash."""

import builtins
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import openbragg
from command_line import SMALL, Finished, run
from openbragg import Crystal, hookspecs
from openbragg.orchestrator.finding.registry import default_registry, kebab, load
from openbragg.roles import BLOCK_VARIABLE, ROLES, Registry

#: A lattice of which every cell scatters alone: what the square shape is for a crystal of one cell.
SHAPE = """
import attrs
from openbragg import hookimpl, option

@attrs.frozen
class Shape:
    name = "{name}"
    summary = "a single cell"
    flags = {flags}
    strength: float = option({option}, default=1.0, help="Factor on the amplitude.")

    def factors(self, offset, nearest, lattice):
        return tuple(self.strength + 0.0 * step.to(lattice.dtype) for step in offset)

@hookimpl
def lattice_shapes():
    return [Shape]
"""
GOOD = SHAPE.format(name="lone", flags="('-lone_cell',)", option="'-lone_strength'")

#: Ways in which a plugin module can be broken, and a word that the one line about it has to have.
BROKEN = {
    "import of a missing module": ("import no_such_module_anywhere", "no_such_module_anywhere"),
    "syntax error": ("def broken(:", "SyntaxError"),
    "exception at import": ("raise RuntimeError('out of\\n order')", "out of order"),
    "exit at import": ("import sys; sys.exit('leaving')", "leaving"),
    "hook that raises": (
        "from openbragg import hookimpl\n@hookimpl\ndef lattice_shapes():\n    raise ValueError('no luck')",
        "no luck",
    ),
    "hook that returns nothing": (
        "from openbragg import hookimpl\n@hookimpl\ndef lattice_shapes():\n    pass",
        "TypeError",
    ),
    "hook that no role has": ("from openbragg import hookimpl\n@hookimpl\ndef weather():\n    return []", "weather"),
    "hook with an argument": (
        "from openbragg import hookimpl\n@hookimpl\ndef lattice_shapes(sky):\n    return []",
        "sky",
    ),
    "class without a needed method": (GOOD.replace("def factors", "def factor"), "factors"),
    "class without a name": (GOOD.replace('name = "lone"', "pass"), "name"),
    "class with an empty name": (GOOD.replace('name = "lone"', 'name = ""'), "name"),
    "class without a summary": (GOOD.replace('summary = "a single cell"', "pass"), "summary"),
    "class without flags": (GOOD.replace("flags =", "no_flags ="), "flags"),
    "bare flag without a dash": (GOOD.replace("-lone_cell", "lone_cell"), "flags"),
    "option without a dash": (GOOD.replace("-lone_strength", "lone_strength"), "lone_strength"),
    "class that is not an attrs class": (GOOD.replace("@attrs.frozen", "", 1), "attrs"),
    "object in place of a class": (GOOD.replace("[Shape]", "[Shape()]"), "attrs"),
}

Install = Callable[..., None]


def third_party(registry: Registry) -> list[tuple[str, str]]:
    """Distribution and name of every plugin from the distributions that tests install."""
    return [(found.distribution, found.name) for found in registry.found if found.distribution.startswith("acme")]


def listed(*words: str) -> list[dict[str, object]]:
    """The records of ``openbragg plugins --json``."""
    finished = run("plugins", "--json", *words)
    assert finished.status == 0
    records: list[dict[str, object]] = json.loads(finished.out)
    return records


def render(*words: str) -> Finished:
    return run("simulate", *SMALL, "-floatfile", "out.bin", *words)


def complaint(finished: Finished) -> str:
    """The one line of a command that stopped with an error and did nothing."""
    assert finished.status != 0
    assert finished.out == ""
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ")
    assert not Path("out.bin").exists()
    return line


def test_a_plugin_is_found_with_its_name_distribution_version_and_path(install: Install, tmp_path: Path) -> None:
    install("acme", "2.3.post1", first=GOOD)
    registry = load()
    found = registry.get("lattice_shapes", "lone")
    assert (found.name, found.distribution, found.version) == ("lone", "acme", "2.3.post1")
    assert found.entry_point == "first"
    assert Path(found.path) == tmp_path / "site" / "acme_first.py"
    assert registry.faults == ()


def test_a_plugin_may_be_an_object_in_a_module(install: Install, tmp_path: Path) -> None:
    offers = "class Offers:\n    @hookimpl\n    def lattice_shapes(self):\n        return [Shape]\noffers = Offers()\n"
    install("acme", first=GOOD.split("@hookimpl")[0] + offers)
    points = tmp_path / "site" / "acme-1.0.dist-info" / "entry_points.txt"
    points.write_text("[openbragg]\nfirst = acme_first:offers\n")
    importlib.invalidate_caches()
    assert third_party(load()) == [("acme", "lone")]


def test_one_entry_point_may_offer_many_classes_of_many_roles(install: Install) -> None:
    noise = """
@attrs.frozen
class Doubled:
    name = "doubled"
    summary = "twice"
    flags = ()

    def counts(self, photons, seed):
        return 2 * photons

@hookimpl
def noise_models():
    return [Doubled]
"""
    twin = GOOD.replace("[Shape]", "[Shape, Twin]") + (
        '@attrs.frozen\nclass Twin(Shape):\n    name = "twin"\n    flags = ()\n    strength: float = 1.0\n'
    )
    install("acme", first=twin + noise)
    registry = load()
    assert third_party(registry) == [("acme", "lone"), ("acme", "twin"), ("acme", "doubled")]
    assert registry.faults == ()


@pytest.mark.parametrize("choice", [("-lone_cell",), ("--lone-cell",), ("-lattice_shape", "lone")])
def test_a_third_partys_shape_renders_like_a_built_in_one(install: Install, choice: tuple[str, ...]) -> None:
    install("acme", first=GOOD)
    # A single cell is faint: enough light to see it, so that nothing is said of that.
    bright = ("-fluence", "1e31")
    assert run("simulate", *SMALL, *bright, "-N", "1", "-square_xtal", "-floatfile", "square.bin").status == 0
    finished = render(*bright, "-oversample", "1", *choice)
    assert (finished.status, finished.err) == (0, "")
    assert "lone" in finished.out
    assert Path("out.bin").read_bytes() == Path("square.bin").read_bytes()


def test_a_third_partys_options_are_flags_with_help_and_checks(install: Install) -> None:
    install("acme", first=GOOD)
    assert "lattice shape: lone:" in run("simulate", "--help", "all").out
    assert "--lone-strength" in run("simulate", "--help", "all").out
    assert render("-lone_cell").status == 0
    once = Path("out.bin").read_bytes()
    assert render("-lone_cell", "--lone-strength=2").status == 0
    assert Path("out.bin").read_bytes() != once
    Path("out.bin").unlink()
    line = complaint(render("-lone_cell", "-lone_strength", "nan"))
    assert "-lone_strength" in line
    assert "finite" in line


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_plugin_is_one_line_and_the_run_goes_on(install: Install, way: str) -> None:
    source, reason = BROKEN[way]
    install("acme", cracked=source)
    finished = render()
    assert finished.status == 0
    (line,) = finished.complaints()
    for word in ("cracked", "acme", reason):
        assert word in line
    assert Path("out.bin").stat().st_size == 4 * 4 * 4


@pytest.mark.parametrize("way", BROKEN)
def test_asking_for_a_broken_plugin_by_name_is_an_error_that_says_why(install: Install, way: str) -> None:
    source, reason = BROKEN[way]
    install("acme", cracked=source)
    finished = render("-lattice_shape", "cracked")
    assert finished.status != 0
    last = finished.complaints()[-1]
    assert last.startswith("openbragg: error: ")
    assert "cracked" in last
    assert reason in last
    assert not Path("out.bin").exists()


def test_a_run_asks_for_no_other_plugins_than_those_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = default_registry.cache_info()
    assert render().status == 0
    assert render("-lattices", "2").status == 0
    assert default_registry.cache_info() == asked


def test_a_missing_module_behind_an_entry_point_is_one_line(install: Install, tmp_path: Path) -> None:
    install("acme", gone=GOOD)
    (tmp_path / "site" / "acme_gone.py").unlink()
    importlib.invalidate_caches()
    finished = render()
    assert finished.status == 0
    (line,) = finished.complaints()
    assert "gone" in line


def test_a_broken_plugin_takes_nothing_down_with_it(install: Install) -> None:
    install("acme", cracked="1 / 0", whole=GOOD)
    registry = load()
    assert third_party(registry) == [("acme", "lone")]
    assert [name for name, _ in registry.faults] == ["cracked"]


def test_every_broken_plugin_has_its_line_even_when_entry_points_share_a_name(install: Install) -> None:
    install("acme", cracked="1 / 0")
    install("acme_too", cracked="import no_such_module_anywhere")
    lines = render().complaints()
    assert len(lines) == 2
    assert "ZeroDivisionError" in lines[0]
    assert "no_such_module_anywhere" in lines[1]


@pytest.mark.parametrize("command", [("plugins",), ("plugins", "--json"), ("simulate", "--help")], ids=" ".join)
def test_overviews_work_beside_a_broken_plugin(install: Install, command: tuple[str, ...]) -> None:
    install("acme", cracked="1 / 0")
    finished = run(*command)
    assert finished.status == 0
    (line,) = finished.complaints()
    assert "cracked" in line


MARKED = "import builtins\nbuiltins.acme_was_imported = True\n" + GOOD


@pytest.fixture
def imported() -> Iterator[Callable[[], bool]]:
    """Tells whether a marked module was imported."""
    yield lambda: hasattr(builtins, "acme_was_imported")
    vars(builtins).pop("acme_was_imported", None)


@pytest.mark.parametrize("name", ["first", "acme", "*"])
@pytest.mark.parametrize(
    "line",
    [
        ("--no-plugin", "NAME", "plugins", "--json"),
        ("plugins", "--json", "--no-plugin", "NAME"),
        ("plugins", "--no-plugin=NAME", "--json"),
        ("--no-plugin", "unrelated", "plugins", "--json", "--no-plugin", "NAME"),
    ],
    ids=" ".join,
)
def test_no_plugin_blocks_before_import(
    install: Install, imported: Callable[[], bool], name: str, line: tuple[str, ...]
) -> None:
    install("acme", first=MARKED)
    finished = run(*(word.replace("NAME", name) for word in line))
    assert finished.status == 0
    assert not imported()
    assert "lone" not in [record["name"] for record in json.loads(finished.out)]
    assert "lone" in [record["name"] for record in listed()]
    assert imported()


@pytest.mark.parametrize("value", ["first", "acme", "*", "unrelated, first", "acme,", " * "])
def test_the_environment_variable_blocks_before_import(
    install: Install, imported: Callable[[], bool], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    install("acme", first=MARKED)
    monkeypatch.setenv(BLOCK_VARIABLE, value)
    assert "lone" not in [record["name"] for record in listed()]
    assert not imported()
    monkeypatch.setenv(BLOCK_VARIABLE, "unrelated")
    assert "lone" in [record["name"] for record in listed()]
    assert imported()


def test_blocking_all_leaves_the_built_in_plugins(install: Install) -> None:
    install("acme", first=GOOD)
    everything, own = listed(), listed("--no-plugin", "*")
    assert own == [record for record in everything if record["distribution"] == "openbragg"]
    assert len(own) < len(everything)


def test_blocking_one_distribution_leaves_the_others(install: Install) -> None:
    install("acme", first=GOOD)
    install("acme_too", second=SHAPE.format(name="other", flags="()", option="'-other_strength'"))
    assert third_party(load(["acme"])) == [("acme_too", "other")]


def test_a_built_in_plugin_can_be_blocked_and_says_so_when_asked_for(install: Install) -> None:
    line = complaint(render("--no-plugin", "round", "-lattice_shape", "round"))
    assert "round" in line
    assert "--no-plugin" in line
    assert "-round_xtal" in complaint(render("--no-plugin", "round", "-round_xtal"))


def test_a_blocked_plugin_gives_no_line_however_broken_it_is(install: Install) -> None:
    install("acme", cracked="1 / 0")
    assert render("--no-plugin", "cracked").err == ""


def test_the_table_says_what_was_blocked(install: Install) -> None:
    install("acme", first=GOOD)
    finished = run("plugins", "--no-plugin", "acme")
    assert "first" in finished.err
    assert "lone" not in finished.out.split()


#: What a third party's plugin takes that is someone else's already: its source, and who the other is.
CLASHES = {
    "name of a built-in plugin": SHAPE.format(name="round", flags="()", option="'-x_strength'"),
    "bare flag of a built-in plugin": SHAPE.format(name="lone", flags="('-round_xtal',)", option="'-x_strength'"),
    "bare flag of a plugin of another role": SHAPE.format(name="lone", flags="('-mosflm',)", option="'-x_strength'"),
    "option of a built-in plugin": SHAPE.format(name="lone", flags="()", option="'-floatfile'"),
    "second spelling of a built-in option": SHAPE.format(name="lone", flags="()", option="'-pgmimage'"),
    "flag of the core": SHAPE.format(name="lone", flags="('-distance',)", option="'-x_strength'"),
    "part of an option of the core": SHAPE.format(name="lone", flags="()", option="'-detpixels_x'"),
    "other unit of an option of the core": SHAPE.format(name="lone", flags="()", option="'-energy'"),
    "switch of the core turned off": SHAPE.format(name="lone", flags="('-noprogress',)", option="'-x_strength'"),
    "alias of a flag of the core": SHAPE.format(name="lone", flags="()", option="'--close-distance'"),
    "flag that differs in case only": SHAPE.format(name="lone", flags="()", option="'-xBEAM'"),
    "flag with dashes for underscores": SHAPE.format(name="lone", flags="('-round-xtal',)", option="'-x_strength'"),
    "help": SHAPE.format(name="lone", flags="('-help',)", option="'-x_strength'"),
    "short help": SHAPE.format(name="lone", flags="('-h',)", option="'-x_strength'"),
    "flag for all commands": SHAPE.format(name="lone", flags="()", option="'-no_plugin'"),
}


@pytest.mark.parametrize("what", CLASHES)
def test_a_clash_with_what_is_built_in_stops_with_both_distributions_named(install: Install, what: str) -> None:
    install("acme", "3.1", first=CLASHES[what])
    line = complaint(render())
    assert "acme 3.1" in line
    assert "openbragg" in line.removeprefix("openbragg: error: ")
    assert run("plugins").status == 1
    assert render("--no-plugin", "acme").status == 0


@pytest.mark.parametrize(
    ("mine", "theirs", "word"),
    [
        (("lone", "()", "'-mine'"), ("lone", "()", "'-theirs'"), "'lone'"),
        (("one", "('-same',)", "'-mine'"), ("two", "('-same',)", "'-theirs'"), "-same"),
        (("one", "('-same',)", "'-mine'"), ("two", "()", "'-same'"), "-same"),
        (("one", "()", "'-the_same'"), ("two", "()", "'--the-same'"), "-same"),
        (("one", "()", "'-the_same'"), ("two", "()", "'-THE_SAME'"), "-"),
    ],
)
def test_a_clash_between_third_parties_stops_with_both_distributions_named(
    install: Install, mine: tuple[str, str, str], theirs: tuple[str, str, str], word: str
) -> None:
    for distribution, (name, flags, option) in (("acme_mine", mine), ("acme_theirs", theirs)):
        install(distribution, "3.1", plugin=SHAPE.format(name=name, flags=flags, option=option))
    line = complaint(render())
    assert "acme_mine 3.1" in line
    assert "acme_theirs 3.1" in line
    assert word in line
    assert render("--no-plugin", "acme_theirs").status == 0


def test_plugins_of_different_roles_may_share_a_name(install: Install) -> None:
    install("acme", first=SHAPE.format(name="poisson", flags="()", option="'-x_strength'"))
    assert third_party(load()) == [("acme", "poisson")]
    assert render("-lattice_shape", "poisson", "-noise", "poisson").status == 0


def test_a_plugin_may_spell_its_own_flag_in_two_ways(install: Install) -> None:
    install("acme", first=SHAPE.format(name="lone", flags="()", option="'-x_strength', '-x-strength'"))
    assert render("-lattice_shape", "lone", "-x-strength", "2").status == 0


@pytest.mark.parametrize(
    "source",
    [
        SHAPE.format(name="lone", flags="('-lone-cell',)", option="'-lone_strength'"),
        SHAPE.format(name="lone", flags="('--lone-cell',)", option="'-lone_strength'"),
        SHAPE.format(name="lone", flags="('-lone_cell',)", option="'-lone-strength'"),
        SHAPE.format(name="lone", flags="('-lone_cell',)", option="'--lone-strength'"),
    ],
)
def test_a_plugins_flag_may_be_spelled_with_dashes(install: Install, source: str) -> None:
    install("acme", first=source)
    assert render("--lone-cell", "--lone-strength", "2").status == 0


def test_there_is_a_hook_a_role_and_each_says_what_it_wants() -> None:
    specs = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "openbragg_spec")}
    assert set(specs) == {
        "geometry_conventions",
        "structure_factors",
        "lattice_shapes",
        "mosaic_models",
        "diffuse_models",
        "scene_models",
        "spectra",
        "backgrounds",
        "noise_models",
        "tracers",
        "diagnoses",
        "image_formats",
        "geometry_readers",
        "truth_formats",
        "detectors",
        "presets",
        "commands",
    }
    assert set(specs) == {role.hook for role in ROLES}
    for spec in specs.values():
        assert spec.__doc__ is not None and spec.__doc__.startswith("Return classes that ")


def test_the_table_of_plugins_has_role_name_summary_distribution_version_and_path(install: Install) -> None:
    install("acme", "2.3", first=GOOD)
    finished = run("plugins")
    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    for record in listed():
        words = [record[key] for key in ("name", "summary", "distribution", "version", "path")]
        title = next(role.title for role in ROLES if role.hook == record["role"])
        assert [line for line in lines if all(str(word) in line for word in (title, *words))]
    assert lines.index("") == 1 + len(listed())


def test_the_table_of_options_has_flag_unit_and_default_in_the_unit_and_in_si(install: Install) -> None:
    source = GOOD.replace("default=1.0,", "default=2.5e-6, unit='um',")
    install("acme", "2.3", first=source)
    _, _, options = run("plugins").out.partition("\n\n")
    (row,) = [line for line in options.splitlines() if line.startswith("lattice shape: lone ")]
    assert row.split()[3:] == ["-lone_strength", "um", "2.5", "2.5e-06"]
    assert len(options.splitlines()) == 1 + sum(len(record["options"]) for record in listed())
    (record,) = (record for record in listed() if record["distribution"] == "acme")
    assert record["options"] == [
        {
            "field": "strength",
            "flags": ["-lone_strength"],
            "unit": "um",
            "default": pytest.approx(2.5),
            "default_in_si": 2.5e-6,
            "help": "Factor on the amplitude.",
        }
    ]


def test_an_option_in_two_units_has_its_default_in_each(install: Install) -> None:
    install("acme", first=GOOD.replace("default=1.0,", "default=1e-10, unit='A', other_units={'-lone_energy': 'eV'},"))
    (record,) = (record for record in listed() if record["distribution"] == "acme")
    defaults = {(option["flags"][0], option["unit"]): option["default"] for option in record["options"]}
    assert defaults == {("-lone_strength", "A"): 1.0, ("-lone_energy", "eV"): pytest.approx(12398.42)}


def test_json_has_what_the_registry_found(install: Install) -> None:
    install("acme", "2.3", first=GOOD)
    registry = load()
    records = listed()
    assert [(record["role"], record["name"], record["path"]) for record in records] == [
        (found.role.hook, found.name, found.path) for found in registry.found
    ]
    (record,) = (record for record in records if record["distribution"] == "acme")
    assert (record["version"], record["summary"]) == ("2.3", "a single cell")
    assert record["flags"] == ["-lone_cell", "-lone_strength"]
    assert record["options"] == [
        {
            "field": "strength",
            "flags": ["-lone_strength"],
            "unit": "",
            "default": 1.0,
            "default_in_si": 1.0,
            "help": "Factor on the amplitude.",
        }
    ]


def test_every_record_says_where_the_plugin_lies() -> None:
    for record in listed():
        assert Path(str(record["path"])).is_file()
        assert record["version"]


def test_a_command_offers_python_a_name(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own name, or by the one that it says, and by no other; public names come first."""
    install(
        "acme",
        first="""
import attrs, click
from openbragg import hookimpl

class Answers:
    flags = ()
    summary = "answers"

    @classmethod
    def command(cls, registry):
        return click.Command(cls.name)

    @classmethod
    def python(cls):
        return cls.name

@attrs.frozen
class Plain(Answers):
    name = "acme_plain"

@attrs.frozen
class Renamed(Answers):
    name = "acme_renamed"
    python_name = "acme_answers"

@attrs.frozen
class Public(Answers):
    name = "acme_public"
    python_name = "Crystal"

@hookimpl
def commands():
    return [Plain, Renamed, Public]
""",
    )
    registry = load()
    monkeypatch.setattr("openbragg.orchestrator.finding.registry.default_registry", lambda: registry)
    assert (openbragg.acme_plain, openbragg.acme_answers) == ("acme_plain", "acme_renamed")
    assert openbragg.Crystal is Crystal
    with pytest.raises(AttributeError, match="no attribute 'acme_renamed'"):
        _ = openbragg.acme_renamed


def test_a_module_of_the_package_is_imported_without_loading_plugins() -> None:
    code = "from openbragg import testing, units\n"
    code += "from openbragg.orchestrator.finding.registry import default_registry\n"
    code += "assert default_registry.cache_info().misses == 0"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.from_regex(r"-[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True))
def test_the_alias_of_an_alias_is_itself(flag: str) -> None:
    alias = kebab(flag)
    assert alias.startswith("--")
    assert "_" not in alias
    assert kebab(alias) == alias == alias.lower()
