"""Hold the labels of data sets against their images, shot by shot, for each recipe of the examples.

    python tests/dataset_labels.py [--shots 100] [--recipe spot-finding]

A line for each recipe, and the exit status is 0 when all of this holds of every shot:

- the photons that a row says its box has are those of the expected image, within float32, and the counts there are what
  is expected, within five sigma of counting and of the detector's calibration for all but one in two hundred boxes;
- a spot's pixels lie in its box, have its lattice and its h k l, and are as many as the row says;
- every row is a reflection that `simulate -refl` writes, at the same place with the same photons, and every reflection
  that it writes with as many photons, on a pixel of the detector, is a row;
- the vectors a, b and c of the lattices, written as a matrix for `-mat`, make the image again.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet

import openbragg
from openbragg import datasets

EXAMPLES = Path(__file__).parents[1] / "examples" / "datasets"
RECIPES = ("spot-finding", "resolution", "wedges")
ARRAYS = 'arrays = ["photons", "crystals", "spots", "lattice", "hkl"]'
SIDES = ("left", "right", "top", "bottom")
#: Deviations of counts, in sigma, and the part of the boxes that may have more; calibration of a pixel with its module.
MOST_SIGMA, PART, CALIBRATION = 5.0, 0.005, 0.012
#: Of a pixel of an EIGER, in seconds.
DEAD_TIME = 15e-9
#: Of expected photons in float32, and of places in pixels after a matrix has been written with all its digits.
SINGLE, PLACE = 2e-5, 1e-6
#: In degrees, of the place in phi.
ANGLE = 1e-4


def boxes_of(rows):
    """First and last columns and rows of boxes, all included: int, (4, reflections)."""
    return np.stack([rows[f"box_{side}"] for side in SIDES]).astype(int)


def sums(image, boxes):
    """Sums of an image in boxes."""
    whole = np.pad(image.astype(float).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    left, right, top, bottom = boxes[0], boxes[1] + 1, boxes[2], boxes[3] + 1
    return whole[bottom, right] - whole[top, right] - whole[bottom, left] + whole[top, left]


def check_boxes(rows, image, told):
    """Boxes against the expected image; deviations of the counts in sigma, but for boxes with a dead or hot pixel."""
    boxes = boxes_of(rows)
    inside = sums(image["crystals"], boxes)
    assert np.allclose(inside, rows["box_photons"], rtol=SINGLE, atol=SINGLE * max(1.0, inside.max(initial=0.0))), told
    expected, counted = sums(image["photons"], boxes), sums(image["counts"], boxes)
    # A pixel without counts where twenty are expected is dead; one with far too many is hot.
    sigma = np.sqrt(image["photons"] + 1.0)
    odd = (image["counts"] == 0) & (image["photons"] > 20.0) | (image["counts"] > image["photons"] + 20.0 * sigma)
    sound = sums(odd, boxes) < 0.5
    # Half of the dead time's losses is the spread that is allowed for them.
    losses = sums(image["photons"].astype(float) ** 2, boxes) * told["dead"]
    spread = np.sqrt(expected + 1.0 + told["calibration"] ** 2 * sums(image["photons"].astype(float) ** 2, boxes))
    return ((counted - expected + losses) / (spread + 0.5 * losses))[sound]


def check_masks(rows, image, first, told):
    """Pixels of spots against rows."""
    boxes = boxes_of(rows)
    count = len(rows["h"])
    slow, fast = np.nonzero(image["spots"] >= 0)
    number = image["spots"][slow, fast] - first
    assert ((number >= 0) & (number < count)).all(), told
    assert (np.bincount(number, minlength=count) == rows["spot_pixels"]).all(), told
    left, right, top, bottom = boxes[:, number]
    assert ((left <= fast) & (fast <= right) & (top <= slow) & (slow <= bottom)).all(), told
    assert (image["lattice"][slow, fast] == rows["lattice"][number]).all(), told
    indices = np.stack([rows[letter] for letter in "hkl"], axis=1)
    assert (image["hkl"][slow, fast] == indices[number]).all(), told
    assert (image["lattice"][image["spots"] < 0] == -1).all(), told
    # Masks are where reflections are: but for those whose middle a stronger one has, within two pixels of the place.
    near = (np.abs(fast + 0.5 - rows["fast"][number]) < 3.0) & (np.abs(slow + 0.5 - rows["slow"][number]) < 3.0)
    assert len(np.unique(number[near])) >= 0.95 * len(np.unique(number)), told


def check_reflections(rows, lattice, weight, written, counts, least, told):
    """The rows of a lattice against what `simulate -refl` writes of it."""
    mine = np.flatnonzero(rows["lattice"] == lattice)
    ours = {}
    for row in mine:
        ours.setdefault(tuple(int(rows[letter][row]) for letter in "hkl"), []).append(row)
    seen = set()
    for place, photons in enumerate(weight * np.array(written["intensity"])):
        index = tuple(written[letter][place] for letter in "hkl")
        fast, slow, phi = written["x_px"][place], written["y_px"][place], written["phi"][place]
        # A reflection passes the sphere twice at angles that are far apart.
        row = next((row for row in ours.get(index, ()) if abs(rows["phi"][row] - phi) < ANGLE), None)
        if row is None:
            # Rounding may put one that has as many photons as are asked for to either side.
            on = 0.0 <= fast < counts.shape[1] and 0.0 <= slow < counts.shape[0]
            assert photons < least * (1.0 + 1e-4) or not on, (told, index, phi)
            continue
        seen.add(row)
        assert abs(fast - rows["fast"][row]) < PLACE and abs(slow - rows["slow"][row]) < PLACE, (told, index)
        assert abs(photons - rows["photons"][row]) <= 1e-4 * photons, (told, index)
    # None is missing on the other side but for those that are just strong enough.
    assert all(row in seen or rows["photons"][row] < least * (1.0 + 1e-4) for row in mine), told


def from_matrix(flags, vectors, folder):
    """The simulation of a lattice whose cell and orientation are replaced by a matrix for ``-mat``."""
    words, kept = shlex.split(flags), []
    while words:
        word = words.pop(0)
        if word in ("-misset", "-cell"):
            while words and not words[0].lstrip("-")[:1].isalpha():
                words.pop(0)
            continue
        kept.append(word)
    wavelength = float(kept[kept.index("-lambda") + 1])
    columns = np.linalg.inv(vectors) * wavelength
    file = folder / "shot.mat"
    file.write_text("\n".join(" ".join(f"{value:.17g}" for value in row) for row in columns) + "\n")
    return openbragg.from_flags([*kept, "-mat", str(file)])


def check_shot(images, place, least, folder):
    """One shot; deviations of counts in boxes."""
    sample = images[place]
    several = images.images or 1
    rows, lattices = sample["reflections"], sample["lattices"]
    told = {"shot": int(sample["shot"]["shot"]), "dead": 0.0, "calibration": 0.0}
    arrays = {name: sample["image" if name == "counts" else name].numpy() for name in images.arrays}
    arrays = {name: array if images.images else array[None] for name, array in arrays.items()}
    deviations, first = [], 0
    rebuilt = np.zeros(arrays["crystals"].shape[1:])
    for number in range(several):
        here = {name: column[rows["image"] == number] for name, column in rows.items()}
        image = {name: array[number] for name, array in arrays.items()}
        if sample["shot"]["kind"] != "blank":
            words = shlex.split(sample["shot"]["flags"])
            told["calibration"] = CALIBRATION if "detector" in words else 0.0
            told["dead"] = DEAD_TIME / float(words[words.index("-exposure") + 1]) if "-exposure" in words else 0.0
            deviations.append(check_boxes(here, image, told))
        check_masks(here, image, first, told)
        first += len(here["h"])
    here = {name: column[rows["image"] == 0] for name, column in rows.items()}
    for lattice in range(len(lattices["lattice"])):
        vectors = np.array([[lattices[f"{vector}_{axis}"][lattice] for axis in "xyz"] for vector in "abc"])
        simulation = from_matrix(lattices["flags"][lattice], vectors, folder)
        weight = lattices["weight"][lattice]
        rebuilt += weight * (simulation.evolve(backgrounds=()).photons()).numpy().astype(float)
        file = folder / "shot.parquet"
        simulation.write(truth=file)
        written = pyarrow.parquet.read_table(file).to_pydict()
        check_reflections(here, lattice, weight, written, arrays["counts"][0], least, told)
    error = np.abs(rebuilt - arrays["crystals"][0]).max()
    assert error <= 1e-4 * max(rebuilt.max(), 1.0), (told, error)
    return np.concatenate(deviations) if deviations else np.zeros(0), len(rows["h"])


def check_recipe(name, shots, folder):
    """Make a set from a recipe with all labels, and look at each of its shots."""
    text = (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")
    lines = [ARRAYS if line.startswith("arrays") else line for line in text.splitlines()]
    (folder / "recipe.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    least = next(float(line.split("=")[1]) for line in lines if line.startswith("photons ="))
    shutil.copy(EXAMPLES / "lysozyme.mtz", folder)
    words = ("dataset", "recipe.toml", "--shots", str(shots), "-o", "set", "--noprogress")
    subprocess.run([sys.executable, "-m", "openbragg", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    os.chdir(folder)
    images = datasets.open(folder / "set")
    found = [check_shot(images, place, least, folder) for place in range(len(images))]
    deviations = np.concatenate([each for each, _ in found])
    outside = np.count_nonzero(np.abs(deviations) > MOST_SIGMA) / max(len(deviations), 1)
    spread = np.sqrt(np.square(deviations).mean())
    print(
        f"{name}: {len(images)} shots, {sum(rows for _, rows in found)} rows; counts in {len(deviations)} boxes are "
        f"off by {spread:.2f} sigma, {outside:.2%} by more than {MOST_SIGMA:g}: "
        f"{'PASS' if outside <= PART else 'FAIL'}",
        flush=True,
    )
    return outside <= PART


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, default=100)
    parser.add_argument("--recipe", choices=RECIPES, action="append")
    asked = parser.parse_args()
    passed = []
    for name in asked.recipe or RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            passed.append(check_recipe(name, asked.shots, Path(folder)))
            os.chdir(EXAMPLES)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    raise SystemExit(main())
