"""``openbragg simulate -images``: a rotation series, which goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from openbragg.cli.command_line import CommandLine
from openbragg.cli.compose import assignments_of
from openbragg.cli.progress import progress_bar
from openbragg.cli.replay import Replay, refuse_strange
from openbragg.cli.report import Said, report_choices_of_series, report_series
from openbragg.cli.selection import images_to_write
from openbragg.cli.settings import Output, Printout, Provenance, SeriesChoice, Timing
from openbragg.cli.words import warn
from openbragg.errors import OpenBraggError, StoppedError, UsageError
from openbragg.orchestrator.outputs import outputs
from openbragg.roles import Registry

if TYPE_CHECKING:
    from openbragg.orchestrator.series.series_job import SeriesJob

#: Classes of flags that are about one image.
_ONE_IMAGE = (Printout, Timing)


def simulate_series(registry: Registry, line: CommandLine, recorded: tuple[Provenance, Replay | None]) -> None:
    """Render the images of a series that are not there yet, and write their files."""
    settings, replay = recorded
    choice: SeriesChoice = line.options(SeriesChoice)
    assert choice.images is not None
    _refuse_flags_of_one_image(line)
    wanted = images_to_write(line.selected, ["photons", "counts"])
    if not wanted:
        noise = line.selected.roles["noise_models"]
        raise UsageError(f"nothing to write: the noise model is {noise.name}, and no flag names a file of photons")
    truths = outputs.requested(line.selected.truths)
    from openbragg.orchestrator.series.series_files import SeriesOutput

    each_wanted = [SeriesOutput(each, choice.images) for each in wanted]
    outputs.check([*(file for each in each_wanted for file in each.checked()), *truths])
    refuse_strange([*(file for each in each_wanted for file in each.outputs()), *truths], replay)

    said = Said()
    simulation = line.simulation(said.say_at_once)
    from openbragg.orchestrator.series.series_job import prepare_series

    record = Path(settings.record) if settings.record is not None else None
    job = prepare_series(
        registry,
        simulation,
        choice.images,
        wanted,
        line.selected.truths,
        restart=choice.restart,
        record=record,
        replay=replay,
        notices=line.notices,
        tracers=line.selected.tracers,
    )
    line.notices[:0] = replay.notices() if replay is not None else []
    said.say([*line.notices, *job.simulation.layout().choices.notices])
    # What other programs read of stdout comes first.
    later = any(output.stdout for output in truths)
    with (
        _whole_images(job),
        progress_bar(line.options(Output).progress, f"rendering {len(job.missing())} images") as progress,
    ):
        job.write(said.say, progress, begins=None if later else lambda: report_choices_of_series(job, line.made))
    if later:
        report_choices_of_series(job, line.made)
    said.say(job.record(said.lines))
    report_series(job, record)


@contextmanager
def _whole_images(job: SeriesJob) -> Iterator[None]:
    """When the series is cut short, say how many images are whole."""
    try:
        yield
    except (KeyboardInterrupt, OpenBraggError) as reason:
        count = job.images - len(job.missing())
        done = f"{count} of {job.images} images are whole; the same command goes on with the rest"
        if isinstance(reason, KeyboardInterrupt):
            raise StoppedError(f"interrupted: {done}") from None
        if count:
            warn(f"notice: {done}")
        raise


def _refuse_flags_of_one_image(line: CommandLine) -> None:
    for flag, _ in assignments_of(line.words):
        if flag.owner in _ONE_IMAGE or getattr(flag.owner, "of_one_image", False):
            raise UsageError(f"{flag.spellings[0]}: is about one image; expected without -images")
