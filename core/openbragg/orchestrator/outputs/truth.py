"""What is known of a run's images, and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import attrs
import numpy as np
import torch

from openbragg.model import Crystal, Scan
from openbragg.model.lattice import oriented_bases
from openbragg.model.scalars import plain
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.outputs.outputs import Output, write_output
from openbragg.orchestrator.prediction.prediction import predict, predict_each
from openbragg.orchestrator.prediction.scene import make_scene
from openbragg.orchestrator.prediction.sensor_places import numbers
from openbragg.orchestrator.tracing import trace_of
from openbragg.roles import ClosedMosaicModel, DescribedStructureFactors, Tracer, Truth, WrittenImages


def make_truth(
    layout: Layout,
    scans: tuple[Scan, ...],
    images: Iterable[WrittenImages],
    quirks: frozenset[str],
    tracers: Iterable[tuple[Tracer, str]] = (),
    layout_of: Callable[[int], Layout] | None = None,
) -> Truth:
    """What is known of the images of a run.

    Parameters
    ----------
    layout
        Of its first image.
    scans
        Of every image.
    images
        What was written of them.
    quirks
        Names of quirks of the reference program that the run reproduces.
    tracers
        Those that may be asked, each with the distribution it is from.
    layout_of
        Of each image, by its number from 1, where they differ in the crystals or in the beam.
    """
    every = range(1, len(scans) + 1)
    wavelengths: tuple[float, ...] = ()
    if layout_of is None:
        crystals = [(each.experiment.crystal,) * len(scans) for each in layout.lattices()]
        reflections = partial(predict, layout, scans, quirks)
    else:
        # Of each image the crystals, as many on all, and then of each crystal the images.
        layouts = [layout_of(number) for number in every]
        crystals = list(zip(*([each.experiment.crystal for each in one.lattices()] for one in layouts), strict=True))
        wavelengths = tuple(plain(one.said().beam.wavelength) for one in layouts)
        reflections = partial(predict_each, (layout_of(number) for number in every), scans, quirks)
    images = tuple(images)
    known = [
        _truth_of(
            each,
            quirks,
            laboratory=layout.laboratory,
            scans=scans,
            cell_vectors_of_images=tuple(_vectors_of(crystal, quirks) for crystal in crystals[number]),
            images=images,
            reflections=reflections,
            trace=partial(trace_of, layout, lattice=number),
            tracers=tuple(tracers),
            wavelengths_of_images=wavelengths if len(set(wavelengths)) > 1 else (),
        )
        for number, each in enumerate(layout.lattices())
    ]
    return attrs.evolve(known[0], others=tuple(known[1:]))


def _truth_of(layout: Layout, quirks: frozenset[str], **shared: Any) -> Truth:
    """What is known of one crystal, with what it shares with others."""
    vectors = _vectors_of(layout.experiment.crystal, quirks)
    mosaic, crystal = layout.parts.mosaic, layout.experiment.crystal
    blocks = mosaic.blocks(crystal, torch.from_numpy(vectors))
    factors = layout.plan.structure_factors
    known = factors.crystal() if isinstance(factors, DescribedStructureFactors) else None
    return Truth(
        experiment=layout.said(),
        cell_vectors=vectors,
        mosaic_rotations=numbers(blocks.rotations),
        mosaic_weights=None if blocks.weights is None else numbers(blocks.weights),
        mosaic_mounted=blocks.mounted,
        mosaic_deviation=mosaic.deviation(crystal) if isinstance(mosaic, ClosedMosaicModel) else 0.0,
        space_group=known.space_group if known is not None else "",
        **shared,
    )


def _vectors_of(crystal: Crystal, quirks: frozenset[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return numbers(oriented_bases(crystal, oblique="oblique-cell" in quirks)[0])


def prepared(truth: Truth, outputs: Iterable[Output]) -> list[Output]:
    """Outputs with formats that have prepared what they write, where they do so, each once.

    Raises
    ------
    OpenBraggError
        When a format cannot say it.
    """
    made: dict[int, Any] = {}
    outputs = list(outputs)
    for format_ in (output.format for output in outputs):
        prepare: Any = getattr(format_, "prepared", None)
        if prepare is not None and id(format_) not in made:
            made[id(format_)] = prepare(truth)
    return [attrs.evolve(output, format=made.get(id(output.format), output.format)) for output in outputs]


def check_truth(layout: Layout, scans: tuple[Scan, ...], quirks: frozenset[str], outputs: Iterable[Output]) -> None:
    """Refuse what is asked of the truth and cannot be told, before anything is rendered; arguments as in `make_truth`.

    Raises
    ------
    InputError
        Of a format that needs reflections, where none are predicted.
    """
    if any(getattr(output.format, "needs_reflections", False) for output in outputs):
        for each in layout.lattices():
            make_scene(each, scans, quirks)


def unsaid_truths(layout: Layout, outputs: Iterable[Output]) -> list[str]:
    """A notice for each file that cannot say all of how a run's detector stands."""
    notices = []
    for output in outputs:
        asked: Any = getattr(output.format, "unsaid", None)
        missing = asked(layout.laboratory) if asked is not None else None
        if missing is not None:
            notices.append(f"{output.path} cannot say {missing}")
    return notices


def write_truth(truth: Truth, outputs: Iterable[Output]) -> None:
    """Write the files.

    Raises
    ------
    InputError
        When the system refuses.
    """
    for output in outputs:
        write_output(output, partial(output.format.write_truth, path=output.path, truth=truth))
