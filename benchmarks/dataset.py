"""How many labelled images a second `openbragg dataset` makes, over whole runs from the command to the manifest."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openbragg.errors import InputError

SUMMARY = "{} stills of 1024 x 1024 pixels, up to 3 crystals, background, noise, spot masks, reflections, all cores"

_RECIPE, _TABLE = "spot-finding.toml", "lysozyme.mtz"
#: Shots of the run before the others, which may compile.
_FIRST = 2
#: What of the recipe becomes larger: as many millimetres in twice as many pixels a side.
_LARGER = ((r"-detpixels 512 -pixel 0\.2", "-detpixels 1024 -pixel 0.1"),)


def measure_dataset(
    python: tuple[str, ...],
    environment: Mapping[str, str],
    examples: Path,
    workers: int,
    shots: int,
    repeats: int,
    timeout: float | None,
) -> dict[str, Any]:
    """Make data sets from the recipe for spot finding, with all workers, and with half of them, of as many shots each.

    Images a second of each run, seconds of processor an image, and the memory of the largest process.

    Raises
    ------
    InputError
        When it fails.
    """
    from benchmarks.processes import Finished, run

    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        folder = Path(name)
        recipe = folder / _RECIPE
        recipe.write_text(_larger((examples / _RECIPE).read_text(encoding="utf-8")), encoding="utf-8")
        shutil.copy(examples / _TABLE, folder)
        command = (*python, "-m", "openbragg", "dataset", str(recipe))

        def made(number: int, crew: int) -> Finished:
            words = ("--workers", str(crew), "--shots", str(number), "-o", str(folder / "set"))
            finished = run((*command, *words), folder, environment, timeout=timeout)
            shutil.rmtree(folder / "set")
            return finished

        made(_FIRST, workers)
        half = workers // 2
        runs, halves = [], []
        for _ in range(repeats):
            runs.append(made(shots, workers))
            if half:
                halves.append(made(max(1, shots * half // workers), half))
    return {
        "shots": shots,
        "images_per_second": [shots / finished.seconds for finished in runs],
        "half_per_second": [max(1, shots * half // workers) / finished.seconds for finished in halves],
        "processor_seconds_an_image": [finished.processor / shots for finished in runs],
        "peak_memory_bytes": max(finished.peak_memory for finished in runs),
    }


def _larger(recipe: str) -> str:
    for pattern, replacement in _LARGER:
        recipe, count = re.subn(pattern, replacement, recipe)
        if count != 1:
            raise InputError(f"{_RECIPE}: expected {pattern} once, for an image of a million pixels")
    return recipe
