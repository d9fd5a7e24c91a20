"""How many labelled images a second `openbragg dataset` makes, over whole runs from the command to the manifest."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openbragg.errors import InputError

SUMMARY = "1,000 stills of 1024 x 1024 pixels, up to 3 crystals, background, noise, spot masks, reflections, all cores"

_RECIPE, _TABLE = "spot-finding.toml", "lysozyme.mtz"
#: Shots of a run, and of the one before them, which may compile.
_SHOTS, _FIRST = 1000, 2
#: What of the recipe becomes larger: as many millimetres in twice as many pixels a side.
_LARGER = ((r"-detpixels 512 -pixel 0\.2", "-detpixels 1024 -pixel 0.1"),)


def measure_dataset(
    python: tuple[str, ...],
    environment: Mapping[str, str],
    examples: Path,
    workers: int,
    repeats: int,
    timeout: float | None,
) -> dict[str, Any]:
    """Make data sets from the recipe for spot finding; images a second of each run, and the main process's memory.

    Raises
    ------
    InputError
        When it fails.
    """
    from benchmarks.processes import run

    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        folder = Path(name)
        recipe = folder / _RECIPE
        recipe.write_text(_larger((examples / _RECIPE).read_text(encoding="utf-8")), encoding="utf-8")
        shutil.copy(examples / _TABLE, folder)
        command = (*python, "-m", "openbragg", "dataset", str(recipe), "--workers", str(workers))
        rates, memory = [], 0
        for number, shots in enumerate([_FIRST, *[_SHOTS] * repeats]):
            out = folder / f"{number}"
            finished = run((*command, "--shots", str(shots), "-o", str(out)), folder, environment, timeout=timeout)
            shutil.rmtree(out)
            if number:
                rates.append(shots / finished.seconds)
                memory = max(memory, finished.peak_memory)
    return {"images_per_second": rates, "peak_memory_bytes": memory}


def _larger(recipe: str) -> str:
    for pattern, replacement in _LARGER:
        recipe, count = re.subn(pattern, replacement, recipe)
        if count != 1:
            raise InputError(f"{_RECIPE}: expected {pattern} once, for an image of a million pixels")
    return recipe
