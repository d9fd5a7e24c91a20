"""DIALS's experiment list of the true geometry and crystal: an ``.expt`` file."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import hookimpl, option, unit
from openbragg_plugins.truth_formats.dials_models import (
    beam_model,
    crystal_model,
    detector_model,
    goniometer_model,
    scan_model,
)

if TYPE_CHECKING:
    from openbragg import Experiment, Laboratory, Truth, TruthFormat, WrittenImages

#: Image formats that DIALS reads, in the order in which they are preferred: how much they say themselves.
_READ = ("nxmx", "minicbf", "smv")
#: Largest pixel where the images do not say: what 32 bits with a sign hold, less two marks of bad pixels.
_LARGEST = 2147483645.0
#: Bytes of a hash that make an identifier.
_IDENTIFIER = 16


@attrs.frozen
class DialsExperiments:
    """Beam, detector, goniometer, scan and crystal as they truly were, and the images to which they belong.

    A rotation is one experiment, a still image one of its own without goniometer and scan; of each, every crystal is
    one. Source: the JSON that dxtbx
    of DIALS 3.12 writes and reads.
    """

    name: ClassVar[str] = "dials-experiments"
    summary: ClassVar[str] = "DIALS experiment list (.expt) of the true geometry and crystal"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".expt",)
    says_angles: ClassVar[bool] = True

    file: Path | None = option(
        "-expt",
        type=Path,
        output="truth",
        metavar="FILE",
        help="Write the true geometry and crystal as a DIALS experiment list, of a series one for all images.",
    )

    def refuses(self, experiment: Experiment) -> str | None:
        """See `openbragg.TruthFormat`: a curved detector."""
        return "DIALS has no curved detectors (-curved_det)" if experiment.detector.curved else None

    def unsaid(self, laboratory: Laboratory) -> str | None:
        """See `openbragg.TruthFormat`: oblique pixels."""
        return laboratory.oblique_pixels()

    def write_truth(self, stream: BinaryIO, path: Path, truth: Truth) -> None:
        """See `openbragg.TruthFormat.write_truth`."""
        stream.write(json.dumps(experiment_list(truth, path.parent), indent=2).encode("ascii") + b"\n")


def experiment_list(truth: Truth, folder: Path) -> dict[str, Any]:
    """The experiment list of a run; names of images are relative to a folder."""
    # Of several panels the other two say nothing, and DIALS takes them for one.
    names = _READ if len(truth.laboratory.panels) == 1 else _READ[:1]
    images = next((each for name in names for each in _counts_first(truth) if each.format.name == name), None)
    trusted, pedestal = _levels(images)
    gain = images.levels.gain if images is not None else 1.0
    models: dict[str, Any] = {
        "imageset": [],
        "beam": _beams(truth),
        "detector": [detector_model(truth.experiment, truth.laboratory, trusted, pedestal, gain)],
        "goniometer": [],
        "scan": [],
        "crystal": [],
        "profile": [],
        "scaling_model": [],
    }
    if rotates(truth):
        models["goniometer"].append(goniometer_model(truth.laboratory))
        models["scan"].append(scan_model(truth))
        models["crystal"] = [crystal_model(each) for each in truth.lattices()]
        one = {"beam": 0, "detector": 0, "goniometer": 0, "scan": 0}
        experiments = [one | {"crystal": number} for number in range(len(models["crystal"]))]
        if images is not None:
            models["imageset"].append(_sequence(images, folder, len(truth.scans)))
            for experiment in experiments:
                experiment["imageset"] = 0
    else:
        every = range(len(truth.scans))
        made = [[crystal_model(each, number) for each in truth.lattices()] for number in every]
        made = made if any(models_of != made[0] for models_of in made) else made[:1]
        models["crystal"] = [model for models_of in made for model in models_of]
        count, last = len(truth.lattices()), len(made) - 1
        experiments = [
            {
                "beam": number if truth.wavelengths_of_images else 0,
                "detector": 0,
                "crystal": min(last, number) * count + lattice,
            }
            for number in every
            for lattice in range(count)
        ]
        if images is not None:
            models["imageset"] = [_still(images, folder, number) for number in every]
            for place, experiment in enumerate(experiments):
                experiment["imageset"] = place // count
    named = zip(experiments, identifiers(truth), strict=True)
    return {
        "__id__": "ExperimentList",
        "experiment": [{"__id__": "Experiment", "identifier": name, **each} for each, name in named],
        **models,
    }


def rotates(truth: Truth) -> bool:
    """Whether the crystal turns during an image."""
    return float(truth.scans[0].range or 0.0) > 0.0


def _beams(truth: Truth) -> list[dict[str, Any]]:
    """The beam, or that of each image where they differ."""
    one = beam_model(truth.experiment, truth.laboratory)
    return [one | {"wavelength": unit("A").from_si(each)} for each in truth.wavelengths_of_images] or [one]


def identifiers(truth: Truth) -> list[str]:
    """Of each experiment, by which reflections refer to it: hashes of its numbers; equal runs have equal ones."""
    numbers = [
        beam_model(truth.experiment, truth.laboratory),
        detector_model(truth.experiment, truth.laboratory, (0.0, 0.0), 0.0),
        *(crystal_model(each) for each in truth.lattices()),
        scan_model(truth),
    ]
    count = (1 if rotates(truth) else len(truth.scans)) * len(truth.lattices())
    names = (hashlib.sha256(json.dumps([number, *numbers]).encode()).digest() for number in range(count))
    return [str(uuid.UUID(bytes=name[:_IDENTIFIER])) for name in names]


def _counts_first(truth: Truth) -> list[WrittenImages]:
    return sorted(truth.images, key=lambda images: images.content != "counts")


def _levels(images: WrittenImages | None) -> tuple[tuple[float, float], float]:
    """The trusted range of the images, once their pedestal is taken off, and that pedestal."""
    if images is None:
        return (-1.0, _LARGEST), 0.0
    format_ = images.format
    if format_.name == "smv":
        offset = float(format_.adc_offset)
        return (-offset - 1.0, images.levels.largest_trusted(format_.largest_count() - offset)), offset
    largest = format_.cutoff if format_.name == "minicbf" else format_.largest(images.content)
    return (-1.0, images.levels.largest_trusted(_LARGEST if largest is None else float(largest))), 0.0


def _sequence(images: WrittenImages, folder: Path, count: int) -> dict[str, Any]:
    """The images of a rotation."""
    made: dict[str, Any] = {"__id__": "ImageSequence", "template": _relative(images.path, folder)}
    if images.format.name == "nxmx" and images.together:
        made["single_file_indices"] = list(range(count))
    return made | _lookup()


def _still(images: WrittenImages, folder: Path, number: int) -> dict[str, Any]:
    """A still image, `number` counting from 0."""
    name = _relative(images.path, folder)
    if not images.together:
        digits = name.count("#")
        name = name.replace("#" * digits, f"{number + 1:0{digits}d}")
    made: dict[str, Any] = {"__id__": "ImageSet", "images": [name]}
    if images.format.name == "nxmx":
        made["single_file_indices"] = [number if images.together else 0]
    return made | _lookup()


def _lookup() -> dict[str, Any]:
    """Files that correct the images: none."""
    return {**dict.fromkeys(("mask", "gain", "pedestal", "dx", "dy")), "params": {}}


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


@hookimpl
def truth_formats() -> list[type[TruthFormat]]:
    """Offer the experiment list."""
    return [DialsExperiments]
