"""Draw the figures of docs/explanation/lattice-shapes.md and mosaicity.md, and print the numbers that stand beside them.

    python docs/draw_figures.py

It takes a minute, and matplotlib (`pip install 'openbragg[plots]'`).
"""

from __future__ import annotations

from math import radians
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
import torch
from matplotlib import pyplot

from openbragg import Beam, Crystal, Detector, Experiment, Miller, Sampling, Simulation, plugin
from openbragg.testing import lattice_amplitude, make_lattice, mosaic_blocks, mosaic_deviation

FOLDER = Path(__file__).parent / "explanation"
A = 1e-10
#: Of an orthorhombic cell of 40 x 60 x 50 angstroms, in 1/m.
CELL = np.diag([1 / 40, 1 / 60, 1 / 50]) / A
CELLS, BESIDE = (16.0, 8.0, 6.0), (6.0, 0.0, 0.0)
SPREAD = radians(0.3)


def shape(name: str, **options: Any) -> Any:
    return plugin("lattice_shapes", name, **options)


def mosaic(name: str, **options: Any) -> Any:
    return plugin("mosaic_models", name, **options)


def draw_shapes() -> None:
    """F_latt^2 over its peak about a lattice point, in the plane of h and k."""
    drawn = {
        "square": (shape("square"), {}),
        "round": (shape("round"), {}),
        "gauss_index": (shape("gauss_index"), {}),
        "gauss_index, N a tensor": (shape("gauss_index"), {"offdiagonal": BESIDE}),
        "gauss_argchk": (shape("gauss_argchk"), {}),
        "gauss_star": (shape("gauss_star"), {}),
        "gauss, fudge 0.34": (shape("gauss"), {"fudge": 0.34}),
        "tophat, fudge 0.36": (shape("tophat"), {"fudge": 0.36}),
    }
    step = torch.linspace(-0.3, 0.3, 301, dtype=torch.float64)
    h, k = torch.meshgrid(step, step, indexing="xy")
    offset, nearest = Miller(h, k, torch.zeros_like(h)), Miller(*(torch.zeros_like(h) for _ in range(3)))
    figure, axes = pyplot.subplots(2, 4, figsize=(11, 6), sharex=True, sharey=True, layout="constrained")
    for panel, (title, (made, options)) in zip(axes.flat, drawn.items(), strict=True):
        lattice = make_lattice(CELLS, reciprocal_vectors=CELL, shape=made, **options)
        square = lattice_amplitude(made, offset, nearest, lattice) ** 2
        logarithm = (square / square.max()).clamp(min=1e-30).log10()
        image = panel.imshow(logarithm, origin="lower", extent=(-0.3, 0.3) * 2, vmin=-6, vmax=0, cmap="magma")
        panel.set_title(title, fontsize=10)
    for panel in axes[1]:
        panel.set_xlabel("Δh")
    for panel in axes[:, 0]:
        panel.set_ylabel("Δk")
    figure.colorbar(image, ax=axes, label="log10 of F_latt² over its peak", shrink=0.8)
    figure.savefig(FOLDER / "lattice-shapes.png", dpi=90)


def draw_angles() -> None:
    """How the angles of blocks are distributed, over the spread."""
    drawn = {
        "nanobragg": mosaic("nanobragg"),
        "sobol": mosaic("sobol"),
        "normal, closed": mosaic("normal"),
        "spiral": mosaic("spiral"),
        "anisotropic, 1 : 1 : 3": mosaic("anisotropic", spreads=(1e-3, 1e-3, 3e-3)),
    }
    figure, panel = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for place, (title, made) in enumerate(drawn.items()):
        blocks = mosaic_blocks(made, None if title.startswith("aniso") else 1e-3, 16384)
        cosines = (blocks.rotations.diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2
        angles = torch.arccos(cosines.clamp(max=1.0)) / 1e-3
        panel.hist(
            angles.numpy(), bins=np.linspace(0, 5, 101), density=True, histtype="step", label=title,
            linestyle="--" if title == "sobol" else "-", color=f"C{place}",
        )
        print(f"{title}: {float(mosaic_deviation(blocks)) / 1e-3:.3f} about one axis, for a spread of 1")
    panel.set(xlabel="angle over the spread", ylabel="density", xlim=(0, 5), ylim=(0, 2))
    panel.legend(frameon=False)
    figure.savefig(FOLDER / "mosaic-angles.png", dpi=90)


def a_still(model: Any, domains: int | None) -> torch.Tensor:
    """A corner of a still of a crystal of blocks, (slow, fast)."""
    experiment = Experiment(
        crystal=Crystal(
            cell=(90 * A, 100 * A, 120 * A, *(radians(90),) * 3),
            cells=(15.0, 15.0, 15.0),
            misset=(0.3, 0.2, 0.1),
            mosaic_spread=SPREAD,
            mosaic_domains=domains,
        ),
        beam=Beam(wavelength=1.0 * A),
        detector=Detector(pixels=(180, 180), pixel_size=1e-4, distance=0.3, twotheta=radians(14)),
        sampling=Sampling(oversample=1),
    )
    factors = plugin("structure_factors", "hkl", default_F=100.0)
    simulation = Simulation(
        experiment, structure_factors=factors, lattice_shape="gauss_index", mosaic=model, engine="eager", convention="xds"
    )
    return simulation.photons().double()


def draw_domains() -> None:
    """The same still by ever more domains, and in closed form."""
    whole = a_still(mosaic("closed"), None)
    peak = float(whole.max())
    figure = pyplot.figure(figsize=(11, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 4)
    rows = (("random", mosaic("normal", sequence="random")), ("Sobol", mosaic("normal")))
    panels = [
        (grid[row, column], f"{count} {name} domains", a_still(made, count))
        for row, (name, made) in enumerate(rows)
        for column, count in enumerate((10, 100, 1000))
    ]
    for place, title, image in (*panels, (grid[:, 3], "in closed form", whole)):
        panel = figure.add_subplot(place)
        panel.imshow(image.sqrt(), cmap="gray_r", vmin=0.0, vmax=0.8 * peak**0.5, interpolation="nearest")
        off = float((image - whole).abs().max()) / peak
        panel.set_title(title if image is whole else f"{title}: {off:.2%}", fontsize=10)
        panel.set_xticks([])
        panel.set_yticks([])
        print(f"{title}: {off:.3%} of the peak from the closed form")
    figure.savefig(FOLDER / "mosaic-domains.png", dpi=90)


if __name__ == "__main__":
    draw_shapes()
    draw_angles()
    draw_domains()
