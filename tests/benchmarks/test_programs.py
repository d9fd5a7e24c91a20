"""Which commands a case becomes, and that they run what they say."""

import subprocess
from pathlib import Path

import attrs
import pytest

from benchmarks.cases import NAMES, Case, SkippedError, make_case
from benchmarks.inputs import SAXS_TABLE
from benchmarks.programs import OURS, Program, checkout_program, contestants, reference_program
from benchmarks.revisions import ROOT, checkout, commit_of
from openbragg.errors import InputError
from stand_in import MakeProgram

CASE = Case("case", "a case", ("-N", "3"), ())


def test_every_case_is_made_and_every_one_has_a_bar(tmp_path: Path) -> None:
    for name in NAMES:
        try:
            case = make_case(name, tmp_path)
        except SkippedError:
            assert name == "supervisor"
            continue
        assert case.name == name and case.bars
        assert all(file.is_file() for file in case.inputs.values())


def test_the_table_of_the_saxs_case_is_the_same_every_time_and_complete(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_case("saxs", tmp_path / name)
    table = (tmp_path / "a" / SAXS_TABLE).read_text(encoding="utf-8")
    assert table == (tmp_path / "b" / SAXS_TABLE).read_text(encoding="utf-8")
    rows = [line.split() for line in table.splitlines()]
    assert len({tuple(row[:3]) for row in rows}) == len(rows) == 37**3
    assert min(float(row[3]) for row in rows) >= 0.0


def test_flags_that_a_revision_lacks_are_not_given_to_it() -> None:
    case = attrs.evolve(CASE, own=("--cull", "1e-6"), beside=("full sum",), needs_reference=False)
    everything = frozenset({"--engine", "--threads", "--timings", "--cull"})
    programs = [
        Program(OURS, ("new",), flags=everything),
        Program("reference", ("c",)),
        Program("revision 1", ("old",), flags=frozenset()),
    ]
    made = {one.name: one for one in contestants(case, programs, 3)}
    assert list(made) == [OURS, "full sum"]
    assert "--cull" in made[OURS].command and "--cull" not in made["full sum"].command
    for flag, value in (("--engine", "compiled"), ("--threads", "3"), ("--timings", "timings.json")):
        assert made[OURS].command[made[OURS].command.index(flag) + 1] == value
    plain = {one.name: one for one in contestants(CASE, programs, 3)}
    assert not everything & set(plain["revision 1"].command)
    assert plain["revision 1"].beside is not None and plain["revision 1"].beside[-5:] == ("-roi", "0", "0", "0", "0")
    assert plain["reference"].command == ("c", *CASE.arguments, "-nonoise")
    assert plain["reference"].environment["OMP_NUM_THREADS"] == "3"
    with pytest.raises(SkippedError, match="--cull"):
        contestants(case, [Program(OURS, ("new",), flags=frozenset())], 1)


def test_the_program_of_this_checkout_is_the_one_that_runs() -> None:
    ours = checkout_program(OURS, ROOT)
    assert ours.flags is not None and {"--timings", "--compat"} <= ours.flags


def test_a_checkout_whose_package_would_not_be_loaded_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "core" / "json"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    checkout_code = tmp_path / "core" / "sys"
    checkout_code.mkdir()
    (checkout_code / "__init__.py").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="sys would be loaded from"):
        checkout_program("revision", tmp_path)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git here")
def test_a_revision_is_checked_out_and_gone_afterwards() -> None:
    commit = commit_of("HEAD")
    with checkout(commit) as folder:
        assert (folder / "pyproject.toml").is_file()
        found = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == commit
    assert not folder.exists()
    listed = subprocess.run(["git", "-C", ROOT, "worktree", "list"], capture_output=True, text=True, check=True)
    assert str(folder) not in listed.stdout


def test_a_reference_is_found_by_its_path(make_program: MakeProgram) -> None:
    file = make_program()
    assert reference_program(file).command == (str(file),)
