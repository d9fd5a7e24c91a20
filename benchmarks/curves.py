"""How time and memory grow with the number of pixels and of steps, each over two orders of magnitude."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from benchmarks.cases import Case
from benchmarks.measure import Observation, measure
from benchmarks.programs import Program, contestants
from benchmarks.summaries import exponent, slope, summarise

_CRYSTAL = "-cell 70 80 90 75 85 95 -default_F 100 -lambda 1 -distance 100 -N 20 -oversample 1"
_MOSAIC = "-mosaic 0.5 -mosaic_seed 1 -osc 1"

#: Runs of each size, at most: what else a machine does adds to some of them, and the least counts.
_MOST_REPEATS = 3
#: Most that time may grow as a power of the size; what a run costs once makes it less than 1.
LARGEST_EXPONENT = 1.1
#: Most bytes that a pixel may take: the image, what is summed and what is written, a few words each.
LARGEST_PIXEL = 120.0
#: Most bytes by which memory may grow with a hundredfold of steps.
LARGEST_GROWTH = 64e6


@attrs.frozen
class Curve:
    """A quantity that grows: its name, its values, the flags that make a run of each, and those that only ours gets."""

    name: str
    values: tuple[int, ...]
    flags: Callable[[int], str]
    own: tuple[str, ...] = ()


PIXELS = Curve(
    "pixels",
    tuple(side * side for side in (160, 280, 506, 900, 1600)),
    lambda pixels: f"-detpixels {round(pixels**0.5)} -pixel {160.0 / pixels**0.5} -phisteps 5 -mosaic_domains 10",
)
STEPS = Curve(
    "steps",
    (10, 30, 100, 320, 1000),
    lambda steps: f"-detpixels 256 -pixel 0.4 -phisteps 5 -mosaic_domains {steps // 5}",
)
#: The same of a sum from reflections: Gaussian spots of lysozyme on a detector of a given size.
_CULLED = ("--cull", "1e-6")
_SPOTS = "-cell 79 79 38 90 90 90 -distance 200 -gauss_index"
CULLED_PIXELS = Curve(
    "culled pixels",
    tuple(side * side for side in (400, 720, 1265, 2250, 4000)),
    lambda pixels: (
        f"{_SPOTS} -N 50 -detpixels {round(pixels**0.5)} -pixel {330.0 / pixels**0.5} -phisteps 10 -mosaic_domains 10"
    ),
    _CULLED,
)
CULLED_ORIENTATIONS = Curve(
    "culled orientations",
    (100, 320, 1000, 3200, 10000),
    lambda count: f"{_SPOTS} -N 50 -detpixels 1265 -pixel 0.26 -phisteps 10 -mosaic_domains {count // 10}",
    _CULLED,
)
CULLED_CELLS = Curve(
    "culled cells",
    (10, 32, 100, 320, 1000),
    lambda count: f"{_SPOTS} -N {count} -detpixels 1265 -pixel 0.26 -phisteps 10 -mosaic_domains 10",
    _CULLED,
)
#: All of them, in the order in which they are measured.
CURVES = (PIXELS, STEPS, CULLED_PIXELS, CULLED_ORIENTATIONS, CULLED_CELLS)


def measure_curve(
    curve: Curve,
    program: Program,
    *,
    repeats: int,
    threads: int,
    timeout: float | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure a curve of this project's program: its points, and what was fitted to them.

    Raises
    ------
    InputError
        When a run fails.
    """
    runs: dict[int, list[Observation]] = {value: [] for value in curve.values}
    for repeat in range(min(repeats, _MOST_REPEATS)):
        # Up and down in turn, so that what comes and goes on the machine does not bend the curve.
        for value in curve.values if repeat % 2 == 0 else reversed(curve.values):
            flags = tuple(f"{_CRYSTAL} {_MOSAIC} {curve.flags(value)}".split())
            case = Case(f"{curve.name} {value}", "", flags, (), own=curve.own)
            say(f"{value} {curve.name}, {repeat + 1} of {min(repeats, _MOST_REPEATS)}")
            # One code serves all sizes.
            first = repeat == 0 and value == curve.values[0]
            alone = contestants(case, [program], threads)
            measured = measure(case, alone, repeats=1, threads=threads, timeout=timeout, warm_up=first)
            runs[value] += measured.observations[program.name]
    return fitted(curve.name, list(runs.items()))


def fitted(name: str, points: list[tuple[int, list[Observation]]]) -> dict[str, Any]:
    """The points of a curve, of each the least time and the median memory; and how both grow."""
    sizes = [float(value) for value, _ in points]
    seconds = [summarise([run.kernel or 0.0 for run in runs]).smallest for _, runs in points]
    memory = [summarise([float(run.peak_memory) for run in runs]).median for _, runs in points]
    grown, each = memory[-1] - memory[0], slope(sizes, memory)
    power = exponent(sizes, [max(value, 1e-9) for value in seconds])
    bounded = each <= LARGEST_PIXEL if name in (PIXELS.name, CULLED_PIXELS.name) else grown <= LARGEST_GROWTH
    return {
        "name": name,
        "sizes": [value for value, _ in points],
        "kernel_seconds": seconds,
        "peak_memory_bytes": memory,
        "exponent": power,
        "exponent_of_upper_half": exponent(sizes[len(sizes) // 2 :], seconds[len(sizes) // 2 :]),
        "memory_growth_bytes": grown,
        "memory_bytes_each": each,
        "linear": power <= LARGEST_EXPONENT,
        "bounded": bounded,
    }
