"""A job: a simulation and the files that are written of its image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.outputs import outputs
from openbragg.orchestrator.outputs.destinations import refuse_unsayable
from openbragg.orchestrator.outputs.outputs import Output
from openbragg.orchestrator.outputs.stopwatch import Stopwatch
from openbragg.orchestrator.outputs.writing import (
    Pictures,
    levels_of,
    make_pictures,
    reference_differences,
    refuse_unreadable,
    unsaid_before,
    write_pictures,
)
from openbragg.orchestrator.rendering import Progress, Rendering, refuse_impossible, refuse_turned_away
from openbragg.orchestrator.renders import Renders
from openbragg.orchestrator.resolving.notices import half_step_notices
from openbragg.roles import Registry, Tracer, WrittenImages

if TYPE_CHECKING:
    from openbragg.orchestrator.records.recording import Recording, Repeated


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """A simulation and the files of its image; made by `prepare_job`, which refuses what can be refused beforehand.

    Attributes
    ----------
    simulation
        What is rendered.
    images, truths
        The files of the image, and of what is known of it.
    recording
        What is written down of the run, if anything is.
    tracers
        Those that a file of what is known may ask, each with the distribution it is from.
    """

    simulation: Renders
    images: tuple[Output, ...]
    truths: tuple[Output, ...]
    recording: Recording | None
    tracers: tuple[tuple[Tracer, str], ...]

    def render(
        self,
        progress: Progress | None = None,
        stopwatch: Stopwatch | None = None,
        begins: Callable[[Layout], None] | None = None,
    ) -> Rendering:
        """Render the image, and refuse one that cannot be, or of which a truth cannot be told.

        `begins` is called before, when what can be refused beforehand is not.
        """
        layout = self.simulation.layout()
        foreseen = self._unsaid(layout)
        refuse_turned_away(layout, self.simulation.convention)
        foreseen += half_step_notices(layout.experiment, [*self.images, *self.truths])
        foreseen += unsaid_before(self.images, layout, self.simulation.noise, self.simulation.compat)
        layout.choices.notices.extend(line for line in foreseen if line not in layout.choices.notices)
        if begins is not None:
            begins(layout)
        rendering = self.simulation.rendering(progress, stopwatch)
        refuse_impossible(rendering)
        return rendering

    def _unsaid(self, layout: Layout) -> list[str]:
        """What the files of what is known cannot say; those that cannot be are refused."""
        if not self.truths:
            return []
        from openbragg.orchestrator.outputs.truth import check_truth, unsaid_truths

        check_truth(layout, (layout.experiment.scan,), self.simulation.compat, self.truths)
        return list(unsaid_truths(layout, self.truths))

    def pictures(self, rendering: Rendering) -> Pictures:
        """The image as every file has it, the noise drawn; what is to be said of them is added to the notices."""
        simulation = self.simulation
        pictures = make_pictures(
            rendering.frame(),
            rendering.said(),
            rendering.laboratory,
            simulation.noise,
            self.images,
            simulation.compat,
            rendering.channels,
            simulation.labels,
        )
        if pictures.seed is not None and rendering.experiment.sampling.seed is None:
            rendering.choices.made["noise seed"] = str(pictures.seed)
        rendering.choices.notices.extend(reference_differences(pictures))
        return pictures

    def write(self, rendering: Rendering, pictures: Pictures) -> None:
        """Write the files of the image and of what is known of it."""
        if not self.truths:
            write_pictures(pictures)
            return
        from openbragg.orchestrator.outputs.truth import make_truth, prepared, write_truth

        written = [
            WrittenImages(
                format=output.format,
                content=output.content,
                path=output.path,
                together=True,
                levels=levels_of(self.simulation.noise, output.content),
            )
            for output in self.images
        ]
        scans = (rendering.experiment.scan,)
        truth = make_truth(rendering, scans, written, self.simulation.compat, self.tracers)
        truths = prepared(truth, self.truths)
        write_pictures(pictures)
        write_truth(truth, truths)

    def record(self, rendering: Rendering, pictures: Pictures, notices: list[str]) -> list[str]:
        """Write the record, when all else is written; what is to be said of it is returned."""
        if self.recording is None:
            return []
        return [*self.recording.notices, *self.recording.finish(rendering, pictures.seed, notices)]


def prepare_job(
    registry: Registry,
    simulation: Renders,
    images: Sequence[Output],
    truth_formats: Sequence[Any],
    record: Path | None = None,
    replay: Repeated | None = None,
    others: Iterable[Output] = (),
    tracers: Sequence[tuple[Tracer, str]] = (),
) -> Job:
    """A job, when its files can be written as far as can be told; `others` are written beside them.

    `truth_formats` name files of what is known of the image, and may ask `tracers`.

    Raises
    ------
    OpenBraggError
        When a file cannot be written, a truth cannot be said, or the run cannot be recorded.
    """
    refuse_unsayable(truth_formats, simulation.experiment)
    truths = outputs.requested(truth_formats)
    recording = None
    if record is not None or replay is not None:
        from openbragg.orchestrator.records.recording import prepare_recording

        recording = prepare_recording(registry, simulation, [*images, *truths], record, replay, tracers=tracers)
    outputs.check([*images, *truths, *others, *(recording.outputs() if recording is not None else ())])
    if any(output.content == "counts" for output in images):
        refuse_unreadable(simulation.noise, simulation.layout().experiment)
    return Job(
        simulation=simulation,
        images=tuple(images),
        truths=tuple(truths),
        recording=recording,
        tracers=tuple(tracers),
    )
