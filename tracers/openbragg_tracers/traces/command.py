"""``openbragg trace``: what single pixels are made of, without rendering the others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg.cli.command_line import CommandLine, understand
from openbragg.cli.compose import Flag, FlagOption, Section, assignments_of, construct, flags_of, given, read_as
from openbragg.cli.loading import load_torch
from openbragg.cli.reference_flags import BEGINNINGS
from openbragg.cli.registry import load_registry, simulation_sections
from openbragg.cli.replay import ReplayingCommand, provenance
from openbragg.cli.settings import Brightest, Tracing
from openbragg.cli.words import warn
from openbragg.errors import UsageError
from openbragg.orchestrator import outputs
from openbragg.orchestrator.reflections import with_cache
from openbragg.roles import Registry

if TYPE_CHECKING:
    from openbragg.orchestrator.simulate import Layout

#: What stands for standard output in place of a file's name.
_STDOUT = "-"
#: Shorter names that the options have where they are what a command is about.
_SHORT = {
    "pixel": "--pixel",
    "tracer": "--tracer",
    "log": "--log",
    "json": "--json",
    "select": "--select",
}

_HELP = """Trace single pixels: the terms that their image is summed from, and the chain from the sum to photons.

Flags are those of simulate, and the pixels are given with --pixel SLOW FAST, as often as wanted, or with --brightest N,
which renders the whole image to find them. Nothing else is rendered. The log goes to standard output unless --log or
--json name a file; its lines are those of the reference program's traces, to be compared with openbragg compare-traces.

The size of a pixel is -pixel here, with one dash. With -precision double amplitudes are float64; without it they are
float32, as those of the image are."""


@attrs.frozen
class TraceFiles:
    """Where traces go: names of files, ``-`` for standard output, None for nowhere."""

    log: str | None
    json: str | None


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command from the options of simulate and those of tracing."""
    registry = load_registry(blocked)
    short = {_SHORT[flag.field]: flag for flag in flags_of(Tracing) if flag.field in _SHORT}
    sections = [
        Section("trace", (*(FlagOption(flag, also=[name]) for name, flag in short.items()), *_brightest_options())),
        *(_without(part, set(short)) for part in simulation_sections(registry)),
    ]

    def run() -> None:
        context = click.get_current_context()
        settings, replay = provenance(context)
        if settings.record is not None:
            raise UsageError("-record: only openbragg simulate records a run, its traces with it")
        asked = understand(
            registry, given(context), read_as(context), settled=replay.flags if replay is not None else ()
        )
        if replay is not None:
            asked.selected.notices[:0] = replay.notices()
        trace(registry, asked)

    return ReplayingCommand("trace", sections, registry, beginnings=BEGINNINGS, callback=run, help=_HELP)


def trace(registry: Registry, asked: CommandLine) -> None:
    """Trace the pixels that a command line asks for, and write the traces."""
    pixels = traced_pixels(asked)
    wanted: Brightest = construct(Brightest, assignments_of(asked.words))
    if not pixels and wanted.number is None:
        raise UsageError("nothing to trace: give --pixel SLOW FAST, or --brightest N")
    for flag, values in assignments_of(asked.words):
        if flag.spec.output in ("photons", "counts", "truth", "timings"):
            asked.selected.notices.append(f"{flag.spellings[0]} {' '.join(values)} is not written by a trace")
    check_tracing(registry, asked)
    files = trace_files(asked)
    if files.log is None and files.json is None:
        files = TraceFiles(_STDOUT, None)
    outputs.check(trace_outputs(files))

    load_torch()
    from openbragg.orchestrator.simulate import lay_out, render
    from openbragg.orchestrator.tracing import brightest

    factors = with_cache(asked.selected.roles["structure_factors"], asked.compat, asked.selected.notices)
    options: dict[str, Any] = {
        "convention": asked.selected.roles["geometry_conventions"],
        "structure_factors": factors,
        "lattice_shape": asked.selected.roles["lattice_shapes"],
        "backgrounds": asked.selected.backgrounds,
        "device": asked.computation.device,
        "precision": asked.computation.precision,
        "compat": asked.compat,
    }
    layout: Layout
    if wanted.number is None:
        layout = lay_out(asked.experiment, **options)
    else:
        layout = rendering = render(asked.experiment, **options)
        pixels += [pixel for pixel in brightest(rendering, wanted.number) if pixel not in pixels]
    for line in (*asked.selected.notices, *layout.choices.notices):
        warn(f"notice: {line}")
    write_traces(registry, asked, layout, pixels, files)


