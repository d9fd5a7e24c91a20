"""A series as Python has it: a sequence of simulations, one for each image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from openbragg.errors import UsageError
from openbragg.model import Scan
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.outputs.destinations import destinations
from openbragg.orchestrator.outputs.outputs import together
from openbragg.orchestrator.rendering import Progress
from openbragg.orchestrator.renders import Renders
from openbragg.orchestrator.series.series import check_images, image_of, image_scans, refuse_unknown_range, series_seed
from openbragg.orchestrator.series.series_job import prepare_series
from openbragg.roles import Registry, Tracer


class ImageSeries:
    """The images of a series, of each the simulation: ``series[0].photons()``, ``for image in series: image.counts()``.

    Parameters
    ----------
    simulation
        The first image; its scan's range is that of each.
    images
        How many there are.

    Raises
    ------
    UsageError
        When nothing says how far each image turns the crystal, or there are no images.
    """

    def __init__(self, simulation: Renders, images: int) -> None:
        check_images(images)
        refuse_unknown_range(simulation.experiment.scan, images)
        self.simulation, self.images = simulation, images
        self.seed = series_seed(simulation)
        simulation.foresee(images)

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, place: int) -> Any:
        """The image at a place, counted from 0, or from the end where it is negative; see `image`."""
        if not -self.images <= place < self.images:
            raise IndexError(f"the series has {self.images} images")
        return self.image(place % self.images + 1)

    def __iter__(self) -> Iterator[Any]:
        return (self.image(number) for number in range(1, self.images + 1))

    def image(self, number: int) -> Any:
        """The simulation of image `number`, from 1, with its own scan, and a seed of its own for its noise.

        It is the same whichever others are rendered.

        Raises
        ------
        UsageError
            When the series has no such image.
        """
        if not 1 <= number <= self.images:
            raise UsageError(f"image: expected a number from 1 to {self.images}, got {number}")
        return image_of(self.simulation, self.seed, number)

    def scans(self) -> tuple[Scan, ...]:
        """The scan of every image, in their order."""
        return image_scans(self.simulation, self.images)

    def write(
        self,
        *files: Path | str,
        truth: Path | str | Iterable[Path | str] = (),
        record: Path | str | None = None,
        restart: bool = False,
        progress: Progress | None = None,
        **settings: Any,
    ) -> tuple[str, ...]:
        """Render the images that are not there yet, and write their files; see docs/how-to/series.md.

        Parameters
        ----------
        files
            Names of files of images, whose ends tell the format; ``#`` stands for a digit of the image's number. With a
            noise model they are counts.
        truth
            Names of files of what is known of the images, likewise.
        record
            Where the run is written down.
        restart
            Whether to begin anew, whatever is there.
        progress
            Called with the number of pixels done and the number of all.
        settings
            Flags of formats without the dash, such as ``nxmx="s.nxs"``, ``expt="t.expt"``, ``nxmx_block=10``.

        Returns
        -------
        What the user should know, one line each.

        Raises
        ------
        OpenBraggError
            When something cannot be rendered or written; images that are whole stay, and the same call goes on.
        """
        simulation, registry = self.simulation, default_registry()
        wanted = destinations(registry, simulation.noise, files, several(truth), settings)
        said: list[str] = []
        with together():
            job = prepare_series(
                registry,
                simulation,
                self.images,
                wanted.images,
                wanted.truths,
                restart=restart,
                record=None if record is None else Path(record),
                notices=said,
                tracers=installed_tracers(registry),
            )
            said.extend(job.simulation.layout().choices.notices)
            job.write(said.extend, progress)
        said.extend(job.record(list(dict.fromkeys(said))))
        return tuple(dict.fromkeys(said))


def installed_tracers(registry: Registry) -> list[tuple[Tracer, str]]:
    """All tracers that are installed, with their options at the defaults, each with the distribution it is from."""
    return [(found.cls(), found.origin()) for found in registry.of_role("tracers")]


def several(names: Path | str | Iterable[Path | str]) -> list[Path | str]:
    """One name or many as a list."""
    return [names] if isinstance(names, str | Path) else list(names)
