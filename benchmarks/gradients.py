"""Forward and backward over all crystal and geometry parameters against forward alone; run in a process of its own.

As a program it measures and prints JSON, and imports nothing of this folder, so that it measures whichever revision of
the project is first on the path.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Mapping
from math import radians
from typing import Any

SUMMARY = "256 x 256 pixels, 20 mosaic domains, 5 phi steps, gradients of 20 parameters"

_A = 1e-10
#: SI units and radians, at a generic point.
PARAMETERS = {
    **{"a": 70 * _A, "b": 80 * _A, "c": 90 * _A, "alpha": radians(75), "beta": radians(85), "gamma": radians(95)},
    **{"misset_x": 0.11, "misset_y": -0.23, "misset_z": 0.37, "mosaic_spread": radians(0.5)},
    **{"distance": 0.1, "centre_x": 0.0512, "centre_y": 0.0511, "twotheta": 0.02},
    **{"rotation_x": 0.01, "rotation_y": -0.02, "rotation_z": 0.03},
    **{"wavelength": 1.0 * _A, "fluence": 1e24, "polarization": 0.6},
}


def photons(value: Mapping[str, Any], **options: Any) -> Any:
    """The image of parameters by name, numbers or tensors; `options` are those of `openbragg.simulate`."""
    import openbragg
    from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan

    experiment = Experiment(
        crystal=Crystal(
            cell=tuple(value[name] for name in ("a", "b", "c", "alpha", "beta", "gamma")),
            misset=tuple(value[f"misset_{axis}"] for axis in "xyz"),
            cells=(20, 20, 20),
            mosaic_spread=value["mosaic_spread"],
            mosaic_domains=20,
        ),
        beam=Beam(wavelength=value["wavelength"], fluence=value["fluence"], polarization=value["polarization"]),
        detector=Detector(
            pixels=(256, 256),
            pixel_size=4e-4,
            distance=value["distance"],
            beam_centre=(value["centre_x"], value["centre_y"]),
            rotation=tuple(value[f"rotation_{axis}"] for axis in "xyz"),
            twotheta=value["twotheta"],
        ),
        scan=Scan(start=0.01, range=radians(1.0), steps=5),
        sampling=Sampling(oversample=1),
    )
    factors = openbragg.plugin("structure_factors", "hkl", default_F=100.0)
    return openbragg.simulate(experiment, structure_factors=factors, **options)


def measure_gradients(
    python: tuple[str, ...],
    environment: Mapping[str, str],
    threads: int,
    repeats: int,
    timeout: float | None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Run this file as a program; what it prints.

    Raises
    ------
    InputError
        When it fails.
    """
    from benchmarks.processes import printed

    return printed(__file__, (threads, repeats, device), python, environment, threads, timeout)


def _measure(threads: int, repeats: int, device: str) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    weights = torch.linspace(0.5, 1.5, 256).outer(torch.linspace(1.5, 0.5, 256)).to(device)
    # A run so small would not be compiled unasked.
    options = {"device": device, "engine": "compiled"}

    def forward() -> Any:
        return (photons(PARAMETERS, **options) * weights).sum()

    def both() -> Any:
        moved = {
            name: torch.tensor(number, dtype=torch.float64, requires_grad=True) for name, number in PARAMETERS.items()
        }
        total = (photons(moved, **options) * weights).sum()
        total.backward()
        lost = [name for name, tensor in moved.items() if tensor.grad is None or not bool(tensor.grad.isfinite())]
        if lost:
            sys.exit(f"no finite gradient of {', '.join(lost)}")
        return total.detach()

    # The first of each may compile; memory only ever rises, so that the smaller comes first.
    plain, _ = _timed(forward)
    memory = {"forward": _peak()}
    tracked, _ = _timed(both)
    memory["both"] = _peak()
    if abs(float(plain) - float(tracked)) > 1e-5 * abs(float(plain)):
        sys.exit("a gradient changes the image")
    seconds: dict[str, list[float]] = {"forward": [], "both": []}
    for repeat in range(repeats):
        turns = [("forward", forward), ("both", both)]
        for name, work in turns if repeat % 2 == 0 else reversed(turns):
            seconds[name].append(_timed(work)[1])
    return {"seconds": seconds, "peak_memory_bytes": memory}


def _timed(work: Any) -> tuple[Any, float]:
    begin = time.perf_counter()
    result = work()
    if result.is_cuda:
        result.item()  # which waits
    return result, time.perf_counter() - begin


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
