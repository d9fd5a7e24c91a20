#!/usr/bin/env python3
"""Stills before a detector of some panels that stand otherwise than the start says, refined together.

    python -m benchmarks.refined_stills [--stills 30] [--panels 8] [--fluence 1e28] [--free misset,cells,scale]

Panels are shifted by up to half a pixel and turned by up to 0.1 degrees, in all directions; the crystals' orientations
start 0.05 degrees off. It prints how far each panel's motion is from the truth, its error, the largest of all, the
seconds, and by how much the process has grown. What all panels do together when they turn about the beam is no one's to
tell, and is taken out of the truth.
"""

import argparse
import math
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

import openbragg
from openbragg_tools.refine.gauge import held_motions
from openbragg_tools.refine.joint import RefinedStills
from openbragg_tools.refine.model import make_model
from openbragg_tools.refine.panels import MOTIONS, PanelGroups, detector_axes, panel_groups, plain_panels
from openbragg_tools.refine.stills import refine

PIXEL = 1e-4
CELL = (48e-10, 50e-10, 52e-10, math.pi / 2, math.pi / 2, math.pi / 2)
#: How far panels are shifted, in metres, and tilted, in radians; how far crystals start off, in radians.
SHIFT, TILT, OFF = 0.5 * PIXEL, math.radians(0.1), math.radians(0.05)
BACKGROUND = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stills", type=int, default=30)
    parser.add_argument("--panels", type=int, default=8, help="In rows and columns.")
    parser.add_argument("--side", type=int, default=720, help="Pixels of all panels together, along each side.")
    parser.add_argument("--fluence", type=float, default=1e28)
    parser.add_argument("--distance", type=float, default=0.06, help="In metres.")
    parser.add_argument("--free", default="misset,cells,scale", help="What is refined of each crystal.")
    parser.add_argument("--engine", default="compiled")
    parser.add_argument("--workers", type=int, default=1, help="Processes that share the stills, with Dask.")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="openbragg_") as folder:
        return refined_in(Path(folder), asked)


def refined_in(folder: Path, asked: argparse.Namespace) -> int:
    """Make the images in a folder, refine, and print."""
    draws = np.random.default_rng(asked.seed)
    start = before_panels(asked)
    group = panel_groups(start.experiment.detector, "panels")
    motions = draws.uniform(-1.0, 1.0, (len(group.members), 6)) * ([SHIFT] * 3 + [TILT] * 3)
    detector = plain_panels(group.moved(start.experiment.detector, torch.from_numpy(motions.ravel())))
    truth = start.evolve(detector=detector)
    images, starts, photons = [], [], []
    # What is laid out before it is changed shares its tables with what it is changed to.
    start.layout()
    for number in range(asked.stills):
        angles = draws.uniform(-math.pi, math.pi, 3)
        expected = turned(truth, angles).photons().double().numpy()
        images.append(folder / f"{number}.npy")
        np.save(images[-1], draws.poisson(expected + BACKGROUND).astype(np.int32))
        photons.append(expected.sum())
        starts.append(turned(start, angles + draws.uniform(-OFF, OFF, 3)))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, worked = time.perf_counter(), time.process_time()
    free = (*asked.free.split(","), "panels")
    refined = refine(starts, images, free, space_group="P 2 2 2", readout=0.0, workers=asked.workers)
    assert isinstance(refined, RefinedStills)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024.0
    tell(refined, group, told_apart(start, refined, free, motions.ravel()))
    boxes = np.mean([still.boxes.number for still in refined.stills])
    print(
        f"{len(refined.stills)} stills of {boxes:.0f} shoeboxes and {np.mean(photons):.3g} photons; "
        f"{len(refined.history) - 1} steps together; {took:.1f} s, {worked:.1f} s of a core; {grown:.0f} MB more"
    )
    return 0


