"""``-trace_pixel``: what single pixels of a run are made of, as a file of what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import attrs

from openbragg import UsageError, hookimpl, option
from openbragg_tracers.traces.shared_options import FILE, LATTICE, PIXEL, SELECT, TRACER

if TYPE_CHECKING:
    from openbragg import Experiment, TracedPixel, Truth, TruthFormat

#: What stands for standard output in place of a file's name.
STDOUT = "-"
BOTH_TO_STDOUT = "the log and the JSON of a trace cannot both go to standard output"


@attrs.frozen
class Traces:
    """Which pixels are traced, by which tracers, and where the traces go.

    The log goes to standard output where pixels are traced and no file is named.
    """

    name: ClassVar[str] = "traces"
    summary: ClassVar[str] = "single pixels: the terms that they are summed from, as lines of text or JSON"
    flags: ClassVar[tuple[str, ...]] = ()
    of_one_image: ClassVar[bool] = True

    pixel: tuple[tuple[int, int], ...] = option(
        "-trace_pixel",
        help="Trace this pixel: show the terms that it is summed from. May be given several times.",
        **PIXEL,
    )
    tracer: tuple[str, ...] = option("-tracer", **TRACER)
    log: str | None = option("-trace_log", help="Write the traces as lines of text.", **FILE)
    json: str | None = option("-trace_json", help="Write them as JSON.", **FILE)
    select: str = option("-trace_select", **SELECT)
    lattice: int = option("-trace_lattice", **LATTICE)

    def refuses(self, experiment: Experiment) -> str | None:
        """See `openbragg.TruthFormat`."""
        if not self.pixel:
            return "expected with -trace_pixel"
        return BOTH_TO_STDOUT if self.log == self.json == STDOUT else None

    def unasked(self) -> str | None:
        """See `openbragg.TruthFormat`."""
        return "log" if self.pixel else None

    def prepared(self, truth: Truth) -> Traced:
        """See `openbragg.TruthFormat`."""
        from openbragg_tracers.traces.selection import parse_selection
        from openbragg_tracers.traces.tracing import traced_pixel

        selection, lattices = parse_selection(self.select), truth.lattices()
        if self.lattice >= len(lattices):
            raise UsageError(f"-trace_lattice: expected a number below {len(lattices)}, got {self.lattice}")
        trace = lattices[self.lattice].trace
        pixels = dict.fromkeys(self.pixel)
        return Traced(self.json, [traced_pixel(trace(*pixel), pixel, truth.tracers, selection) for pixel in pixels])

    def write_truth(self, stream: BinaryIO, path: Path, truth: Truth) -> None:
        """See `openbragg.TruthFormat.write_truth`."""
        self.prepared(truth).write_truth(stream, path, truth)


@attrs.frozen
class Traced:
    """Traces of pixels, as they are written: as JSON to the file of this name, as lines of text to any other."""

    name: ClassVar[str] = Traces.name

    json: str | None
    pixels: list[TracedPixel]

    def write_truth(self, stream: BinaryIO, path: Path, truth: Truth) -> None:
        """See `openbragg.TruthFormat.write_truth`."""
        from openbragg_tracers.traces.writing import log_text, to_json

        is_json = self.json is not None and Path(self.json) == path
        stream.write((to_json if is_json else log_text)(self.pixels).encode())


@hookimpl
def truth_formats() -> list[type[TruthFormat]]:
    """Offer the traces."""
    return [Traces]
