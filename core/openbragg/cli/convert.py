"""``openbragg convert``: structure factors of any kind as a table of h k l F."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from openbragg.cli.compose import FlagOption, ModelCommand, Section, assignments_of, construct, flags_of, given
from openbragg.cli.registry import load_registry, plugin_section
from openbragg.cli.selection import select
from openbragg.cli.settings import CrystalChoices
from openbragg.cli.words import warn
from openbragg.errors import UsageError
from openbragg.options import option
from openbragg.orchestrator import outputs
from openbragg.orchestrator.known import shown_cell
from openbragg.roles import ROLES, DescribedStructureFactors, ListedStructureFactors, Registry
from openbragg.units import unit

_STRUCTURE_FACTORS = "structure_factors"
_ANGSTROM = unit("A")

_HELP = """Write structure factors as a table of h k l F for the P1 cell.

FILE is of any kind that -hkl takes, such as MTZ, an mmCIF reflection file, or an atomic model; the flags are those of
simulate that concern it. Reflections that symmetry forbids are in the table, with an F of 0."""


@attrs.frozen
class Table:
    """Where the table goes."""

    file: Path | None = option(
        "-table", type=Path, output="table", metavar="FILE", help="The table to write; an existing one is replaced."
    )


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command from the options of structure factors."""
    registry = load_registry(blocked)
    names = {"-o": "--output"}
    to_write = [FlagOption(flag, also=(*names, *names.values())) for flag in flags_of(Table)]
    choice = [FlagOption(flag) for flag in flags_of(CrystalChoices) if flag.field == _STRUCTURE_FACTORS]
    sections = [
        Section("table", (*to_write, *choice)),
        *(plugin_section(found) for found in registry.of_role(_STRUCTURE_FACTORS)),
    ]

    def run(file: str) -> None:
        convert(registry, Path(file), click.get_current_context())

    return ModelCommand(
        "convert",
        sections,
        arguments=[click.Argument(["file"], type=str)],
        callback=run,
        help=_HELP,
    )


def convert(registry: Registry, file: Path, context: click.Context) -> None:
    """Read a file as the flags say, write its table and say what was chosen.

    Raises
    ------
    OpenBraggError
        When something cannot be read, chosen or written.
    """
    words = given(context)
    table: Table = construct(Table, assignments_of(words))
    if table.file is None:
        raise UsageError("no table to write: name it with -o FILE")
    option_of_file = _option_of_file(registry)
    if any(option is not option_of_file and option.opts == option_of_file.opts for option, _ in words):
        raise UsageError(f"{option_of_file.opts[0]}: the file stands without a flag here")
    selected = select(registry, [*words, (option_of_file, [str(file)])], [_STRUCTURE_FACTORS])
    factors: Any = selected.roles[_STRUCTURE_FACTORS]
    outputs.check([outputs.Output(table.file, None, "table", "-table")])
    if not isinstance(factors, ListedStructureFactors):
        raise UsageError(f"{file}: read as {factors.name}, which cannot be listed; it may be a table already")

    from openbragg.wilson import write_hkl_table

    listed = factors.listed()
    write_hkl_table(table.file, listed.indices, listed.amplitudes)
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
            lines["wavelength"] = f"{_ANGSTROM.from_si(known.wavelength):.6g} A"
    lines["resolution"] = f"{_ANGSTROM.from_si(listed.resolution):.4g} A"
    lines["unique"] = f"{listed.unique} reflections, {listed.completeness:.1%} of all to there"
    lines["wrote"] = f"{table.file} ({len(listed.indices)} reflections of the P1 cell)"
    for word, text in lines.items():
        click.echo(f"{word:<16}{text}")


def _option_of_file(registry: Registry) -> FlagOption:
    """The flag that names the file in a simulation."""
    role = next(role for role in ROLES if role.hook == _STRUCTURE_FACTORS)
    default = registry.get(role.hook, role.default)
    return next(FlagOption(flag) for flag in flags_of(default.cls) if flag.field == "file")
