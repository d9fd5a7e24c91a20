"""``openbragg compare-traces``: where two calculations of a pixel part."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from openbragg import PluginError, UsageError, hookimpl
from openbragg.commands import FlagOption, Output, check_outputs, construct, flags_of, warn, write_text

if TYPE_CHECKING:
    from openbragg import Command, Diagnosis, Registry
    from openbragg_tracers.comparison.differences import Comparison
    from openbragg_tracers.comparison.findings import Finding
    from openbragg_tracers.comparison.tolerances import Tolerances
    from openbragg_tracers.traces.model import TraceFile

_DIVERGED = 3
#: What stands for standard output in place of a file's name.
_STDOUT = "-"


@attrs.frozen
class CompareTraces:
    """The command; the options of diagnoses are flags of it."""

    name: ClassVar[str] = "compare-traces"
    summary: ClassVar[str] = "Find where two traces of a pixel part."
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""

        @click.command(cls.name, context_settings={"help_option_names": ["--help", "-h"]})
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
        def compare_traces(
            first: Path, second: Path, tolerance: tuple[str, ...], any_pixel: bool, **files: str
        ) -> None:
            """Compare two traces of the same pixels, step by step.

            A and B are logs with lines of TRACE_C or TRACE_PY among other output, or JSON from openbragg trace. Shows
            what differs, where it began in the order of the calculation and, where the pattern is known, why. Exit
            status: 0 within tolerance, 3 diverged, 2 for a wrong command line, 1 when a file is bad.
            """
            wanted = _Files(**files)
            _check(wanted, (first, second))

            from openbragg_tracers.comparison.differences import compare_traces as compare
            from openbragg_tracers.comparison.findings import diagnose
            from openbragg_tracers.comparison.tolerances import parse_tolerances
            from openbragg_tracers.traces.reading import read_traces

            tolerances = parse_tolerances(tolerance)
            diagnoses = _diagnoses(registry, click.get_current_context())
            sides = [read_traces(path) for path in (first, second)]
            _check_names(tolerances, sides)
            for notice in (notice for side in sides for notice in side.notices):
                warn(f"notice: {notice}")
            comparison = compare(sides[0], sides[1], tolerances, any_pixel=any_pixel)
            faults: list[str] = []
            findings = diagnose(comparison, diagnoses, faults)
            for fault in faults:
                warn(f"notice: {fault}")
            _write(comparison, findings, wanted)
            if comparison.diverged():
                raise click.exceptions.Exit(_DIVERGED)

        _add_options(compare_traces, registry)
        return compare_traces


@attrs.frozen
class _Files:
    """Where the comparison goes besides the terminal: names of files, ``-`` for standard output in place of it."""

    markdown: str | None
    json: str | None
    html: str | None

    def given(self) -> dict[str, str]:
        """The names by flag."""
        return {f"--{kind}": name for kind, name in attrs.asdict(self).items() if name is not None}


def _add_options(command: click.Command, registry: Registry) -> None:
    """Give a command the options of the installed diagnoses; `_diagnoses` then finds what was given.

    Raises
    ------
    PluginError
        When one claims a flag that is taken.
    """
    taken = {name: command.name for option in command.params for name in option.opts}
    for found in registry.of_role("diagnoses"):
        for flag in flags_of(found.cls):
            option = FlagOption(flag)
            for name in option.opts:
                if taken.setdefault(name, found.name) != found.name:
                    raise PluginError(f"the diagnosis {found.name} of {found.origin()} claims {name}, a flag already")
            option.callback = partial(_take, flag)
            command.params.append(option)


def _take(flag: Any, context: click.Context, _: click.Parameter, value: Any) -> None:
    if value is not None and value is not False:
        words = [] if value is True else [value] if isinstance(value, str) else list(value)
        context.meta.setdefault(__name__, []).append((flag, words))


def _diagnoses(registry: Registry, context: click.Context) -> list[tuple[Diagnosis, str]]:
    """The installed diagnoses, made with the options that were given, each with the distribution it is from."""
    given = context.meta.get(__name__, [])
    return [(construct(found.cls, given), found.origin()) for found in registry.of_role("diagnoses")]


def _write(comparison: Comparison, findings: list[Finding], files: _Files) -> None:
    from openbragg_tracers.comparison.page import as_html
    from openbragg_tracers.comparison.rendering import as_markdown, as_text
    from openbragg_tracers.comparison.report import report
    from openbragg_tracers.comparison.summary import as_json

    writers = {
        "--markdown": lambda: as_markdown(report(comparison, findings)),
        "--json": lambda: as_json(comparison, findings),
        "--html": lambda: as_html(comparison, findings),
    }
    contents = {name: writers[flag]() for flag, name in files.given().items()}
    for name, content in contents.items():
        if name != _STDOUT:
            write_text(Path(name), content)
    click.echo(contents.get(_STDOUT) or as_text(report(comparison, findings, brief=True)), nl=False)
    if _STDOUT not in contents:
        for name in contents:
            click.echo(f"{'wrote':<18}{click.format_filename(name)}")


def _check(files: _Files, inputs: tuple[Path, Path]) -> None:
    """Refuse, before the work begins, files that cannot be written, or that are to be read."""
    given = files.given()
    if list(given.values()).count(_STDOUT) > 1:
        raise UsageError("only one of --markdown, --json and --html can go to standard output")
    named = {flag: Path(name) for flag, name in given.items() if name != _STDOUT}
    check_outputs(Output(path, None, "comparison", flag) for flag, path in named.items())
    for flag, path in named.items():
        if path.is_file() and any(each.exists() and path.samefile(each) for each in inputs):
            raise UsageError(f"{flag}: {path} would be overwritten: it is one of the traces")


def _check_names(tolerances: Tolerances, sides: list[TraceFile]) -> None:
    """Refuse tolerances of what neither trace nor the calculation has."""
    from openbragg_tracers.traces.quantities import known_names

    pixels = [pixel for side in sides for pixel in side.pixels]
    steps = (step for pixel in pixels for step in pixel.steps[:1])
    names = known_names().union(*(pixel.values for pixel in pixels), *steps)
    for name in tolerances.named:
        if name not in names:
            raise UsageError(f"--tolerance: neither trace has {name!r}")


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [CompareTraces]
