"""A series: many images of one simulation, each turned on by the range of the one before."""

from __future__ import annotations

import hashlib

import attrs

from openbragg.errors import InputError, UsageError
from openbragg.model import Crystal, Scan
from openbragg.model.lattice import random_misset
from openbragg.model.scalars import is_tensor, plain
from openbragg.orchestrator.renders import Renders
from openbragg.orchestrator.resolving.resolve import clock_seed
from openbragg.roles import ShotSpectrum
from openbragg.units import DEGREES, unit

#: A start that is so close to a decimal number of degrees is that number, as the user would type it.
_DECIMALS, _ROUNDING = 9, 1e-12
#: Of the reference's generator.
_LARGEST_SEED = 2147483646


def image_of(simulation: Renders, seed: int, number: int) -> Renders:
    """The simulation of image `number`, from 1, of the series that begins with a simulation.

    It has its own scan, and of `seed`, that of the series, a seed of its own. Stills of a crystal whose orientation is
    random have each one of their own.
    """
    asked, resolved = simulation.experiment, simulation.layout().experiment
    crystal = asked.crystal
    if isinstance(crystal.misset, str):
        drawn = resolved.crystal
        if are_random_stills(simulation):
            assert drawn.misset_seed is not None  # resolved
            drawn = still_crystal(drawn, drawn.misset_seed, number)
        crystal = attrs.evolve(crystal, misset=drawn.misset, misset_seed=drawn.misset_seed)
    return simulation.evolve(
        scan=image_scan(resolved.scan, number),
        crystal=crystal,
        sampling=attrs.evolve(asked.sampling, seed=image_seed(seed, number)),
    )


def image_scans(simulation: Renders, images: int) -> tuple[Scan, ...]:
    """The scan of every image, in their order."""
    first = simulation.layout().experiment.scan
    return tuple(image_scan(first, number) for number in range(1, images + 1))


def image_scan(scan: Scan, number: int) -> Scan:
    """The scan of image `number`, from 1, where `scan` is the resolved one of the first; radians."""
    if number == 1:
        return scan
    width = scan.range if scan.range is not None else 0.0
    start = scan.start + (number - 1) * width
    if not is_tensor(start):
        degrees = float(start) * DEGREES
        typed = round(degrees, _DECIMALS)
        if abs(typed - degrees) <= _ROUNDING * max(1.0, abs(degrees)):
            start = unit("deg").to_si(typed)
    return attrs.evolve(scan, start=start, image=number)


def are_random_stills(simulation: Renders) -> bool:
    """Whether the images of a series do not turn the crystal, and each has a random orientation of its own."""
    scan = simulation.layout().experiment.scan
    return isinstance(simulation.experiment.crystal.misset, str) and is_still(scan)


def differ(simulation: Renders, images: int) -> bool:
    """Whether stills of a series may show crystals that stand otherwise, or others, or in another beam, on each."""
    if not is_still(simulation.layout().experiment.scan):
        return False
    beams = isinstance(simulation.layout().parts.spectrum, ShotSpectrum)
    return beams or are_random_stills(simulation) or any(_numbers_of_others(simulation, images))


def refuse_other_numbers(simulation: Renders, images: int) -> None:
    """Refuse files of what is known of a series whose images do not all have as many crystals.

    Raises
    ------
    InputError
        With the first image that has more or fewer.
    """
    if not is_still(simulation.layout().experiment.scan):
        return
    first, *others = _numbers_of_others(simulation, images)
    for number, count in enumerate(others, 2):
        if count != first:
            raise InputError(
                f"files of what is known need as many crystals on each image as on the first, {first + 1}; "
                f"the scene {simulation.scene.name} has {count + 1} on image {number}"
            )


def _numbers_of_others(simulation: Renders, images: int) -> list[int]:
    """How many crystals are on each still beside the main one."""
    crystal = simulation.layout().experiment.crystal
    return [len(simulation.scene.shot(crystal, number).others) for number in range(1, images + 1)]


def is_still(scan: Scan) -> bool:
    """Whether images of a resolved scan do not turn the crystal."""
    return scan.range is None or plain(scan.range) == 0.0


def still_crystal(crystal: Crystal, seed: int, number: int) -> Crystal:
    """A crystal in the random orientation of still `number`, from 1, of a series whose first has `seed`.

    The first is that of ``-misset random`` with this seed; the seeds of the others, of 31 bits as the reference's
    generator takes them, come from a hash of it and the number.
    """
    if number > 1:
        seed = image_seed(seed, number) % _LARGEST_SEED + 1
    return attrs.evolve(crystal, misset=random_misset(seed), misset_seed=seed)


def image_seed(seed: int, number: int) -> int:
    """The seed of an image's noise, of 63 bits: from a hash of the run's seed and the image's number."""
    digest = hashlib.sha256(f"openbragg series {seed} image {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def series_seed(simulation: Renders) -> int:
    """The seed of a series: that of the experiment's sampling, or one from the clock."""
    given = simulation.experiment.sampling.seed
    return given if given is not None else clock_seed()


def check_images(images: int) -> None:
    """Refuse a number of images that is none.

    Raises
    ------
    UsageError
        With the number.
    """
    if images < 1:
        raise UsageError(f"images: expected a whole number above 0, got {images}")


def refuse_unknown_range(scan: Scan, images: int) -> None:
    """Refuse a series of images of which nothing says how far each turns the crystal.

    Raises
    ------
    UsageError
        With what to give.
    """
    if images > 1 and scan.range is None and scan.steps is None and scan.step is None:
        raise UsageError(f"-images {images}: expected -osc with it, how far each image turns the crystal; 0 for stills")
