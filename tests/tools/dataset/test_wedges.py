"""Shots of several images: wedges, on whose images the crystal turns on."""

import json

import numpy as np
import pytest

import openbragg
from command_line import run

pytest.importorskip("h5py")
pytest.importorskip("hdf5plugin")
pytest.importorskip("pyarrow")

RECIPE = '''
shots = 3
shard = 2
images = 3
flags = """
-cell 40 40 38 90 90 90 -default_F 300 -lambda 1 -detpixels 48 -pixel 0.4 -oversample 2 -gauss_xtal -N 7 -engine eager
-uniform_photons 3 -distance 55 -fluence 1e29 -osc 0.6 -phisteps 4 -phi_sampling middle
"""
[draw]
"-phi" = {uniform = [0, 360]}
[lattices]
number = {integers = [1, 2]}
draw = {"-misset" = "random-orientation"}
[labels]
arrays = ["crystals", "spots", "hkl"]
photons = 20
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe, and its data set."""
    folder = tmp_path_factory.mktemp("wedges")
    (folder / "recipe.toml").write_text(RECIPE)
    finished = run("dataset", folder / "recipe.toml", "-o", folder / "set")
    assert (finished.status, finished.err) == (0, "")
    return folder


@pytest.fixture(scope="module")
def images(folder):
    from openbragg import datasets

    return datasets.open(folder / "set")


def test_images_of_a_shot_are_those_of_the_series_that_its_flags_make(images):
    lattices, weights = images.table("lattices"), images.table("lattices")["weight"]
    shown = images.array("crystals", 0)
    assert shown.shape == (3, 48, 48) and images.array("hkl", 0).shape == (3, 48, 48, 3)
    made = np.zeros((3, 48, 48))
    for row in np.flatnonzero(lattices["shot"] == 0):
        simulation = openbragg.from_flags(lattices["flags"][row])
        for place, image in enumerate(simulation.series(3)):
            made[place] += weights[row] * (image.photons() - image.background()).numpy()
    # Of float32, beside a background.
    assert np.allclose(shown, made, atol=1e-5 * made.max())


def test_rows_are_of_their_image_and_know_where_in_phi_the_reflection_is(images):
    turned = 0
    for place in range(len(images)):
        sample = images[place]
        rows, spots, crystals = sample["reflections"], sample["spots"].numpy(), sample["crystals"].numpy().astype(float)
        assert (np.diff(rows["image"]) >= 0).all()
        for number in range(len(rows["h"])):
            image, covered = rows["image"][number], spots == number
            assert covered.sum() == rows["spot_pixels"][number] == covered[image].sum()
            left, right, top, bottom = (int(rows[f"box_{side}"][number]) for side in ("left", "right", "top", "bottom"))
            inside = crystals[image, top : bottom + 1, left : right + 1].sum()
            assert inside == pytest.approx(rows["box_photons"][number], rel=1e-5)
            index = [rows[letter][number] for letter in "hkl"]
            assert (sample["hkl"].numpy()[covered] == index).all()
        # A reflection that passes the sphere on one of the images has most of its photons there.
        start = sample["shot"]["drawn_phi"]
        passed = np.floor((rows["phi"] - start) / 0.6)
        keys = np.stack([rows["lattice"], *(rows[letter] for letter in "hkl"), np.round(rows["phi"])], axis=1)
        for key in np.unique(keys[(passed >= 0) & (passed < 3)], axis=0):
            same = np.flatnonzero((keys == key).all(axis=1))
            strongest = same[rows["photons"][same].argmax()]
            # Half a degree is a few widths of most: a neighbour may have a little more.
            assert abs(rows["image"][strongest] - passed[strongest]) <= 1
            turned += rows["image"][strongest] == passed[strongest]
    assert turned > 20


def test_a_wedge_is_a_sequence_of_nxmx(folder, images):
    phi = images.table("shots")["drawn_phi"]
    for number, name in enumerate(("00000-00000000", "00000-00000001", "00001")):
        found = openbragg.read_images(folder / "set" / "shards" / f"{name}.nxs")
        assert len(found) == 3
        for place, read in enumerate(found):
            assert np.array_equal(read.pixels, images.array("counts", number)[place])
            start, width = np.degrees([read.geometry.start, read.geometry.oscillation])
            assert (start, width) == pytest.approx((phi[number] + 0.6 * place, 0.6), abs=1e-9)


def test_a_wedge_is_the_same_alone_and_its_images_differ(folder, images, tmp_path):
    import h5py

    assert run("dataset", folder / "recipe.toml", "-o", tmp_path, "--only", 1).status == 0
    with h5py.File(tmp_path / "shot-00000001.h5") as alone:
        assert alone["counts"].shape == (1, 3, 48, 48) and alone["counts"].chunks == (1, 1, 48, 48)
        assert np.array_equal(alone["counts"][0], images.array("counts", 1))
    first, second, third = images.array("counts", 1)
    assert not np.array_equal(first, second) and not np.array_equal(second, third)


def test_boxes_for_other_programs_are_of_images(folder, images, tmp_path):
    words = ("--coco", tmp_path / "a.json", "--yolo", tmp_path / "yolo", "--sheet", tmp_path / "a.png")
    assert run("dataset", folder / "set", *words).status == 0
    told = json.loads((tmp_path / "a.json").read_text())
    assert [one["id"] for one in told["images"]] == list(range(9))
    rows = images.table("reflections")
    seen = rows["spot_pixels"] > 0
    ids = (3 * rows["shot"] + rows["image"])[seen]
    assert [one["image_id"] for one in told["annotations"]] == ids.tolist()
    assert len((tmp_path / "yolo" / "shot-00000001-00002.txt").read_text().splitlines()) == (ids == 5).sum() > 0


def test_images_need_to_know_how_far_each_turns(tmp_path):
    (tmp_path / "bad.toml").write_text(RECIPE.replace("-osc 0.6 -phisteps 4", ""))
    finished = run("dataset", tmp_path / "bad.toml", "-o", tmp_path / "set")
    assert finished.complaints() == [
        "openbragg: error: shot 0: -images 3: expected -osc with it, how far each image turns the crystal; 0 for stills"
    ]
