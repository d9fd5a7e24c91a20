"""Draw docs/how-to/diffuse.png: ``python docs/diffuse_figure.py``."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import Any

import numpy as np

import openbragg
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Simulation, plugin

PIXELS = 320
#: Grey goes from white to black over this many powers of ten, down from the brightest halo.
DECADES = 3.5
ANGSTROM = 1e-10


def photons(diffuse: Any) -> np.ndarray:
    """The pattern of a tetragonal crystal with two cell edges across the beam."""
    edges = (40.0 * ANGSTROM, 40.0 * ANGSTROM, 30.0 * ANGSTROM)
    experiment = Experiment(
        crystal=Crystal(cell=(*edges, pi / 2, pi / 2, pi / 2), cells=(12, 12, 2), misset=(0.02, pi / 2 - 0.06, 0.04)),
        beam=Beam(fluence=1e28),
        detector=Detector(pixels=(PIXELS, PIXELS), pixel_size=0.25e-3, distance=0.07),
        sampling=Sampling(oversample=2),
    )
    factors = plugin("structure_factors", "hkl", reflections=amplitudes())
    simulation = Simulation(experiment, structure_factors=factors, lattice_shape="round", diffuse=diffuse)
    return simulation.photons().numpy()


def amplitudes() -> tuple[np.ndarray, np.ndarray]:
    """Random amplitudes of a tetragonal cell, which fall off with the resolution."""
    draw = np.random.default_rng(5)
    box = np.array([(h, k, l) for h in range(-24, 25) for k in range(-24, 25) for l in range(-16, 17)])
    unique = np.concatenate([np.sort(np.abs(box[:, :2]), axis=1), np.abs(box[:, 2:])], axis=1)
    _, place = np.unique(unique, axis=0, return_inverse=True)
    sizes = np.sqrt(draw.exponential(1.0, place.max() + 1))[place.reshape(-1)]
    square = (box[:, :2] ** 2).sum(axis=1) / 40.0**2 + box[:, 2] ** 2 / 30.0**2
    return box, 300.0 * sizes * np.exp(-6.0 * square)


def halos(**options: Any) -> Any:
    """Of the space group P 4 2 2."""
    lengths = {name: tuple(value * ANGSTROM for value in values) for name, values in options.items()}
    return plugin("diffuse_models", "gamma_sigma", symmetry="P 4 2 2", stencil=1, **lengths)


def main() -> None:
    """Draw three patterns side by side."""
    chosen = ("none", halos(gamma=(25.0,), sigma=(0.35,)), halos(gamma=(60.0, 12.0, 25.0), sigma=(0.45, 0.25, 0.35)))
    images = [photons(diffuse) for diffuse in chosen]
    top = float(np.quantile(images[1], 0.995))
    gap = np.full((PIXELS, 8), 255, dtype=np.uint8)
    shown = [np.clip(1.0 + np.log10(np.maximum(image, 1e-30) / top) / DECADES, 0.0, 1.0) for image in images]
    columns = [(255.0 * (1.0 - each)).astype(np.uint8) for each in shown]
    with (Path(__file__).parent / "how-to" / "diffuse.png").open("wb") as stream:
        openbragg.write_png(stream, np.concatenate([columns[0], gap, columns[1], gap, columns[2]], axis=1))


if __name__ == "__main__":
    main()
