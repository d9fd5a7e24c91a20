"""``openbragg noise``: an image in, the image that a detector would count out."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg.cli.compose import (
    FlagOption,
    ModelCommand,
    Section,
    assignments_of,
    construct,
    flags_of,
    given,
    read_as,
    section,
)
from openbragg.cli.experiment import make_experiment
from openbragg.cli.geometry import place_as_described, read_described
from openbragg.cli.loading import load_torch
from openbragg.cli.reference_flags import BEGINNINGS, Given, as_the_reference_reads
from openbragg.cli.registry import load_registry, plugin_section, simulation_sections
from openbragg.cli.selection import images_to_write, select
from openbragg.cli.settings import (
    CameraFile,
    Computation,
    ConventionChoice,
    DetectorChoice,
    GeometryFile,
    InputCounts,
    NoiseChoice,
)
from openbragg.cli.words import warn
from openbragg.errors import UsageError
from openbragg.model import Beam, Crystal, Detector, Sampling, Scan
from openbragg.orchestrator import outputs
from openbragg.orchestrator.quirks import notice, parse_compat
from openbragg.roles import Registry

if TYPE_CHECKING:
    import numpy as np

    from openbragg.orchestrator.resolve import Region
    from openbragg.orchestrator.writing import Pictures

#: Roles of the plugins that take part.
_ROLES = ("geometry_conventions", "noise_models", "image_formats", "geometry_readers")
#: Options of classes of which the others are about rendering.
_PARTS: dict[type, tuple[str, ...]] = {Sampling: ("region", "seed"), Computation: ("compat", "device")}
#: Fields of a detector that say how many pixels it has.
_PIXELS = ("pixels", "size", "mask")
#: An experiment has a crystal. This one has left its photons in the image already, and no format asks about it.
_CRYSTAL = Crystal(cell=(1e-10, 1e-10, 1e-10, pi / 2, pi / 2, pi / 2))

_HELP = """Apply a noise model to an image of expected photons, and write it in any format.

IMAGE is raw little-endian float32 with the fast axis first, SMV, PGM, PNG or NumPy (.npy). A raw image has the pixels
of the detector that the flags describe, or is square when they say nothing about them. The header of an SMV image
describes the camera as that of -img does, and its counts become photons.

Files of photons (-floatfile, -intfile and the like) get the image without noise. With -nonoise there are no others.
Without any output flag the counts are written under the name they have in simulate. Flags are those of simulate;
the ones about the crystal and its rendering have no part here."""


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command from the core's options and those of the plugins that take part."""
    registry = load_registry(blocked)
    sections = [
        section("image", InputCounts),
        section("detector", ConventionChoice, DetectorChoice, GeometryFile, CameraFile, Detector),
        section("beam", Beam),
        section("scan", Scan),
        Section(
            "output",
            (
                *section("", NoiseChoice).options,
                *(FlagOption(flag) for cls, fields in _PARTS.items() for flag in flags_of(cls) if flag.field in fields),
            ),
        ),
        *(plugin_section(found) for found in registry.found if found.role.hook in _ROLES),
    ]

    def run(image: str) -> None:
        context = click.get_current_context()
        add_noise(registry, Path(image), given(context), read_as(context))

    return ModelCommand(
        "noise",
        sections,
        beginnings=BEGINNINGS,
        arguments=[click.Argument(["image"])],
        elsewhere=dict.fromkeys(
            (name for part in simulation_sections(registry) for option in part.options for name in option.opts),
            "a flag of simulate; noise takes the image as it is and renders nothing",
        ),
        callback=run,
        help=_HELP,
    )


