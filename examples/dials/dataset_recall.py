"""How many of the spots of a data set another program has found: called by dataset_recall.sh.

    python dataset_recall.py SET imported.expt THREE.json ONE.json

A spot of the labels is strong when the photons of the crystals in its box are more than ten times the root of all
expected photons in the box, background included. It is found when the centroid of one of DIALS's spots lies in the box.
The files have the spots with at least three pixels, and all. Exit status 0 when of all strong ones 99 % are found in
the last file, and every image is where the data set says it was.
"""

import json
import sys
from pathlib import Path

import numpy as np

from openbragg import datasets

#: Signal over sigma from which on a spot is strong; the part that has to be found; largest error of a distance in mm.
STRONG, DEMAND, OFF = 10.0, 0.99, 1e-6


def labelled(sample):
    """Boxes (left, right, top, bottom) of the strong spots of a shot, and how many pixels each covers."""
    rows, photons = sample["reflections"], sample["photons"].numpy().astype(float)
    boxes = np.stack([rows[f"box_{side}"] for side in ("left", "right", "top", "bottom")], axis=1)
    # Sums of all that is above and to the left give those of boxes.
    sums = np.pad(photons.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    left, right, top, bottom = boxes[:, 0], boxes[:, 1] + 1, boxes[:, 2], boxes[:, 3] + 1
    whole = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    strong = (rows["box_photons"] > STRONG * np.sqrt(np.maximum(whole, 1e-9))) & (rows["spot_pixels"] > 0)
    return boxes[strong], rows["spot_pixels"][strong]


def found(boxes, places):
    """Which boxes have one of the places (fast, slow) in them, a pixel's corner being a whole number."""
    fast, slow = places.T
    inside = (boxes[:, :1] <= fast) & (fast <= boxes[:, 1:2] + 1) & (boxes[:, 2:3] <= slow) & (slow <= boxes[:, 3:] + 1)
    return inside.any(axis=1)


def main(folder, imported, three, one):
    images = datasets.open(folder)
    models = json.loads(Path(imported).read_text())
    experiments, detectors = models["experiment"], models["detector"]
    if len(experiments) != len(images):
        raise SystemExit(f"DIALS has {len(experiments)} images of {len(images)}")
    distances = [-detectors[each["detector"]]["panels"][0]["origin"][2] for each in experiments]
    off = np.abs(np.array(distances) - images.table("shots")["drawn_distance"]).max()
    print(f"{len(images)} shots; distances from the crystal are off by {off:.1e} mm at most")
    labels = [labelled(images[place]) for place in range(len(images))]
    pixels = np.concatenate([covered for _, covered in labels])
    parts = []
    for file, least in ((three, 3), (one, 1)):
        spots = {name: np.array(column) for name, column in json.loads(Path(file).read_text()).items()}
        places = np.column_stack([spots["fast"], spots["slow"]])
        hits = [found(boxes, places[spots["experiment"] == place]) for place, (boxes, _) in enumerate(labels)]
        there = np.concatenate(hits)
        parts.append(there.mean())
        large = there[pixels >= 3].mean()
        print(
            f"spots of at least {least} pixels: {len(places)} found by DIALS; of {len(there)} strong labels they have "
            f"{parts[-1]:.2%}, of those with 3 pixels or more {large:.2%}"
        )
    passed = parts[-1] >= DEMAND and off <= OFF
    print(f"{'PASS' if passed else 'FAIL'}: recall {parts[-1]:.2%} above {STRONG:g} sigma, expected {DEMAND:.0%}")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
