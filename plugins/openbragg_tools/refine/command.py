"""``openbragg refine``: from pixels to parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs
import click

from openbragg import COUNT, NOT_NEGATIVE, POSITIVE, UsageError, hookimpl, option, shown
from openbragg.commands import (
    Output,
    check_outputs,
    load_torch,
    progress_bar,
    simulation_command,
    warn,
    write_output,
)

if TYPE_CHECKING:
    from openbragg import Command, Registry
    from openbragg.commands import CommandLine
    from openbragg_tools.refine.refinement import Refined

#: The ends of names of what is written.
_WRITTEN = (".expt", ".refl", ".json", ".html")


@attrs.frozen
class Refine:
    """Refine crystal, scale and detector against the pixels of a still image.

    Of the image IMAGE it takes boxes around spots, and changes the start until what is simulated explains their pixels.
    The start is a DIALS experiment list (-expt), a file that -geometry reads, a recorded run (-from), or flags of
    simulate; -hkl has the structure factors. It writes PREFIX.expt and PREFIX.refl for DIALS, PREFIX.json with every
    number, and PREFIX.html to look at.

    Free are the orientation, the cell as the space group allows, how many cells the crystal has, the mosaic spread
    where the start has one, and the scale, unless -free or -fix say otherwise.
    """

    name: ClassVar[str] = "refine"
    summary: ClassVar[str] = "Refine crystal, scale and detector against the pixels of an image."
    flags: ClassVar[tuple[str, ...]] = ()
    arguments: ClassVar[tuple[click.Argument, ...]] = (
        click.Argument(["images"], nargs=-1, metavar="IMAGE", type=click.Path(path_type=Path)),
    )
    renamed: ClassVar[dict[str, str]] = {"-expt": "-geometry", "-refl": "-spots", "--output": "-o"}

    images: tuple[Path, ...] = attrs.field(default=(), kw_only=True)
    output: str = option(
        "-o", type=str, default="refined", metavar="PREFIX", help="Beginning of the names of what is written."
    )
    free: tuple[str, ...] = option(
        "-free",
        type=str,
        several=True,
        default=(),
        metavar="NAME,...",
        help="What is refined: misset, cell, cells, mosaic_spread, scale, or continuous settings such as distance, "
        "beam_centre, rotation, wavelength.",
    )
    also: tuple[str, ...] = option(
        "-also", type=str, several=True, default=(), metavar="NAME,...", help="What is refined beside the default."
    )
    fix: tuple[str, ...] = option(
        "-fix", type=str, several=True, default=(), metavar="NAME,...", help="What is not refined of the default."
    )
    space_group: str = option(
        "-space_group",
        type=str,
        default="",
        metavar="NAME",
        help="Constrains the cell. Default: that of the structure factors; without any the whole cell is free.",
    )
    spots: str = option(
        "-spots",
        type=str,
        default="",
        input=True,
        metavar="FILE",
        help="Where the spots are: a DIALS reflection table, which -refl names too, or lines with fast and slow in "
        "pixels. Default: spots are found in the image.",
    )
    readout: float | None = option(
        "-readout_sigma",
        rule=NOT_NEGATIVE,
        unit="counts",
        help="Standard deviation of the read-out. Default: what the background varies more than photons do.",
    )
    gain: float | None = option("-counts_per_photon", rule=POSITIVE, help="Gain. Default: the image's own, or 1.")
    pedestal: float | None = option(
        "-pedestal_counts", unit="counts", help="Counts without photons. Default: the image's own, or 0."
    )
    saturation: float | None = option(
        "-saturated_from", unit="counts", help="From here on a pixel is not used. Default: the image's own."
    )
    student: float | None = option(
        "-student", rule=POSITIVE, help="Student's t of so many degrees of freedom in place of a Gaussian."
    )
    prior: tuple[str, ...] = option(
        "-prior",
        type=str,
        several=True,
        default=(),
        metavar="NAME,MEAN,SIGMA",
        help="What is known of a parameter beforehand, in the unit of the table.",
    )
    steps: int = option("-refinement_steps", type=int, rule=COUNT, default=30, help="Steps at most in each stage.")

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""
        return simulation_command(cls, registry)

    @staticmethod
    def python() -> Callable[..., Refined]:
        """See `openbragg.Command`: what Python calls it by."""
        from openbragg_tools.refine.refinement import refine

        return refine

    def run(self, line: CommandLine) -> None:
        """Refine, and write what came of it."""
        if len(self.images) != 1:
            raise UsageError(f"expected one image to refine against, got {len(self.images) or 'none'}")
        names = {end: Path(self.output + end) for end in _WRITTEN}
        outputs = {end: Output(path, None, "refinement", "-o") for end, path in names.items()}
        check_outputs(outputs.values())
        load_torch()
        from openbragg_tools.refine.outputs import experiment_list, numbers, reflection_table, table
        from openbragg_tools.refine.reading import read_spots
        from openbragg_tools.refine.refinement import refine
        from openbragg_tools.refine.report import page

        (image,) = self.images
        simulation = line.simulation()
        spots = read_spots(Path(self.spots), simulation.layout().panels) if self.spots else None
        said = line.notices
        for notice in said:
            warn(f"notice: {notice}")
        with progress_bar(line.progress, "refining") as bar:
            refined = refine(
                simulation,
                image,
                self._free(simulation),
                space_group=self.space_group,
                spots=spots,
                readout=self.readout,
                gain=self.gain,
                pedestal=self.pedestal,
                saturation=self.saturation,
                student=self.student,
                priors=self._priors(),
                steps=self.steps,
                watch=None if bar is None else lambda history: bar(min(len(history), self.steps), self.steps),
            )
        for notice in dict.fromkeys(refined.notices):
            warn(f"notice: {notice}")
        contents = {
            ".expt": experiment_list(refined, image, names[".expt"]),
            ".refl": reflection_table(refined, names[".refl"]),
            ".json": numbers(refined, image),
            ".html": page(refined, image),
        }
        click.echo(table(refined))
        for end, content in contents.items():
            write_output(outputs[end], partial(_put, content=content))
            click.echo(f"wrote {shown(str(names[end]))}")

    def _free(self, simulation: Any) -> tuple[str, ...] | None:
        """What is refined; None for the default."""
        free, also, fix = (
            tuple(name for word in words for name in word.split(",") if name)
            for words in (self.free, self.also, self.fix)
        )
        if not (free or also or fix):
            return None
        from openbragg_tools.refine.refinement import usual

        asked = (*(free or usual(simulation)), *also)
        for name in fix:
            if name not in asked:
                raise UsageError(f"-fix: expected some of {', '.join(asked)}, got {name}")
        return tuple(name for name in dict.fromkeys(asked) if name not in fix)

    def _priors(self) -> dict[str, tuple[float, float]]:
        """By parameters' names mean and deviation, in the units that people see."""
        found = {}
        for word in self.prior:
            name, *numbers = word.split(",")
            try:
                mean, sigma = map(float, numbers)
            except ValueError:
                raise UsageError(f"-prior: expected NAME,MEAN,SIGMA, got {word!r}") from None
            found[name] = (mean, sigma)
        return found


def _put(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Refine]