def add_noise(registry: Registry, image: Path, words: Given, spellings: dict[str, str]) -> None:
    """Apply noise to an image as flags in their order say, and write the files they name.

    `spellings` are words that were taken for flags which they only begin like.
    """
    words = _described_by(image, words)
    computation = construct(Computation, assignments_of(words))
    compat = parse_compat(computation.compat)
    misread = as_the_reference_reads(words)
    words = misread.given if "flag-matching" in compat else words
    selected = select(registry, words, _ROLES)
    notices = selected.notices
    notices[:0] = [f"{word} is read as {flag}, as the reference reads it" for word, flag in spellings.items()]
    geometry = read_described(registry, words)
    place_as_described(registry, words, geometry, selected)
    experiment = make_experiment(words, compat, notices, _CRYSTAL, geometry=geometry)
    misread_as = make_experiment(misread.given, compat, crystal=_CRYSTAL, geometry=geometry)
    if misread.changes and misread_as != experiment:
        notices.append(notice("flag-matching", "; ".join(misread.changes)))
    noise = selected.roles["noise_models"]
    wanted = images_to_write(selected, ["counts"])
    if not wanted:
        raise UsageError(f"nothing to write: the noise model is {noise.name}, and no flag names a file of photons")
    outputs.check(wanted)
    _refuse_overwriting(image, wanted)

    load_torch()
    import torch

    from openbragg.orchestrator.composition import usable_device
    from openbragg.orchestrator.frame import visible_pixels
    from openbragg.orchestrator.photons import drawn_part, expected_photons, fit_detector
    from openbragg.orchestrator.placement import place_with_quirks
    from openbragg.orchestrator.resolve import Choices, refuse_ill_fitting_mask, resolve_region, resolve_scan
    from openbragg.orchestrator.writing import make_pictures, reference_differences, unsaid, write_pictures

    device = usable_device(computation.device)
    picture, detector = fit_detector(image, experiment.detector, sized=_is_sized(words))
    refuse_ill_fitting_mask(detector)
    choices = Choices(notices=notices)
    counts = construct(InputCounts, assignments_of(words))
    photons = expected_photons(image, picture, counts.offset, counts.scale, notices)
    region = resolve_region(experiment.sampling.region, detector, choices)
    photons = drawn_part(image, photons, region, visible_pixels(detector), notices)
    convention = selected.roles["geometry_conventions"]
    laboratory = place_with_quirks(detector, convention, compat, choices)
    experiment = attrs.evolve(
        experiment,
        detector=detector,
        scan=resolve_scan(experiment.scan),
        sampling=attrs.evolve(experiment.sampling, region=region),
    )
    pictures = make_pictures(torch.from_numpy(photons).to(device), experiment, laboratory, noise, wanted, compat)
    notices.extend((*reference_differences(pictures), *unsaid(pictures)))
    for line in notices:
        warn(f"notice: {line}")
    write_pictures(pictures)
    slow, fast = photons.shape
    report = {
        "image": f"{image}, {fast} x {slow} pixels (fast x slow)",
        "convention": convention.name,
        "pivot": laboratory.pivot,
        "photons": _summary(photons, region, ".8g"),
    }
    if pictures.seed is not None:
        report |= {"noise model": noise.name, "noise seed": str(pictures.seed)}
    _report(report, pictures, region)


def _described_by(image: Path, words: Given) -> Given:
    """The flags, before them -img for an SMV image that describes its own camera; a later -img replaces it."""
    from openbragg.orchestrator.photons import is_smv_file

    if not is_smv_file(image):
        return words
    flag = next(flag for flag in flags_of(CameraFile) if flag.field == "image")
    return [(FlagOption(flag), [str(image)]), *words]


def _is_sized(words: Given) -> bool:
    """Whether flags, or the header of a file that they name, say how many pixels there are."""
    return any(
        flag.owner in (CameraFile, DetectorChoice)
        or (flag.owner is GeometryFile and flag.field == "file")
        or (flag.owner is Detector and flag.field in _PIXELS)
        for flag, _ in assignments_of(words)
    )


def _refuse_overwriting(image: Path, wanted: list[outputs.Output]) -> None:
    for output in wanted:
        try:
            same = output.path.samefile(image)
        except OSError:
            continue
        if same:
            raise UsageError(f"{image} would be overwritten: choose another name for what is written")


def _report(report: dict[str, str], pictures: Pictures, region: Region) -> None:
    """What was chosen and read, what came out, and where it lies."""
    from openbragg.orchestrator.writing import overloads

    drawn = [image.pixels for _, image in pictures.files if image.content == "counts"]
    counts = {"counts": _summary(drawn[0], region, ".0f")} if drawn else {}
    for word, value in {**report, **counts}.items():
        click.echo(f"{word:<16}{value}")
    for output, number in overloads(pictures):
        click.echo(f"{'overloads':<16}{number} pixels of {output.path}")
    for output, _ in pictures.files:
        click.echo(f"{'wrote':<16}{output.path} ({output.format.name}, {output.content})")


def _summary(pixels: np.ndarray[Any, Any], region: Region, whole: str) -> str:
    """The sum of an image, written like `whole`, and its largest pixel."""
    import torch

    from openbragg.orchestrator.statistics import statistics

    numbers = statistics(torch.from_numpy(pixels), region)
    total = float(pixels.sum(dtype=float))
    return f"{total:{whole}}, largest {numbers.largest:.6g} at slow {numbers.slow}, fast {numbers.fast}"
