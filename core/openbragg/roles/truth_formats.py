"""The contract of truth formats, and what is known of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

import attrs

from openbragg.roles.noise_models import Levels
from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from openbragg.model import Experiment, Scan
    from openbragg.model.geometry import Laboratory
    from openbragg.roles.tracers import PixelTrace, Tracer


@attrs.frozen(kw_only=True, eq=False)
class WrittenImages:
    """Images of a run that have been written, as a truth format points to them.

    Attributes
    ----------
    format
        The image format, with its options.
    content
        ``photons`` or ``counts``.
    path
        The file; of a series of single files the name with ``#`` for each digit of the number; of a series in one file,
        or in that and a few others, that one.
    together
        Whether all images are in one file.
    levels
        What their counts mean.
    """

    format: Any
    content: str
    path: Path
    together: bool
    levels: Levels = Levels()


@attrs.frozen(kw_only=True, eq=False)
class PredictedReflections:
    """The reflections of a run's images; arrays have a row for each.

    They are in the order of still image, crystal, spindle angle and index.

    Attributes
    ----------
    indices
        h k l: int32, (reflections, 3).
    still
        Number of the still image, from 0; 0 in a rotation: int32.
    lattice
        Number of the crystal in the scene, from 0, the main one's: int32.
    panel
        Number of the panel, from 0: int32.
    ray
        Unit vectors along the scattered rays in the laboratory: float64, (reflections, 3).
    place
        Where the ray meets the panel's plane, (fast, slow) from its first corner in pixels times the pixel size, which
        are metres for square pixels: float64, (reflections, 2).
    pixel
        Where the sensor counts it, (fast, slow) in pixels from the first corner: float64, (reflections, 2).
    angle
        Spindle angle in radians at which it is reflected; the image's in a still.
    spacing
        d, in metres.
    partiality
        Part of it that the images have: of a rotation what lies in the scan, of a still its height on the sphere of
        reflection over the largest.
    amplitude
        F in electrons.
    photons
        Expected photons on all images together, or on the still.
    """

    indices: np.ndarray[Any, np.dtype[np.int32]]
    still: np.ndarray[Any, np.dtype[np.int32]]
    lattice: np.ndarray[Any, np.dtype[np.int32]]
    panel: np.ndarray[Any, np.dtype[np.int32]]
    ray: np.ndarray[Any, np.dtype[np.float64]]
    place: np.ndarray[Any, np.dtype[np.float64]]
    pixel: np.ndarray[Any, np.dtype[np.float64]]
    angle: np.ndarray[Any, np.dtype[np.float64]]
    spacing: np.ndarray[Any, np.dtype[np.float64]]
    partiality: np.ndarray[Any, np.dtype[np.float64]]
    amplitude: np.ndarray[Any, np.dtype[np.float64]]
    photons: np.ndarray[Any, np.dtype[np.float64]]


@attrs.frozen(kw_only=True, eq=False)
class Truth:
    """What is known of a run's images: how they came about, against which a program's results can be held.

    Attributes
    ----------
    experiment
        The resolved experiment of the first image.
    laboratory
        Where the convention placed beam, spindle and panels.
    scans
        The scan of every image, in their order.
    cell_vectors
        Rows a, b, c of the first image in metres with the spindle at 0, in the laboratory: float64, (3, 3).
    cell_vectors_of_images
        The same of every image: of stills with random orientations each has its own.
    mosaic_rotations
        Rotations of the mosaic domains about axes of the laboratory: float64, (domains, 3, 3).
    mosaic_weights
        The part of the crystal that each stands for, with the sum 1: float64, (domains,); None where all are alike.
    mosaic_mounted
        Whether they turn the crystal before the spindle does; else after it.
    mosaic_deviation
        Standard deviation, about one axis and in radians, of rotations that are summed in closed form; 0 for none.
    space_group
        What the structure factors say of it; empty where they do not.
    images
        What was written of the images, in the order of the formats.
    reflections
        Predicts the reflections; an `InputError` says why they cannot be.
    trace
        Traces a pixel of the stored frame, (slow, fast), of the first image; a `UsageError` says that it is not
        rendered.
    tracers
        Those that an option of a format names, or all that are installed, each with the distribution it is from.
    wavelengths_of_images
        The mean wavelength of every image, in metres; empty where all have that of the experiment.
    others
        The same of each further crystal of the scene. Reflections are those of all, and only here.
    """

    experiment: Experiment
    laboratory: Laboratory
    scans: tuple[Scan, ...]
    cell_vectors: np.ndarray[Any, np.dtype[np.float64]]
    cell_vectors_of_images: tuple[np.ndarray[Any, np.dtype[np.float64]], ...]
    mosaic_rotations: np.ndarray[Any, np.dtype[np.float64]]
    space_group: str
    images: tuple[WrittenImages, ...]
    reflections: Callable[[], PredictedReflections]
    trace: Callable[[int, int], PixelTrace]
    tracers: tuple[tuple[Tracer, str], ...]
    mosaic_weights: np.ndarray[Any, np.dtype[np.float64]] | None = None
    mosaic_mounted: bool = False
    mosaic_deviation: float = 0.0
    wavelengths_of_images: tuple[float, ...] = ()
    others: tuple[Truth, ...] = ()

    def lattices(self) -> tuple[Truth, ...]:
        """What is known of each crystal of the scene, the main one first."""
        return self, *self.others


@runtime_checkable
class TruthFormat(Plugin, Protocol):
    """A file of what is known of a run, one for all its images.

    A format names its files in option fields with ``output="truth"``, or another word for what is in them that is no
    image; for each that is set, `write_truth` is called when the images are made, which appear together with it. Where
    such an option has ``stdout=True``, its word may be ``-``, and so is the path then.

    These it may have beside:

    - a method ``refuses(experiment)``, called when an option of it was given: why it cannot say what there is to say of
      an experiment, or None; the run is then refused before it begins.
    - a method ``unsaid(laboratory)``: what its files cannot say of how the detector stands, as words that go on after
      "the file cannot say", or None.
    - a method ``unasked()``: the field, with ``output``, of a file that is written to standard output when none is
      named, or None.
    - a method ``prepared(truth)``, called before any file is written, of a series before any but its images: a format
      that has in it what is to be written, whose `write_truth` is then called. What it raises leaves no file behind.
    - ``needs_reflections = True``: it is refused beforehand, too, where reflections cannot be predicted.
    - ``suffixes``, the ends of names by which Python chooses it, with the point and in lower case.
    - ``says_angles = True``: it says at which spindle angles the crystal turned; a notice tells where the rotation
      steps of the images stand half a step before them.
    - ``of_one_image = True``: what it says is of one image; it is refused with a series.
    """

    def write_truth(self, stream: BinaryIO, path: Path, truth: Truth) -> None:
        """Write the truth to a binary stream; the file appears as `path` only when all of it is written.

        Equal runs give equal bytes, wherever the folder lies: name other files relative to the folder of `path`.
        """
