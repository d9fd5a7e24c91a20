"""What a call costs beyond its kernel: a prepared simulation in a thousand orientations; run in a process of its own.

As a program it measures and prints JSON, and imports nothing of this folder, so that it measures whichever revision of
the project is first on the path.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from math import pi, sqrt
from pathlib import Path
from typing import Any

SUMMARY = "512 x 512 pixels, one domain, an image after the other in other orientations, one thread"

_A = 1e-10
#: Calls of a round; the first ones of a process, which load code, count for nothing.
_CALLS, _FIRST = 200, 5
#: Steps of angles that fill the circle evenly, in turns.
_TURNS = (sqrt(2.0) - 1.0, sqrt(3.0) - 1.0, sqrt(5.0) - 2.0)


def measure_calls(
    python: tuple[str, ...], environment: Mapping[str, str], repeats: int, timeout: float | None
) -> dict[str, Any]:
    """Run this file as a program; what it prints: seconds a call and seconds in its kernel, of each round.

    Raises
    ------
    InputError
        When it fails.
    """
    from benchmarks.processes import STDOUT, run

    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        # -P keeps this folder, whose modules are named like others, off the path.
        command = (*python, "-P", str(Path(__file__).resolve()), str(repeats))
        run(command, Path(name), {**environment, "OMP_NUM_THREADS": "1"}, timeout=timeout)
        content: dict[str, Any] = json.loads((Path(name) / STDOUT).read_text(encoding="utf-8"))
        return content


def _measure(repeats: int) -> dict[str, Any]:
    import attrs

    import openbragg
    from openbragg import Crystal, Detector, Experiment, Sampling

    simulation = openbragg.Simulation(
        Experiment(
            crystal=Crystal(cell=(79 * _A, 79 * _A, 38 * _A, pi / 2, pi / 2, pi / 2), cells=(20, 20, 40)),
            detector=Detector(pixels=(512, 512), pixel_size=2e-4, distance=0.1),
            sampling=Sampling(oversample=1),
        ),
        structure_factors=openbragg.plugin("structure_factors", "hkl", default_F=100.0),
        engine="compiled",
        threads=1,
    )
    spent = _watched()

    def call(number: int) -> None:
        x, y, z = (2.0 * pi * ((number * turn) % 1.0) for turn in _TURNS)
        crystal = attrs.evolve(simulation.experiment.crystal, misset=(x, y, z))
        simulation.evolve(crystal=crystal).photons()

    simulation.photons()
    for number in range(_FIRST):
        call(number)
    rounds: dict[str, list[float]] = {"call": [], "kernel": []}
    for repeat in range(repeats):
        spent.clear()
        begin = time.perf_counter()
        for number in range(_CALLS):
            call(repeat * _CALLS + number)
        rounds["call"].append((time.perf_counter() - begin) / _CALLS)
        rounds["kernel"].append(sum(spent) / _CALLS)
    return rounds


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
    print(json.dumps(_measure(int(sys.argv[1]))))
