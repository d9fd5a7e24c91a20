"""``openbragg simulate``: flags in, pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbragg.cli.asked import understand
from openbragg.cli.compose import assignments_of, construct, given, read_as
from openbragg.cli.loading import load_torch
from openbragg.cli.main import warn
from openbragg.cli.progress import progress_bar
from openbragg.cli.recording import prepare, several
from openbragg.cli.reference_flags import BEGINNINGS, Given
from openbragg.cli.registry import load_registry, simulation_sections
from openbragg.cli.replay import Replay, ReplayingCommand, provenance
from openbragg.cli.selection import Selected, images_to_write, truths_to_write
from openbragg.cli.series import simulate_series
from openbragg.cli.settings import Output, Printout, Provenance, SeriesChoice, Timing
from openbragg.cli.trace import (
    TraceFiles,
    check_tracing,
    chosen_tracers,
    refuse_idle_flags,
    trace_files,
    trace_outputs,
    traced_pixels,
    write_traces,
)
from openbragg.errors import UsageError
from openbragg.orchestrator import outputs
from openbragg.orchestrator.reflections import with_cache
from openbragg.orchestrator.registry import Registry
from openbragg.orchestrator.timings import Stopwatch, write_timings
from openbragg.roles import WrittenImages

if TYPE_CHECKING:
    from openbragg.orchestrator.simulate import Rendering


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command from the core's options and those of every plugin."""
    registry = load_registry(blocked)

    def run() -> None:
        context = click.get_current_context()
        simulate(registry, given(context), read_as(context), provenance(context))

    return ReplayingCommand(
        "simulate",
        simulation_sections(registry),
        registry,
        beginnings=BEGINNINGS,
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
    replay = recorded[1]
    asked = understand(registry, words, spellings, settled=replay.flags if replay is not None else ())
    words, compat, selected, experiment = asked.words, asked.compat, asked.selected, asked.experiment
    computation, assignments = asked.computation, assignments_of(words)
    if construct(SeriesChoice, assignments).images is not None:
        simulate_series(registry, asked, recorded)
        return
    if construct(SeriesChoice, assignments).restart:
        raise UsageError("-restart: expected with -images")
    pixels, files = traced_pixels(asked), trace_files(asked)
    if pixels:
        check_tracing(registry, asked)
    else:
        refuse_idle_flags(asked)
    printout = construct(Printout, assignments)
    timings = _timings_files(construct(Timing, assignments))
    noise = selected.roles["noise_models"]
    wanted = images_to_write(selected, ["photons", "counts"])
    truths = truths_to_write(selected, experiment)
    plugins = {**selected.roles}
    plugins["structure_factors"] = with_cache(plugins["structure_factors"], compat, selected.notices)
    traces = trace_outputs(files)
    recording = prepare(
        registry,
        words,
        recorded,
        experiment=experiment,
        roles=plugins,
        several=several(selected, chosen_tracers(registry, asked) if pixels else ()),
        wanted=[*wanted, *truths, *traces],
    )
    selected.notices[:0] = replay.notices() if replay is not None else []
    others = [*truths, *traces, *timings, *(recording.outputs() if recording is not None else ())]
    outputs.check([*wanted, *others])

    load_torch()
    from openbragg.orchestrator.simulate import refuse_impossible, render
    from openbragg.orchestrator.truth import check_truth, make_truth, write_truth
    from openbragg.orchestrator.writing import make_pictures, reference_differences, unsaid, write_pictures

    stopwatch = Stopwatch.since_process_start()
    printing = printout.every or printout.pixel is not None
    with progress_bar(False if printing else construct(Output, assignments).progress) as progress:
        rendering = render(
            experiment,
            convention=selected.roles["geometry_conventions"],
            structure_factors=plugins["structure_factors"],
            lattice_shape=selected.roles["lattice_shapes"],
            backgrounds=selected.backgrounds,
            device=computation.device,
            precision=computation.precision,
            compat=compat,
            engine=computation.engine,
            threads=computation.threads,
            cull=computation.cull,
            progress=progress,
            stopwatch=stopwatch,
            check=lambda layout: check_truth(layout, (layout.experiment.scan,), compat, truths),
        )
    refuse_impossible(rendering)
    rendering.choices.made.update(asked.made)
    with stopwatch.stage("noise"):
        frame = rendering.frame()
        pictures = make_pictures(frame, rendering.experiment, rendering.laboratory, noise, wanted, compat)
    if pictures.seed is not None and rendering.experiment.sampling.seed is None:
        rendering.choices.made["noise seed"] = str(pictures.seed)
    rendering.choices.notices.extend((*reference_differences(pictures), *unsaid(pictures)))
    for line in (*selected.notices, *rendering.choices.notices):
        warn(f"notice: {line}")
    if printing:
        _print_pixels(rendering, printout.pixel)
    if pixels:
        write_traces(registry, asked, rendering, pixels, files if files.log or files.json else TraceFiles("-", None))
    with stopwatch.stage("write"):
        write_pictures(pictures)
        if truths:
            images = [WrittenImages(format=o.format, content=o.content, path=o.path, together=True) for o in wanted]
            write_truth(make_truth(rendering, (rendering.experiment.scan,), images, compat), truths)
    if recording is not None:
        for line in recording.finish(rendering, pictures.seed, [*selected.notices, *rendering.choices.notices]):
            warn(f"notice: {line}")
    for file in timings:
        write_timings(file.path, rendering, computation.precision, computation.device, computation.threads, stopwatch)
    _report(rendering, selected, [*wanted, *truths])
    if recording is not None and recording.file is not None:
        click.echo(f"{'wrote':<16}{recording.file} (record)")
    for file in timings:
        click.echo(f"{'wrote':<16}{file.path} (timings)")


def _timings_files(settings: Timing) -> list[outputs.Output]:
    """The file for the timings, where one is asked for."""
    return [outputs.Output(Path(settings.file), None, "timings", "-timings")] if settings.file is not None else []


def _print_pixels(rendering: Rendering, chosen: tuple[int, int] | None) -> None:
    """What pixels are made of, on stdout."""
    from openbragg.orchestrator.printout import printed_pixels

    for text in printed_pixels(rendering, chosen):
        click.echo(text)


def _report(rendering: Rendering, selected: Selected, wanted: list[outputs.Output]) -> None:
    """What was chosen, what came out, and where it lies."""
    from openbragg.orchestrator.statistics import statistics

    crystal, sampling = rendering.experiment.crystal, rendering.experiment.sampling
    made = dict(rendering.choices.made)
    made.setdefault("mosaic domains", str(crystal.mosaic_domains))
    made.setdefault("oversampling", f"{sampling.oversample} x {sampling.oversample} subpixels")
    made["lattice shape"] = selected.roles["lattice_shapes"].name
    if selected.backgrounds:
        made["backgrounds"] = ", ".join(background.name for background in selected.backgrounds)
    for word, value in made.items():
        click.echo(f"{word:<16}{value}")
    for culled in rendering.culled:
        click.echo(
            f"{'culled':<16}{culled.skipped():.1%} of the orientations of tiles; "
            f"no pixel lacks more than {culled.bound:.3g} photons"
        )
    assert sampling.region is not None  # resolved
    numbers = statistics(rendering.frame(), sampling.region, rendering.mask())
    click.echo(f"{'largest':<16}{numbers.largest:.6g} photons at slow {numbers.slow}, fast {numbers.fast}")
    click.echo(f"{'mean':<16}{numbers.mean:.6g}")
    click.echo(f"{'rms':<16}{numbers.rms:.6g}, rmsd {numbers.rmsd:.6g}")
    for output in wanted:
        click.echo(f"{'wrote':<16}{output.path} ({output.format.name}, {output.content})")
