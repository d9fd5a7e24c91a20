"""``openbragg compare``: every exit status, what is printed and written, and how commands are run."""

import json
import os
import select
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from command_line import SMALL, Finished, run

ROOT = Path(__file__).parents[3]
OUTPUTS = ["difference.png", "first.png", "second.png", "summary.json"]
OPENBRAGG = shlex.join([sys.executable, "-c", "from openbragg.cli.main import main; main()"])

#: A program that takes the flags of a simulator and does what others of its flags say.
SIMULATOR = """
import array, json, os, sys, time

words = sys.argv[1:]

def value(flag, default=None):
    places = [place for place, word in enumerate(words) if word == flag]
    return words[places[-1] + 1] if places else default

slow, fast = int(value("-slow", 6)), int(value("-fast", 6))
if value("-record"):
    with open(value("-record"), "a") as stream:
        stream.write(json.dumps([os.getcwd(), words]) + "\\n")
if value("-sleep"):
    time.sleep(float(value("-sleep")))
if value("-print"):
    print(value("-print"))
if value("-say"):
    print(value("-say"), file=sys.stderr)
if value("-die"):
    os.kill(os.getpid(), int(value("-die")))
if value("-fail"):
    print("beginning")
    print("no such crystal" + chr(27) + "[1m")
    sys.exit(int(value("-fail")))
photons = [float(pixel**2) for pixel in range(slow * fast)]
photons[7] += float(value("-add", 0))
if value("-read"):
    photons[8] += float(open(value("-read")).read())
if "-noimage" not in words:
    with open(value("-floatfile", "floatimage.bin"), "wb") as stream:
        array.array("f", photons[: int(value("-pixels", slow * fast))]).tofile(stream)
if "-noint" not in words:
    with open(value("-intfile", "intimage.img"), "wb") as stream:
        header = "{\\nHEADER_BYTES=512;\\nTYPE=unsigned_short;\\nSIZE1=%d;\\nSIZE2=%d;\\n}" % (fast, slow)
        stream.write(header.encode().ljust(512) + bytes(2 * slow * fast))
"""

Compare = Callable[..., Finished]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def simulator(tmp_path: Path) -> str:
    """A command that runs a small simulator."""
    path = tmp_path / "simulator.py"
    path.write_text(SIMULATOR, encoding="utf-8")
    return shlex.join([sys.executable, str(path)])


@pytest.fixture
def same(folder: Path, simulator: str) -> Compare:
    """Run the simulator twice; words before ``--`` are options of the comparison, the ones after it flags."""

    def check(*words: object, first: str = "", second: str = "") -> Finished:
        return run("compare", "--first", f"{simulator} {first}", "--second", f"{simulator} {second}", *words)

    return check


def ramp(slow: int = 6, fast: int = 6) -> NDArray[np.float32]:
    return (np.arange(slow * fast, dtype=np.float32) ** 2).reshape(slow, fast)


def save(name: str, image: NDArray[Any]) -> str:
    np.save(name, image)
    return f"{name}.npy"


