"""``python -m benchmarks``: measure, judge, report."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import click

from benchmarks import plots
from benchmarks.calls import measure_calls
from benchmarks.cases import (
    CALLS,
    DATASET,
    DATASET_SHOTS,
    GRADIENTS,
    JACOBIAN,
    LONG_NAMES,
    NAMES,
    PROGRAMS,
    REFINE,
    STILL,
    SkippedError,
    make_case,
)
from benchmarks.curves import CURVES, measure_curve
from benchmarks.dataset import measure_dataset
from benchmarks.gradients import measure_gradients
from benchmarks.jacobian import measure_jacobian
from benchmarks.measure import measure, progress
from benchmarks.programs import CPU, OURS, Program, checkout_program, contestants, reference_program
from benchmarks.refine import measure_refine
from benchmarks.report import (
    calls_result,
    case_lines,
    case_result,
    curve_lines,
    dataset_result,
    gradients_result,
    jacobian_result,
    refine_result,
    stills_result,
)
from benchmarks.revisions import ROOT, checkout, commit_of, here
from openbragg.errors import InputError, OpenBraggError
from openbragg.orchestrator.outputs.outputs import write_text

RESULTS = "results.json"
_ALL = "all"


@attrs.frozen
class Settings:
    """What the options say; see the help text."""

    reference: Path | None
    revision: str | None
    repeats: int
    threads: int
    device: str
    output: Path
    timeout: float
    cases: tuple[str, ...]
    curves: bool
    dataset_shots: int = DATASET_SHOTS

    def chosen(self) -> list[str]:
        """The cases to run, in their order; all but long ones unless some are named, or curves alone."""
        known = [*NAMES, *PROGRAMS]
        wanted = self.cases or (() if self.curves else (_ALL,))
        long = [name for name in (*LONG_NAMES, DATASET, REFINE) if name in wanted]
        return [name for name in known if _ALL in wanted or name in wanted] + long


@click.command("benchmarks", context_settings={"help_option_names": ["--help", "-h"]})
@click.option("--reference", type=Path, metavar="PATH", help="The reference program, nanoBragg, built by you.")
@click.option("--revision", metavar="GITREV", help="Another revision of the project to run beside.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Runs of each program.")
@click.option(
    "--case",
    "cases",
    multiple=True,
    type=click.Choice([*NAMES, *PROGRAMS, *LONG_NAMES, DATASET, REFINE, _ALL]),
    metavar="NAME",
    help=f"A case to run, may be given several times: {', '.join([*NAMES, *PROGRAMS, _ALL])}; and, which "
    f"are large or take long, {', '.join([*LONG_NAMES, DATASET, REFINE])}, which are not among all. Default: all.",
)
@click.option(
    "--dataset-shots",
    type=click.IntRange(min=1),
    default=DATASET_SHOTS,
    show_default=True,
    help=f"Shots of the case {DATASET}.",
)
@click.option("--curves", is_flag=True, help="Measure how time and memory grow; without --case, that alone.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True, help="Of every program."
)
@click.option(
    "--device",
    default=CPU,
    show_default=True,
    metavar="cpu | cuda",
    help="Where this project's programs compute; the bars are those of a CPU and are not judged elsewhere.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.0, min_open=True),
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="End a program that takes longer.",
)
@click.option(
    "--output",
    type=Path,
    default=Path("benchmark"),
    show_default=True,
    metavar="FOLDER",
    help="Where results.json and the pictures go; made when it is not there.",
)
def command(**options: Any) -> None:
    """Time OpenBragg, beside the reference program and another revision, on named cases.

    No time is reported of programs whose images disagree. Exit status: 1 when they do or a program fails, 2 for a wrong
    command line, else 0, also when a bar is missed.
    """
    status = benchmark(Settings(**options))
    if status:
        raise click.exceptions.Exit(status)


def benchmark(settings: Settings) -> int:
    """Run all that is asked for and write the results after each part; the exit status.

    Raises
    ------
    OpenBraggError
        When an option is of no use here.
    """
    # Before anything is run that takes long.
    reference = reference_program(settings.reference) if settings.reference is not None else None
    commit = commit_of(settings.revision) if settings.revision is not None else None
    try:
        settings.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {settings.output}: {error.strerror or error}") from None
    with ExitStack() as stack:
        programs = [checkout_program(OURS, ROOT)]
        if reference is not None:
            programs.append(reference)
        if commit is not None:
            programs.append(checkout_program(f"revision {commit[:10]}", stack.enter_context(checkout(commit))))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openbragg_")))
        return _run(settings, programs, commit, folder)


def _run(settings: Settings, programs: list[Program], commit: str | None, folder: Path) -> int:
    results: dict[str, Any] = {
        "checkout": here(),
        "revision": commit,
        "reference": str(settings.reference) if settings.reference is not None else None,
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "threads": settings.threads,
        "device": settings.device,
        "repeats": settings.repeats,
        "cases": [],
        "curves": [],
    }
    # Whoever uses a program has it translated once, not in every run.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    failed = False
    for name in settings.chosen():
        try:
            result = _case(name, settings, programs, folder)
        except SkippedError as reason:
            result = {"name": name, "skipped": str(reason)}
        except InputError as error:
            result = {"name": name, "failed": str(error)}
        failed |= "failed" in result or not result.get("agrees", True)
        results["cases"].append(result)
        _show(_lines(result), settings, results)
    for curve in CURVES if settings.curves else ():
        try:
            result = measure_curve(
                curve,
                programs[0],
                repeats=settings.repeats,
                threads=settings.threads,
                timeout=settings.timeout,
                say=progress,
            )
        except InputError as error:
            failed = True
            _show([f"{curve.name}: FAILED: {error}"], settings, results)
            continue
        results["curves"].append(result)
        _show(list(curve_lines(result)), settings, results)
    _draw(settings, results)
    return int(failed)


def _case(name: str, settings: Settings, programs: list[Program], folder: Path) -> dict[str, Any]:
    judged = settings.device == CPU
    ours = programs[0]
    if name in (CALLS, STILL):
        progress(name)
        threads = settings.threads if name == STILL else 1
        found = measure_calls(name, (sys.executable,), ours.environment, threads, settings.repeats, settings.timeout)
        return (calls_result if name == CALLS else stills_result)(found, judged=judged)
    if name == JACOBIAN:
        progress(name)
        found = measure_jacobian(
            (sys.executable,), ours.environment, settings.threads, settings.repeats, settings.timeout
        )
        return jacobian_result(found, judged=judged)
    if name == DATASET:
        progress(name)
        examples = ROOT / "examples" / "datasets"
        made = measure_dataset(
            (sys.executable,),
            ours.environment,
            examples,
            settings.threads,
            settings.dataset_shots,
            settings.repeats,
            settings.timeout,
        )
        return dataset_result(made, judged=judged)
    if name == REFINE:
        progress(name)
        refined = measure_refine(
            (sys.executable,), ours.environment, settings.threads, settings.repeats, settings.timeout
        )
        return refine_result(refined, judged=judged)
    if name == GRADIENTS:
        progress(name)
        return gradients_result(
            measure_gradients(
                (sys.executable,),
                ours.environment,
                settings.threads,
                settings.repeats,
                settings.timeout,
                settings.device,
            ),
            judged=judged,
        )
    case = make_case(name, folder)
    measured = measure(
        case,
        contestants(case, programs, settings.threads, settings.device),
        repeats=settings.repeats,
        threads=settings.threads,
        timeout=settings.timeout,
        on_cpu=settings.device == CPU,
        say=lambda text: progress(f"{name}: {text}"),
    )
    return case_result(measured, judged=judged)


def _lines(result: dict[str, Any]) -> list[str]:
    for word in ("skipped", "failed"):
        if word in result:
            return [f"{result['name']}: {word.upper() if word == 'failed' else word}: {result[word]}"]
    return list(case_lines(result))


def _show(lines: list[str], settings: Settings, results: dict[str, Any]) -> None:
    """Print, and write down all that is known so far."""
    progress("")
    click.echo("\n".join(lines))
    write_text(settings.output / RESULTS, json.dumps(results, indent=2, allow_nan=False) + "\n")


def _draw(settings: Settings, results: dict[str, Any]) -> None:
    wrote = [RESULTS]
    if plots.available():
        if plots.plot_cases(results["cases"], settings.output / plots.CASES_PICTURE):
            wrote.append(plots.CASES_PICTURE)
        if results["curves"]:
            plots.plot_curves(results["curves"], settings.output / plots.CURVES_PICTURE)
            wrote.append(plots.CURVES_PICTURE)
    else:
        click.echo("benchmarks: no pictures without matplotlib: pip install 'openbragg[plots]'", err=True)
    for name in wrote:
        click.echo(f"wrote {settings.output / name}")


def _processor() -> str:
    """The name of the processor, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; the exit status. What goes wrong is one line on stderr."""
    try:
        with command.make_context("benchmarks", list(sys.argv[1:] if arguments is None else arguments)) as context:
            command.invoke(context)
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except click.ClickException as error:
        print(f"benchmarks: error: {' '.join(error.format_message().split())}", file=sys.stderr)
        return error.exit_code
    except OpenBraggError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
