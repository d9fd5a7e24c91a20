"""``openbragg refine``: from pixels to parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs
import click

from openbragg import COUNT, NOT_NEGATIVE, POSITIVE, UsageError, hookimpl, option, shown
from openbragg.commands import (
    Output,
    ProgressBar,
    assignments_of,
    check_outputs,
    keep_freed_memory,
    load_torch,
    progress_bar,
    simulation_command,
    warn,
    write_output,
)

if TYPE_CHECKING:
    from openbragg import Command, Geometry, Registry, Simulation
    from openbragg.commands import CommandLine
    from openbragg_tools.refine.joint import RefinedStills
    from openbragg_tools.refine.levenberg import Step
    from openbragg_tools.refine.matching import Matched
    from openbragg_tools.refine.results import Refined
    from openbragg_tools.refine.stills import Still

#: The ends of names of what is written.
_WRITTEN = (".expt", ".refl", ".json", ".html")


@attrs.frozen
class Refine:
    """Refine crystal, scale and detector against the pixels of still images.

    Of an image IMAGE it takes boxes around spots, and changes the start until what is simulated explains their pixels.
    Of several images each crystal has parameters of its own, and detector and beam are shared. The start is a DIALS
    experiment list (-expt), a file that -geometry reads, a recorded run (-from), or flags of simulate; of several
    images a list with a crystal for each, or one crystal for all. -hkl has the structure factors. It writes PREFIX.expt
    and PREFIX.refl for DIALS, PREFIX.json with every number, and PREFIX.html to look at.

    Images are matched with the experiments of a list by the names of their files, and by their order where the list has
    none of these names. Without IMAGE those are taken that the list names, from its folder and below.

    Free are the orientation, the cell as the space group allows, how many cells the crystal has, the mosaic spread
    where the start has one, and the scale, unless -free or -fix say otherwise.
    """

    name: ClassVar[str] = "refine"
    summary: ClassVar[str] = "Refine crystal, scale and detector against the pixels of images."
    flags: ClassVar[tuple[str, ...]] = ()
    arguments: ClassVar[tuple[click.Argument, ...]] = (
        click.Argument(["images"], nargs=-1, metavar="[IMAGE]...", type=click.Path(path_type=Path)),
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
        help="What is refined: misset, cell, cells, mosaic_spread, scale, b_factor, continuous settings such as "
        "distance, beam_centre, wavelength, cells_offdiagonal, spectrum.width; detector, which moves as a whole, "
        "panels, which each do, or groups of them.",
    )
    groups: tuple[str, ...] = option(
        "-groups",
        type=str,
        several=True,
        default=(),
        metavar="PANELS,...",
        help="Panels that move together where groups are free, by their numbers from 0: 0-3,4-7 are two groups, and so "
        "are 0+2,1+3.",
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
    reflection_scales: float | None = option(
        "-reflection_scales",
        rule=POSITIVE,
        help="Each spot's reflection is brighter or fainter than its structure factor says, by parts of this standard "
        "deviation.",
    )
    steps: int = option("-refinement_steps", type=int, rule=COUNT, default=30, help="Steps at most in each stage.")

    workers: int = option(
        "--workers",
        type=int,
        rule=COUNT,
        default=1,
        help="Processes of this machine that share the images; they need the extra dask.",
    )
    scheduler: str = option(
        "--scheduler",
        type=str,
        default="",
        metavar="ADDRESS",
        help="A scheduler of Dask, such as tcp://host:8786, whose workers share the images.",
    )

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""
        return simulation_command(cls, registry)

    @staticmethod
    def python() -> Callable[..., Refined | RefinedStills]:
        """See `openbragg.Command`: what Python calls it by."""
        from openbragg_tools.refine.stills import refine

        return refine

    def run(self, line: CommandLine) -> None:
        """Refine, and write what came of it."""
        if not self.images and "-geometry" not in _named_by(line):
            raise UsageError("expected an image to refine against, or several, got none")
        names = {end: Path(self.output + end) for end in _WRITTEN}
        outputs = {end: Output(path, None, "refinement", "-o") for end, path in names.items()}
        check_outputs(outputs.values())
        keep_freed_memory()
        load_torch()
        simulation = line.simulation()
        starts, matched = self._matched(line, simulation)
        for notice in (*line.notices, *matched.lines):
            warn(f"notice: {notice}")
        from openbragg_tools.refine.stills import refine

        stills = matched.stills
        with progress_bar(line.progress, "refining") as bar:
            refined = refine(
                starts,
                stills,
                self._free(simulation),
                space_group=self.space_group,
                spots=self._spots(simulation, matched),
                readout=self.readout,
                gain=self.gain,
                pedestal=self.pedestal,
                saturation=self.saturation,
                student=self.student,
                reflection_scales=self.reflection_scales,
                priors=self._priors(),
                groups=self._groups(),
                steps=self.steps,
                workers=self.workers,
                scheduler=self.scheduler or None,
                watch=None if bar is None else self._watch(bar, len(stills)),
            )
        for notice in dict.fromkeys(refined.notices):
            warn(f"notice: {notice}")
        shown_table, contents = _told(refined, stills, names)
        click.echo(shown_table)
        for end, content in contents.items():
            write_output(outputs[end], partial(_put, content=content))
            click.echo(f"wrote {shown(str(names[end]))}")

    def _matched(self, line: CommandLine, simulation: Simulation) -> tuple[list[Simulation], Matched]:
        """A start for each image, or one for all; and the images with their experiments, of one start without them.

        What the line has to say of one experiment that is taken of a list is dropped where that is not so.
        """
        from openbragg_tools.refine.matching import Matched, matched, named_images
        from openbragg_tools.refine.stills import starts_of, stills_of

        words = _named_by(line)
        shape = simulation.layout().experiment.detector.frame_shape()
        every: list[Geometry] = []
        if "-geometry" in words:
            every, taken = _experiments(words)
            images = self.images or named_images(every)
            held = simulation.experiment.crystal.reciprocal_vectors
            if len(every) > 1 and held == taken.reciprocal_vectors:
                found = matched(images, every, shape)
                said = [notice for notice in line.notices if notice in every[0].notices or notice not in taken.notices]
                line.notices[:] = said
                starts = starts_of(simulation, every)
                return [starts[number] for number in found.experiments], found
        else:
            images = self.images
        return [simulation], Matched(tuple(stills_of(images, shape)), ())

    def _spots(self, simulation: Simulation, matched: Matched) -> Any:
        """Where the spots are, of each of several stills; None where that is not said."""
        if not self.spots:
            return None
        from openbragg_tools.refine.reading import read_spots, read_spots_of_stills

        path, panels = Path(self.spots), simulation.layout().panels
        if not matched.experiments and len(matched.stills) == 1:
            return read_spots(path, panels)
        found = read_spots_of_stills(path, panels, matched.experiments or range(len(matched.stills)))
        return found if len(matched.stills) > 1 else found[0]

    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """Groups of panels."""
        from openbragg_tools.refine.panels import named_groups

        return named_groups(self.groups)

    def _watch(self, bar: ProgressBar, stills: int) -> Callable[..., None]:
        """What tells a bar how far the refinement is."""
        if stills > 1:
            return bar

        def told(history: Sequence[Step]) -> None:
            bar(min(len(history), self.steps), self.steps, f"refining, chi2 {history[-1].loss:.6g}")

        return told

    def _free(self, simulation: Any) -> tuple[str, ...] | None:
        """What is refined; None for the default."""
        free, also, fix = (
            tuple(name for word in words for name in word.split(",") if name)
            for words in (self.free, self.also, self.fix)
        )
        if not (free or also or fix):
            return None
        from openbragg_tools.refine.preparation import usual

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


def _told(
    refined: Refined | RefinedStills, stills: Sequence[Still], names: dict[str, Path]
) -> tuple[str, dict[str, bytes]]:
    """The table for the terminal, and what is written."""
    from openbragg_tools.refine import outputs, outputs_of_stills
    from openbragg_tools.refine.report import page
    from openbragg_tools.refine.report_of_stills import page_of_stills
    from openbragg_tools.refine.results import Refined

    if isinstance(refined, Refined):
        return outputs.table(refined), {
            ".expt": outputs.experiment_list(refined, stills[0], names[".expt"]),
            ".refl": outputs.reflection_table(refined, names[".refl"]),
            ".json": outputs.numbers(refined, stills[0]),
            ".html": page(refined, stills[0].source),
        }
    return outputs_of_stills.table_of_stills(refined, stills), {
        ".expt": outputs_of_stills.experiment_list_of_stills(refined, stills, names[".expt"]),
        ".refl": outputs_of_stills.reflection_table_of_stills(refined, names[".refl"]),
        ".json": outputs_of_stills.numbers_of_stills(refined, stills),
        ".html": page_of_stills(refined, stills),
    }


def _named_by(line: CommandLine) -> dict[str, Sequence[str]]:
    """Values of the flags of a line, by their first spellings."""
    return {flag.spellings[0]: values for flag, values in assignments_of(line.words)}


def _experiments(words: Mapping[str, Sequence[str]]) -> tuple[list[Geometry], Geometry]:
    """All experiments of the file that the detector is from, or the one that is asked for; and what is taken of it."""
    from openbragg import read_geometries, read_geometry

    asked = (words["-geometry"][0], *words.get("-geometry_reader", ()))
    if "-expt_number" in words:
        taken = read_geometry(*asked, experiment=int(words["-expt_number"][0]))
        return [taken], taken
    return read_geometries(*asked), read_geometry(*asked)


def _put(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Refine]
