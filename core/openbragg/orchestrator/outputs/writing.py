"""From photons to files: noise drawn once, images handed to their formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import attrs
import numpy as np
import torch

from openbragg.errors import UsageError
from openbragg.model import Experiment
from openbragg.model.geometry import Laboratory
from openbragg.model.scalars import plain
from openbragg.orchestrator.finding.answers import check_counts
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.outputs.outputs import Output, write_file
from openbragg.orchestrator.resolving.frame import visible_pixels
from openbragg.orchestrator.resolving.quirks import notice
from openbragg.orchestrator.resolving.resolve import clock_seed
from openbragg.roles import Channels, Image, Levels, NoiseModel, PixelLabels, Readout, ReadoutNoiseModel


@attrs.frozen(eq=False)
class Pictures:
    """The images of a run, each with the file it goes to.

    Attributes
    ----------
    files
        Outputs and their images.
    seed
        Seed of the noise, where any was drawn.
    """

    files: tuple[tuple[Output, Image], ...]
    seed: int | None


def make_pictures(
    photons: torch.Tensor,
    experiment: Experiment,
    laboratory: Laboratory,
    noise: NoiseModel,
    wanted: Iterable[Output],
    quirks: frozenset[str],
    spectrum: Channels | None = None,
    labels: Callable[[], PixelLabels] | None = None,
) -> Pictures:
    """Make the image of every output, drawing the noise once when one of them wants counts.

    Parameters
    ----------
    photons
        Expected photons, (slow, fast).
    experiment, laboratory
        Resolved, and placed. Without a seed in the experiment the clock gives one.
    noise
        The noise model.
    wanted
        Which files to write.
    quirks
        Names of quirks of the reference program to reproduce.
    spectrum
        The beam's, of which the experiment has the mean wavelength; None where it is not known.
    labels
        Gives the labels of pixels; asked once, where one of the outputs wants them.
    """
    wanted = list(wanted)
    region = experiment.sampling.region
    assert region is not None  # resolved
    pixels = dict.fromkeys(("photons", "labels"), photons.detach().cpu().numpy())
    labelled = [output for output in wanted if wants_labels(output)]
    if labelled and labels is None:
        raise UsageError(f"{labelled[0].flag}: an image without a crystal has no labels of pixels")
    known = labels() if labelled and labels is not None else None
    seed = None
    if any(output.content == "counts" for output in wanted):
        seed = experiment.sampling.seed if experiment.sampling.seed is not None else clock_seed()
        pixels["counts"] = draw_counts(photons.detach(), experiment, noise, seed).cpu().numpy()
    files = tuple(
        (
            output,
            Image(
                pixels=pixels[output.content],
                content=output.content,
                region=region,
                experiment=experiment,
                laboratory=laboratory,
                quirks=quirks,
                levels=levels_of(noise, output.content),
                spectrum=spectrum,
                labels=known if wants_labels(output) else None,
            ),
        )
        for output in wanted
    )
    return Pictures(files, seed)


def wants_labels(output: Output) -> bool:
    """Whether labels of pixels go into a file."""
    asked: Any = getattr(output.format, "wants_labels", None)
    return output.content == "labels" or (asked is not None and bool(asked()))


def levels_of(noise: NoiseModel, content: str) -> Levels:
    """What the numbers of an image mean that is made by a noise model, or of photons without noise."""
    said: Any = getattr(noise, "levels", None)
    return said() if content == "counts" and said is not None else Levels()


def readout_of(experiment: Experiment) -> Readout:
    """What a noise model is told of the image of a resolved experiment."""
    region, panels = experiment.sampling.region, experiment.detector.panels()
    assert region is not None  # resolved
    return Readout(
        shape=experiment.detector.frame_shape(),
        region=region,
        pixel_size=plain(panels[0].pixel_size),
        exposure=plain(experiment.beam.exposure),
        slabs=tuple(
            (panel.columns().start, panel.columns().stop - 1, panel.rows().start, panel.rows().stop - 1)
            for panel in panels
        ),
        pixel_sizes=tuple(plain(panel.pixel_size) for panel in panels),
    )


def refuse_unreadable(noise: NoiseModel, experiment: Experiment) -> None:
    """Refuse a noise model that cannot read the image of a resolved experiment out, before it is rendered.

    Raises
    ------
    OpenBraggError
        What the model says, such as that a map is of another detector.
    """
    check: Any = getattr(noise, "check", None)
    if check is not None and isinstance(noise, ReadoutNoiseModel):
        check(readout_of(experiment))


def draw_counts(photons: torch.Tensor, experiment: Experiment, noise: NoiseModel, seed: int) -> torch.Tensor:
    """Counts of the rendered part, 0 elsewhere: a model that draws its pixels in turn must not draw for the rest.

    Pixels that the mask hides, and those of gaps, stay what they are: nothing is read there.
    """
    readout, visible = readout_of(experiment), visible_pixels(experiment.detector)
    given = photons[readout.part()]
    if isinstance(noise, ReadoutNoiseModel):
        drawn = noise.read_out(given, seed, readout)
        check_counts(noise, "read_out", drawn, given)
        if visible is not None:
            seen = visible[readout.part()].to(drawn.device)
            drawn = torch.where(seen, drawn, given.to(drawn.dtype))
    else:
        drawn = noise.counts(given, seed)
        check_counts(noise, "counts", drawn, given)
    if drawn.shape == photons.shape:
        return drawn
    counts = drawn.new_zeros(photons.shape)
    counts[readout.part()] = drawn
    return counts


def reference_differences(pictures: Pictures) -> list[str]:
    """A notice for each quirk of the reference program that would have changed a file, the first one it concerns."""
    notices: dict[str, str] = {}
    for output, image in pictures.files:
        asked: Any = getattr(output.format, "reference_difference", None)
        difference = asked(image) if asked is not None else None
        if difference is not None and difference[0] not in image.quirks:
            notices.setdefault(difference[0], notice(difference[0], f"{output.path}: {difference[1]}"))
    return list(notices.values())


def unsaid(pictures: Pictures) -> list[str]:
    """A notice for each file that cannot say where its image was recorded."""
    return [line for output, image in pictures.files for line in _unsaid(output, image)]


def unsaid_before(outputs: Iterable[Output], layout: Layout, noise: NoiseModel, quirks: frozenset[str]) -> list[str]:
    """The same, before anything is rendered: whatever the pixels will be."""
    experiment = layout.said()
    region = experiment.sampling.region
    assert region is not None  # resolved
    nothing = np.broadcast_to(np.float32(0.0), experiment.detector.frame_shape())
    notices = []
    for output in outputs:
        image = Image(
            pixels=nothing,
            content=output.content,
            region=region,
            experiment=experiment,
            laboratory=layout.laboratory,
            quirks=quirks,
            levels=levels_of(noise, output.content),
            spectrum=layout.channels,
        )
        notices += _unsaid(output, image)
    return notices


def _unsaid(output: Output, image: Image) -> list[str]:
    asked: Any = getattr(output.format, "unsaid", None)
    missing = asked(image) if asked is not None else None
    if missing is None:
        return []
    if any(frame.upright()[1] > 0.0 for frame in image.laboratory.panels):
        # Neither NXmx nor DIALS's experiment lists have oblique pixels.
        return [f"{output.path} cannot say {missing}"]
    more = "" if getattr(output.format, "says_angles", False) else "-nxmx can say more, and "
    return [f"{output.path} cannot say {missing}; {more}simulate writes all of it with -expt"]


def overloads(pictures: Pictures) -> list[tuple[Output, int]]:
    """For each file whose format has a largest value, how many of the rendered pixels are beyond it."""
    counted = []
    for output, image in pictures.files:
        count: Any = getattr(output.format, "overloads", None)
        if count is not None:
            counted.append((output, int(count(image))))
    return counted


def write_pictures(pictures: Pictures) -> None:
    """Write every file.

    Raises
    ------
    InputError
        When the system refuses.
    """
    for output, image in pictures.files:
        write_file(output.path, partial(output.format.write, image=image))
