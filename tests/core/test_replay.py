"""Flags around a repeated run override it or are overridden, and what differs is refused or said."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_registry import GOOD

import openbragg
from command_line import SMALL, run
from openbragg import InputError
from records import MATRIX, TABLE, WITH_FILES, arguments_of, done, notices, recorded, refused, rewrite, sha256

pytestmark = pytest.mark.usefixtures("inputs")


def test_later_flags_override_the_record_and_it_overrides_earlier_ones() -> None:
    recorded(*SMALL, "-distance", "90", "-floatfile", "a.bin", "-nonoise")
    done(*SMALL, "-distance", "90", "-nonoise", "-floatfile", "at90.bin")
    done(*SMALL, "-distance", "80", "-nonoise", "-floatfile", "at80.bin")
    done("-distance", "80", "--from", "run.json", "-floatfile", "before.bin")
    assert Path("before.bin").read_bytes() == Path("at90.bin").read_bytes()
    done("--from", "run.json", "-distance", "80", "-floatfile", "after.bin")
    assert Path("after.bin").read_bytes() == Path("at80.bin").read_bytes() != Path("at90.bin").read_bytes()
    done("-lambda", "1.3", "--from", "run.json", "-floatfile", "more.bin")
    done(*SMALL, "-distance", "90", "-nonoise", "-lambda", "1.3", "-floatfile", "plain.bin")
    assert Path("more.bin").read_bytes() == Path("plain.bin").read_bytes()


def test_the_record_of_a_repeat_has_all_flags_and_repeats() -> None:
    recorded(*SMALL, "-distance", "90", "-floatfile", "a.bin")
    assert arguments_of("-lambda", "1.1", "--from", "run.json", "-N", "4") == [
        *("-lambda", "1.1"),
        *SMALL,
        *("-distance", "90", "-floatfile", "a.bin"),
        *("-N", "4"),
    ]
    before = Path("a.bin").read_bytes()
    done("--from", "second.json")
    assert Path("a.bin").read_bytes() == before


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ("-round_xtal", "-gauss_xtal", "-gauss_xtal"),
        ("-lattice_shape round", "-lattice_shape gauss", "-lattice_shape gauss"),
        ("-nonoise", "-noise poisson", "-noise poisson"),
        ("-fdet_vector 0 0 1", "-xds", "-xds"),
        ("-mosflm", "-fdet_vector 0 0 1", "-fdet_vector 0 0 1"),
        ("-fdet_vector 0 0 1", "-sdet_vector 0 -1 0.1", "-fdet_vector 0 0 1 -sdet_vector 0 -1 0.1"),
        ("-gauss_xtal", "-fudge 0.5", "-gauss_xtal -fudge 0.5"),
    ],
)
def test_a_plugin_is_replaced_by_a_later_choice(first: str, later: str, expected: str) -> None:
    recorded(*SMALL, "-seed", "1", *first.split())
    assert arguments_of("--from", "run.json", *later.split()) == [*SMALL, "-seed", "1", *expected.split()]
    recorded(*SMALL, "-seed", "1", *later.split())
    reverse = arguments_of(*first.split(), "--from", "run.json")
    kept = first.split() if first in expected else []
    assert reverse == [*kept, *SMALL, "-seed", "1", *later.split()]


def test_options_of_a_plugin_go_with_it(install: Callable[..., None]) -> None:
    install("acme", "1.0", first=GOOD)
    recorded(*SMALL, "-seed", "1", "-lone_strength", "2")
    assert arguments_of("--from", "run.json", "-gauss_xtal") == [*SMALL, "-seed", "1", "-gauss_xtal"]
    assert arguments_of("--from", "run.json", "-lone_strength", "3")[-2:] == ["-lone_strength", "3"]


def test_numbers_after_the_record_are_not_taken_for_its_last_flags() -> None:
    recorded("-default_F", "100", "-detpixels", "4", "-seed", "1", "-cell", "50")
    assert "unexpected argument '60'" in refused("--from", "run.json", "60", status=2)


def test_an_input_that_a_later_flag_replaces_need_not_be_there() -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    Path("a.mat").rename("b.mat")
    assert refused("--from", "run.json").startswith("-mat a.mat: there is no such file")
    words = arguments_of("--from", "run.json", "--matrix", "b.mat", "-floatfile", "b.bin")
    assert "a.mat" not in words
    assert Path("a.bin").read_bytes() == Path("b.bin").read_bytes()


def test_an_earlier_input_that_the_record_replaces_need_not_be_there() -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    assert "gone.mat" not in arguments_of("-mat", "gone.mat", "--from", "run.json")


def test_one_record_at_a_time() -> None:
    recorded(*SMALL, "-nonoise")
    assert "-from" in refused("--from", "run.json", "-from", "run.json", status=2)


@pytest.mark.parametrize("flag", ["-from run.json", "-record x.json", "--force"])
def test_a_record_within_a_record_is_refused(flag: str) -> None:
    recorded(*SMALL, "-nonoise")
    rewrite(lambda record: record["arguments"].extend(flag.split()))
    assert refused("--from", "run.json").startswith("run.json: arguments: a record has no -")


def test_force_goes_with_a_record_to_repeat() -> None:
    assert "-force" in refused(*SMALL, "--force", status=2)


def test_help_answers_beside_a_record_that_is_not_there() -> None:
    finished = run("simulate", "--from", "missing.json", "--help")
    assert (finished.status, finished.err) == (0, "")


@pytest.mark.parametrize(
    ("flag", "name", "text"), [("-mat", "a.mat", MATRIX + "\n"), ("-hkl", "a.hkl", TABLE + "2 2 2 5\n")]
)
def test_an_input_that_changed_is_refused_with_flag_file_and_hashes_or_forced(flag: str, name: str, text: str) -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    before = sha256(name)
    Path(name).write_text(text)
    line = refused("--from", "run.json")
    assert line.startswith(f"{flag} {name} ")
    assert "run.json" in line and "--force" in line
    assert sha256(name)[:12] in line and before[:12] in line
    with pytest.raises(InputError, match=f"{flag} {name} ") if flag == "-hkl" else pytest.raises(AssertionError):
        openbragg.load_run("run.json")
        raise AssertionError("the matrix is in the experiment")
    said = notices(done("--from", "run.json", "--force", "-floatfile", "b.bin"))
    assert len(said) == 1 and said[0].startswith(f"{flag} {name} is not what the run of run.json read")
    done(*WITH_FILES, "-floatfile", "c.bin")
    assert Path("b.bin").read_bytes() == Path("c.bin").read_bytes()


def test_a_changed_input_can_be_forced_from_python() -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    Path("a.hkl").write_text("0 0 0 5\n")
    loaded = openbragg.load_run("run.json", force=True)
    (notice,) = loaded.notices
    assert notice.startswith("-hkl a.hkl ")


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_input_that_is_gone_is_refused(force: tuple[str, ...]) -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    before = sha256("a.hkl")
    Path("a.hkl").unlink()
    line = refused("--from", "run.json", *force)
    assert line.startswith("-hkl a.hkl: there is no such file")
    assert before[:12] in line


def test_an_input_that_could_not_be_checked_is_noticed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # So bright that the crystal is seen.
    first = ("-cell", "50", "-hkl", pipe, "-detpixels", "4", "-fluence", "1e34", "--record", "run.json")
    for words in (first, ("--from", "run.json")):
        writer = threading.Thread(target=lambda: pipe.write_text(TABLE), daemon=True)
        writer.start()
        finished = done(*words, "-floatfile", f"{len(words)}.bin")
        writer.join(timeout=10)
    assert notices(finished) == [f"-hkl {pipe} cannot be checked: it was no regular file in the run of run.json"]
    assert Path("10.bin").read_bytes() == Path("2.bin").read_bytes()


def test_an_input_without_a_hash_in_the_record_is_noticed() -> None:
    recorded(*WITH_FILES, "-floatfile", "a.bin")
    rewrite(lambda record: record.update(inputs=[]))
    said = notices(done("--from", "run.json"))
    assert [line.split(":")[0] for line in said] == ["-mat a.mat cannot be checked", "-hkl a.hkl cannot be checked"]


def test_another_version_is_noticed_and_no_error() -> None:
    recorded(*SMALL, "-floatfile", "a.bin")

    def older(record: dict[str, Any]) -> None:
        record["openbragg"] = "0.0.1"
        for plugin in record["plugins"]:
            plugin["version"] = "0.0.1"

    rewrite(older)
    assert notices(done("--from", "run.json")) == [
        f"the run of run.json was made with openbragg 0.0.1, this is {openbragg.__version__}"
    ]


def test_another_version_of_a_plugin_is_noticed_once() -> None:
    recorded(*SMALL, "-floatfile", "a.bin")

    def older(record: dict[str, Any]) -> None:
        for plugin in record["plugins"][:2]:
            plugin.update(distribution="acme", version="3.1")

    rewrite(older)
    (line,) = notices(done("--from", "run.json"))
    assert "acme 3.1" in line and "mosflm" in line


def test_another_machine_is_noticed() -> None:
    recorded(*SMALL, "-floatfile", "a.bin")
    rewrite(lambda record: record["machine"].update(torch="1.0", threads=64))
    (line,) = notices(done("--from", "run.json"))
    assert "torch 1.0" in line and "threads 64" in line and "platform" not in line


def test_an_experiment_that_the_arguments_do_not_give_is_noticed() -> None:
    recorded(*SMALL, "-floatfile", "a.bin")
    rewrite(lambda record: record["experiment"]["detector"].update(distance=0.2))
    (line,) = notices(done("--from", "run.json"))
    assert "experiment.detector.distance" in line
    assert notices(done("--from", "run.json", "-distance", "200")) == []


def test_an_output_that_is_not_the_recorded_one_is_noticed() -> None:
    recorded(*SMALL, "-floatfile", "a.bin")
    rewrite(lambda record: record["outputs"][0].update(sha256="0" * 64))
    (line,) = notices(done("--from", "run.json", "-floatfile", "b.bin"))
    assert line.startswith("b.bin is not what the run of run.json wrote to a.bin")
    assert sha256("b.bin")[:12] in line and "0" * 12 in line


def test_notices_of_a_repeat_are_recorded() -> None:
    recorded(*SMALL, "-floatfile", "a.bin")
    rewrite(lambda record: record["machine"].update(torch="1.0"))
    finished = done("--from", "run.json", "--record", "second.json")
    assert json.loads(Path("second.json").read_text())["notices"] == notices(finished) != []


def test_a_strangers_record_writes_no_file_out_of_the_folder_nor_over_others(inputs: Path) -> None:
    outside = inputs.parent / "victim"
    outside.write_text("precious")
    Path("mine").write_text("precious")
    Path("link").symlink_to(outside)
    recorded(*SMALL, "-floatfile", "a.bin")
    for name, why in {
        str(outside): "leaves the current folder",
        "../victim": "leaves the current folder",
        "link": "leaves the current folder",
        "/dev/null": "leaves the current folder",
        ".profile": "is hidden",
        "mine": "is there, and is not what that run wrote",
    }.items():
        for flag in ("-floatfile", "-dump", "-trace_log"):
            words = [*SMALL, "-hkl", "a.hkl", flag, name, *(["-trace_pixel", "0", "0"] if flag == "-trace_log" else [])]
            rewrite(lambda record, words=words: record.update(arguments=words))
            line = refused("--from", "run.json", *(["-floatfile", "b.bin"] if flag != "-floatfile" else []))
            assert line.startswith(f"run.json: the file {name} {why}") and "--write-anywhere" in line
    assert outside.read_text() == Path("mine").read_text() == "precious"


def test_a_name_that_the_user_says_may_be_anywhere_and_so_may_all_on_request(inputs: Path) -> None:
    outside = inputs.parent / "other.bin"
    recorded(*SMALL, "-floatfile", "a.bin")
    done("--from", "run.json", "-floatfile", outside)
    assert outside.read_bytes() == Path("a.bin").read_bytes()
    outside.write_text("precious")
    rewrite(lambda record: record.update(arguments=[*SMALL, "-floatfile", str(outside)]))
    done("--from", "run.json", "--write-anywhere")
    assert outside.read_bytes() == Path("a.bin").read_bytes()
    assert refused(*SMALL, "--write-anywhere", status=2) == "-write_anywhere: expected with -from"


def test_a_strangers_series_writes_no_image_over_others() -> None:
    recorded(*SMALL, "-floatfile", "a.bin")
    Path("mine_0002.bin").write_text("precious")
    words = [*SMALL, "-images", "2", "-osc", "0", "-restart", "-floatfile", "mine.bin"]
    rewrite(lambda record: record.update(arguments=words))
    assert "mine_0002.bin is there" in refused("--from", "run.json")