def summary(place: str = "compare") -> dict[str, Any]:
    """The summary, of which every number must be one in JSON too."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    read: dict[str, Any] = json.loads(Path(place, "summary.json").read_text(encoding="ascii"), parse_constant=refuse)
    return read


def written(place: str = "compare") -> list[str]:
    return sorted(path.name for path in Path(place).iterdir())


def table(finished: Finished) -> dict[str, str]:
    """The rows of the report by their first word."""
    return {line[:16].strip(): line[16:] for line in finished.out.splitlines() if not line.startswith("wrote")}


def complaint(finished: Finished, status: int) -> str:
    """The one line of a command that was refused."""
    assert (finished.status, finished.out) == (status, "")
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ")
    return line


# --- two images


@pytest.mark.usefixtures("folder")
def test_images_that_are_equal_are_within_any_threshold() -> None:
    ramp().tofile("a.bin")
    finished = run("compare", "a.bin", save("b", ramp().astype(np.float64)), "--threshold", "1")
    assert (finished.status, finished.err) == (0, "")
    rows = table(finished)
    assert (rows["first"], rows["second"]) == ("a.bin", "b.npy")
    assert rows["compared"] == "6 x 6 pixels (slow x fast)"
    assert (rows["correlation"], rows["MSE"], rows["RMSE"]) == ("1", "0", "0")
    assert rows["verdict"] == "within the threshold of 1"
    assert "runtime" not in rows and "speed" not in rows
    assert written() == OUTPUTS
    found = summary()
    assert (found["verdict"], found["exit_status"], found["threshold"]) == ("within", 0, 1.0)
    assert found["first"] == {"file": "a.bin", "runtime": None, "shape": [6, 6]}
    assert found["comparison"]["correlation"] == 1.0
    assert (found["flags"], found["roi"], found["resampled"]) == (None, None, False)


@pytest.mark.usefixtures("folder")
def test_images_that_differ_are_below_the_threshold_and_it_is_said_where() -> None:
    other = ramp()
    other[2, 4] = 1e4
    words = ("compare", save("a", ramp()), save("b", other))
    finished = run(*words)
    assert (finished.status, finished.err) == (3, "")
    rows = table(finished)
    assert rows["largest"] == "+9744 at slow 2, fast 4: first 256, second 10000"
    assert rows["sum"] == f"first {ramp().sum():.9g}, second {other.sum():.9g}, ratio 1.65352113"
    assert rows["verdict"] == "below the threshold of 0.9999"
    found = summary()
    assert (found["verdict"], found["exit_status"]) == ("below", 3)
    assert found["comparison"]["largest"] == {
        "difference": 9744.0, "slow": 2, "fast": 4, "first": 256.0, "second": 10000.0
    }  # fmt: skip
    reached = found["comparison"]["correlation"]
    assert run(*words, "--threshold", repr(reached)).status == 0
    assert run(*words, "--threshold", repr(np.nextafter(reached, 1.0).item())).status == 3


@pytest.mark.usefixtures("folder")
def test_scaled_images_are_within_and_the_ratio_tells() -> None:
    finished = run("compare", save("a", ramp()), save("b", 3.0 * ramp()))
    assert finished.status == 0
    assert table(finished)["sum"].endswith("ratio 3")


@pytest.mark.usefixtures("folder")
def test_a_constant_image_correlates_with_itself_only() -> None:
    flat, other = save("a", np.ones((3, 3))), save("b", np.eye(3))
    assert run("compare", flat, flat).status == 0
    finished = run("compare", flat, other, "--threshold", "-1")
    assert finished.status == 3
    assert table(finished)["correlation"] == "undefined: an image is constant"
    assert summary()["comparison"]["correlation"] is None
    assert "ratio undefined" in table(run("compare", save("c", np.zeros((3, 3))), other))["sum"]


@pytest.mark.usefixtures("folder")
def test_different_shapes_have_a_status_and_a_line_of_their_own() -> None:
    finished = run("compare", save("a", ramp(4, 6)), save("b", ramp(6, 4)))
    assert "4 x 6 and 6 x 4 (slow x fast)" in complaint(finished, 4)
    assert written() == ["summary.json"]
    found = summary()
    assert (found["verdict"], found["exit_status"], found["comparison"]) == ("different shapes", 4, None)
    assert (found["first"]["shape"], found["second"]["shape"]) == ([4, 6], [6, 4])


@pytest.mark.usefixtures("folder")
def test_resampling_on_request_undoes_finer_pixels() -> None:
    fine = np.kron(ramp(4, 6), np.full((3, 2), 1.0 / 6.0))
    finished = run("compare", save("a", ramp(4, 6)), save("b", fine), "--resample")
    assert finished.status == 0
    assert table(finished)["resampled"] == "second, from 12 x 12"
    assert table(finished)["compared"] == "4 x 6 pixels (slow x fast)"
    assert summary()["resampled"] is True
    # All of it was compared, in the pixels of the first.
    assert summary()["comparison"]["first_sum"] == ramp(4, 6).sum()
    assert summary()["comparison"]["ratio"] == pytest.approx(1.0, rel=1e-6)
    run("compare", save("a", ramp()), save("b", ramp()), "--resample")
    assert summary()["resampled"] is False


@pytest.mark.usefixtures("folder")
def test_only_the_region_of_interest_counts() -> None:
    other = ramp(5, 8)
    other[0, 0] = 1e6
    other[3, 6] += 1.0
    words = ("compare", save("a", ramp(5, 8)), save("b", other), "--roi")
    finished = run(*words, 2, 6, 1, 3)
    assert finished.status == 0
    assert table(finished)["compared"] == "3 x 5 pixels (slow x fast)"
    assert summary()["comparison"]["largest"]["difference"] == 1.0
    # Where it is, is counted from the first pixel of the whole image.
    assert (summary()["comparison"]["largest"]["slow"], summary()["comparison"]["largest"]["fast"]) == (3, 6)
    assert Image.open("compare/difference.png").size == (5, 3)
    run(*words, 2, 5, 1, 3)
    assert summary()["comparison"]["largest"]["difference"] == 0.0
    assert summary()["roi"] == [2, 5, 1, 3]
    assert run(*words, 0, 7, 0, 4).status == 3


@pytest.mark.usefixtures("folder")
def test_raw_images_take_the_shape_that_is_given() -> None:
    ramp(4, 6).tofile("a.bin")
    assert run("compare", "a.bin", save("b", ramp(4, 6)), "--shape", 4, 6).status == 0
    assert run("compare", "a.bin", save("b", ramp(4, 6)), "--shape", 6, 4).status == 4


@pytest.mark.usefixtures("folder")
def test_peaks_within_the_distance_match() -> None:
    image = np.zeros((20, 20))
    image[5, 5], image[12, 9] = 10.0, 20.0
    words = ("compare", save("a", image), save("b", np.roll(image, 2, axis=0)), "--peak-distance")
    assert run(*words, 1.9).status == 3
    assert summary()["comparison"]["peaks"]["matched"] == 0
    rows = table(run(*words, 2.1))
    assert rows["peaks"] == "2 in first, 2 in second; 2 of 2 matched"
    assert rows["offset"] == "median 2, largest 2 pixels; median shift slow +2, fast +0"


@pytest.mark.usefixtures("folder")
def test_pictures_are_drawn_unless_told_otherwise() -> None:
    words = ("compare", save("a", ramp(4, 6)), save("b", 2.0 * ramp(4, 6)))
    assert run(*words, "--no-pictures", "--output", "here/and/there").status == 0
    assert written("here/and/there") == ["summary.json"]
    assert summary("here/and/there")["pictures"] is None
    finished = run(*words, "--output", "here")
    assert finished.out.count("wrote") == len(OUTPUTS)
    sizes = {name: Image.open(Path("here", name)).size for name in OUTPUTS if name.endswith("png")}
    assert set(sizes.values()) == {(6, 4)}
    assert sorted(summary("here")["pictures"]["files"]) == sorted(sizes)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "expected two images"),
        (("a.npy",), "got 1"),
        (("a.npy", "a.npy", "a.npy"), "got 3"),
        (("--first", "true"), "--second: expected a command"),
        (("--second", "true"), "--first: expected a command"),
        (("--first", "true", "--second", " "), "--second: expected a command"),
        (("--first", "true", "--second", "'true"), "--second: no closing quotation"),
        (("--first", "true", "--second", "true", "a.npy", "a.npy"), "'a.npy' is neither"),
        (("a.npy", "a.npy", "--flag"), "No such option"),
        (("a.npy", "a.npy", "--threshold", "1.1"), "--threshold: expected a number from -1 to 1"),
        (("a.npy", "a.npy", "--threshold", "nan"), "--threshold: expected a number from -1 to 1"),
        (("a.npy", "a.npy", "--peak-distance", "nan"), "--peak-distance: expected a number above 0"),
        (("a.npy", "a.npy", "--timeout", "0"), "--timeout: expected a number above 0"),
        (("a.npy", "a.npy", "--shape", "0", "6"), "--shape"),
        (("a.npy", "a.npy", "--roi", "0", "6", "0", "5"), "--roi: expected pixels up to 5 along x and 5 along y"),
        (("a.npy", "a.npy", "--roi", "0", "5", "0", "6"), "--roi: expected pixels up to 5 along x and 5 along y"),
        (("a.npy", "a.npy", "--roi", "3", "2", "0", "5"), "--roi: expected 0 <= XMIN <= XMAX"),
        (("a.npy", "a.npy", "--roi", "-1", "2", "0", "5"), "--roi: expected 0 <= XMIN <= XMAX"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(words: tuple[str, ...], reason: str) -> None:
    save("a", ramp())
    assert reason in complaint(run("compare", *words), 2)
    assert not Path("compare").exists()


def test_a_bad_image_is_refused_and_nothing_is_written(folder: Path) -> None:
    save("a", ramp())
    Path("bad.bin").write_bytes(bytes(7))
    for bad in ("bad.bin", "none.img", "."):
        for words in (("a.npy", bad), (bad, "a.npy")):
            assert bad in complaint(run("compare", *words), 1)
    assert sorted(path.name for path in folder.iterdir()) == ["a.npy", "bad.bin"]


@pytest.mark.usefixtures("folder")
def test_an_image_is_not_written_over() -> None:
    grey = np.zeros((3, 3), dtype=np.uint8)
    Path("compare").mkdir()
    Image.fromarray(grey).save("compare/first.png")
    before = Path("compare/first.png").read_bytes()
    words = ("compare", "compare/first.png", "compare/first.png")
    assert "compare/first.png would be overwritten" in complaint(run(*words), 2)
    assert Path("compare/first.png").read_bytes() == before
    assert run(*words, "--output", "other").status == 0
    assert run(*words, "--no-pictures").status == 0


def test_a_folder_that_cannot_be_is_refused_before_anything_runs(same: Compare) -> None:
    Path("file").write_text("something")
    for output in ("file", "file/below"):
        line = complaint(same("--output", output, "--", "-record", "ran"), 1)
        assert f"cannot write to {output}" in line and "not a folder" in line
    assert not Path("ran").exists()


# --- two commands


def test_commands_that_agree_are_within_and_leave_nothing_behind(folder: Path, same: Compare) -> None:
    finished = same("--", "-slow", "4")
    assert (finished.status, finished.err) == (0, "")
    assert "one run each" in table(finished)["runtime"]
    assert [path.name for path in folder.iterdir()] == ["compare"]
    assert written() == OUTPUTS
    found = summary()
    assert found["flags"] == ["-slow", "4"]
    assert found["second"]["command"].endswith("simulator.py ")
    # The shape comes from the header of the integer image: 24 pixels are no square.
    assert found["first"]["shape"] == [4, 6]
    assert found["first"]["runtime"] > 0.0


def test_the_speed_is_the_first_runtime_over_the_second(same: Compare) -> None:
    finished = same("--", "-slow", "4", second="-sleep 1")
    found = summary()
    first, second = (found[name]["runtime"] for name in ("first", "second"))
    assert second > 1.0
    assert found["speed_ratio"] == pytest.approx(first / second)
    assert table(finished)["speed"] == f"second {first / second:.3g} times as fast as first"


def test_what_commands_wrote_is_kept_on_request(folder: Path, same: Compare) -> None:
    finished = same("--keep", "kept/of both", "--", "-print", "hello", second="-say careful -add 500")
    assert finished.status == 3
    kept = folder / "kept" / "of both"
    endings = (".bin", ".stderr.txt", ".stdout.txt")
    assert sorted(path.name for path in kept.iterdir()) == [
        f"{side}{end}" for side in ("first", "second") for end in endings
    ]
    assert (kept / "first.stdout.txt").read_text() == (kept / "second.stdout.txt").read_text() == "hello\n"
    assert ((kept / "first.stderr.txt").read_text(), (kept / "second.stderr.txt").read_text()) == ("", "careful\n")
    first, second = (np.fromfile(kept / f"{side}.bin", "<f4") for side in ("first", "second"))
    np.testing.assert_array_equal(first.reshape(6, 6), ramp())
    assert second[7] - first[7] == 500.0
    assert summary()["kept"] == "kept/of both"
    # Kept images can be compared again.
    assert run("compare", kept / "first.bin", kept / "second.bin").status == 3


def test_what_a_command_wrote_before_it_failed_is_kept(folder: Path, same: Compare) -> None:
    assert same("--keep", "kept", "--", second="-fail 7").status == 1
    assert "no such crystal" in (folder / "kept" / "second.stdout.txt").read_text()
    assert not (folder / "kept" / "second.bin").exists()
    assert (folder / "kept" / "first.bin").stat().st_size == 144
    assert not (folder / "compare").exists()


def test_there_is_nothing_to_keep_of_two_images(folder: Path) -> None:
    image = save("a", ramp())
    assert "--keep" in complaint(run("compare", image, image, "--keep", "kept"), 2)
    assert sorted(path.name for path in folder.iterdir()) == ["a.npy"]


@pytest.mark.parametrize("names", [("OPENBRAGG_COMPARE_FIRST", "OPENBRAGG_COMPARE_SECOND"), ("NB_C_BIN", "NB_PY_BIN")])
def test_environment_variables_name_the_commands(
    folder: Path, simulator: str, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    for name, words in zip(names, (simulator, f"{simulator} -add 500"), strict=True):
        monkeypatch.setenv(name, words)
    assert run("compare", "--", "-slow", "4").status == 3
    assert summary()["second"]["command"].endswith("-add 500")
    # What is given wins over what is named, each for itself; and two images stay two images.
    assert run("compare", "--second", simulator, "--", "-slow", "4").status == 0
    assert run("compare", save("a", ramp()), save("b", ramp())).status == 0
    assert summary()["first"] == {"file": "a.npy", "runtime": None, "shape": [6, 6]}


def test_variables_of_this_program_come_before_those_of_others(
    folder: Path, simulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NB_C_BIN", "no_such_program")
    monkeypatch.setenv("NB_PY_BIN", simulator)
    monkeypatch.setenv("OPENBRAGG_COMPARE_FIRST", simulator)
    assert run("compare", "--", "-slow", "4").status == 0
    assert [path.name for path in folder.iterdir()] == ["compare"]


def test_one_command_in_a_variable_asks_for_the_other(
    monkeypatch: pytest.MonkeyPatch, simulator: str, folder: Path
) -> None:
    monkeypatch.setenv("OPENBRAGG_COMPARE_FIRST", simulator)
    assert "--second: expected a command" in complaint(run("compare", "--", "-slow", "4"), 2)
    assert list(folder.iterdir()) == []


def test_a_command_may_be_a_module_of_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("small_simulator.py").write_text(SIMULATOR, encoding="utf-8")
    words = f"{shlex.quote(sys.executable)} -m small_simulator"
    assert run("compare", "--first", words, "--second", words, "--", "-slow", "4").status == 0
    assert summary()["first"]["command"] == words


def test_commands_that_disagree_are_below(same: Compare) -> None:
    assert same("--", "-slow", "4", second="-add 500").status == 3
    assert summary()["comparison"]["largest"]["difference"] == 500.0


def test_commands_run_where_the_user_is_and_their_images_go_elsewhere(folder: Path, same: Compare) -> None:
    Path("input").write_text("41")
    words = ("-floatfile", "mine.bin", "-intfile", "mine.img", "-read", "input", "-record", "calls")
    assert same("--", *words).status == 0
    calls = [json.loads(line) for line in Path("calls").read_text().splitlines()]
    assert len(calls) == 2
    for place, seen in calls:
        assert Path(place) == folder
        assert seen[: len(words)] == list(words)
        assert "-nonoise" in seen[len(words) :] and "-nopgm" in seen[len(words) :]
    assert sorted(path.name for path in folder.iterdir()) == ["calls", "compare", "input"]
    images = [seen[len(seen) - 1 - seen[::-1].index("-floatfile") + 1] for _, seen in calls]
    assert not any(Path(image).parent.exists() for image in images)


@pytest.mark.parametrize(
    ("flags", "thrown_away"), [(("-hkl", "P1.hkl"), True), (("-hkl", "P1.hkl", "-dump", "mine"), False), ((), False)]
)
def test_a_dump_that_nobody_asked_for_is_thrown_away(same: Compare, flags: tuple[str, ...], thrown_away: bool) -> None:
    assert same("--", *flags, "-record", "calls").status == 0
    for line in Path("calls").read_text().splitlines():
        _, seen = json.loads(line)
        assert (["-dump", os.devnull] == seen[-2:]) is thrown_away


def test_what_commands_say_is_passed_on(same: Compare) -> None:
    finished = same("--", "-say", "a quirk would have changed this")
    assert finished.status == 0
    assert finished.complaints() == [
        "openbragg: first: a quirk would have changed this",
        "openbragg: second: a quirk would have changed this",
    ]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ("-fail 9", "exit status 9: no such crystal [1m"),
        ("-fail 9 -say wrong", "exit status 9: wrong"),
        ("-die 9", "ended by signal 9"),
        ("-noimage", "it wrote no image"),
        ("-pixels 35", "expected 6 x 6 pixels (slow x fast) in 144 bytes, the file has 140"),
        ("-noint -fast 5", "120 bytes are no square of float32 pixels"),
        ("-add nan", "expected finite numbers, got nan at slow 1, fast 1"),
    ],
)
@pytest.mark.parametrize("side", ["first", "second"])
def test_a_command_that_fails_is_named_with_its_last_words(same: Compare, side: str, flags: str, reason: str) -> None:
    line = complaint(same("--", "-slow", "6", **{side: flags}), 1)
    assert reason in line
    assert f"simulator.py {flags}" in line
    assert not Path("compare").exists()


@pytest.mark.usefixtures("folder")
def test_a_command_that_is_not_there_is_named() -> None:
    finished = run("compare", "--first", "no_such_program -x", "--second", "true", "--", "-N", "1")
    assert complaint(finished, 1) == "openbragg: error: cannot run no_such_program -x: No such file or directory"


def test_the_shape_of_a_command_without_a_header_can_be_given(same: Compare) -> None:
    assert same("--shape", "6", "5", "--", "-noint", "-fast", "5").status == 0
    assert summary()["first"]["shape"] == [6, 5]


def test_a_command_that_takes_too_long_is_ended_with_its_children(folder: Path) -> None:
    os.mkfifo(folder / "alive")
    alive = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
    command = "sh -c 'sleep 600 > alive & sleep 600'"
    line = complaint(run("compare", "--first", command, "--second", command, "--timeout", "2"), 1)
    assert "stopped after 2 s" in line
    # The pipe's other end is closed when the last process that holds it has ended.
    readable, _, _ = select.select([alive], [], [], 60)
    assert readable and os.read(alive, 1) == b""
    os.close(alive)


def test_openbragg_agrees_with_itself_in_double_precision(folder: Path) -> None:
    Path("P1.hkl").write_text("0 0 1 10\n1 0 0 20\n1 1 0 15\n0 1 0 30\n0 0 0 90\n")
    words = ("compare", "--first", f"{OPENBRAGG} simulate", "--second", f"{OPENBRAGG} simulate -precision double", "--")
    finished = run(*words, *SMALL, "-hkl", "P1.hkl", "-detpixels_x", "8", "-noisefile", "noise.img")
    assert finished.status == 0
    assert summary()["first"]["shape"] == [4, 8]
    assert summary()["comparison"]["peaks"]["first"] == summary()["comparison"]["peaks"]["matched"]
    assert sorted(path.name for path in folder.iterdir()) == ["P1.hkl", "compare"]


# --- around it


def test_help_leaves_the_heavy_libraries_unloaded() -> None:
    code = (
        "import sys\nfrom openbragg.cli.main import main\nassert main(['compare', '--help']) == 0\n"
        "assert not {'torch', 'numpy', 'PIL', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_comparing_files_does_without_torch(folder: Path) -> None:
    save("a", ramp())
    code = (
        "import sys\nfrom openbragg.cli.main import main\nassert main(['compare', 'a.npy', 'a.npy']) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=folder)


@pytest.mark.usefixtures("folder")
def test_every_key_of_the_summary_is_in_the_document() -> None:
    def keys(content: Any) -> set[str]:
        if not isinstance(content, dict):
            return set()
        return set(content).union(*(keys(value) for value in content.values()))

    run("compare", save("a", ramp()), save("b", ramp()))
    document = (ROOT / "docs" / "reference" / "compare.md").read_text(encoding="utf-8")
    assert {key for key in keys(summary()) if f"`{key}`" not in document} == set()
