"""A series has the images of single runs, whole ones only, and goes on where it was interrupted."""

import errno
import json
import math
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import openbragg
from command_line import SMALL, run
from openbragg import Crystal, Detector, Experiment, Scan, UsageError
from openbragg.orchestrator.series.numbering import numbered
from openbragg.orchestrator.series.series import image_of, image_scan, image_seed
from openbragg.units import unit
from openbragg_plugins.image_formats.raw import Raw
from openbragg_plugins.truth_formats.dials_models import dials_axes

pytestmark = pytest.mark.usefixtures("inputs")

WITHOUT_SEED = (*SMALL, "-osc", "0.1", "-phisteps", "2", "-start", "0.3", "-oversample", "1")
SERIES = (*WITHOUT_SEED, "-seed", "3")


def content(pattern: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().glob(pattern))}


def failing_after(monkeypatch: pytest.MonkeyPatch, images: int, error: BaseException) -> None:
    """Rendering fails after some images."""

    def stopping(simulation: openbragg.Simulation, seed: int, number: int) -> object:
        if number > images:
            raise error
        return image_of(simulation, seed, number)

    monkeypatch.setattr("openbragg.orchestrator.series.series_job.image_of", stopping)


def test_image_k_is_the_single_image_at_its_start() -> None:
    series = run("simulate", *SERIES, "--images", "4", "-floatfile", "a_##.bin", "-noisefile", "a.img")
    assert series.status == 0
    seed = image_seed(3, 4)
    single = ("simulate", *SERIES, "-phi", "0.6", "-seed", seed, "-floatfile", "b.bin", "-noisefile", "b.img")
    assert run(*single).status == 0
    assert Path("a_04.bin").read_bytes() == Path("b.bin").read_bytes()
    assert Path("a_0004.img").read_bytes() == Path("b.img").read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), openbragg.InputError("the disk is full")])
def test_an_interrupted_series_goes_on_to_the_same_bytes(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("simulate", *SERIES, "--images", "3", "-floatfile", "a.bin", "-nxmx", "a.nxs", "-nxmx_block", "2")
    assert run(*words).status == 0
    whole = content("a*.bin") | content("a*.nxs") | content("a*.h5")
    assert len(whole) == 6
    for path in Path().glob("a*"):
        path.unlink()
    with monkeypatch.context() as patch:
        failing_after(patch, 2, error)
        stopped = run(*words)
    assert stopped.status == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert "2 of 3 images are whole" in stopped.err
    assert list(content("a*.bin")) == ["a_0001.bin", "a_0002.bin"] and not Path("a.nxs").exists()
    before = Path("a_0001.bin").stat().st_mtime_ns
    assert run(*words).status == 0
    assert content("a*.bin") | content("a*.nxs") | content("a*.h5") == whole
    assert Path("a_0001.bin").stat().st_mtime_ns == before and not Path("a.nxs.parts").exists()


def test_an_image_that_fails_half_way_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("simulate", *SERIES, "--images", "2", "-floatfile", "a.bin")
    written = []

    def write(self: Raw, stream: BinaryIO, image: openbragg.Image) -> None:
        stream.write(b"half")
        written.append(image)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Raw, "write", write)
        stopped = run(*words)
    assert stopped.status == 1 and "No space left on device" in stopped.err and "1 of 2 images are whole" in stopped.err
    assert list(content("*.bin*")) == ["a_0001.bin", "a_series.bin.jsonl"]
    assert run(*words).status == 0
    assert Path("a_0001.bin").read_bytes() == b"half" and Path("a_0002.bin").stat().st_size == 64


