"""``openbragg noise``: an image in, the image that a detector would count out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from openbragg import NOT_NEGATIVE, POSITIVE, Crystal, Detector, Scan, UsageError, hookimpl, option, unit
from openbragg.commands import (
    BEGINNINGS,
    ModelCommand,
    Output,
    Section,
    assignments_of,
    check_outputs,
    construct,
    given,
    images_to_write,
    option_named,
    place_detector,
    plugin_section,
    read_as,
    section,
    simulation_sections,
    understand,
    warn,
)

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Command, Registry
    from openbragg.commands import CommandLine, DrawnImages

    Region = tuple[int, int, int, int]
    Given = list[tuple[click.Option, list[str]]]

#: Roles of the plugins that take part.
_ROLES = ("geometry_conventions", "noise_models", "image_formats", "geometry_readers")
#: Groups of a simulation's flags that are taken whole, and single flags of others.
_GROUPS, _OUTPUT = ("detector", "beam"), ("-noise", "-roi", "-seed", "-compat", "-device")
#: Flags that say how many pixels a detector has by naming it, or a file; and fields of a detector that do.
_SIZED_BY, _PIXELS = ("-img", "-detector", "-geometry"), ("pixels", "size", "mask")
#: An experiment has a crystal. This one has left its photons in the image already, and no format asks about it.
_EDGE, _RIGHT_ANGLE = unit("A").to_si(1.0), unit("deg").to_si(90.0)
_CRYSTAL = Crystal(cell=(_EDGE, _EDGE, _EDGE, _RIGHT_ANGLE, _RIGHT_ANGLE, _RIGHT_ANGLE))

#: A notice of where the reference would have taken the beam of an image's header; nothing is rendered here.
_NOT_RENDERED = "header-beam-centre"
_HELP = """Apply a noise model to an image of expected photons, and write it in any format.

IMAGE is raw little-endian float32 with the fast axis first, SMV, PGM, PNG or NumPy (.npy). A raw image has the pixels
of the detector that the flags describe, or is square when they say nothing about them. The header of an SMV image
describes the camera as that of -img does, and its counts become photons.

-scale multiplies the pixels and -header names the image of a camera, as in noisify; files of photons then have a count
for each, but with -scale 0, which multiplies by nothing, their brightest pixel has 55000.

