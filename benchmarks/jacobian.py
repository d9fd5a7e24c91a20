"""Derivatives of shoeboxes by all of a refinement's parameters against the shoeboxes alone; in a process of its own.

As a program it measures and prints JSON, and imports nothing of this folder, so that it measures whichever revision of
the project is first on the path.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from math import radians
from typing import Any

SUMMARY = "100 shoeboxes of 20 x 20 pixels, 24 domains, 12 cells a side, 14 parameters"

_A = 1e-10
_BOXES, _SIDE, _FRAME = 100, 20, 1024
#: Of cell and misset, of which there are six and three numbers, of the beam's centre, two, and three single ones.
PARAMETERS = ("cell", "misset", "mosaic_spread", "distance", "wavelength", "beam_centre")


def measure_jacobian(
    python: tuple[str, ...], environment: Mapping[str, str], threads: int, repeats: int, timeout: float | None
) -> dict[str, Any]:
    """Run this file as a program; what it prints: seconds of the shoeboxes and of their derivatives.

    Raises
    ------
    InputError
        When it fails.
    """
    from benchmarks.processes import printed

    return printed(__file__, (threads, repeats), python, environment, threads, timeout)


def _measure(threads: int, repeats: int) -> dict[str, list[float]]:
    import attrs
    import torch

    simulation = _made(threads)
    pixels = _shoeboxes(torch.Generator().manual_seed(1))
    crystal = simulation.experiment.crystal

    def at(step: int) -> Any:
        """Where a refinement comes to: another cell, of which nothing is known yet."""
        a, *others = crystal.cell
        return simulation.evolve(crystal=attrs.evolve(crystal, cell=(a * (1.0 + 1e-5 * step), *others)))

    seconds: dict[str, list[float]] = {"forward": [], "jacobian": []}
    turns: dict[str, Callable[[Any], Any]] = {
        "forward": lambda renders: renders.pixels(*pixels),
        "jacobian": lambda renders: renders.jacobian(PARAMETERS, pixels),
    }
    # The first of each may compile.
    for work in turns.values():
        work(simulation)
    for repeat in range(repeats):
        for name, work in turns.items():
            renders = at(repeat + 1)
            begin = time.perf_counter()
            work(renders)
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def _made(threads: int) -> Any:
    """The simulation."""
    import openbragg
    from openbragg import Beam, Crystal, Detector, Experiment, Sampling

    return openbragg.Simulation(
        Experiment(
            crystal=Crystal(
                cell=(70 * _A, 80 * _A, 90 * _A, radians(75), radians(85), radians(95)),
                cells=(12, 12, 12),
                misset=(0.11, -0.23, 0.37),
                mosaic_spread=radians(0.5),
                mosaic_domains=24,
                mosaic_seed=1,
            ),
            beam=Beam(wavelength=1.0 * _A),
            detector=Detector(pixels=(_FRAME, _FRAME), pixel_size=1e-4, distance=0.1, beam_centre=(0.0512, 0.0511)),
            sampling=Sampling(oversample=1),
        ),
        structure_factors=openbragg.plugin("structure_factors", "hkl", default_F=100.0),
        engine="compiled",
        threads=threads,
    )


def _shoeboxes(generator: Any) -> tuple[Any, Any]:
    """Slow and fast of the pixels of boxes all over the frame, (box, slow, fast) each."""
    import torch

    corners = torch.randint(0, _FRAME - _SIDE, (_BOXES, 2, 1, 1), generator=generator)
    steps = torch.arange(_SIDE)
    slow, fast = corners[:, 0] + steps[:, None], corners[:, 1] + steps[None, :]
    shape = (_BOXES, _SIDE, _SIDE)
    return slow.expand(shape), fast.expand(shape)


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]), int(sys.argv[2]))))
