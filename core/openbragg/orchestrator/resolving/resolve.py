"""Defaults: every blank of an experiment filled in, and what was chosen said."""

from __future__ import annotations

import time

import attrs
import torch

from openbragg.errors import InputError, UsageError
from openbragg.model import Beam, Crystal, Detector, Experiment, Sampling, Scan
from openbragg.model.geometry import Laboratory
from openbragg.model.lattice import random_misset
from openbragg.model.reference_arithmetic import reference_cell_lengths
from openbragg.model.scalars import Scalar, is_tensor, plain
from openbragg.model.vectors import scalar
from openbragg.orchestrator.resolving.counting import Counting
from openbragg.orchestrator.resolving.subpixels import choose_subpixels
from openbragg.roles import AdvisedMosaicModel, LatticeShape, MosaicModel
from openbragg.units import DEGREES

#: Rotation range of a scan of which only the number of steps is given: one degree.
_DEFAULT_RANGE = 1.0 / DEGREES
#: Orientations (rotation steps times mosaic domains) that are held at once: about a GB while they are drawn.
_MOST_ORIENTATIONS = 1 << 20
#: Layers of a sensor: finer than any photon could tell.
_MOST_LAYERS = 1 << 16
#: Terms of one pixel's sum: half a minute of work.
_MOST_TERMS = 1 << 30

Region = tuple[int, int, int, int]


@attrs.frozen
class Choices:
    """What was chosen without the user: pairs of a word and a value for people, and notices."""

    made: dict[str, str] = attrs.field(factory=dict)
    notices: list[str] = attrs.field(factory=list)


def clock_seed() -> int:
    """A seed from the clock, as the reference takes one."""
    return int(time.time())


def resolve_scan(scan: Scan, counting: Counting | None = None) -> Scan:
    """Fill in range, step and number of steps as the reference does.

    Nothing given: one step. Only a range: two steps of half of it. Range and step: as many as cover the range. Only a
    number of steps: one degree. A step without a range: two steps.
    """
    counting = counting or Counting()
    steps, whole, step = scan.steps, scan.range, scan.step
    has_step = step is not None and plain(step) > 0.0
    if steps is None:
        if whole is None:
            if not has_step:
                return attrs.evolve(scan, range=0.0, step=0.0, steps=1)
            return attrs.evolve(scan, range=step, step=step, steps=2)
        if not has_step:
            return attrs.evolve(scan, range=whole, step=whole / 2.0, steps=2)
        assert step is not None
        steps = counting.rounded_up(plain(whole) / plain(step), "rotation steps")
        return attrs.evolve(scan, range=whole, step=step, steps=max(1, steps))
    steps = max(1, steps)
    if whole is None:
        if has_step:
            return attrs.evolve(scan, range=step, step=step, steps=2)
        return attrs.evolve(scan, range=_DEFAULT_RANGE, step=_DEFAULT_RANGE / steps, steps=steps)
    return attrs.evolve(scan, range=whole, step=whole / steps if step is None else step, steps=steps)


def resolve_crystal(
    crystal: Crystal, beam: Beam, model: MosaicModel, choices: Choices, counting: Counting | None = None
) -> Crystal:
    """Fill in misset angles, cell counts and mosaic domains.

    Raises
    ------
    InputError
        When the cell is singular.
    """
    if isinstance(crystal.misset, str):
        seed = crystal.misset_seed if crystal.misset_seed is not None else clock_seed()
        angles = random_misset(seed)
        degrees = " ".join(f"{angle * DEGREES:.6g}" for angle in angles)
        choices.made["misset"] = f"{degrees} degrees, random with seed {seed}"
        crystal = attrs.evolve(crystal, misset=angles, misset_seed=seed)
    crystal = attrs.evolve(
        crystal, cells=_cell_counts(crystal, beam, choices, counting or Counting()), size=(None, None, None)
    )
    if crystal.volume is not None:
        crystal = _filled(crystal, choices)
    spread = crystal.mosaic_spread if crystal.mosaic_spread is not None else 0.0
    domains = model.domains(crystal)
    if crystal.mosaic_domains is not None and crystal.mosaic_domains > 1 and domains == 1:
        choices.notices.append(
            "no mosaic spread: the mosaic domains are all alike, so one is rendered"
            if not is_tensor(spread) and spread == 0.0
            else f"the mosaic model {model.name} takes one orientation for all of the {crystal.mosaic_domains} domains"
        )
    elif not crystal.mosaic_domains and domains > 1:
        choices.made["mosaic domains"] = str(domains)
    if isinstance(model, AdvisedMosaicModel) and (said := model.spread_notice(crystal)):
        choices.notices.append(said)
    return attrs.evolve(crystal, mosaic_spread=spread, mosaic_domains=domains)


def _filled(crystal: Crystal, choices: Choices) -> Crystal:
    """A crystal of a volume as the coherent blocks that fill it; its cells are counted."""
    cell = torch.linalg.det(crystal.oriented_vectors()).abs()
    blocks = scalar(crystal.volume) / (torch.linalg.det(crystal.cells_tensor()) * cell)
    choices.made["coherent blocks"] = f"{plain(blocks):.6g} in the crystal's volume"
    return attrs.evolve(crystal, scale=blocks * crystal.scale, volume=None)


