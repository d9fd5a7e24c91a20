"""From photons that are there already to files: what a command does that renders nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from openbragg.cli import selection
from openbragg.cli.command_line import CommandLine
from openbragg.cli.loading import load_torch
from openbragg.model import Detector, Experiment
from openbragg.orchestrator.outputs.outputs import Output
from openbragg.roles import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbragg.model.geometry import Laboratory
    from openbragg.orchestrator.outputs.writing import Pictures


@attrs.frozen(eq=False)
class DrawnImages:
    """The images that a detector gives, each with the file it goes to."""

    pictures: Pictures

    @property
    def files(self) -> tuple[tuple[Output, Image], ...]:
        """The files, with their images."""
        return self.pictures.files

    @property
    def seed(self) -> int | None:
        """Seed of the noise, where any was drawn."""
        return self.pictures.seed

    def overloads(self) -> list[tuple[Output, int]]:
        """For each file whose format has a largest value, how many of its pixels are beyond it."""
        from openbragg.orchestrator.outputs.writing import overloads

        return overloads(self.pictures)

    def write(self) -> None:
        """Write every file.

        Raises
        ------
        InputError
            When the system refuses.
        """
        from openbragg.orchestrator.outputs.writing import write_pictures

        write_pictures(self.pictures)


@attrs.frozen(eq=False)
class PlacedDetector:
    """A detector of a command line, its place and the part of it that is read settled.

    Attributes
    ----------
    line
        The command line.
    experiment
        Its experiment with that detector.
    laboratory
        Where the detector is.
    region
        The part that is read: first and last pixel along fast, then along slow.
    visible
        Which pixels of the stored frame are read at all, booleans (slow, fast); None for all of them.
    """

    line: CommandLine
    experiment: Experiment
    laboratory: Laboratory
    region: tuple[int, int, int, int]
    visible: NDArray[np.bool_] | None

    def read_out(self, photons: NDArray[np.float32], wanted: Iterable[Output]) -> DrawnImages:
        """Draw the noise of expected photons (slow, fast), and make the image of each output.

        The line's notices get what is to be said of them.
        """
        import torch

        from openbragg.orchestrator.composition import usable_device
        from openbragg.orchestrator.outputs.writing import make_pictures, reference_differences, unsaid

        device = usable_device(self.line.computation.device)
        pictures = make_pictures(
            torch.from_numpy(photons).to(device),
            self.experiment,
            self.laboratory,
            self.line.selected.roles["noise_models"],
            wanted,
            self.line.compat,
        )
        self.line.notices.extend((*reference_differences(pictures), *unsaid(pictures)))
        return DrawnImages(pictures)


def place_detector(line: CommandLine, detector: Detector) -> PlacedDetector:
    """Place the detector of a command line as its convention says; its notices get what is to be said of that.

    Raises
    ------
    OpenBraggError
        When the device of the computation cannot be used, or the mask or the region does not fit the detector.
    """
    load_torch()
    from openbragg.orchestrator.composition import usable_device
    from openbragg.orchestrator.resolving.counting import counting
    from openbragg.orchestrator.resolving.frame import visible_pixels
    from openbragg.orchestrator.resolving.placement import place_with_quirks
    from openbragg.orchestrator.resolving.resolve import Choices, refuse_ill_fitting_mask, resolve_region, resolve_scan

    usable_device(line.computation.device)
    refuse_ill_fitting_mask(detector)
    choices = Choices(notices=line.notices)
    region = resolve_region(line.experiment.sampling.region, detector, choices)
    convention: Any = line.selected.roles["geometry_conventions"]
    laboratory = place_with_quirks(detector, convention, line.compat, choices)
    experiment = attrs.evolve(
        line.experiment,
        detector=detector,
        scan=resolve_scan(line.experiment.scan, counting(line.compat)),
        sampling=attrs.evolve(line.experiment.sampling, region=region),
    )
    visible = visible_pixels(detector)
    return PlacedDetector(line, experiment, laboratory, region, None if visible is None else visible.numpy())


def images_to_write(line: CommandLine, contents: Iterable[str]) -> list[Output]:
    """The files of images that a command line names, or else the formats' defaults for these contents.

    Where the noise model is the absence of noise, there are none of counts, and the line's notices name each that was
    asked for.
    """
    return selection.images_to_write(line.selected, contents)
