"""``openbragg wilson``: structure factors for a cell of known content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs
import click

from openbragg import InputError, UsageError, hookimpl, unit

if TYPE_CHECKING:
    import gemmi

    from openbragg import Command, Registry
    from openbragg_tools.wilson.content import CellContent

_ANGSTROM = unit("A").to_si
_SQUARE_ANGSTROM = unit("A^2").to_si
#: The end of a name by which an MTZ file is meant.
_MTZ = ".mtz"


@attrs.frozen
class Wilson:
    """The command that makes structure factors by Wilson statistics."""

    name: ClassVar[str] = "wilson"
    summary: ClassVar[str] = "Make structure factors for a cell from Wilson statistics."
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`; it uses no plugins."""
        return _command


@click.command("wilson", context_settings={"help_option_names": ["--help", "-h"]})
@click.option("--cell", nargs=6, type=float, required=True, metavar="a b c alpha beta gamma", help="A and degrees.")
@click.option("--space-group", required=True, metavar="NAME", help="For example 'P 43 21 2'.")
@click.option("--formula", metavar="TEXT", help="Atoms of the asymmetric unit, for example 'C613 H959 N193'.")
@click.option("--sequence", type=Path, metavar="FILE", help="One-letter protein sequence of the asymmetric unit.")
@click.option("--waters", type=click.IntRange(min=0), default=0, help="Water molecules in the asymmetric unit.")
@click.option("--resolution", type=float, required=True, metavar="A", help="Smallest d spacing.")
@click.option("--b-factor", type=float, default=20.0, show_default=True, metavar="A^2", help="Overall B factor.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same table.")
@click.option(
    "-o",
    "--output",
    type=Path,
    required=True,
    metavar="FILE",
    help="h k l F table to write, or an MTZ file where it is called .mtz.",
)
def _command(
    cell: tuple[float, ...],
    space_group: str,
    formula: str | None,
    sequence: Path | None,
    waters: int,
    resolution: float,
    b_factor: float,
    seed: int,
    output: Path,
) -> None:
    """Make structure factors by Wilson statistics.

    Writes a table of h k l F for the P1 cell, on an absolute scale (electrons), that has the strength, the
    fall-off, the symmetry and the systematic absences of a crystal with this content. Absent reflections are not in
    the table, so leave -default_F at 0 when you use it. A file called .mtz gets the unique reflections instead, with
    the cell and the space group.
    """
    import gemmi

    from openbragg import write_hkl_table
    from openbragg_tools.wilson.mtz import write_mtz
    from openbragg_tools.wilson.statistics import wilson_amplitudes
    from openbragg_tools.wilson.symmetry import expand_to_p1

    group, unit_cell = _space_group(space_group), gemmi.UnitCell(*cell)
    content = _content(group, formula, sequence, waters)
    hkl, amplitudes = wilson_amplitudes(
        unit_cell,
        group,
        content,
        resolution=_ANGSTROM(resolution),
        b_factor=_SQUARE_ANGSTROM(b_factor),
        seed=seed,
    )
    if output.suffix.lower() == _MTZ:
        write_mtz(output, hkl, amplitudes, unit_cell, group)
        written = f"{len(hkl)} unique reflections"
    else:
        whole, everywhere = expand_to_p1(hkl, amplitudes, group)
        write_hkl_table(output, whole, everywhere)
        written = f"{len(whole)} reflections of the P1 cell"
    click.echo(f"{'cell content':<16}{content.formula}")
    click.echo(f"{'unique':<16}{len(hkl)} reflections to {resolution:g} A in {group.xhm()}")
    click.echo(f"{'wrote':<16}{output} ({written})")


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Wilson]


def _space_group(name: str) -> gemmi.SpaceGroup:
    import gemmi

    group = gemmi.find_spacegroup_by_name(name)
    if group is None:
        raise UsageError(f"--space-group: gemmi knows no space group {name!r}")
    return group


def _content(group: gemmi.SpaceGroup, formula: str | None, sequence: Path | None, waters: int) -> CellContent:
    """Atoms of the whole cell: the asymmetric unit's, times the number of symmetry operations."""
    from openbragg_tools.wilson.content import CellContent

    if (formula is None) == (sequence is None):
        raise UsageError("give the content of the asymmetric unit, either with --formula or with --sequence")
    copies = len(group.operations())
    if sequence is not None:
        try:
            text = sequence.read_text(encoding="ascii")
        except OSError as error:
            raise InputError(f"cannot read {sequence}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"{sequence}: expected a protein sequence in plain text") from None
        formula = CellContent.from_sequence(text).formula
    assert formula is not None
    return CellContent.from_formula(f"{formula} H{2 * waters} O{waters}" if waters else formula, copies)
