"""How far reflections are from where they are in truth, of experiment lists of one still.

    python offsets.py truth.expt FIRST.expt LAST.expt

Reflections are those within a thousandth of 1/A of the sphere in truth, and the crystal is orthorhombic: the setting of
a list is the one of four that is nearest. Exit status 0 when the last list is off by less than a tenth of the first.
"""

import json
import sys
from pathlib import Path

import numpy as np

#: Distances from the sphere in 1/A of reflections that are looked at, and what is demanded of the last list.
NEAR, DEMAND = 1e-3, 0.1
#: Axes of an orthorhombic crystal that are as good.
SETTINGS = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]


def models(path):
    """Rows a*, b*, c* in 1/A, the wave vector of the beam in 1/A, and the panel."""
    whole = json.loads(Path(path).read_text())
    crystal, beam, panel = whole["crystal"][0], whole["beam"][0], whole["detector"][0]["panels"][0]
    vectors = np.linalg.inv([crystal[f"real_space_{axis}"] for axis in "abc"]).T
    against = np.array(beam["direction"]) / np.linalg.norm(beam["direction"])
    return vectors, -against / beam["wavelength"], panel


def places(vectors, wave, panel, indices):
    """Where reflections are in pixels (fast, slow), (reflections, 2), and how far from the sphere in 1/A."""
    scattered = indices @ vectors + wave
    # In the panel's axes and its origin a ray is (fast, slow, 1) times how far it goes.
    axes = np.column_stack([panel["fast_axis"], panel["slow_axis"], panel["origin"]])
    ray = np.linalg.solve(axes, scattered.T).T
    above = np.linalg.norm(scattered, axis=1) - np.linalg.norm(wave)
    return ray[:, :2] / ray[:, 2:] / panel["pixel_size"], above


def seen(vectors, wave, panel):
    """h k l of reflections that are near the sphere and on the panel."""
    indices = np.stack(np.meshgrid(*[np.arange(-45, 46)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found, above = places(vectors, wave, panel, indices)
    forward = (indices @ vectors + wave) @ wave > 0.0
    on = forward & (found > 0.0).all(axis=1) & (found < panel["image_size"]).all(axis=1)
    return indices[on & (np.abs(above) < NEAR) & indices.any(axis=1)]


def main(truth, *lists):
    true = models(truth)
    indices = seen(*true)
    expected, above = places(*true, indices)
    offsets = []
    for path in lists:
        vectors, wave, panel = models(path)
        trials = [places(vectors * np.array(signs)[:, None], wave, panel, indices) for signs in SETTINGS]
        found, height = min(trials, key=lambda trial: np.square(trial[0] - expected).mean())
        offsets.append(np.sqrt(np.square(found - expected).sum(axis=1).mean()))
        off = np.sqrt(np.square(height - above).mean())
        print(f"{path}: {offsets[-1]:.4f} pixels and {off:.2e} / A off in the mean of {len(indices)} reflections")
    good = offsets[-1] < DEMAND * offsets[0]
    print(f"{'PASS' if good else 'FAIL'}: the offset falls to {offsets[-1] / offsets[0]:.1%}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
