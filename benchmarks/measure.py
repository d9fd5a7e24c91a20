"""One case measured: its programs in turn, repeat after repeat, and their images compared before any time counts."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.agreement import Agreement, compare
from benchmarks.cases import FULL_SUM, ONE_TABLE, REFERENCE, Case
from benchmarks.limit import Throughput, measure_throughput
from benchmarks.processes import run
from benchmarks.programs import IMAGE, OURS, TIMINGS, Contestant
from openbragg.errors import InputError


@attrs.frozen
class Observation:
    """One run of one program.

    Attributes
    ----------
    whole
        Seconds from start to end.
    kernel
        Seconds of the sum, of a part of it as many as the whole would take; None of a program that has none, or too
        short a one.
    peak_memory
        Bytes.
    timings
        What the program says of itself.
    """

    whole: float
    kernel: float | None
    peak_memory: int
    timings: dict[str, Any] | None = None

    def unwritten(self) -> float:
        """Seconds from start to end but for writing files, as far as the program says."""
        seconds = {} if self.timings is None else self.timings["seconds"]
        return self.whole - float(seconds.get("write") or 0.0)


@attrs.frozen
class Measurement:
    """What was measured of a case.

    Attributes
    ----------
    case
        The case.
    observations
        By program, one a repeat; empty when the images disagree.
    agreements
        Of our image with the standard, and of other programs' images with it, the worst repeat of each.
    throughputs
        Of the machine, one a repeat, where operations are counted.
    """

    case: Case
    observations: Mapping[str, list[Observation]]
    agreements: Mapping[str, Agreement]
    throughputs: list[Throughput]

    def agrees(self) -> bool:
        """Whether all images agree."""
        return all(agreement.holds() for agreement in self.agreements.values())


def measure(
    case: Case,
    contestants: Sequence[Contestant],
    *,
    repeats: int,
    threads: int,
    timeout: float | None,
    warm_up: bool = True,
    on_cpu: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> Measurement:
    """Run the programs of a case.

    In every repeat each program runs once, forwards in one and backwards in the next, so that what comes and goes on
    the machine meets all of them. To warm up, each of this project's programs runs once before, for it may compile.

    Raises
    ------
    InputError
        When a program fails.
    """
    observations: dict[str, list[Observation]] = {contestant.name: [] for contestant in contestants}
    worst: dict[str, Agreement] = {}
    throughputs = []
    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        runner = _Runner(case, Path(name), timeout)
        for contestant in contestants:
            if warm_up and contestant.name != REFERENCE:
                say(f"{contestant.name}, not counted")
                runner.observe(contestant)
        for repeat in range(repeats):
            for contestant in contestants if repeat % 2 == 0 else reversed(contestants):
                say(f"{contestant.name}, {repeat + 1} of {repeats}")
                observations[contestant.name].append(runner.observe(contestant))
            if case.counted and on_cpu:
                throughputs.append(measure_throughput(threads, Path(name)))
            for other, agreement in runner.agreements(contestants):
                # Of NaN nothing is larger.
                if other not in worst or not agreement.difference <= worst[other].difference:
                    worst[other] = agreement
            if not all(agreement.holds() for agreement in worst.values()):
                return Measurement(case, {}, worst, [])
    return Measurement(case, observations, worst, throughputs)


@attrs.frozen
class _Runner:
    """Runs commands of a case, each in an empty folder with the case's inputs."""

    case: Case
    folder: Path
    timeout: float | None

    def observe(self, contestant: Contestant) -> Observation:
        place = self._place()
        finished = run(contestant.command, place, contestant.environment, timeout=self.timeout)
        if contestant.image:
            try:
                (place / IMAGE).replace(self._image(contestant.name))
            except OSError:
                raise InputError(f"{contestant.name}: it wrote no {IMAGE}") from None
        kernel, timings = None, None
        if contestant.timings:
            timings = read_timings(place / TIMINGS)
            kernel = float(timings["seconds"]["render"])
        elif contestant.beside is not None:
            rest = run(contestant.beside, self._place(), contestant.environment, timeout=self.timeout)
            # A sum so short that the difference is lost in what the machine does besides has not been measured.
            kernel = finished.seconds - rest.seconds if finished.seconds > rest.seconds else None
        whole = None if kernel is None else kernel * contestant.scale
        return Observation(finished.seconds, whole, finished.peak_memory, timings)

    def agreements(self, contestants: Iterable[Contestant]) -> list[tuple[str, Agreement]]:
        """How the images of the last repeat compare with the standard: the reference's, or the next best."""
        others = (REFERENCE,) if self.case.stand_in else ()
        names = [each.name for each in contestants if each.image and each.name not in others]
        standard = next((name for name in (REFERENCE, FULL_SUM, ONE_TABLE) if name in names), names[-1])
        part = self.case.part if standard in (REFERENCE, FULL_SUM) else None
        return [
            (name, compare(self._image(standard), self._image(name), self.case.tolerance, standard, part))
            for name in names
            if name != standard
        ]

    def _image(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '_').replace('/', '_')}.bin"

    def _place(self) -> Path:
        place = self.folder / "run"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, file in self.case.inputs.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(file.resolve())
        return place


def read_timings(file: Path) -> dict[str, Any]:
    """What ``--timings`` wrote.

    Raises
    ------
    InputError
        When it is not there, or lacks what is needed.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        float(content["seconds"]["render"]), int(content["terms"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{OURS}: expected timings with seconds.render and terms") from None
    return content


def progress(text: str) -> None:
    """Say on a terminal what runs at the moment."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
