"""Data sets, from recipes to what reads them."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import openbragg
from command_line import run
from dataset_labels import check_shot
from openbragg.orchestrator.finding.registry import default_registry
from openbragg_tools.dataset.draws import draw_shot
from openbragg_tools.dataset.recipe import read_recipe
from openbragg_tools.dataset.studio import Studio

pytest.importorskip("h5py")
pytest.importorskip("hdf5plugin")
pytest.importorskip("pyarrow")

RECIPE = '''
shots = 5
seed = 3
shard = 2
flags = """
-cell 40 40 38 90 90 90 -default_F 300 -lambda 1 -detpixels 64 -pixel 0.3 -oversample 2 -gauss_xtal -engine eager
-uniform_photons 3
"""
[kinds]
hit = 3
miss = 1
blank = 1
[draw]
"-distance" = {uniform = [50, 60]}
"-fluence" = {loguniform = [3e28, 3e29]}
"-N" = {integers = [6, 9]}
"-dispersion" = {expression = "0.001 * distance"}
"-dispsteps" = 2
[lattices]
number = {integers = [1, 2]}
weight = {uniform = [0.3, 1]}
draw = {"-misset" = "random-orientation"}
[labels]
arrays = ["photons", "crystals", "spots", "lattice", "hkl", "wavelength"]
photons = 20
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe, and its data set, of which all shots have been made in one process."""
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "recipe.toml").write_text(RECIPE)
    finished = run("dataset", folder / "recipe.toml", "-o", folder / "set")
    assert (finished.status, finished.err) == (0, "")
    assert "5, 5 of them made now" in finished.out and "complete" in finished.out
    return folder


@pytest.fixture(scope="module")
def images(folder):
    from openbragg import datasets

    return datasets.open(folder / "set")


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_shot_is_the_same_alone(folder, images, tmp_path):
    import h5py

    assert run("dataset", folder / "recipe.toml", "-o", tmp_path, "--only", 3).status == 0
    with h5py.File(tmp_path / "shot-00000003.h5") as alone, h5py.File(folder / "set" / "master.h5") as master:
        assert set(alone) == set(master)
        for name in alone:
            assert alone[name][0].tobytes() == master[name][3].tobytes(), name


def test_a_shot_is_nxmx_too(folder, images, tmp_path):
    """Distances differ from shot to shot, so that each has a file, in which our own reader finds image and geometry."""
    shards = folder / "set" / "shards"
    distances = images.table("shots")["drawn_distance"]
    for number in range(5):
        (read,) = openbragg.read_images(shards / f"{number // 2:05d}{'' if number == 4 else f'-{number:08d}'}.nxs")
        assert np.array_equal(read.pixels, images.array("counts", number))
        along = np.dot(read.geometry.panels[0].origin, read.geometry.beam)
        assert along == pytest.approx(1e-3 * distances[number], rel=1e-12)
        assert read.geometry.wavelength == pytest.approx(1e-10, rel=1e-12)
    assert run("dataset", folder / "recipe.toml", "-o", tmp_path, "--only", 1).status == 0
    (alone,) = openbragg.read_images(tmp_path / "shot-00000001.nxs")
    assert np.array_equal(alone.pixels, images.array("counts", 1))


SMALL = """
shots = 6
shard = 6
flags = "-cell 40 40 38 90 90 90 -default_F 300 -detpixels 16 -pixel 1.2 -oversample 1 -N 4 -gauss_xtal -engine eager"
[draw]
"-distance" = {choice = [50, 60]}
"-lambda" = {uniform = [0.9, 1.1]}
"-flux" = {uniform = [1e11, 2e11]}
"""


def test_shots_with_one_detector_share_a_file_of_nxmx_unless_none_is_wanted(tmp_path):
    from openbragg import datasets

    (tmp_path / "recipe.toml").write_text(SMALL)
    (tmp_path / "without.toml").write_text("nxmx = false\n" + SMALL)
    finished = run("dataset", tmp_path / "recipe.toml", "-o", tmp_path / "set")
    assert (finished.status, finished.err) == (0, "") and "nxmx            2 files of 6 shots" in finished.out
    images = datasets.open(tmp_path / "set")
    shots = images.table("shots")
    for distance in set(shots["drawn_distance"]):
        numbers = np.flatnonzero(shots["drawn_distance"] == distance)
        found = openbragg.read_images(tmp_path / "set" / "shards" / f"00000-{numbers[0]:08d}.nxs")
        assert len(found) == len(numbers)
        for number, read in zip(numbers, found, strict=True):
            assert np.array_equal(read.pixels, images.array("counts", number))
            assert read.geometry.wavelength == pytest.approx(1e-10 * shots["drawn_lambda"][number], rel=1e-12)
    assert run("dataset", tmp_path / "without.toml", "-o", tmp_path / "other").status == 0
    assert not list((tmp_path / "other").rglob("*.nxs"))


