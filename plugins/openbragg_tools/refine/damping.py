"""An overall B factor: structure factors that fall off with the resolution by exp(-B / 4 d^2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from openbragg import Simulation, plugin

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Reflections a little beyond the farthest pixel are in the table, too.
_BEYOND = 0.95


def log_slopes(simulation: Simulation, pixels: tuple[Any, Any]) -> Array:
    """The derivative of the logarithm of pixels' photons by B: -1 / 2 d^2, in 1/m^2, (pixels,).

    It is taken at the pixel's own d, which is that of its reflection but for the spot's width.
    """
    made: Array = -0.5 / np.square(simulation.spacing()[pixels].numpy())
    return made


def damped(simulation: Simulation, b_factor: float) -> Simulation:
    """A simulation whose structure factors have a B factor, in square metres: a table of all that the detector sees."""
    vectors = torch.linalg.inv(simulation.layout().experiment.crystal.oriented_vectors().detach()).T.numpy()
    spacing = simulation.spacing().numpy()
    finest = _BEYOND * float(np.nanmin(spacing))
    # No index is larger than the edge over d.
    reach = np.floor(np.linalg.norm(np.linalg.inv(vectors), axis=0) / finest).astype(int)
    axes = [np.arange(-most, most + 1) for most in reach]
    indices = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    squares = np.square(indices @ vectors).sum(axis=1)
    indices, squares = indices[squares <= finest**-2], squares[squares <= finest**-2]
    amplitudes = simulation.amplitudes(indices).numpy() * np.exp(-b_factor * squares / 4.0)
    table = plugin("structure_factors", "hkl", reflections=(indices, amplitudes), interpolate=False)
    return simulation.evolve(structure_factors=table)
