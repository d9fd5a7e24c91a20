"""Which predicted reflections have an amplitude: those that a centred lattice or a screw axis puts out have none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from openbragg.engine.reflections import reach
from openbragg.errors import OpenBraggError
from openbragg.orchestrator.run import load_run
from openbragg.roles import ComputedStructureFactors, InterpolatingStructureFactors, Miller

#: Of indices (reflections, 3) the amplitudes in electrons, (reflections,).
Amplitudes = Callable[[NDArray[np.int16]], NDArray[np.float64]]


def recorded_amplitudes(path: Path) -> Amplitudes | None:
    """The structure factors of a recorded run; None where they, or what they were read from, are not there any more."""
    try:
        run = load_run(path)
        factors, device = run.structure_factors, torch.device("cpu")
        if isinstance(factors, ComputedStructureFactors):
            laboratory = run.convention.place(run.experiment.detector)
            factors = factors.reaching(reach(run.experiment, laboratory), run.experiment)
        tables = factors.prepare(run.experiment, device, torch.float64)
    except OpenBraggError:
        return None
    if isinstance(factors, InterpolatingStructureFactors):
        tables = factors.without_interpolation(tables)

    def amplitudes(indices: NDArray[np.int16]) -> NDArray[np.float64]:
        miller = Miller(*torch.as_tensor(indices.astype(np.float64)).unbind(1))
        found: NDArray[np.float64] = factors.amplitude(miller, miller, tables).abs().numpy()
        return found

    return amplitudes
