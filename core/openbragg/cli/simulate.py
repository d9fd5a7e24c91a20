"""``openbragg simulate``: flags in, pictures out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbragg.cli.command_line import understand
from openbragg.cli.compose import given, read_as
from openbragg.cli.progress import progress_bar
from openbragg.cli.reference_flags import BEGINNINGS, Given
from openbragg.cli.registry import common_sections, simulation_sections
from openbragg.cli.replay import Replay, ReplayingCommand, provenance, refuse_strange
from openbragg.cli.report import Said, report_choices
from openbragg.cli.report import report as print_report
from openbragg.cli.selection import defaults_left_out, images_to_write
from openbragg.cli.series import simulate_series
from openbragg.cli.settings import Output, Printout, Provenance, SeriesChoice, Timing
from openbragg.cli.words import warn
from openbragg.errors import UsageError
from openbragg.orchestrator.outputs import outputs
from openbragg.orchestrator.outputs.destinations import refuse_unsayable
from openbragg.roles import Registry

if TYPE_CHECKING:
    from openbragg.orchestrator.layout import Layout
    from openbragg.orchestrator.rendering import Rendering


def command(registry: Registry) -> click.Command:
    """Make the command from the core's options and those of every plugin."""

    def run() -> None:
        context = click.get_current_context()
        recorded = provenance(context)
        with outputs.together(recorded[1].refuse_strange if recorded[1] is not None else None):
            simulate(registry, given(context), read_as(context), recorded)
            # A run of which nobody can read the report has failed, too.
            sys.stdout.flush()

    sections = simulation_sections(registry)
    return ReplayingCommand(
        "simulate",
        sections,
        registry,
        beginnings=BEGINNINGS,
        shorter=common_sections(sections),
        callback=run,
        help="Render the diffraction image of a small crystal on an absolute scale.\n\n"
        "Flags are those of nanoBragg.c; later ones win. Each has a double-dash alias.",
    )


def simulate(
    registry: Registry, words: Given, spellings: dict[str, str], recorded: tuple[Provenance, Replay | None]
) -> None:
    """Run a simulation from flags in their order, and write its files.

    `spellings` are words that were taken for flags which they only begin like. `recorded` says where the run is written
    down, and which one it repeats.
    """
    settings, replay = recorded
    line = understand(registry, words, spellings, settled=replay.flags if replay is not None else ())
    series: SeriesChoice = line.options(SeriesChoice)
    if series.images is not None:
        simulate_series(registry, line, recorded)
        return
    if series.restart:
        raise UsageError("-restart: expected with -images")
    printout: Printout = line.options(Printout)
    timings = _timings_files(line.options(Timing))
    wanted = images_to_write(line.selected, ["photons", "counts"])
    refuse_unsayable(line.selected.truths, line.experiment)
    truths = outputs.requested(line.selected.truths)
    outputs.check([*wanted, *truths, *timings])
    refuse_strange([*wanted, *truths, *timings], replay)

    said = Said()
    simulation = line.simulation(said.say_at_once)
    from openbragg.orchestrator.job import prepare_job
    from openbragg.orchestrator.outputs.stopwatch import Stopwatch
    from openbragg.orchestrator.outputs.timings import write_timings

    record = Path(settings.record) if settings.record is not None else None
    job = prepare_job(
        registry, simulation, wanted, line.selected.truths, record, replay, timings, line.selected.tracers
    )
    line.notices[:0] = replay.notices() if replay is not None else []
    stopwatch = Stopwatch.since_process_start()
    chosen: dict[str, str] = {}

    printing = printout.every or printout.pixel is not None
    # What other programs read of stdout comes first.
    later = printing or any(output.stdout for output in truths)

    def begins(layout: Layout) -> None:
        layout.choices.made.update(line.made)
        said.say([*line.notices, *layout.choices.notices])
        if not later:
            chosen.update(report_choices(simulation, line.selected))

    with progress_bar(False if printing else line.options(Output).progress) as progress:
        rendering = job.render(progress, stopwatch, begins)
    with stopwatch.stage("noise"):
        pictures = job.pictures(rendering)
    said.say([*line.notices, *rendering.choices.notices])
    if printing and rendering.others:
        said.say(["what is printed is of the mounted crystal alone, but for the line of the whole pixel"])
    if printing:
        _print_pixels(rendering, printout.pixel)
    with stopwatch.stage("write"):
        job.write(rendering, pictures)
    for text in job.record(rendering, pictures, said.lines):
        warn(f"notice: {text}")
    for file in timings:
        write_timings(file.path, rendering, str(simulation.device), simulation.threads, stopwatch)
    if later:
        chosen.update(report_choices(simulation, line.selected, expecting=False))
    left_out = defaults_left_out(line.selected, ["photons", "counts"], wanted)
    print_report(rendering, chosen, [*wanted, *truths], left_out)
    if record is not None:
        click.echo(f"{'wrote':<16}{record} (record)")
    for file in timings:
        click.echo(f"{'wrote':<16}{file.path} (timings)")


def _timings_files(settings: Timing) -> list[outputs.Output]:
    """The file for the timings, where one is asked for."""
    return [outputs.Output(Path(settings.file), None, "timings", "-timings")] if settings.file is not None else []


def _print_pixels(rendering: Rendering, chosen: tuple[int, int] | None) -> None:
    """What pixels are made of, on stdout."""
    from openbragg.orchestrator.outputs.printout import printed_pixels

    for text in printed_pixels(rendering, chosen):
        click.echo(text)
