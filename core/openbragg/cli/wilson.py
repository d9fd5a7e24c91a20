"""``openbragg wilson``: structure factors for a cell of known content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbragg.errors import InputError, UsageError
from openbragg.units import unit

if TYPE_CHECKING:
    import gemmi

    from openbragg.wilson import CellContent

_SQUARE_ANGSTROM = unit("A").to_si(1.0) ** 2


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command; it uses no plugins."""

    @click.command("wilson", context_settings={"help_option_names": ["--help", "-h"]})
    @click.option("--cell", nargs=6, type=float, required=True, metavar="a b c alpha beta gamma", help="A and degrees.")
    @click.option("--space-group", required=True, metavar="NAME", help="For example 'P 43 21 2'.")
    @click.option("--formula", metavar="TEXT", help="Atoms of the asymmetric unit, for example 'C613 H959 N193'.")
    @click.option("--sequence", type=Path, metavar="FILE", help="One-letter protein sequence of the asymmetric unit.")
    @click.option("--waters", type=click.IntRange(min=0), default=0, help="Water molecules in the asymmetric unit.")
    @click.option("--resolution", type=float, required=True, metavar="A", help="Smallest d spacing.")
    @click.option("--b-factor", type=float, default=20.0, show_default=True, metavar="A^2", help="Overall B factor.")
    @click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same table.")
    @click.option("-o", "--output", type=Path, required=True, metavar="FILE", help="h k l F table to write.")
    def wilson(
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
        the table, so leave -default_F at 0 when you use it.
        """
        import gemmi

        from openbragg.wilson import expand_to_p1, wilson_amplitudes, write_hkl_table

        group = _space_group(space_group)
        content = _content(group, formula, sequence, waters)
        hkl, amplitudes = wilson_amplitudes(
            gemmi.UnitCell(*cell),
            group,
            content,
            resolution=unit("A").to_si(resolution),
            b_factor=b_factor * _SQUARE_ANGSTROM,
            seed=seed,
        )
        whole, everywhere = expand_to_p1(hkl, amplitudes, group)
        write_hkl_table(output, whole, everywhere)
        click.echo(f"{'cell content':<16}{content.formula}")
        click.echo(f"{'unique':<16}{len(hkl)} reflections to {resolution:g} A in {group.xhm()}")
        click.echo(f"{'wrote':<16}{output} ({len(whole)} reflections of the P1 cell)")

    return wilson


def _space_group(name: str) -> gemmi.SpaceGroup:
    import gemmi

    group = gemmi.find_spacegroup_by_name(name)
    if group is None:
        raise UsageError(f"--space-group: gemmi knows no space group {name!r}")
    return group


def _content(group: gemmi.SpaceGroup, formula: str | None, sequence: Path | None, waters: int) -> CellContent:
    """Atoms of the whole cell: the asymmetric unit's, times the number of symmetry operations."""
    from openbragg.wilson import CellContent

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
