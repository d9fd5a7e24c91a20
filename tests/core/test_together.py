"""The files of a run appear together or not at all; what can be refused is refused before the work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import random_command_lines
from command_line import CRYSTAL, SMALL, run
from openbragg.errors import InputError
from openbragg.orchestrator.outputs.outputs import appear, make_folder, place_of, together, write_text

REFUSED = {
    "-refl a.refl --oversample-omega -oversample 2 --compat running-product": "running-product",
    "-background table": "-stol",
    "-trace_pixel 99 0 -trace_log a.log": "not rendered",
    "-record /dev/full": "No space left on device",
    "-timings /dev/full": "No space left on device",
    "-noisefile /dev/full": "No space left on device",
    "-images 2 -osc 1 -record /dev/full": "No space left on device",
    "-images 2 -osc 1 -refl a.refl --oversample-omega -oversample 2 --compat running-product": "running-product",
    "-refl a.refl -lattice_shape tophat -N 2": "fill the whole cell",
    "-refl a.refl -lattice_shape tophat -N 1 -images 2 -osc 0.1 -nxmx a.nxs": "fill the whole cell",
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_run_that_is_refused_leaves_nothing_not_even_its_table(inputs: Path, words: str) -> None:
    before = sorted(Path().rglob("*"))
    finished = run("simulate", *SMALL, "-hkl", "a.hkl", "-dump", "new.dump", "-floatfile", "a.bin", *words.split())
    assert finished.status in (1, 2)
    assert REFUSED[words] in finished.complaints()[-1]
    assert sorted(Path().rglob("*")) == before


def test_a_detector_with_its_back_to_the_crystal_is_refused_before_it_is_rendered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("openbragg.orchestrator.rendering.render_panel", None)
    words = [*SMALL, "-xds", "-twotheta", "120", "-pivot", "beam"]
    for more in ([], ["-images", "2", "-osc", "1"]):
        finished = run("simulate", *words, *more, "-floatfile", "a.bin")
        assert finished.status == 1
        assert "back to the crystal" in finished.err and "-pivot sample turns it" in finished.err
    assert not list(tmp_path.iterdir())


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "folder" / "other"
    one.write_text("before")

    def fail() -> None:
        with together():
            write_text(one, "after")
            make_folder(other.parent)
            write_text(other, "after")
            assert one.read_text() == "before" and place_of(one).read_text() == "after"
            raise InputError("no")

    with pytest.raises(InputError, match="no"):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["one"] and one.read_text() == "before"
    with together():
        write_text(one, "after")
        appear()
        assert one.read_text() == "after"
        write_text(one, "later")
        assert one.read_text() == "later"


def test_a_full_standard_output_is_one_line_and_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from openbragg.cli.main import main; main()"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "simulate", *SMALL, "-floatfile", "a.bin"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("cannot write to standard output: No space left on device")
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_a_series_goes_on_beside_the_table_that_it_keeps(inputs: Path) -> None:
    words = [*CRYSTAL, "-detpixels", "4", "-hkl", "a.hkl", "-dump", "t", "-images", "2", "-osc", "1", "-cbf", "a.cbf"]
    assert run("simulate", *words, "-seed", "1").status == 0
    assert run("simulate", *words, "-seed", "1").status == 0


@pytest.mark.usefixtures("inputs")
def test_a_repeated_run_finds_its_nxmx_the_same_in_another_process() -> None:
    """The first file with bitshuffle that a process makes is as all others."""
    h5 = pytest.importorskip("hdf5plugin")
    assert h5
    script = (
        "import io, hashlib, numpy as np; from openbragg.testing import make_image;"
        "from openbragg_plugins.image_formats.nxmx.format import NXmx;"
        "image = make_image(np.arange(24.0).reshape(4, 6), 'counts'); made = [io.BytesIO() for _ in range(3)];"
        "[NXmx().write(each, image) for each in made];"
        "print(*(hashlib.sha256(each.getvalue()).hexdigest() for each in made))"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    assert len(set(done.stdout.split())) == 1


def test_random_lines_of_the_second_generator_keep_their_promises(tmp_path: Path) -> None:
    """A few; ``python tests/random_command_lines.py`` tries thousands."""
    furnished = tmp_path / "furnished"
    furnished.mkdir()
    random_command_lines.furnish(furnished)
    generator = random_command_lines.Generator(14)
    endings = set()
    for number in range(25):
        fault, ending = random_command_lines.check(number, generator.line(number), furnished)
        assert fault is None, str(fault)
        endings.add(ending)
    assert {"status 0", "status 2"} <= endings


def test_the_second_generator_is_reproducible_and_knows_every_flag() -> None:
    words = [random_command_lines.Generator(1).line(number) for number in range(3)]
    assert words == [random_command_lines.Generator(1).line(number) for number in range(3)]
    known = {id(option) for options in random_command_lines._by_owner().values() for option in options}
    assert known == {id(option) for option in random_command_lines.options()}
    topics = {owner for _, owners in random_command_lines._TOPICS.values() for owner in owners}
    assert set(random_command_lines._by_owner()) <= topics


@pytest.mark.parametrize(
    "words",
    ["-images 2 -osc 1 -nxmx NAME", "-images 2 -osc 1 -cbf LONG", "-hkl a.hkl -dump NAME", "-hkl a.hkl -dump LONG"],
)
def test_a_name_that_no_file_can_have_is_one_line(inputs: Path, words: str) -> None:
    Path("loop").symlink_to("loop")
    before = sorted(Path().iterdir())
    finished = run(
        "simulate", *SMALL, "-floatfile", "a#.bin", *words.replace("NAME", "loop").replace("LONG", "x" * 300).split()
    )
    assert finished.status in (1, 2) and "cannot write" in finished.complaints()[-1]
    assert sorted(Path().iterdir()) == before
