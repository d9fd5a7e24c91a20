"""Properties of a truth format."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from openbragg.model import Scan
from openbragg.model.lattice import oriented_bases
from openbragg.options import options_of
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.roles import PredictedReflections, Truth, TruthFormat, WrittenImages
from openbragg.testing.assertions import require
from openbragg.testing.declaration import check_declaration
from openbragg.testing.image_formats import make_image
from openbragg.testing.tracers import make_trace

#: Reflections of the truth that `make_truth` makes.
_REFLECTIONS = 3


@attrs.frozen
class _SomeFormat:
    """An image format of no importance."""

    name: str = "some"


def make_truth(images: int = 2, folder: Path = Path()) -> Truth:
    """A truth to write: a rotation of a 100 angstrom cubic crystal, with three made-up reflections.

    Whichever pixel is traced, the trace is that of `make_trace`; the tracers are those that are installed.

    Parameters
    ----------
    images
        How many there are, of a degree each; 0 for a still.
    folder
        Where they are said to lie.
    """
    image = make_image(np.zeros((4, 6)), "counts")
    width = np.radians(1.0) if images else 0.0
    scans = tuple(Scan(start=number * width, range=width, step=width, steps=1) for number in range(max(1, images)))
    experiment = attrs.evolve(image.experiment, scan=scans[0])
    vectors, _ = oriented_bases(experiment.crystal)
    written = WrittenImages(format=_SomeFormat(), content="counts", path=folder / "image_####.some", together=False)
    return Truth(
        experiment=experiment,
        laboratory=image.laboratory,
        scans=scans,
        cell_vectors=vectors.numpy(),
        cell_vectors_of_images=(vectors.numpy(),) * len(scans),
        mosaic_rotations=np.eye(3)[None],
        space_group="",
        images=(written,),
        reflections=_reflections,
        trace=lambda slow, fast: make_trace(),
        tracers=tuple((found.cls(), found.origin()) for found in default_registry().of_role("tracers")),
    )


def check_truth_format(truth_format: TruthFormat, name: str) -> None:
    """The format declares itself, names a file of its own, and writes equal bytes of equal runs in any folder.

    Parameters
    ----------
    truth_format
        An instance.
    name
        A name that a file of it may have.

    Raises
    ------
    AssertionError
        With the name of the class and what it does not keep.
    """
    check_declaration(truth_format, TruthFormat)
    title = type(truth_format).__name__
    outputs = [spec.output for _, spec in options_of(type(truth_format)) if spec.output]
    require(outputs != [], f"{title} has no option that names a file")
    images_too = {"photons", "counts"} & set(outputs)
    require(not images_too, f'{title} names files that are no truth: output="truth" is expected')
    for images in (0, 1, 2):
        one, other = (_written(truth_format, images, Path(folder), name) for folder in ("/one", "/another/folder"))
        require(one == other, f"{title} writes other bytes when the folder is another")
        require(one != b"", f"{title} writes nothing of {images or 'a still'} images")


def _written(truth_format: TruthFormat, images: int, folder: Path, name: str) -> bytes:
    stream = io.BytesIO()
    truth = make_truth(images, folder)
    prepared = getattr(truth_format, "prepared", None)
    (truth_format if prepared is None else prepared(truth)).write_truth(stream, folder / name, truth)
    return stream.getvalue()


def _reflections() -> PredictedReflections:
    numbers: np.ndarray[Any, np.dtype[np.float64]] = np.arange(1.0, _REFLECTIONS + 1)
    return PredictedReflections(
        indices=np.stack([numbers, -numbers, 0 * numbers], axis=1).astype(np.int32),
        lattice=np.zeros(_REFLECTIONS, dtype=np.int32),
        still=np.zeros(_REFLECTIONS, dtype=np.int32),
        panel=np.zeros(_REFLECTIONS, dtype=np.int32),
        ray=np.tile([1.0, 0.0, 0.0], (_REFLECTIONS, 1)),
        place=np.stack([numbers, numbers], axis=1) * 1e-4,
        pixel=np.stack([numbers, numbers], axis=1),
        angle=numbers * 1e-3,
        spacing=1e-8 / numbers,
        partiality=numbers / _REFLECTIONS,
        amplitude=100.0 * numbers,
        photons=1000.0 * numbers,
    )
