"""``openbragg convert``: structure factors of any kind as a table of h k l F."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from openbragg import DescribedStructureFactors, ListedStructureFactors, UsageError, hookimpl, option, unit
from openbragg.commands import (
    FlagOption,
    ModelCommand,
    Output,
    Section,
    assignments_of,
    check_outputs,
    construct,
    flags_of,
    given,
    option_named,
    plugin_section,
    select,
    shown_cell,
    warn,
)

if TYPE_CHECKING:
    from openbragg import Command, Registry

_STRUCTURE_FACTORS = "structure_factors"
_ANGSTROM = unit("A").from_si

_HELP = """Write structure factors as a table of h k l F for the P1 cell.

FILE is of any kind that -hkl takes, such as MTZ, an mmCIF reflection file, or an atomic model; the flags are those of
simulate that concern it. Reflections that symmetry forbids are in the table, with an F of 0."""


@attrs.frozen
class Convert:
    """The command that lists structure factors."""

    name: ClassVar[str] = "convert"
    summary: ClassVar[str] = "Write structure factors of any kind as a table of h k l F."
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-table", type=Path, output="table", metavar="FILE", help="The table to write; an existing one is replaced."
    )

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`; it has the options of structure factors."""
        names = {"-o": "--output"}
        to_write = [FlagOption(flag, also=(*names, *names.values())) for flag in flags_of(cls)]
        sections = [
            Section("table", (*to_write, option_named(registry, "-structure_factors"))),
            *(plugin_section(found) for found in registry.of_role(_STRUCTURE_FACTORS)),
        ]

        def run(file: str) -> None:
            context = click.get_current_context()
            words = given(context)
            construct(cls, assignments_of(words)).convert(registry, Path(file), words)

        return ModelCommand(
            cls.name,
            sections,
            arguments=[click.Argument(["file"], type=str)],
            callback=run,
            help=_HELP,
        )

    def convert(self, registry: Registry, file: Path, words: list[tuple[click.Option, list[str]]]) -> None:
        """Read a file as flags say, write its table and say what was chosen.

        Raises
        ------
        OpenBraggError
            When something cannot be read, chosen or written.
        """
        if self.file is None:
            raise UsageError("no table to write: name it with -o FILE")
        option_of_file = _option_of_file(registry)
        if any(option is not option_of_file and option.opts == option_of_file.opts for option, _ in words):
            raise UsageError(f"{option_of_file.opts[0]}: the file stands without a flag here")
        selected = select(registry, [*words, (option_of_file, [str(file)])], [_STRUCTURE_FACTORS])
        factors: Any = selected.roles[_STRUCTURE_FACTORS]
        check_outputs([Output(self.file, None, "table", "-table")])
        if not isinstance(factors, ListedStructureFactors):
            raise UsageError(f"{file}: read as {factors.name}, which cannot be listed; it may be a table already")

        from openbragg import write_hkl_table

        listed = factors.listed()
        write_hkl_table(self.file, listed.indices, listed.amplitudes)
        lines = {"read as": factors.name}
        if isinstance(factors, DescribedStructureFactors):
            known = factors.crystal()
            for line in (*selected.notices, *known.notices):
                warn(f"notice: {line}")
            lines |= known.chosen
            if known.space_group:
                lines["space group"] = known.space_group
            if known.cell is not None:
                lines["unit cell"] = shown_cell(known.cell)
            if known.wavelength is not None:
                lines["wavelength"] = f"{_ANGSTROM(known.wavelength):.6g} A"
        completeness = ""
        if listed.resolution is not None and listed.completeness is not None:
            lines["resolution"] = f"{_ANGSTROM(listed.resolution):.4g} A"
            completeness = f", {listed.completeness:.1%} of all to there"
        lines["unique"] = f"{listed.unique} reflections{completeness}"
        lines["wrote"] = f"{self.file} ({len(listed.indices)} reflections of the P1 cell)"
        for word, text in lines.items():
            click.echo(f"{word:<16}{text}")


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Convert]


def _option_of_file(registry: Registry) -> FlagOption:
    """The flag that names the file in a simulation."""
    role = next(role for role in registry.roles if role.hook == _STRUCTURE_FACTORS)
    default = registry.get(role.hook, role.default)
    return next(FlagOption(flag) for flag in flags_of(default.cls) if flag.field == "file")
