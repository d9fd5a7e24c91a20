"""``openbragg compare-traces``: where two calculations of a pixel part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from openbragg.cli.words import warn
from openbragg.errors import UsageError
from openbragg.orchestrator import outputs

if TYPE_CHECKING:
    from openbragg.orchestrator.traces.differences import Comparison
    from openbragg.orchestrator.traces.model import TraceFile
    from openbragg.orchestrator.traces.tolerances import Tolerances

_DIVERGED = 3
#: What stands for standard output in place of a file's name.
_STDOUT = "-"


@attrs.frozen
class _Files:
    """Where the comparison goes besides the terminal: names of files, ``-`` for standard output in place of it."""

    markdown: str | None
    json: str | None
    html: str | None

    def given(self) -> dict[str, str]:
        """The names by flag."""
        return {f"--{kind}": name for kind, name in attrs.asdict(self).items() if name is not None}


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command; it uses no plugins."""

    @click.command("compare-traces", context_settings={"help_option_names": ["--help", "-h"]})
    @click.argument("first", metavar="A", type=Path)
    @click.argument("second", metavar="B", type=Path)
    @click.option(
        "--tolerance",
        multiple=True,
        metavar="X | NAME=X",
        help="Relative difference allowed, of everything or of one quantity; may be given several times. Default: "
        "1e-9, and 2e-6 for floatimage_accumulated, which is in single precision.",
    )
    @click.option("--any-pixel", is_flag=True, help="Compare two traces of one pixel each, whichever they are.")
    @click.option("--markdown", metavar="FILE | -", help="Write the report in Markdown.")
    @click.option("--json", metavar="FILE | -", help="Write every difference in JSON.")
    @click.option("--html", metavar="FILE | -", help="Write a page with curves over phi; needs matplotlib.")
    def compare_traces(first: Path, second: Path, tolerance: tuple[str, ...], any_pixel: bool, **files: str) -> None:
        """Compare two traces of the same pixels, step by step.

        A and B are logs with lines of TRACE_C or TRACE_PY among other output, or JSON from openbragg trace. Shows what
        differs, where it began in the order of the calculation and, where the pattern is known, why. Exit status: 0
        within tolerance, 3 diverged, 2 for a wrong command line, 1 when a file is bad.
        """
        wanted = _Files(**files)
        _check(wanted, (first, second))

        from openbragg.orchestrator.traces.differences import compare_traces as compare
        from openbragg.orchestrator.traces.reading import read_traces
        from openbragg.orchestrator.traces.tolerances import parse_tolerances

        tolerances = parse_tolerances(tolerance)
        sides = [read_traces(path) for path in (first, second)]
        _check_names(tolerances, sides)
        for notice in (notice for side in sides for notice in side.notices):
            warn(f"notice: {notice}")
        comparison = compare(sides[0], sides[1], tolerances, any_pixel=any_pixel)
        _write(comparison, wanted)
        if comparison.diverged():
            raise click.exceptions.Exit(_DIVERGED)

    return compare_traces


def _write(comparison: Comparison, files: _Files) -> None:
    from openbragg.orchestrator.traces.page import as_html
    from openbragg.orchestrator.traces.rendering import as_markdown, as_text
    from openbragg.orchestrator.traces.report import report
    from openbragg.orchestrator.traces.summary import as_json

    writers = {
        "--markdown": lambda: as_markdown(report(comparison)),
        "--json": lambda: as_json(comparison),
        "--html": lambda: as_html(comparison),
    }
    contents = {name: writers[flag]() for flag, name in files.given().items()}
    for name, content in contents.items():
        if name != _STDOUT:
            outputs.write_text(Path(name), content)
    click.echo(contents.get(_STDOUT) or as_text(report(comparison, brief=True)), nl=False)
    if _STDOUT not in contents:
        for name in contents:
            click.echo(f"{'wrote':<18}{click.format_filename(name)}")


def _check(files: _Files, inputs: tuple[Path, Path]) -> None:
    """Refuse, before the work begins, files that cannot be written, or that are to be read."""
    given = files.given()
    if list(given.values()).count(_STDOUT) > 1:
        raise UsageError("only one of --markdown, --json and --html can go to standard output")
    named = {flag: Path(name) for flag, name in given.items() if name != _STDOUT}
    outputs.check(outputs.Output(path, None, "comparison", flag) for flag, path in named.items())
    for flag, path in named.items():
        if path.is_file() and any(each.exists() and path.samefile(each) for each in inputs):
            raise UsageError(f"{flag}: {path} would be overwritten: it is one of the traces")


def _check_names(tolerances: Tolerances, sides: list[TraceFile]) -> None:
    """Refuse tolerances of what neither trace nor the calculation has."""
    from openbragg.orchestrator.traces.quantities import known_names

    pixels = [pixel for side in sides for pixel in side.pixels]
    steps = (step for pixel in pixels for step in pixel.steps[:1])
    names = known_names().union(*(pixel.values for pixel in pixels), *steps)
    for name in tolerances.named:
        if name not in names:
            raise UsageError(f"--tolerance: neither trace has {name!r}")