def test_parts_make_the_same_files_and_say_what_is_missing(folder, tmp_path):
    words = ("dataset", folder / "recipe.toml", "-o", tmp_path / "set")
    first = run(*words, "--shard", "2/2")
    assert first.status == 0 and "2 of 5" in first.out and "other parts are not finished" in first.out
    missing = run("dataset", tmp_path / "set", "--verify")
    assert missing.status == 1 and "shard 0 is not finished: 0 of 2 shots are made" in missing.out + missing.err
    assert run(*words, "--shard", "1/2").status == 0
    assert files(tmp_path / "set") == files(folder / "set")
    assert "5, 0 of them made now" in run(*words).out


def test_what_kill_9_leaves_goes_on_in_workers_to_the_same_files(folder, tmp_path):
    program = "import sys; from openbragg.cli.main import main; sys.exit(main())"
    words = [sys.executable, "-c", program, "dataset", folder / "recipe.toml", "-o", tmp_path / "set"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*map(str, words), "--workers", "2"], env=environment, stdout=subprocess.DEVNULL) as running:
        until = time.monotonic() + 120
        while not list((tmp_path / "set").glob("unfinished/*/*.npz")):
            assert time.monotonic() < until and running.poll() in (None, 0)
            if running.poll() == 0:
                break
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
    assert run("dataset", folder / "recipe.toml", "-o", tmp_path / "set").status == 0
    assert files(tmp_path / "set") == files(folder / "set")


def test_verify_finds_a_file_that_was_changed(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "set", tmp_path / "set")
    assert run("dataset", tmp_path / "set", "--verify").status == 0
    file = tmp_path / "set" / "shards" / "00001.h5"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    finished = run("dataset", tmp_path / "set", "--verify")
    assert finished.status == 1 and finished.complaints() == [f"openbragg: error: {file} is not what was written"]


def test_photons_are_those_of_the_crystals_and_the_background(images):
    kinds = images.table("shots")["kind"]
    # The recipe and its seed have all of them.
    assert set(kinds) == {"hit", "miss", "blank"}
    for place, kind in enumerate(kinds):
        rest = images.array("photons", place) - images.array("crystals", place)
        # Of float32 numbers as large as the largest pixel.
        slack = 1e-6 * images.array("photons", place).max()
        assert np.allclose(rest, 0.0 if kind == "blank" else 3.0, atol=slack)
        assert (images.array("crystals", place).max() > 10.0) == (kind == "hit")


def test_counts_scatter_about_photons(images):
    for place in range(len(images)):
        expected = images.array("photons", place).astype(float)
        residual = images.array("counts", place) - expected
        chi = (residual**2 / np.maximum(expected, 1.0)).mean()
        # Of 4096 Poisson pixels chi^2 / n is 1 within 5 sqrt(2 / n), and a part of that for 1 / expected.
        assert expected.max() == 0.0 or abs(chi - 1.0) < 0.15


def test_flags_and_orientations_rebuild_a_shot(images):
    shots, lattices = images.table("shots"), images.table("lattices")
    place = int(np.argmax(shots["lattices"]))
    rows = np.flatnonzero(lattices["shot"] == place)
    assert len(rows) == 2
    rebuilt = np.zeros((64, 64))
    for row in rows:
        simulation = openbragg.from_flags(lattices["flags"][row])
        rebuilt += lattices["weight"][row] * (simulation.photons() - simulation.background()).numpy()
        reciprocal = simulation.layout().plan.reciprocal_vectors.numpy()
        vectors = np.array([[lattices[f"{vector}_{axis}"][row] for axis in "xyz"] for vector in "abc"])
        assert np.allclose(reciprocal @ vectors.T * 1e-10, np.eye(3), atol=1e-9)
    stored = images.array("crystals", place)
    assert np.allclose(rebuilt, stored, atol=1e-5 * stored.max())


