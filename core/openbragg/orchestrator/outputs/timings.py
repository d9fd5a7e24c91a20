"""How long the parts of a run take, and how much memory it takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from openbragg.orchestrator.outputs.outputs import write_text
from openbragg.orchestrator.outputs.stopwatch import Stopwatch
from openbragg.orchestrator.rendering import Rendering
from openbragg.version import own_version


def write_timings(path: Path, rendering: Rendering, device: str, threads: int | None, stopwatch: Stopwatch) -> None:
    """Write as JSON what a run took, up to now.

    Raises
    ------
    InputError
        When the system refuses.
    """
    content = timings(rendering, device, threads, stopwatch)
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def timings(rendering: Rendering, device: str, threads: int | None, stopwatch: Stopwatch) -> dict[str, Any]:
    """What a run took, as docs/reference/benchmarks.md explains it. Without a number of threads they are torch's."""
    import torch

    pixels = _rendered_pixels(rendering)
    return {
        "openbragg": own_version(),
        "engine": "compiled" if rendering.use.compiled else "eager",
        "threads": threads or torch.get_num_threads(),
        "precision": "double" if rendering.plan.lattice.dtype == torch.float64 else "mixed",
        "device": device,
        "pixels": pixels,
        "terms": pixels * rendering.plan.terms_per_pixel(),
        "seconds": stopwatch.seconds(),
        "peak_memory_bytes": peak_memory(),
        "peak_device_memory_bytes": torch.cuda.max_memory_allocated() if rendering.plan.device.type == "cuda" else None,
    }


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
