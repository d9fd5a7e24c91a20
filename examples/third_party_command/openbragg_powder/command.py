"""``openbragg powder``: the radial profile of the image that a simulation gives."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import Rule, UsageError, hookimpl, one_of, option
from openbragg.commands import Output, check_outputs, simulation_command, warn, write_text

if TYPE_CHECKING:
    import click

    from openbragg import Command, Registry
    from openbragg.commands import CommandLine

_BINS = Rule("a whole number from 1 to 100000", lambda value: 1 <= value <= 100_000)


@attrs.frozen
class Powder:
    """Photons per pixel against 2 theta: the azimuthal mean of the image that simulate would render.

    Takes the flags of simulate, and renders what they describe without noise. Pixels are sorted into rings about the
    beam by the directions of their centres; those of gaps, and those that a mask or -roi hides, are in none. The rings
    are equally wide in 2 theta, or in 1/d, which makes them resolution bins. The table is printed unless -table or
    -plot names a file.
    """

    name: ClassVar[str] = "powder"
    summary: ClassVar[str] = "Radial profile of the image: photons per pixel against 2 theta or d."
    flags: ClassVar[tuple[str, ...]] = ()

    bins: int = option("-bins", default=200, type=int, rule=_BINS, help="Number of rings. Default: 200.")
    against: str = option(
        "-against",
        default="2theta",
        type=str,
        rule=one_of("2theta", "d"),
        metavar="2theta | d",
        help="Rings of equal width in 2 theta, or resolution bins of equal width in 1/d. Default: 2theta.",
    )
    table: Path | None = option(
        "-table", type=Path, output="table", metavar="FILE", help="Write the table there; CSV where it is called .csv."
    )
    plot: Path | None = option(
        "-plot", type=Path, output="plot", metavar="FILE", help="Draw the profile as a PNG; needs matplotlib."
    )

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""
        return simulation_command(cls, registry)

    def run(self, line: CommandLine) -> None:
        """Render what a command line describes, and write its profile.

        Raises
        ------
        OpenBraggError
            When something cannot be rendered or written.
        """
        # All that can be refused is, before the work begins.
        if self.plot is not None and find_spec("matplotlib") is None:
            raise UsageError("-plot needs matplotlib: pip install 'openbragg-powder[plots]'")
        if line.experiment.detector.curved:
            raise UsageError("-curved_det: openbragg powder has rings of flat detectors only")
        named = {"-table": self.table, "-plot": self.plot}
        files = {flag: path for flag, path in named.items() if path is not None}
        check_outputs([Output(path, None, "profile", flag) for flag, path in files.items()])

        simulation = line.simulation()
        from openbragg_powder.files import as_csv, as_text, write_plot
        from openbragg_powder.profile import profile_of

        layout = simulation.layout()
        profile = profile_of(simulation.photons().numpy(force=True), layout, self.bins, self.against)
        for text in (*line.notices, *simulation.notices):
            warn(f"notice: {text}")
        if not files:
            print(as_text(profile), end="")
        if self.table is not None:
            write_text(self.table, as_csv(profile) if self.table.suffix.lower() == ".csv" else as_text(profile))
        if self.plot is not None:
            write_plot(self.plot, profile, self.against)
        for path in files.values():
            print(f"{'wrote':<16}{path} ({len(profile.pixels)} rings)")


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Powder]