def test_labels_agree_with_each_other_and_with_the_image(images):
    seen = 0
    for place in range(len(images)):
        sample = images[place]
        rows, spots = sample["reflections"], sample["spots"].numpy()
        assert len(rows["h"]) == sample["shot"]["reflections"]
        crystals = sample["crystals"].numpy().astype(float)
        for number in range(len(rows["h"])):
            covered = spots == number
            assert covered.sum() == rows["spot_pixels"][number]
            left, right, top, bottom = (
                rows[name][number] for name in ("box_left", "box_right", "box_top", "box_bottom")
            )
            inside = crystals[top : bottom + 1, left : right + 1].sum()
            # Stored in float32.
            assert inside == pytest.approx(rows["box_photons"][number], rel=1e-5)
            if covered.any():
                seen += 1
                assert (sample["lattice"].numpy()[covered] == rows["lattice"][number]).all()
                index = [rows[letter][number] for letter in "hkl"]
                assert (sample["hkl"].numpy()[covered] == index).all()
                assert not covered[:top].any() and not covered[:, right + 1 :].any()
        assert (sample["lattice"].numpy()[spots < 0] == -1).all()
        # The dispersion of 5 to 6 % is half of that to either side of 1 A.
        lengths = sample["wavelength"].numpy()[crystals > 1e-3]
        assert (abs(lengths - 1.0) <= 0.0301 * 1.0).all() and len(lengths) == (crystals > 1e-3).sum()
    assert seen > 50


def test_labels_are_those_of_refl_and_matrices_make_the_image_again(images, tmp_path):
    found = [check_shot(images, place, 20.0, tmp_path) for place in range(len(images))]
    deviations = np.concatenate([each for each, _ in found])
    # Of so many Poisson numbers the spread is known within a tenth; some boxes share pixels.
    assert len(deviations) > 200 and np.square(deviations).mean() == pytest.approx(1.0, abs=0.3)


def test_a_reflection_alone_has_its_photons_in_its_box(images):
    rows = images.table("reflections")
    strong = (rows["spot_pixels"] > 0) & (rows["photons"] > 0.5 * rows["photons"].max())
    # Boxes cut off the wings of a Gaussian below a tenth, of which neighbours give some back.
    assert np.median(rows["box_photons"][strong] / rows["photons"][strong]) == pytest.approx(1.0, abs=0.15)


def test_a_stream_has_every_shot_once_over_all_workers_and_processes(images):
    from torch.utils.data import DataLoader

    loader = DataLoader(images.stream(), batch_size=None)
    assert [int(sample["shot"]["shot"]) for sample in loader] == [0, 1, 2, 3, 4]
    parts = [images.stream(shuffle=True, seed=3, rank=rank, world_size=2) for rank in range(2)]
    shots = [int(sample["shot"]["shot"]) for part in parts for sample in part]
    assert sorted(shots) == [0, 1, 2, 3, 4]
    epochs = [
        [int(sample["shot"]["shot"]) for sample in images.stream(shuffle=True).set_epoch(epoch)] for epoch in range(4)
    ]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs) and len(set(map(tuple, epochs))) > 1
    with pytest.raises(openbragg.UsageError, match="rank: expected a whole number from 0 and below 2, got 2"):
        images.stream(rank=2, world_size=2)


def test_a_map_takes_places_and_a_transform(folder, images):
    from openbragg import datasets

    numbers = datasets.open(folder / "set", lambda sample: int(sample["shot"]["shot"]))
    assert [numbers[place] for place in (0, 4, -1)] == [0, 4, 4]
    with pytest.raises(IndexError):
        images[5]
    with pytest.raises(openbragg.InputError, match="no data set"):
        datasets.open(folder)


def test_shots_differ_and_depend_on_the_seed(folder):
    import attrs

    recipe = read_recipe(folder / "recipe.toml")
    shots = [draw_shot(recipe, number) for number in range(30)]
    assert len({shot.seed for shot in shots}) == 30
    assert len({shot.values["-distance"] for shot in shots}) == 30
    assert shots[7] == draw_shot(recipe, 7)
    assert shots[7] != draw_shot(attrs.evolve(recipe, seed=999), 7)
    assert all(shot.values["-dispersion"] == 0.001 * shot.values["-distance"] for shot in shots)