Files of photons (-floatfile, -intfile and the like) get the image without noise. With -nonoise there are no others.
Without any output flag the counts are written under the name they have in simulate. Flags are those of simulate;
the ones about the crystal and its rendering have no part here."""


@attrs.frozen
class Noise:
    """The command that applies a noise model to an image."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "Apply a noise model to an image."
    flags: ClassVar[tuple[str, ...]] = ()

    offset: float | None = option(
        "-input_offset",
        unit="counts",
        help="Taken off every pixel of IMAGE. Default: ADC_OFFSET in an SMV header, else 0.",
    )
    scale: float | None = option(
        "-input_scale",
        unit="counts/photon",
        rule=POSITIVE,
        help="Pixels are then divided by it. Default: COUNTS_PER_PHOTON in an SMV header, else 1.",
    )

    factor: float = option(
        default=1.0,
        rule=POSITIVE,
        help="By what pixels are multiplied, which makes them photons: -scale, as in noisify.",
    )
    header: Path | None = option(
        "-header", type=Path, metavar="FILE", help="The same as -img, as in noisify: the camera of another image."
    )
    radius: float | None = option(
        "-psf_radius",
        unit="pixels",
        rule=NOT_NEGATIVE,
        help="Taken, and without effect: a point spread reaches over the whole image.",
    )

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`; it has the flags of the plugins that take part, and of the core's camera."""
        whole = simulation_sections(registry)
        sections = [
            section("image", cls),
            *(part for part in whole if part.title in _GROUPS),
            section("scan", Scan),
            Section("output", tuple(option_named(registry, flag) for flag in _OUTPUT)),
            *(plugin_section(found) for found in registry.found if found.role.hook in _ROLES),
        ]

        def run(image: str) -> None:
            context = click.get_current_context()
            words, factor = _as_noisify_means(registry, given(context))
            words = _described_by(registry, Path(image), words)
            line = understand(registry, words, read_as(context), hooks=_ROLES, crystal=_CRYSTAL)
            construct(cls, assignments_of(line.words), factor=factor).add_noise(Path(image), line)

        return ModelCommand(
            cls.name,
            sections,
            beginnings=BEGINNINGS,
            arguments=[click.Argument(["image"])],
            elsewhere=dict.fromkeys(
                (name for part in whole for option in part.options for name in option.opts),
                "a flag of simulate; noise takes the image as it is and renders nothing",
            ),
            callback=run,
            help=_HELP,
        )

    def add_noise(self, image: Path, line: CommandLine) -> None:
        """Apply noise to an image as a command line says, and write the files that it names.

        Raises
        ------
        OpenBraggError
            When there is nothing to write, or something cannot be read, used or written.
        """
        noise = line.selected.roles["noise_models"]
        wanted = images_to_write(line, ["counts"])
        if not wanted:
            raise UsageError(f"nothing to write: the noise model is {noise.name}, and no flag names a file of photons")
        check_outputs(wanted)
        _refuse_overwriting(image, wanted)

        from openbragg_noise.photons import drawn_part, expected_photons, fit_detector

        picture, detector = fit_detector(image, line.experiment.detector, sized=_is_sized(line.words))
        photons = expected_photons(image, picture, self.offset, self.scale, line.notices, self.factor)
        placed = place_detector(line, detector)
        photons = drawn_part(image, photons, placed.region, placed.visible, line.notices)
        images = placed.read_out(photons, wanted)
        for text in (text for text in line.notices if not text.startswith(_NOT_RENDERED)):
            warn(f"notice: {text}")
        images.write()
        slow, fast = photons.shape
        report = {
            "image": f"{image}, {fast} x {slow} pixels (fast x slow)",
            "convention": line.selected.roles["geometry_conventions"].name,
            "pivot": placed.laboratory.pivot,
            "photons": _summary(photons, placed.region, ".8g"),
        }
        if images.seed is not None:
            report |= {"noise model": noise.name, "noise seed": str(images.seed)}
        _report(report, images, placed.region)


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Noise]


def _described_by(registry: Registry, image: Path, words: Given) -> Given:
    """The flags, before them -img for an SMV image that describes its own camera; a later -img replaces it."""
    from openbragg_noise.photons import describes_camera

    return [(option_named(registry, "-img"), [str(image)]), *words] if describes_camera(image) else words


def _as_noisify_means(registry: Registry, words: Given) -> tuple[Given, float]:
    """Flags with -img for -header, and the factor of -scale, after which a file of photons has a count for each.

    In simulate, -scale is that of such a file.
    """
    factor = 1.0
    made: Given = []
    for flag, values in words:
        if flag.opts[0] == "-header":
            made.append((option_named(registry, "-img"), values))
        elif flag.opts[0] == "-scale":
            scale: float = next(iter(assignments_of([(flag, values)])))[0].value(values)
            # Of 0 the brightest pixel of such a file is made 55000, in noisify as in simulate.
            factor = scale if scale > 0.0 else 1.0
            made.append((flag, ["1"] if scale > 0.0 else values))
        else:
            made.append((flag, values))
    return made, factor


def _is_sized(words: Given) -> bool:
    """Whether flags, or the header of a file that they name, say how many pixels there are."""
    return any(
        flag.spellings[0] in _SIZED_BY or (flag.owner is Detector and flag.field in _PIXELS)
        for flag, _ in assignments_of(words)
    )


def _refuse_overwriting(image: Path, wanted: list[Output]) -> None:
    for output in wanted:
        try:
            same = output.path.samefile(image)
        except OSError:
            continue
        if same:
            raise UsageError(f"{image} would be overwritten: choose another name for what is written")


def _report(report: dict[str, str], images: DrawnImages, region: Region) -> None:
    """What was chosen and read, what came out, and where it lies."""
    drawn = [image.pixels for _, image in images.files if image.content == "counts"]
    counts = {"counts": _summary(drawn[0], region, ".0f")} if drawn else {}
    for word, value in {**report, **counts}.items():
        click.echo(f"{word:<16}{value}")
    for output, number in images.overloads():
        click.echo(f"{'overloads':<16}{number} pixels of {output.path}")
    for output, _ in images.files:
        click.echo(f"{'wrote':<16}{output.path} ({output.format.name}, {output.content})")


def _summary(pixels: np.ndarray[Any, Any], region: Region, whole: str) -> str:
    """The sum of an image, written like `whole`, and the largest pixel of its part that was read."""
    first_fast, last_fast, first_slow, last_slow = region
    part = pixels[first_slow : last_slow + 1, first_fast : last_fast + 1]
    slow, fast = divmod(int(part.argmax()), part.shape[1])
    total = float(pixels.sum(dtype=float))
    return (
        f"{total:{whole}}, largest {float(part[slow, fast]):.6g} at slow {slow + first_slow}, fast {fast + first_fast}"
    )
