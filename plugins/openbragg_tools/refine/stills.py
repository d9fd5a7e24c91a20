"""Stills to be refined: images one by one as they are needed, and a start for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from openbragg import Geometry, InputError, ReadImage, Simulation, UsageError, read_images, shown
from openbragg_tools.refine.holding import Crew, Task, Work, here, tasks_of
from openbragg_tools.refine.joint import RefinedStills, is_shared, refine_stills
from openbragg_tools.refine.preparation import Asked, usual
from openbragg_tools.refine.refinement import refine_still
from openbragg_tools.refine.results import Refined


@attrs.frozen(eq=False)
class Still:
    """An image that is read when it is needed.

    Attributes
    ----------
    source
        What messages call it.
    path
        Its file; None for one that was given as numbers.
    place
        Which image of the file, from 0; None in a file of one.
    read
        Reads it.
    """

    source: str
    path: Path | None
    place: int | None
    read: Callable[[], ReadImage]


def stills_of(images: Sequence[Any], shape: tuple[int, int] | None = None, single: bool = False) -> list[Still]:
    """The stills of files, of images that were read, and of arrays of counts (slow, fast); stills are what they are.

    Parameters
    ----------
    shape
        Pixels (slow, fast) of raw images.
    single
        Whether each file has one image, so that none is opened now.
    """
    made = []
    for number, image in enumerate(images, 1):
        source = f"image {number}" if len(images) > 1 else "the image"
        if isinstance(image, Still):
            made.append(image)
        elif isinstance(image, str | Path):
            made += _of_file(Path(image), shape, single)
        elif isinstance(image, ReadImage):
            made.append(Still(source, None, None, lambda image=image: image))  # type: ignore[misc]
        else:
            pixels = np.asarray(image)
            made.append(Still(source, None, None, lambda pixels=pixels: ReadImage(pixels=pixels)))  # type: ignore[misc]
    return made


def _of_file(path: Path, shape: tuple[int, int] | None, single: bool) -> list[Still]:
    name = shown(str(path))

    def one(place: int) -> ReadImage:
        found = read_images(path, shape=shape)
        if single and len(found) > 1:
            raise UsageError(f"{name}: has {len(found)} images, where one is expected for each crystal")
        return found[place]

    count = 1 if single else len(read_images(path, shape=shape))
    if count == 1:
        return [Still(name, path, None, lambda: one(0))]
    return [
        Still(f"{name}, image {place + 1}", path, place, lambda place=place: one(place))  # type: ignore[misc]
        for place in range(count)
    ]


def starts_of(simulation: Simulation, geometries: Sequence[Geometry]) -> list[Simulation]:
    """The simulation with the crystal and the wavelength of each experiment of a file that its detector is from.

    Raises
    ------
    UsageError
        When they have different detectors, or one has no crystal.
    """
    first = geometries[0]
    made = []
    for number, geometry in enumerate(geometries):
        if (geometry.panels, geometry.beam) != (first.panels, first.beam):
            raise UsageError(
                f"{geometry.source}: experiment {number} has another detector or beam direction than the first: "
                "stills of one detector are refined together"
            )
        if geometry.reciprocal_vectors is None:
            raise UsageError(f"{geometry.source}: experiment {number} has no crystal")
        experiment = simulation.experiment
        beam = experiment.beam
        if geometry.wavelength is not None and geometry.wavelength != first.wavelength:
            beam = attrs.evolve(beam, wavelength=geometry.wavelength)
        crystal = attrs.evolve(experiment.crystal, cell=None, reciprocal_vectors=geometry.reciprocal_vectors)
        made.append(simulation.evolve(crystal=crystal, beam=beam))
    return made


def refine(
    simulation: Simulation | Sequence[Simulation],
    images: Any,
    free: Sequence[str] | None = None,
    *,
    space_group: str = "",
    spots: Any = None,
    readout: float | None = None,
    gain: float | None = None,
    pedestal: float | None = None,
    saturation: float | None = None,
    student: float | None = None,
    priors: Mapping[str, tuple[float, float]] | None = None,
    groups: Sequence[Sequence[int]] = (),
    reflection_scales: float | None = None,
    steps: int = 30,
    workers: int = 1,
    scheduler: str | None = None,
    watch: Callable[..., None] | None = None,
) -> Refined | RefinedStills:
    """Refine a simulation until it explains the pixels around an image's spots, or many stills together.

    Parameters
    ----------
    simulation
        The start; of several images one for all, or one for each.
    images
        A file, what `openbragg.read_image` gave, or counts (slow, fast); or a list of these. A file of several images
        is so many.
    free
        What is refined: ``misset``, ``cell``, ``cells`` (how many cells the crystal has along a, b and c),
        ``mosaic_spread``, ``scale``, ``b_factor``, and continuous fields of the experiment like ``distance``, or of a
        plugin like ``spectrum.width``; ``detector``, which moves as a whole, ``panels``, which each do, or ``groups``
        of them. By default the first three, the mosaic spread where there is one, and the scale. Of several stills,
        those of detector and beam are shared, and each crystal has the others for itself.
    space_group
        Constrains the cell; by default that of the structure factors.
    spots
        Places (fast, slow) of spots in pixels, whose edges are whole numbers, (spots, 2), of several images one such
        array each; by default they are found.
    readout
        Standard deviation of the read-out in counts; by default what the pixels beside the spots say.
    gain, pedestal, saturation
        Counts per photon, counts without photons, and where counts end; by default the file's.
    student
        Degrees of freedom of Student's t in place of a Gaussian.
    priors
        By names of parameters mean and standard deviation, in the units in which `Refined.value` has them.
    groups
        Numbers of the panels of each group that moves as a rigid body, where ``groups`` are free.
    reflection_scales
        By which part the intensity of each spot's reflection may deviate from that of the structure factors, as a
        standard deviation: each box then has a scale of its own. None: they are what they are.
    steps
        At most so many in each stage.
    workers
        Of several images, processes of this machine that share them, which needs Dask.
    scheduler
        Address of a scheduler of Dask whose workers share them; files have the same names on all machines.
    watch
        Called after each step with the history; of several images with what is done, and of how much.

    Returns
    -------
    Refined, or RefinedStills of several images
        With uncertainties. A keyboard interrupt ends it with the best so far.

    Raises
    ------
    OpenBraggError
        When an image cannot be used, or the start explains none of its spots; the message is one line. Of several
        images one that the start does not explain is left out, and a notice says so.
    """
    starts = [simulation] if isinstance(simulation, Simulation) else list(simulation)
    given = list(images) if isinstance(images, list | tuple) else [images]
    if not starts or not given:
        raise UsageError(f"expected a start and an image, got {len(starts)} and {len(given)}")
    shape = starts[0].layout().experiment.detector.frame_shape()
    stills = stills_of(given, shape, single=len(given) == len(starts) > 1)
    if len(starts) not in (1, len(stills)):
        raise UsageError(f"{len(stills)} images and {len(starts)} crystals: give as many of each, or one crystal")
    several = len(stills) > 1
    of_each = spots if several and spots is not None else [spots] * len(stills)
    if len(of_each) != len(stills):
        raise UsageError(f"spots: expected those of {len(stills)} images, got {len(of_each)}")
    asked = [
        Asked(
            source=still.source,
            space_group=space_group,
            spots=own,
            readout=readout,
            gain=gain,
            pedestal=pedestal,
            saturation=saturation,
            student=student,
            priors=priors,
            groups=groups,
            reflection_scales=reflection_scales,
        )
        for still, own in zip(stills, of_each, strict=True)
    ]
    if not several:
        if workers > 1 or scheduler is not None:
            raise UsageError("workers, scheduler: processes share images, of which there is one")
        return refine_still(starts[0], stills[0].read(), free, asked[0], steps, watch)
    _refuse_other_detectors(starts)
    starts = starts * len(stills) if len(starts) == 1 else starts
    free = tuple(dict.fromkeys(free if free is not None else usual(starts[0])))
    of_all = tuple(name for name in free if is_shared(starts[0], name))
    of_each = tuple(name for name in free if name not in of_all)
    work = Work(base=starts[0], of_each=of_each, of_all=of_all, steps=steps)
    tasks = tasks_of(starts, [partial(_read, still, shape) for still in stills], asked)
    with _crew(work, tasks, workers, scheduler) as crew:
        return refine_stills(len(tasks), crew, steps, watch)


@contextmanager
def _crew(work: Work, tasks: Sequence[Task], workers: int, scheduler: str | None) -> Iterator[Crew]:
    """Who holds the stills: this process, or several."""
    if workers == 1 and scheduler is None:
        yield here(work, tasks)
        return
    from openbragg_tools.refine.cluster import Cluster, on_cluster

    if workers > 1 and scheduler is not None:
        raise UsageError("workers, scheduler: a scheduler has workers of its own")
    with on_cluster(work, tasks, Cluster(min(workers, len(tasks)), scheduler)) as crew:
        yield crew


def _refuse_other_detectors(starts: Sequence[Simulation]) -> None:
    first = starts[0]
    for number, start in enumerate(starts):
        same = start.convention == first.convention and start.experiment.detector == first.experiment.detector
        if not same:
            raise UsageError(
                f"start {number + 1} has another detector than the first: stills of one detector are refined together"
            )


def _read(still: Still, shape: tuple[int, int]) -> ReadImage:
    """The image of a still.

    Raises
    ------
    InputError
        When it has another size than the detector.
    """
    image = still.read()
    if tuple(image.pixels.shape) != tuple(shape):
        found = " x ".join(map(str, image.pixels.shape[::-1]))
        raise InputError(
            f"{still.source}: {found} pixels (fast x slow), the detector has {shape[1]} x {shape[0]}: images of one "
            "detector are refined together"
        )
    return image
