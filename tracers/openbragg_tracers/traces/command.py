"""``openbragg trace``: what single pixels are made of, without rendering the others."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import attrs

from openbragg import COUNT, UsageError, hookimpl, option
from openbragg.commands import Output, check_outputs, load_torch, simulation_command, warn, write_output
from openbragg_tracers.traces.shared_options import FILE, LATTICE, PIXEL, SELECT, TRACER
from openbragg_tracers.traces.truth import BOTH_TO_STDOUT, STDOUT, Traces

if TYPE_CHECKING:
    import click
    import torch

    from openbragg import Command, Registry
    from openbragg.commands import CommandLine


@attrs.frozen
class Trace:
    """Trace single pixels: the terms that their image is summed from, and the chain from the sum to photons.

    Flags are those of simulate, and the pixels are given with --pixel SLOW FAST, as often as wanted, or with
    --brightest N, which renders the whole image to find them. Nothing else is rendered. The log goes to standard output
    unless --log or --json name a file; its lines are those of the reference program's traces, to be compared with
    openbragg compare-traces.

    The size of a pixel is -pixel here, with one dash. With -precision double amplitudes are float64; without it they
    are float32, as those of the image are.
    """

    name: ClassVar[str] = "trace"
    summary: ClassVar[str] = "Show what single pixels are made of."
    flags: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[tuple[str, ...]] = ("trace",)
    of_series: ClassVar[bool] = True

    pixel: tuple[tuple[int, int], ...] = option(
        "--pixel", help="Trace this pixel. May be given several times.", **PIXEL
    )
    brightest: int | None = option(
        "-brightest", type=int, rule=COUNT, unit="pixels", help="Render the image, and trace its brightest pixels."
    )
    image: int | None = option(
        "--image", type=int, rule=COUNT, unit="images", help="Trace this image of a series, from 1. Default: the first."
    )
    tracer: tuple[str, ...] = option("--tracer", **TRACER)
    log: str | None = option("--log", help="Write the traces as lines of text. Default: to standard output.", **FILE)
    json: str | None = option("--json", help="Write them as JSON.", **FILE)
    select: str = option("--select", **SELECT)
    lattice: int = option("--lattice", **LATTICE)

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""
        return simulation_command(cls, registry)

    def run(self, line: CommandLine) -> None:
        """Trace the pixels that a command line asks for, and write the traces."""
        # What simulate calls -trace_pixel and so on means the same here: a recorded run may have it.
        other: Traces = line.options(Traces)
        pixels = list(dict.fromkeys((*self.pixel, *other.pixel)))
        if not pixels and self.brightest is None:
            raise UsageError("nothing to trace: give --pixel SLOW FAST, or --brightest N")
        log, json = self.log or other.log, self.json or other.json
        if log == json == STDOUT:
            raise UsageError(BOTH_TO_STDOUT)
        outputs = {
            kind: Output(Path(name), None, "trace", f"--{kind}", stdout=name == STDOUT)
            for kind, name in (("log", log if log or json else STDOUT), ("json", json))
            if name is not None
        }
        check_outputs(outputs.values())

        load_torch()
        from openbragg_tracers.traces.selection import parse_selection
        from openbragg_tracers.traces.tracing import traced_pixel
        from openbragg_tracers.traces.writing import log_text, to_json

        simulation = line.simulation()
        if self.image is not None:
            simulation = simulation.series(line.images or self.image).image(self.image)
        elif line.images is not None:
            line.notices.append(f"-images {line.images}: the first image is traced; --image traces another")
        if self.brightest is not None:
            found = brightest(simulation.photons(), self.brightest)
            pixels += [pixel for pixel in found if pixel not in pixels]
        for notice in (*line.notices, *simulation.notices):
            warn(f"notice: {notice}")
        selection = parse_selection(self.select or other.select)
        tracers = line.selected.tracers
        lattice = self.lattice or other.lattice
        traced = [traced_pixel(simulation.trace(*pixel, lattice), pixel, tracers, selection) for pixel in pixels]
        texts = {"log": log_text, "json": to_json}
        for kind, output in outputs.items():
            write_output(output, partial(_write, texts[kind](traced)))


def brightest(photons: torch.Tensor, number: int) -> list[tuple[int, int]]:
    """The brightest pixels of an image, (slow, fast), the brightest first."""
    found = photons.detach().reshape(-1).topk(min(number, photons.numel())).indices.tolist()
    return [divmod(place, photons.shape[1]) for place in found]


def _write(text: str, stream: BinaryIO) -> None:
    stream.write(text.encode())


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Trace]
