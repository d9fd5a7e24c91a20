"""Which predicted reflections have an amplitude: those that a centred lattice or a screw axis puts out have none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openbragg import OpenBraggError, load_run

#: Of indices (reflections, 3) the amplitudes in electrons, (reflections,).
Amplitudes = Callable[[NDArray[np.int16]], NDArray[np.float64]]


def recorded_amplitudes(path: Path) -> Amplitudes | None:
    """The structure factors of a recorded run; None where they, or what they were read from, are not there any more."""
    try:
        simulation = load_run(path).simulation.evolve(device="cpu", precision="double")
        simulation.layout()
    except OpenBraggError:
        return None

    def amplitudes(indices: NDArray[np.int16]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = simulation.amplitudes(indices).numpy()
        return found

    return amplitudes