def test_explain_says_what_is_drawn(folder):
    finished = run("dataset", folder / "recipe.toml", "--explain")
    lines = finished.out.splitlines()
    assert (finished.status, finished.err) == (0, "")
    assert "kinds           hit 60 %, miss 20 %, blank 20 %" in lines
    assert "-distance       50 to 60, uniform, mm" in lines
    assert "-dispersion     = 0.001 * distance, %" in lines
    assert "  -misset       any orientation, all alike probable" in lines
    (line,) = (line for line in lines if line.startswith("time "))
    assert re.fullmatch(r"time +[\d.e-]+ s for a shot on one core, 0:0\d:\d\d for all with --workers 1", line)


BAD = [
    ('flags = "-detpixel 3"', "no such flag: -detpixel; did you mean"),
    ('flags = "-seed 3"', "-seed: not in a recipe; the noise of every shot has a seed of its own"),
    ('flags = "-floatfile x.bin"', "-floatfile: not in a recipe; the data set has files of its own"),
    ('flags = "-lattices 2"', "-lattices: not in a recipe; [lattices] says how many crystals a shot has"),
    ('[draw]\n"-distence" = 3', "no such flag: -distence; did you mean"),
    ('[draw]\n"-distance" = {uniform = [3, 2]}', "draw.-distance: uniform: expected two numbers, the lower one first"),
    ('[draw]\n"-distance" = {expression = "2 * flux"}', "draw.-distance: nothing is called 'flux'"),
    ('[draw]\na = {expression = "b"}\nb = {expression = "a"}', "draw: values that depend on each other in a circle"),
    ("shot = 3", "shot: no such key; there are shots, seed"),
    ("shots = 0", "shots: expected a whole number from 1, got 0"),
    ("[kinds]\nhit = -1", "kinds: weights: expected numbers from 0"),
    ("[lattices]\nnumber = {integers = [0, 2]}", "lattices.number: expected whole numbers from 1"),
    (
        '[labels]\narrays = ["mask"]',
        "labels.arrays: expected some of photons, crystals, spots, lattice, hkl, wavelength",
    ),
    ("[labels]\npeak = 2", "labels.peak: expected a number up to 1, got 2"),
    ("[groups.a]\nweights = [1]", "groups.a: expected either alternatives or a table"),
    ("shots = ", "Invalid value"),
]


@pytest.mark.parametrize(("text", "line"), BAD)
def test_a_bad_recipe_is_one_line(text, line, tmp_path):
    (tmp_path / "bad.toml").write_text(text + "\n")
    finished = run("dataset", tmp_path / "bad.toml", "--explain")
    assert finished.status in (1, 2) and len(finished.complaints()) == 1
    assert f"{tmp_path / 'bad.toml'}: {line}" in finished.err


def test_words_that_make_no_sense_are_one_line(folder, tmp_path):
    recipe = folder / "recipe.toml"
    for words, line in (
        ((recipe,), "-o: expected the folder of the data set"),
        ((folder / "set",), "a folder goes with --verify"),
        ((recipe, "-o", folder / "set", "--verify"), "recipe.toml: expected the folder of a data set, with --verify"),
        ((recipe, "-o", tmp_path, "--shard", "3/2"), "--shard: expected I/N with I from 1 to N, got '3/2'"),
        ((recipe, "-o", folder / "set", "--seed", 9), "is a data set with seed 3, not 9; name another folder"),
        ((recipe, "-o", folder), "has other files, such as"),
    ):
        finished = run("dataset", *words)
        assert finished.status != 0 and len(finished.complaints()) == 1 and line in finished.err, finished.err


def test_a_task_of_a_job_array_makes_its_part(folder, tmp_path, monkeypatch):
    for name, value in (("ID", "7"), ("MIN", "6"), ("COUNT", "3")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert run("dataset", folder / "recipe.toml", "-o", tmp_path / "set").status == 0
    assert [file.name for file in Path(tmp_path / "set" / "shards").glob("*.h5")] == ["00001.h5"]


def test_a_network_learns_from_spot_masks(folder):
    import runpy

    example = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "datasets" / "train.py"))
    losses = example["train"](folder / "set", seconds=60.0, batch=5, most=40)
    assert len(losses) == 40 and sum(losses[-5:]) < 0.7 * sum(losses[:5])


