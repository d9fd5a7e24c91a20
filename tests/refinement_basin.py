#!/usr/bin/env python3
"""How far off a start may be: crystals that come back, that are refused, and that end elsewhere, as a table.

    python tests/refinement_basin.py [--crystals 8] [--seed 3]

The crystals are orthorhombic and triclinic by turns, on a small detector; each has another orientation, and its cell is
off by 0.5 % throughout. A crystal is back when every parameter is within four of its standard deviations of the truth.
"""

import argparse
import tempfile
from pathlib import Path

import attrs
import numpy as np

import openbragg
from own_problems import RIGHT, Kind, write
from refine_problems import solved

#: Degrees that starts are off.
TURNED = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
LIMIT = 4.0
KINDS = (
    Kind("basin_orthorhombic", "P222", (58, 66, 81, *RIGHT), pixels=(240, 250), pixel_mm=0.2, oversample=2),
    Kind("basin_triclinic", "P1", (48, 61, 70, 82, 98, 105), pixels=(240, 250), pixel_mm=0.2, oversample=2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crystals", type=int, default=8)
    parser.add_argument("--seed", type=int, default=3)
    asked = parser.parse_args()
    print("| start is off by | back | refused in a line | elsewhere |\n| --- | --- | --- | --- |")
    for turned in TURNED:
        ends = [end(turned, asked.seed, number) for number in range(asked.crystals)]
        counts = [ends.count(word) for word in ("back", "refused", "elsewhere")]
        print(f"| {turned:g}° | {counts[0]} | {counts[1]} | {counts[2]} |", flush=True)


def end(turned: float, seed: int, number: int) -> str:
    """How the refinement of a crystal ends."""
    kind = attrs.evolve(KINDS[number % len(KINDS)], turned=turned)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(kind, folder, np.random.default_rng([seed, number]))
        try:
            _, pulls = solved(folder, "eager")
        except openbragg.OpenBraggError:
            return "refused"
    return "back" if all(abs(pull) < LIMIT for pull in pulls.values()) else "elsewhere"


if __name__ == "__main__":
    main()