def refuse_ill_fitting_mask(detector: Detector) -> None:
    """Refuse a mask of another size than the stored frame, and panels that share pixels of it.

    Raises
    ------
    InputError
        With both sizes, or with the panels.
    """
    slow, fast = detector.frame_shape()
    if detector.mask is None:
        return
    shape = tuple(detector.mask.shape)
    if shape != (slow, fast):
        shown = " x ".join(str(length) for length in reversed(shape))
        raise InputError(f"the mask has {shown} pixels, the detector {fast} x {slow} (fast x slow)")


def refuse_too_many_orientations(scan: Scan, crystal: Crystal) -> None:
    """Refuse numbers of steps and domains that only a slip of the hand can mean.

    Raises
    ------
    InputError
        When their product is beyond what is held at once.
    """
    steps, domains = scan.steps or 1, crystal.mosaic_domains or 1
    if steps * domains > _MOST_ORIENTATIONS:
        raise InputError(f"{steps} rotation steps of {domains} mosaic domains are too many: {_MOST_ORIENTATIONS} fit")


def refuse_too_many_layers(layers: int) -> None:
    """Refuse a number of layers that only a slip of the hand can mean.

    Raises
    ------
    InputError
        When there are more layers than are held at once.
    """
    if layers > _MOST_LAYERS:
        raise InputError(f"{layers} layers of a sensor are too many: {_MOST_LAYERS} fit")


def refuse_too_many_terms(terms: int) -> None:
    """Refuse a sum over layers, subpixels, sources, steps and domains that only a slip of the hand can mean.

    Raises
    ------
    InputError
        When one pixel has more terms than can be summed.
    """
    if terms > _MOST_TERMS:
        raise InputError(f"{terms} terms in the sum of each pixel are too many: {_MOST_TERMS} can be summed")


def resolve_region(region: Region | None, detector: Detector, choices: Choices) -> Region:
    """The part to render, inside the detector.

    Raises
    ------
    UsageError
        When no pixel of the detector lies in the region.
    """
    slow, fast = detector.frame_shape()
    if region is None:
        return 0, fast - 1, 0, slow - 1
    inside = (max(0, region[0]), min(fast - 1, region[1]), max(0, region[2]), min(slow - 1, region[3]))
    words = " ".join(str(limit) for limit in region)
    if inside[0] > inside[1] or inside[2] > inside[3]:
        raise UsageError(
            f"-roi {words}: expected xmin <= xmax and ymin <= ymax within {fast} x {slow} pixels (fast x slow)"
        )
    if inside != region:
        kept = " ".join(str(limit) for limit in inside)
        choices.notices.append(f"-roi {words} reaches beyond the detector; rendering {kept}")
    return inside


def resolve_sampling(
    experiment: Experiment,
    laboratory: Laboratory,
    shape: LatticeShape,
    choices: Choices,
    counting: Counting | None = None,
    quirks: frozenset[str] = frozenset(),
) -> Sampling:
    """Fill in oversampling and region; `experiment` has its crystal resolved.

    Raises
    ------
    UsageError
        When more subpixels are wanted than a default may choose, or no pixel lies in the region.
    """
    sampling = experiment.sampling
    oversample = sampling.oversample
    if not oversample:
        oversample = choose_subpixels(experiment, laboratory, shape, choices.notices, counting or Counting(), quirks)
        choices.made["oversampling"] = f"{oversample} x {oversample} subpixels"
    region = resolve_region(sampling.region, experiment.detector, choices)
    return attrs.evolve(sampling, oversample=oversample, region=region)


def _cell_counts(crystal: Crystal, beam: Beam, choices: Choices, counting: Counting) -> tuple[Scalar, Scalar, Scalar]:
    """Cells along a, b, c: from the crystal's size where one is given, clipped to the beam across it."""
    sized = any(size is not None for size in crystal.size)
    lengths = crystal.oriented_vectors().detach().norm(dim=1).tolist() if sized else [0.0] * 3
    reference = reference_cell_lengths(crystal, plain(beam.wavelength)) if sized else (1.0, 1.0, 1.0)
    limit = plain(beam.size)
    counts: list[Scalar] = []
    for axis, (size, count, length) in enumerate(zip(crystal.size, crystal.cells, lengths, strict=True)):
        if size is None or plain(size) <= 0.0:
            counts.append(count)
            continue
        width = plain(size)
        if axis > 0 and limit < width:
            choices.notices.append(f"the crystal is clipped to the beam of {limit * 1000:g} mm along {'abc'[axis]}")
            width = limit
        cells = counting.rounded_up(width / length, f"cells along {'abc'[axis]}", width / reference[axis])
        counts.append(max(1, cells))
    if sized:
        choices.made["cells"] = " x ".join(f"{plain(count):g}" for count in counts)
    return counts[0], counts[1], counts[2]
