"""``openbragg refine``: of one still what it takes, by parts; of many stills how many a minute and core.

As a program it makes what is refined, and imports nothing of this folder.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SUMMARY = "a still from a wrong start; 40 stills of 720 x 720 pixels and about 28 spots, with the distance, on one core"

#: A problem beside the checkout, and its files; where it is not there, one like it is made.
PROBLEM = Path(__file__).resolve().parents[2] / "shared" / "simtbx" / "refine" / "p03_ortho"
_FILES = ("start.expt", "F.mtz", "image_001.img.gz")
_OF_PROBLEM = ("-hkl", "F.mtz", "-gauss_index", "-N", "20", "-oversample", "2")
_MADE, _STILLS = 1, 40
#: What is made: a crystal, pixels a side, and distances in metres at which a still has about 130 and 28 spots.
_CELL = (48e-10, 50e-10, 52e-10, math.pi / 2, math.pi / 2, math.pi / 2)
_CELLS, _WAVELENGTH, _SIDE, _PIXEL, _FLUENCE = (12.0, 11.0, 13.0), 1.3e-10, 720, 1e-4, 1e28
_NEAR, _FAR = 0.1, 0.22
#: How far starts are off about each axis, in radians.
_OFF = math.radians(0.05)
_OF_MADE = (
    *("-hkl", "F.hkl", "-gauss_index", "-Na", "12", "-Nb", "11", "-Nc", "13", "-fluence", "1e28", "-oversample", "2"),
    *("-space_group", "P 2 2 2"),
)


def measure_refine(
    python: Sequence[str], environment: Mapping[str, str], threads: int, repeats: int, timeout: float | None
) -> dict[str, Any]:
    """Refine a still, and many, again and again, in processes of their own; the first of each counts for nothing.

    Returns
    -------
    Of ``problem`` and ``stills`` what each run took: ``seconds`` on the wall's clock, those of a core in ``work``, and
    of ``parts``; ``renderings`` and ``jacobians``; the number of stills as ``count``; and what the problem is.

    Raises
    ------
    InputError
        When one fails.
    """
    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        problem, stills = Path(name) / "problem", Path(name) / "stills"
        for folder in (problem, stills):
            folder.mkdir()
        kind, flags = "of simtbx", tuple[str, ...](_OF_PROBLEM)
        if all((PROBLEM / file).is_file() for file in _FILES):
            for file in _FILES:
                shutil.copy(PROBLEM / file, problem)
        else:
            kind, flags = "made here", _OF_MADE
            _made_in(problem, _MADE, _NEAR, python, environment, timeout)
        _made_in(stills, _STILLS, _FAR, python, environment, timeout)
        several = (*_OF_MADE, "-also", "distance")
        return {
            "kind": kind,
            "problem": _refined(problem, flags, threads, repeats, python, environment, timeout),
            # One core does them all: that is what a still takes of it.
            "stills": _refined(stills, several, 1, repeats, python, environment, timeout),
        }


def _made_in(
    folder: Path,
    number: int,
    distance: float,
    python: Sequence[str],
    environment: Mapping[str, str],
    timeout: float | None,
) -> None:
    from benchmarks.processes import run

    run(
        (*python, "-P", str(Path(__file__).resolve()), str(number), str(distance)), folder, environment, timeout=timeout
    )


def _refined(
    folder: Path,
    flags: Sequence[str],
    threads: int,
    repeats: int,
    python: Sequence[str],
    environment: Mapping[str, str],
    timeout: float | None,
) -> dict[str, Any]:
    """Refine what is in a folder."""
    from benchmarks.processes import run

    words = ("-expt", "start.expt", *flags, "-readout_sigma", "0", "-engine", "compiled", "-threads", str(threads))
    here = {**environment, "OMP_NUM_THREADS": str(threads)}
    runs = []
    for _ in range(1 + repeats):
        runs.append(run((*python, "-m", "openbragg", "refine", *words), folder, here, timeout=timeout))
    told = json.loads((folder / "refined.json").read_text(encoding="utf-8"))
    each = told.get("stills", [told])
    return {
        "count": len(each),
        "seconds": [finished.seconds for finished in runs[1:]],
        "work": [finished.processor for finished in runs[1:]],
        "renderings": sum(still["renderings"] for still in each),
        "jacobians": sum(still["jacobians"] for still in each),
        "parts": {part: sum(still["seconds"][part] for still in each) for part in each[0]["seconds"]},
    }


def _make(number: int, distance: float) -> None:
    """Write images, an experiment list of starts that names them, and structure factors into the working folder."""
    import attrs
    import numpy as np

    import openbragg

    draws = np.random.default_rng(1)
    indices = np.stack(np.meshgrid(*[np.arange(-20, 21)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    amplitudes = np.sqrt(draws.exponential(4e4, len(indices)))
    experiment = openbragg.Experiment(
        crystal=openbragg.Crystal(cell=_CELL, cells=_CELLS, misset=(0.0, 0.0, 0.0)),
        beam=openbragg.Beam(wavelength=_WAVELENGTH, fluence=_FLUENCE, polarization=1.0),
        detector=openbragg.Detector(pixels=(_SIDE, _SIDE), pixel_size=_PIXEL, distance=distance),
        sampling=openbragg.Sampling(oversample=2),
    )
    truth = openbragg.Simulation(
        experiment,
        structure_factors=openbragg.plugin("structure_factors", "hkl", reflections=(indices, amplitudes)),
        lattice_shape="gauss_index",
        noise="poisson",
        backgrounds=(openbragg.plugin("backgrounds", "uniform", per_pixel=3.0),),
        engine="compiled",
    )
    listed: dict[str, Any] = {}
    for place in range(number):
        angles = draws.uniform(-math.pi, math.pi, 3)
        image, one = f"still_{place + 1:05d}.cbf", Path("one.expt")
        noisy = truth.evolve(sampling=attrs.evolve(experiment.sampling, seed=place))
        _turned(noisy, angles).write(image)
        start = _turned(truth, angles + draws.uniform(-_OFF, _OFF, 3))
        with one.open("wb") as stream:
            openbragg.plugin("truth_formats", "dials-experiments").write_truth(stream, one, start.truth())
        found = json.loads(one.read_text(encoding="utf-8"))
        listed = listed or {**found, "crystal": [], "experiment": [], "imageset": []}
        listed["crystal"] += found["crystal"]
        listed["imageset"].append({"__id__": "ImageSet", "images": [image]})
        listed["experiment"].append({**found["experiment"][0], "crystal": place, "imageset": place})
    Path("start.expt").write_text(json.dumps(listed), encoding="utf-8")
    openbragg.write_hkl_table(Path("F.hkl"), indices, amplitudes)


def _turned(simulation: Any, angles: Any) -> Any:
    """The same with its crystal turned otherwise."""
    import attrs

    return simulation.evolve(crystal=attrs.evolve(simulation.experiment.crystal, misset=tuple(angles.tolist())))


if __name__ == "__main__":
    _make(int(sys.argv[1]), float(sys.argv[2]))