@pytest.mark.parametrize("name", ["spot-finding", "resolution", "wedges"])
def test_the_examples_can_be_drawn(name):
    file = Path(__file__).parents[3] / "examples" / "datasets" / f"{name}.toml"
    recipe = read_recipe(file)
    studio = Studio(default_registry(), recipe)
    for number in range(10):
        shot = draw_shot(recipe, number)
        for lattice in [*range(len(shot.lattices))] or [None]:
            assert studio.flags(shot, lattice)
    assert studio.simulation(shot, 0 if shot.lattices else None).layout().experiment.crystal.cell is not None


def test_boxes_are_written_for_coco_and_yolo(folder, images, tmp_path):
    import json

    finished = run("dataset", folder / "set", "--coco", tmp_path / "a.json", "--yolo", tmp_path / "yolo")
    rows = images.table("reflections")
    seen = np.flatnonzero(rows["spot_pixels"] > 0)
    assert finished.status == 0 and f"({len(seen)} boxes)" in finished.out
    told = json.loads((tmp_path / "a.json").read_text())
    assert [one["id"] for one in told["images"]] == [0, 1, 2, 3, 4] and len(told["annotations"]) == len(seen)
    first = told["annotations"][0]
    left, right, top, bottom = (int(rows[f"box_{side}"][seen[0]]) for side in ("left", "right", "top", "bottom"))
    assert first["bbox"] == [left, top, right - left + 1, bottom - top + 1]
    number = first["image_id"]
    lines = (tmp_path / "yolo" / f"shot-{number:08d}.txt").read_text().splitlines()
    values = np.array(lines[0].split(), dtype=float)
    assert np.allclose(
        values[1:],
        [(left + right + 1) / 128, (top + bottom + 1) / 128, (right - left + 1) / 64, (bottom - top + 1) / 64],
        atol=1e-6,
    )


def test_a_sheet_shows_shots_and_boxes(folder, tmp_path):
    from PIL import Image

    assert run("dataset", folder / "set", "--sheet", tmp_path / "a.png").status == 0
    with Image.open(tmp_path / "a.png") as picture:
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert picture.size == (4 * (320 + 6) + 6, 2 * (320 + 16 + 6) + 6)
    assert (colours == (200, 40, 30)).all(axis=1).any()
    assert run("dataset", folder / "set", "--sheet", tmp_path / "a.html").status == 0
    assert "<small>" in (tmp_path / "a.html").read_text() and "distance" in (tmp_path / "a.html").read_text()
    assert "expected a name that ends in .png or .html" in run("dataset", folder / "set", "--sheet", "a.gif").err


def test_archives_for_webdataset_have_the_arrays_and_rows_of_each_shot(folder, images, tmp_path):
    import io
    import json
    import tarfile

    assert "(3 archives)" in run("dataset", folder / "set", "--webdataset", tmp_path / "tars").out
    assert run("dataset", folder / "set", "--webdataset", tmp_path / "again").status == 0
    assert files(tmp_path / "tars") == files(tmp_path / "again")
    with tarfile.open(tmp_path / "tars" / "00001.tar") as archive:
        names = archive.getnames()
        assert {name.partition(".")[0] for name in names} == {"00000002", "00000003"}
        image = np.load(io.BytesIO(archive.extractfile("00000003.image.npy").read()))
        assert np.array_equal(image, images.array("counts", 3))
        told = json.loads(archive.extractfile("00000003.json").read())
    assert told["shot"]["kind"] == images.table("shots")["kind"][3]
    assert len(told["reflections"]["h"]) == images.table("shots")["reflections"][3]


def test_a_zarr_store_has_the_arrays_and_the_tables(folder, images, tmp_path):
    zarr = pytest.importorskip("zarr")
    words = ("dataset", folder / "set", "--zarr", tmp_path / "store")
    finished = run(*words)
    assert finished.status == 0 and "store (5 shots)" in finished.out
    store = zarr.open_group(tmp_path / "store", mode="r")
    for name in images.arrays:
        for place in range(5):
            assert np.array_equal(store[name][place], images.array(name, place), equal_nan=name == "wavelength"), name
    assert store["counts"].chunks == (1, 64, 64)
    assert list(store["shots/kind"][:]) == list(images.table("shots")["kind"])
    assert np.array_equal(store["reflections/photons"][:], images.table("reflections")["photons"])
    assert run(*words).complaints() == [f"openbragg: error: {tmp_path / 'store'} is there already; name a new folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
