"""What calls of a prepared simulation in a thousand orientations cost; run in a process of its own.

As a program it measures and prints JSON, and imports nothing of this folder, so that it measures whichever revision of
the project is first on the path.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from math import pi, radians, sqrt
from typing import Any

#: Of the cases that are made of calls, by their names.
SUMMARIES = {
    "calls": "512 x 512 pixels, one domain, an image after the other in other orientations, one thread",
    "still": "1024 x 1024 pixels, 20 domains, stills in other orientations, counts with noise",
}

_A = 1e-10
#: Calls of a round; the first ones of a process, which load code, count for nothing.
_CALLS, _FIRST = {"calls": 200, "still": 40}, 5
#: Steps of angles that fill the circle evenly, in turns.
_TURNS = (sqrt(2.0) - 1.0, sqrt(3.0) - 1.0, sqrt(5.0) - 2.0)


def measure_calls(
    name: str,
    python: tuple[str, ...],
    environment: Mapping[str, str],
    threads: int,
    repeats: int,
    timeout: float | None,
) -> dict[str, Any]:
    """Run this file as a program; what it prints: seconds a call and seconds in its kernels, of each round.

    Raises
    ------
    InputError
        When it fails.
    """
    from benchmarks.processes import printed

    return printed(__file__, (name, threads, repeats), python, environment, threads, timeout)


def _measure(name: str, threads: int, repeats: int) -> dict[str, Any]:
    import attrs

    simulation = _made(name, threads)
    spent = _watched()

    def call(number: int) -> None:
        x, y, z = (2.0 * pi * ((number * turn) % 1.0) for turn in _TURNS)
        turned = simulation.evolve(crystal=attrs.evolve(simulation.experiment.crystal, misset=(x, y, z)))
        if name == "still":
            turned.counts(seed=number)
        else:
            turned.photons()

    simulation.photons()
    for number in range(_FIRST):
        call(number)
    rounds: dict[str, list[float]] = {"call": [], "kernel": []}
    count = _CALLS[name]
    for repeat in range(repeats):
        spent.clear()
        begin = time.perf_counter()
        for number in range(count):
            call(repeat * count + number)
        rounds["call"].append((time.perf_counter() - begin) / count)
        rounds["kernel"].append(sum(spent) / count)
    return rounds


def _made(name: str, threads: int) -> Any:
    """The simulation of a case."""
    import attrs

    import openbragg
    from openbragg import Beam, Crystal, Detector, Experiment, Sampling

    crystal = Crystal(cell=(79 * _A, 79 * _A, 38 * _A, pi / 2, pi / 2, pi / 2), cells=(20, 20, 40))
    factors = openbragg.plugin("structure_factors", "hkl", default_F=100.0)
    if name == "still":
        return openbragg.Simulation(
            Experiment(
                crystal=attrs.evolve(crystal, mosaic_spread=radians(0.1), mosaic_domains=20, mosaic_seed=1),
                beam=Beam(wavelength=1.0 * _A, fluence=1e26),
                detector=Detector(pixels=(1024, 1024), pixel_size=2e-4, distance=0.2),
                sampling=Sampling(oversample=1),
            ),
            structure_factors=factors,
            lattice_shape="gauss_index",
            noise="poisson",
            cull=1e-6,
            engine="compiled",
            threads=threads,
        )
    return openbragg.Simulation(
        Experiment(
            crystal=crystal,
            detector=Detector(pixels=(512, 512), pixel_size=2e-4, distance=0.1),
            sampling=Sampling(oversample=1),
        ),
        structure_factors=factors,
        engine="compiled",
        threads=threads,
    )


def _watched() -> list[float]:
    """The seconds that each call of compiled code takes from now on."""
    from openbragg.engine.compiled.kernel import Kernel

    spent: list[float] = []
    run = Kernel.__call__

    def timed(self: Any, *arguments: Any) -> Any:
        begin = time.perf_counter()
        try:
            return run(self, *arguments)
        finally:
            spent.append(time.perf_counter() - begin)

    Kernel.__call__ = timed  # type: ignore[method-assign, assignment]
    return spent


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