def test_ctrl_c_leaves_whole_images_and_says_how_many() -> None:
    words = [*SERIES, "-detpixels", "100", "--images", "300", "-floatfile", "a.bin"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from openbragg.cli.main import main; main()", "simulate", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Where the tests run in the background, a shell has them ignore Ctrl-C, and what they start too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not Path("a_0002.bin").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1].decode()
    assert process.returncode == 130, message
    done = sorted(Path().glob("a_*.bin"))
    # The last image may have its name and not yet its line in the list.
    assert any(f"interrupted: {len(done) - late} of 300 images are whole" in message for late in (0, 1)), message
    assert {path.stat().st_size for path in done} == {40000} and len(done) < 300
    assert sorted(path.name for path in Path().glob("*.bin")) == [path.name for path in done]
    assert run("simulate", *words, "--images", str(len(done) + 1)).status == 0
    assert run("simulate", *words, "--images", str(len(done) + 1), "-floatfile", "b.bin").status == 0
    assert list(content("a_*.bin").values()) == list(content("b_*.bin").values())


def test_other_settings_and_files_of_others_are_not_overwritten_without_restart() -> None:
    words = ("simulate", *SERIES, "--images", "2", "-floatfile", "a.bin")
    Path("a_0002.bin").write_bytes(b"mine")
    refused = run(*words)
    assert refused.status == 1 and "a_0002.bin is there" in refused.err and len(refused.complaints()) == 1
    assert run(*words, "-restart").status == 0
    refused = run(*words, "-lambda", "1.1")
    assert refused.status == 1 and "(beam)" in refused.err and len(refused.complaints()) == 1
    Path("a_0002.bin").write_bytes(b"spoilt")
    again = run(*words)
    assert "a_0002.bin has changed" in again.err and Path("a_0002.bin").stat().st_size == 64


def test_a_list_that_was_cut_short_loses_its_last_line_only() -> None:
    words = ("simulate", *SERIES, "--images", "2", "-floatfile", "a.bin")
    run(*words)
    path = Path("a_series.bin.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert run(*words).status == 0 and path.read_bytes() == whole
    path.write_bytes(b"[1]\n")
    assert "line 1" in run(*words).err


def test_seeds_of_the_clock_are_kept() -> None:
    words = ("simulate", *WITHOUT_SEED, "-noisefile", "a.img", "-images")
    run(*words, "1")
    seed = json.loads(Path("a_series.img.jsonl").read_text().splitlines()[0])["noise_seed"]
    assert f"{seed}, for each image" in run(*words, "2").out
    assert len(content("a*.img")) == 2


def test_a_record_of_a_series_repeats_it() -> None:
    run("simulate", *SERIES, "--images", "2", "-floatfile", "a.bin", "-record", "r.json")
    record = json.loads(Path("r.json").read_text())
    assert [file["path"] for file in record["outputs"]] == ["a_0001.bin", "a_0002.bin"]
    first = content("a*.bin")
    for path in Path().glob("a*"):
        path.unlink()
    again = run("simulate", "-from", "r.json")
    assert again.status == 0 and again.err == "" and content("a*.bin") == first


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--images", "0"), "-images"),
        (("--images", "1.5"), "-images"),
        (("--images", "2", "-floatfile", "a_#_#.bin"), "one row of #"),
        (("--images", "2", "-trace_pixel", "0", "0"), "-trace_pixel"),
        (("--images", "2", "-timings", "t.json"), "-timings"),
        (("--images", "2", "-floatfile", "/dev/null"), "/dev/null"),
        (("-restart",), "-restart"),
    ],
)
def test_what_cannot_be_is_one_line(words: tuple[str, ...], complaint: str) -> None:
    refused = run("simulate", *SERIES, *words)
    assert refused.status == 2 and complaint in refused.err and len(refused.complaints()) == 1


def test_what_a_format_cannot_say_is_said_once_a_series() -> None:
    series = "-images 3 -osc 1 -noisefile a.img -seed 1 -detector_rotx 9 -polar 0.5".split()
    made = run("simulate", *SMALL, *series)
    assert made.status == 0
    (line,) = [line for line in made.complaints() if "cannot say" in line]
    assert line.startswith("openbragg: notice: a.img cannot say that the spindle is not along the fast axis and that ")
    assert "0.75 of the beam is polarized along the spindle: " in line


def test_of_the_beam_that_nobody_chose_no_file_is_said_to_tell_a_wrong_polarization() -> None:
    files = ("-noisefile", "a.img", "-cbf", "a.cbf", "-nxmx", "a.nxs")
    made = run("simulate", *SMALL, "-osc", "1", "-start", "1", "-seed", "1", *files)
    assert made.status == 0 and "polarized" not in made.err


def test_a_series_that_does_not_turn_is_refused_unless_asked_for() -> None:
    assert "expected -osc" in run("simulate", *SMALL, "-images", "2").err
    assert run("simulate", *SMALL, "-images", "2", "-osc", "0", "-noisefile", "a.img", "-seed", "1").status == 0
    one, two = content("a*.img").values()
    assert one != two


