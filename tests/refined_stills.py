"""Small stills of an orthorhombic crystal with their truth, to be refined against."""

import math
from functools import cache

import attrs
import numpy as np

from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Simulation, plugin
from openbragg_tools.refine.columns import Columns

CELL = (60e-10, 62e-10, 65e-10, math.pi / 2, math.pi / 2, math.pi / 2)
BACKGROUND = 3.0
#: Pixels of a side of the detector, and their side in metres.
SIZE, PIXEL = 96, 0.2e-3


@cache
def truth(panels: int = 1) -> Simulation:
    """A crystal before a square detector of some panels side by side."""
    draws = np.random.default_rng(5)
    indices = np.stack(np.meshgrid(*[np.arange(-20, 21)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    amplitudes = np.sqrt(draws.exponential(4e4, len(indices)))
    width = SIZE // panels
    layout = tuple(
        Panel(pixels=(SIZE, width), pixel_size=PIXEL, offset=(place * PIXEL, 0.0, 0.0), slab=(0, place))
        for place in range(0, SIZE, width)
    )
    return Simulation(
        Experiment(
            crystal=Crystal(cell=CELL, misset=(0.3, 0.7, -0.4), cells=(8.0, 9.5, 6.5)),
            beam=Beam(wavelength=1.3e-10, fluence=6e27, polarization=1.0),
            detector=Detector(pixels=(SIZE, SIZE), pixel_size=PIXEL, distance=54e-3, layout=layout),
            sampling=Sampling(oversample=1),
        ),
        structure_factors=plugin("structure_factors", "hkl", reflections=(indices, amplitudes), default_F=0.0),
        lattice_shape="gauss_index",
        engine="eager",
        threads=1,
    )


def turned(simulation: Simulation, angles: tuple[float, float, float]) -> Simulation:
    """The same with the crystal turned to other angles, in radians."""
    return simulation.evolve(crystal=attrs.evolve(simulation.experiment.crystal, misset=angles))


def counted(simulation: Simulation, seed: int) -> np.ndarray:
    """Its image with background and noise."""
    return np.random.default_rng(seed).poisson(simulation.photons().double().numpy() + BACKGROUND)


def whole(columns: Columns) -> np.ndarray:
    """Derivatives as one matrix, (pixels, parameters), with the zeros of other panels."""
    made = np.zeros((len(columns.values), columns.count))
    for pixel, owner in enumerate(columns.owners):
        held, places = columns.there(owner)
        made[pixel, places] = columns.values[pixel, held]
    return made