def before_panels(asked: argparse.Namespace) -> openbragg.Simulation:
    """The crystal and the detector as they are thought to be."""
    panels, side = asked.panels, asked.side
    rows = max(count for count in range(1, math.isqrt(panels) + 1) if panels % count == 0)
    height, width = side // rows, side // (panels // rows)
    size = (height * rows, width * (panels // rows))
    draws = np.random.default_rng(5)
    indices = np.stack(np.meshgrid(*[np.arange(-35, 36)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    amplitudes = np.sqrt(draws.exponential(4e4, len(indices)))
    layout = tuple(
        openbragg.Panel(
            pixels=(height, width),
            pixel_size=PIXEL,
            offset=(column * width * PIXEL, row * height * PIXEL, 0.0),
            slab=(row * height, column * width),
        )
        for row in range(rows)
        for column in range(panels // rows)
    )
    return openbragg.Simulation(
        openbragg.Experiment(
            crystal=openbragg.Crystal(cell=CELL, cells=(12.0, 11.0, 13.0), misset=(0.0, 0.0, 0.0)),
            beam=openbragg.Beam(wavelength=1.3e-10, fluence=asked.fluence, polarization=1.0),
            detector=openbragg.Detector(pixels=size, pixel_size=PIXEL, distance=asked.distance, layout=layout),
            sampling=openbragg.Sampling(oversample=2),
        ),
        structure_factors=openbragg.plugin("structure_factors", "hkl", reflections=(indices, amplitudes)),
        lattice_shape="gauss_index",
        engine=asked.engine,
        threads=1,
    )


def turned(simulation: openbragg.Simulation, angles: np.ndarray[Any, Any]) -> openbragg.Simulation:
    """The same with its crystal turned otherwise."""
    return simulation.evolve(crystal=attrs.evolve(simulation.experiment.crystal, misset=tuple(angles.tolist())))


def told_apart(
    start: openbragg.Simulation, refined: RefinedStills, free: tuple[str, ...], motions: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """How far the refined motions are from the true ones, but for what is held of both."""
    model = make_model(start, free, "P 2 2 2")
    (group,) = model.groups
    rows, _ = held_motions(model, model.of([group.kind]))
    axes, corner = detector_axes(start)
    arm = np.square(group.middles.numpy() + axes @ corner).sum(axis=1).mean()
    errors: np.ndarray[Any, Any] = refined.values - motions
    for row in rows:
        # A row weighs shifts by the square of the arm; the motion that is held is that without the weights.
        motion = (row.reshape(-1, 6) * ([arm] * 3 + [1.0] * 3)).ravel()
        errors = errors - motion * (row @ errors) / (row @ motion)
    return errors


def tell(refined: RefinedStills, group: PanelGroups, errors: np.ndarray[Any, Any]) -> None:
    """Print a line a panel, and the largest."""
    units = np.array([1.0 / PIXEL] * 3 + [math.degrees(1.0)] * 3)
    off, sigmas = (values.reshape(-1, 6) * units for values in (errors, refined.determined.sigmas))
    print(f"{'panel':<6}" + "".join(f"{motion:>22}" for motion in MOTIONS))
    for number in range(len(group.members)):
        pairs = zip(off[number], sigmas[number], strict=True)
        print(f"{number:<6}" + "".join(f"{error:>+12.5f} ({sigma:.5f})" for error, sigma in pairs))
    pulls = off / sigmas
    for name, places in (("shift across", [0, 1]), ("shift along", [2]), ("tilts", [3, 4]), ("turn", [5])):
        unit = "pixels" if name.startswith("shift") else "degrees"
        print(f"largest {name}: {np.abs(off[:, places]).max():.5f} {unit}, sigma {sigmas[:, places].max():.5f}")
    print(f"pulls: largest {np.abs(pulls).max():.2f}, standard deviation {pulls.std():.2f}")
    for line in refined.notices:
        print(f"notice: {line}")


if __name__ == "__main__":
    sys.exit(main())