@given(st.integers(-360000, 360000), st.integers(1, 5000), st.integers(1, 4000))
def test_starts_are_the_numbers_that_a_user_would_type(start: int, width: int, number: int) -> None:
    radians = unit("deg").to_si
    scan = Scan(start=radians(start / 1000), range=radians(width / 1000), step=0.0, steps=1)
    expected = radians((start + (number - 1) * width) / 1000)
    assert image_scan(scan, number).start == expected


def test_numbers_fill_their_place() -> None:
    assert numbered(Path("x/a_###.img"), 7) == Path("x/a_007.img")
    assert numbered(Path("a_#.img"), 12) == Path("a_12.img")
    assert numbered(Path("a.tar.gz"), 7) == Path("a.tar_0007.gz")


def test_python_gives_chosen_images_and_gradients() -> None:
    right = math.pi / 2
    length = torch.tensor(5e-9, dtype=torch.float64, requires_grad=True)
    experiment = Experiment(
        crystal=Crystal(cell=(length, 5e-9, 5e-9, right, right, right), cells=(3, 3, 3)),
        detector=Detector(pixels=(4, 5)),
        scan=Scan(range=0.01, steps=2),
    )
    factors = openbragg.plugin("structure_factors", "hkl", default_F=100.0)
    series = openbragg.Simulation(experiment, structure_factors=factors).series(5)
    image = series.image(3).photons()
    moved = attrs.evolve(experiment, scan=Scan(start=0.02, range=0.01, steps=2))
    assert torch.equal(image, openbragg.simulate(moved, structure_factors=factors))
    (slope,) = torch.autograd.grad(image.sum(), length)
    assert math.isfinite(float(slope)) and float(slope) != 0.0
    with pytest.raises(UsageError, match="from 1 to 5"):
        series.image(6)


def test_stills_of_a_random_crystal_have_each_an_orientation_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is that of the single image; each later one that of its own seed, which Python tells."""
    monkeypatch.chdir(tmp_path)
    model = "-cell 40 50 60 80 95 100 -N 3 -default_F 10 -detpixels 12 -pixel 1 -misset random -misset_seed 5"
    words = [*model.split(), "-osc", "0", "-images", "4"]
    finished = run("simulate", *words, "-nonoise", "-cbf_photons", "a_#.cbf", "-expt", "a.expt", "-refl", "a.csv")
    assert finished.status == 0 and "every still has a random orientation of its own" in finished.err
    crystals = json.loads(Path("a.expt").read_text())
    assert [each["crystal"] for each in crystals["experiment"]] == [0, 1, 2, 3]
    cells = np.array([[each[f"real_space_{axis}"] for axis in "abc"] for each in crystals["crystal"]])
    metrics = cells @ cells.transpose(0, 2, 1)
    np.testing.assert_allclose(metrics, np.broadcast_to(metrics[0], metrics.shape), atol=1e-9 * metrics[0, 0, 0])
    series = openbragg.from_flags(" ".join(words[:-2])).series(4)
    for number, found in enumerate(cells, start=1):
        image = series.image(number)
        seed = image.layout().experiment.crystal.misset_seed
        alone = openbragg.from_flags([*words[:-2], "-misset_seed", str(seed)])
        assert torch.equal(image.photons(), alone.photons())
        vectors = alone.layout().plan.cell_vectors[0, 0].numpy() * 1e10
        np.testing.assert_allclose(found @ dials_axes(alone.layout().laboratory), vectors, atol=1e-9)
    assert series.image(1).layout().experiment.crystal.misset_seed == 5
    rows = np.loadtxt("a.csv", delimiter=",", skiprows=1)
    names = Path("a.csv").read_text().splitlines()[0].split(",")
    stills = rows[:, names.index("id")].astype(int)
    assert set(stills.tolist()) <= {0, 1, 2, 3} and len(set(stills.tolist())) > 1 and (np.diff(stills) >= 0).all()


def test_a_random_crystal_that_is_turned_keeps_its_orientation() -> None:
    words = "-cell 40 -N 3 -default_F 10 -detpixels 4 -misset random -misset_seed 5 -osc 1 -phisteps 1"
    series = openbragg.from_flags(words).series(2)
    assert series.image(2).layout().experiment.crystal.misset == series.image(1).layout().experiment.crystal.misset


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_a_folder_is_no_name_for_the_images_of_a_series(folder: str) -> None:
    with pytest.raises(UsageError, match="expected the name of a file"):
        numbered(Path(folder), 1)
