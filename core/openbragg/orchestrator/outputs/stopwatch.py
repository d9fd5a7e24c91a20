"""The time that the parts of a run take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def process_age() -> float | None:
    """Seconds since the system started this process, as Linux tells it, to a hundredth; None elsewhere."""
    try:
        text = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        # The program's name, in parentheses, may hold anything; the start, in ticks after boot, is the 20th word after.
        ticks = int(text.rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return None
