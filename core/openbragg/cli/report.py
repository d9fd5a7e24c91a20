"""What a run says when it is done: what was chosen, what came out, and where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbragg.cli.selection import Selected
from openbragg.cli.words import warn
from openbragg.orchestrator.outputs.outputs import Output
from openbragg.roles import ClosedMosaicModel
from openbragg.units import unit

if TYPE_CHECKING:
    from openbragg.orchestrator.layout import Layout
    from openbragg.orchestrator.rendering import Rendering
    from openbragg.orchestrator.series.series_job import SeriesJob
    from openbragg.orchestrator.simulation import Simulation


class Said:
    """Notices, each said once: of a quirk that concerns many images, the first."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._keys: set[str] = set()

    def say_at_once(self, line: str) -> None:
        """Say a line that cannot wait."""
        self.say([line])

    def say(self, lines: Iterable[str]) -> None:
        """Say those lines that were not said yet."""
        for line in lines:
            key = line.partition(":")[0] if ": the reference " in line else line
            if key not in self._keys:
                self._keys.add(key)
                self.lines.append(line)
                warn(f"notice: {line}")


def report_choices(simulation: Simulation, selected: Selected, expecting: bool = True) -> dict[str, str]:
    """What was chosen for an image, and, `expecting` it, how long it will take.

    Returns
    -------
    What was said, by its words.
    """
    made = _choices(simulation.layout(), selected)
    if expecting:
        made["expected time"] = simulation.expected_time().text()
    _print(made)
    return made


def _choices(layout: Layout, selected: Selected) -> dict[str, str]:
    sampling = layout.experiment.sampling
    made = dict(layout.choices.made)
    made.setdefault("mosaic domains", _domains(layout))
    made.setdefault("oversampling", f"{sampling.oversample} x {sampling.oversample} subpixels")
    made["lattice shape"] = selected.roles["lattice_shapes"].name
    if layout.plan.diffuse is not None:
        made["diffuse"] = layout.plan.diffuse.name
    if selected.backgrounds:
        made["backgrounds"] = ", ".join(background.name for background in selected.backgrounds)
    return made


def _domains(layout: Layout) -> str:
    mosaic, crystal = layout.parts.mosaic, layout.experiment.crystal
    if isinstance(mosaic, ClosedMosaicModel) and mosaic.deviation(crystal) > 0.0:
        return "all orientations in one term, in closed form"
    return str(crystal.mosaic_domains)


def report(rendering: Rendering, said: dict[str, str], wanted: list[Output], left_out: Iterable[Output] = ()) -> None:
    """What came out of an image, where it lies, and what the reference would have written; `said` was said before."""
    from openbragg.orchestrator.outputs.statistics import statistics

    sampling = rendering.experiment.sampling
    _print({word: value for word, value in rendering.choices.made.items() if said.get(word) != value})
    for culled in rendering.culled:
        click.echo(
            f"{'culled':<16}{culled.skipped():.1%} of {culled.of}; no pixel lacks more than {culled.bound:.3g} photons"
        )
    assert sampling.region is not None  # resolved
    numbers = statistics(rendering.frame(), sampling.region, rendering.mask())
    click.echo(f"{'largest':<16}{numbers.largest:.6g} photons at slow {numbers.slow}, fast {numbers.fast}")
    click.echo(f"{'mean':<16}{numbers.mean:.6g}")
    click.echo(f"{'rms':<16}{numbers.rms:.6g}, rmsd {numbers.rmsd:.6g}")
    _print_files(wanted)
    if names := ", ".join(str(output.path) for output in left_out):
        click.echo(f"{'not written':<16}{names} (defaults, which the reference writes in any case)")


def report_choices_of_series(job: SeriesJob, made: dict[str, str]) -> None:
    """What was chosen for a series, and how long it will take, before it is rendered; `made` has what files said."""
    layout = job.simulation.layout()
    scan = layout.experiment.scan
    made = {**layout.choices.made, **made}
    degrees = unit("deg").from_si
    start, width = degrees(float(scan.start)), degrees(float(scan.range or 0.0))
    end = start + job.images * width
    made["series"] = f"{job.images} images of {width:g} degrees, from {start:g} to {end:g}"
    if any(each.output.output.content == "counts" for each in job.files):
        made["noise seed"] = f"{job.seed}, for each image one of its own"
    missing = len(job.missing())
    if missing:
        made["expected time"] = f"{job.simulation.expected_time(missing).text()} for {missing} images"
    _print(made)


def report_series(job: SeriesJob, record: Path | None) -> None:
    """Where the images of a series lie."""
    for each in job.files:
        output, (first, *others) = each.output.output, list(each.output.paths())
        names = str(first) if not others else f"{first} ... {others[-1]}"
        click.echo(f"{'wrote':<16}{names} ({output.format.name}, {output.content})")
    _print_files(job.truths)
    if record is not None:
        click.echo(f"{'wrote':<16}{record} (record)")


def _print(made: dict[str, str]) -> None:
    for word, value in made.items():
        click.echo(f"{word:<15} {value}")


def _print_files(wanted: Iterable[Output]) -> None:
    for output in (output for output in wanted if not output.stdout):
        click.echo(f"{'wrote':<16}{output.path} ({output.format.name}, {output.content})")
