"""How many labelled images a second `openbragg dataset` makes, over whole runs from the command to the manifest.

And how fast they are read: this file run as a program with the folder of a data set prints seconds of each way.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openbragg.errors import InputError

SUMMARY = "{} stills of 1024 x 1024 pixels, up to 3 crystals, background, noise, spot masks, reflections, all cores"

_RECIPE, _TABLE = "spot-finding.toml", "lysozyme.mtz"
#: Shots of the run before the others, which may compile.
_FIRST = 2
#: Times that all shots are read in each way, in turns.
_PASSES = 6
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

    Images a second of each run, seconds of processor an image, the memory of the largest process, and seconds in which
    all shots of the first run are read.

    Raises
    ------
    InputError
        When it fails.
    """
    from benchmarks.processes import Finished, printed, run

    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        folder = Path(name)
        recipe = folder / _RECIPE
        recipe.write_text(_larger((examples / _RECIPE).read_text(encoding="utf-8")), encoding="utf-8")
        shutil.copy(examples / _TABLE, folder)
        command = (*python, "-m", "openbragg", "dataset", str(recipe))

        def made(number: int, crew: int) -> Finished:
            words = ("--workers", str(crew), "--shots", str(number), "-o", str(folder / "set"))
            finished = run((*command, *words), folder, environment, timeout=timeout)
            if number == shots and not reading:
                reading.update(printed(__file__, (folder / "set",), python, environment, 1, timeout))
            shutil.rmtree(folder / "set")
            return finished

        reading: dict[str, list[float]] = {}

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
        "reading_seconds": reading,
    }


def _read(folder: Path) -> dict[str, list[float]]:
    """Seconds in which all shots are read: as samples, with their rows of tables; their pixels alone; these by h5py."""
    import h5py
    import hdf5plugin  # noqa: F401

    import openbragg

    def samples() -> None:
        opened = openbragg.datasets.open(folder)
        for place in range(len(opened)):
            opened[place]

    def arrays() -> None:
        opened = openbragg.datasets.open(folder)
        for place in range(len(opened)):
            for name in opened.arrays:
                opened.array(name, place)

    names = openbragg.datasets.open(folder).arrays

    def by_hand() -> None:
        for file in sorted(folder.glob("shards/*.h5")):
            with h5py.File(file) as shard:
                held = [shard[name] for name in names]
                for place in range(len(held[0])):
                    for array in held:
                        array[place]

    ways = {"samples": samples, "opened": arrays, "by_hand": by_hand}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_PASSES + 1):
        # Forwards and backwards, so that none always follows the same other; the first time reads from the disk.
        for name in list(ways)[:: 1 if number % 2 else -1]:
            begin = time.perf_counter()
            ways[name]()
            if number:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def _larger(recipe: str) -> str:
    for pattern, replacement in _LARGER:
        recipe, count = re.subn(pattern, replacement, recipe)
        if count != 1:
            raise InputError(f"{_RECIPE}: expected {pattern} once, for an image of a million pixels")
    return recipe


if __name__ == "__main__":
    print(json.dumps(_read(Path(sys.argv[1]))))