def traced_pixels(asked: CommandLine) -> list[tuple[int, int]]:
    """The pixels that flags name, (slow, fast), each once, in order."""
    return list(dict.fromkeys(flag.value(words) for flag, words in _of(asked, "pixel")))


def trace_files(asked: CommandLine) -> TraceFiles:
    """The files that flags name for the traces."""
    settings: Tracing = construct(Tracing, assignments_of(asked.words))
    return TraceFiles(settings.log, settings.json)


def check_tracing(registry: Registry, asked: CommandLine) -> None:
    """Refuse, before the work begins, tracers and terms that there are not."""
    from openbragg.orchestrator.tracing import parse_selection

    parse_selection(construct(Tracing, assignments_of(asked.words)).select)
    chosen_tracers(registry, asked)


def refuse_idle_flags(asked: CommandLine) -> None:
    """Refuse flags about traces where no pixel is traced: they would be lost without a word."""
    for flag, _ in assignments_of(asked.words):
        if flag.owner is Tracing:
            raise UsageError(f"{flag.spellings[0]}: expected with -trace_pixel")


def trace_outputs(files: TraceFiles) -> list[outputs.Output]:
    """The files that are written."""
    if files.log == files.json == _STDOUT:
        raise UsageError("the log and the JSON of a trace cannot both go to standard output")
    named = (("-trace_log", files.log), ("-trace_json", files.json))
    return [
        outputs.Output(Path(name), None, "trace", flag) for flag, name in named if name is not None and name != _STDOUT
    ]


def write_traces(
    registry: Registry, asked: CommandLine, layout: Layout, pixels: Iterable[tuple[int, int]], files: TraceFiles
) -> None:
    """Trace pixels of a layout, or of a rendering, and write what the tracers say of them."""
    from openbragg.orchestrator.traces.model import TracedPixel
    from openbragg.orchestrator.traces.writing import to_json, write_log
    from openbragg.orchestrator.tracing import parse_selection, pixel_values, step_values, trace_of

    settings: Tracing = construct(Tracing, assignments_of(asked.words))
    selection = parse_selection(settings.select)
    tracers = chosen_tracers(registry, asked)
    traced = []
    for slow, fast in pixels:
        made = trace_of(layout, slow, fast)
        traced.append(TracedPixel(slow, fast, pixel_values(made, tracers), step_values(made, tracers, selection)))
    for name, text in ((files.log, write_log), (files.json, to_json)):
        if name is None:
            continue
        content = text(traced)
        content = content if isinstance(content, str) else "".join(f"{line}\n" for line in content)
        if name == _STDOUT:
            click.echo(content, nl=not content.endswith("\n"))
        else:
            outputs.write_text(Path(name), content)


def chosen_tracers(registry: Registry, asked: CommandLine) -> list[Any]:
    """The tracers that flags name, or all."""
    names = list(dict.fromkeys(words[0] for _, words in _of(asked, "tracer")))
    found = [registry.get("tracers", name) for name in names] if names else registry.of_role("tracers")
    return [construct(tracer.cls, assignments_of(asked.words)) for tracer in found]


def _of(asked: CommandLine, field: str) -> list[tuple[Flag, list[str]]]:
    return [
        (flag, words) for flag, words in assignments_of(asked.words) if flag.owner is Tracing and flag.field == field
    ]


def _brightest_options() -> tuple[FlagOption, ...]:
    return tuple(FlagOption(flag) for flag in flags_of(Brightest))


def _without(part: Section, names: set[str]) -> Section:
    """A section of simulate without the options of tracing, which stand before it, and without names that they took."""
    return Section(
        part.title,
        tuple(
            FlagOption(option.flag, without=names)
            if isinstance(option, FlagOption) and names & set(option.opts)
            else option
            for option in part.options
            if not (isinstance(option, FlagOption) and option.flag.owner is Tracing)
        ),
    )
