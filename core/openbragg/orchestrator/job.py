"""A job: a simulation and the files that are written of its image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from openbragg.orchestrator import outputs
from openbragg.orchestrator.destinations import refuse_unsayable
from openbragg.orchestrator.outputs import Output
from openbragg.orchestrator.recording import Recording, Repeated, prepare_recording
from openbragg.orchestrator.rendering import Progress, Rendering, refuse_impossible
from openbragg.orchestrator.renders import Renders
from openbragg.orchestrator.stopwatch import Stopwatch
from openbragg.orchestrator.truth import make_truth, write_truth
from openbragg.orchestrator.writing import Pictures, make_pictures, reference_differences, unsaid, write_pictures
from openbragg.roles import Registry, WrittenImages


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
    """

    simulation: Renders
    images: tuple[Output, ...]
    truths: tuple[Output, ...]
    recording: Recording | None

    def render(self, progress: Progress | None = None, stopwatch: Stopwatch | None = None) -> Rendering:
        """Render the image, and refuse one that cannot be."""
        rendering = self.simulation.rendering(progress, stopwatch)
        refuse_impossible(rendering)
        return rendering

    def pictures(self, rendering: Rendering) -> Pictures:
        """The image as every file has it, the noise drawn; what is to be said of them is added to the notices."""
        simulation = self.simulation
        pictures = make_pictures(
            rendering.frame(),
            rendering.experiment,
            rendering.laboratory,
            simulation.noise,
            self.images,
            simulation.compat,
        )
        if pictures.seed is not None and rendering.experiment.sampling.seed is None:
            rendering.choices.made["noise seed"] = str(pictures.seed)
        rendering.choices.notices.extend((*reference_differences(pictures), *unsaid(pictures)))
        return pictures

    def write(self, rendering: Rendering, pictures: Pictures) -> None:
        """Write the files of the image and of what is known of it."""
        write_pictures(pictures)
        if self.truths:
            written = [
                WrittenImages(format=output.format, content=output.content, path=output.path, together=True)
                for output in self.images
            ]
            write_truth(
                make_truth(rendering, (rendering.experiment.scan,), written, self.simulation.compat), self.truths
            )

    def record(self, rendering: Rendering, pictures: Pictures, notices: list[str]) -> list[str]:
        """Write the record, when all else is written; what is to be said of it is returned."""
        if self.recording is None:
            return []
        return [*self.recording.notices, *self.recording.finish(rendering, pictures.seed, notices)]


def prepare_job(
    registry: Registry,
    simulation: Renders,
    images: Sequence[Output],
    truths: Sequence[Output],
    record: Path | None = None,
    replay: Repeated | None = None,
    others: Iterable[Output] = (),
) -> Job:
    """A job, when its files can be written as far as can be told; `others` are written beside them.

    Raises
    ------
    OpenBraggError
        When a file cannot be written, a truth cannot be said, or the run cannot be recorded.
    """
    refuse_unsayable(truths, simulation.experiment)
    recording = prepare_recording(registry, simulation, [*images, *truths], record, replay)
    outputs.check([*images, *truths, *others, *(recording.outputs() if recording is not None else ())])
    return Job(simulation=simulation, images=tuple(images), truths=tuple(truths), recording=recording)
