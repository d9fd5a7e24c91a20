"""How long the parts of a run take, and how much memory it takes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg.orchestrator.outputs import write_text

if TYPE_CHECKING:
    from openbragg.orchestrator.simulate import Rendering

#: The parts of a run, in their order; one that did not happen took no time.
STAGES = ("layout", "compile", "render", "noise", "write")


class Stopwatch:
    """Takes the time of a run's stages.

    Parameters
    ----------
    before
        Seconds that the process has run already; None where that is unknown.
    """

    def __init__(self, before: float | None = None) -> None:
        self._before = before
        self._begin = time.perf_counter()
        self._spent = dict.fromkeys(STAGES, 0.0)

    @classmethod
    def since_process_start(cls) -> Stopwatch:
        """A stopwatch that counts what the process did until now: starting, loading libraries, reading flags."""
        return cls(process_age())

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Take the time of a block; a stage that comes again is added up."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] = self._spent.get(name, 0.0) + time.perf_counter() - begin

    def move(self, seconds: float, origin: str, stage: str) -> None:
        """Count seconds of one stage to another, of which they were a part."""
        self._spent[origin] -= seconds
        self._spent[stage] += seconds

    def seconds(self) -> dict[str, float | None]:
        """Seconds before the watch was started (``start``), of each stage, and of all until now (``total``)."""
        total = (self._before or 0.0) + time.perf_counter() - self._begin
        return {"start": self._before, **self._spent, "total": total}


def write_timings(
    path: Path, rendering: Rendering, precision: str, device: str, threads: int | None, stopwatch: Stopwatch
) -> None:
    """Write as JSON what a run took, up to now.

    Raises
    ------
    InputError
        When the system refuses.
    """
    content = timings(rendering, precision, device, threads, stopwatch)
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def timings(
    rendering: Rendering, precision: str, device: str, threads: int | None, stopwatch: Stopwatch
) -> dict[str, Any]:
    """What a run took; docs/benchmarks.md says what the keys mean. Without a number of threads they are torch's."""
    import torch

    from openbragg import __version__

    pixels = _rendered_pixels(rendering)
    return {
        "openbragg": str(__version__),
        "engine": "compiled" if rendering.use.compiled else "eager",
        "threads": threads or torch.get_num_threads(),
        "precision": precision,
        "device": device,
        "pixels": pixels,
        "terms": pixels * rendering.plan.terms_per_pixel(),
        "seconds": stopwatch.seconds(),
        "peak_memory_bytes": peak_memory(),
        "peak_device_memory_bytes": torch.cuda.max_memory_allocated() if rendering.plan.device.type == "cuda" else None,
    }


def process_age() -> float | None:
    """Seconds since the system started this process, as Linux tells it, to a hundredth; None elsewhere."""
    try:
        text = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        # The program's name, in parentheses, may hold anything; the start, in ticks after boot, is the 20th word after.
        ticks = int(text.rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def peak_memory() -> int | None:
    """The most memory that this process has held, in bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _rendered_pixels(rendering: Rendering) -> int:
    """The pixels that were summed: of all panels, or those of the region that no mask hides."""
    panels, region, mask = rendering.plan.panels, rendering.experiment.sampling.region, rendering.mask()
    if len(panels) > 1 or region is None:
        return sum(slow * fast for slow, fast in (panel.pixels for panel in panels))
    first_fast, last_fast, first_slow, last_slow = region
    if mask is not None:
        return int((mask[first_slow : last_slow + 1, first_fast : last_fast + 1] != 0).sum())
    return (last_fast - first_fast + 1) * (last_slow - first_slow + 1)
