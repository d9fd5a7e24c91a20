"""What a command line asks for: the experiment, the plugins, and how to compute."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg.cli.amorphous import heeded
from openbragg.cli.compose import assignments_of, construct
from openbragg.cli.ends import by_ends
from openbragg.cli.experiment import make_experiment, refuse_partial_cells
from openbragg.cli.geometry import place_as_described, read_described, read_named
from openbragg.cli.loading import load_torch
from openbragg.cli.presets import with_preset
from openbragg.cli.reference_flags import MEANT, Given, as_the_reference_reads, without_zero_cells
from openbragg.cli.selection import Selected, select
from openbragg.cli.settings import Computation, Output, SeriesChoice, WithoutEffect
from openbragg.cli.words import warn
from openbragg.model import Crystal, Experiment
from openbragg.orchestrator.reading.described import described_summary
from openbragg.orchestrator.resolving.quirks import notice, parse_compat
from openbragg.roles import DescribedSpectrum, DescribedStructureFactors, KnownCrystal, Registry

if TYPE_CHECKING:
    from openbragg.orchestrator.simulation import Simulation


@attrs.frozen
class CommandLine:
    """A command line, understood.

    Attributes
    ----------
    words
        Its flags in order, as they are read.
    computation, compat
        Settings of the computation, and the quirks of the reference to reproduce.
    selected
        The plugins, and in its `notices` what the user should know so far.
    experiment
        As asked for, its defaults unresolved.
    made
        What files say that were named, for people: pairs of a word and a value.
    known
        What the source of structure factors says of its crystal, where it says anything.
    """

    words: Given
    computation: Computation
    compat: frozenset[str]
    selected: Selected
    experiment: Experiment
    made: dict[str, str] = attrs.field(factory=dict)
    known: KnownCrystal | None = None

    @property
    def notices(self) -> list[str]:
        """What the user should know so far; a command says it, and may add to it."""
        return self.selected.notices

    @property
    def images(self) -> int | None:
        """How many images a series has; None for a single one."""
        choice: SeriesChoice = self.options(SeriesChoice)
        return choice.images

    @property
    def progress(self) -> bool | None:
        """Whether to show a progress bar; None for where there is a terminal."""
        shown: Output = self.options(Output)
        return shown.progress

    def options(self, cls: Any) -> Any:
        """An object of an attrs class, from those of the flags that are its options."""
        return construct(cls, assignments_of(self.words))

    def simulation(self, announce: Callable[[str], None] | None = None) -> Simulation:
        """The simulation that the flags describe; loads torch.

        What cannot wait, as that code is being compiled, is said on stderr unless `announce` is given to say it.

        Raises
        ------
        OpenBraggError
            When a part is not what it should be.
        """
        load_torch()
        from openbragg.orchestrator.renders import CommandWords
        from openbragg.orchestrator.resolving.known import refuse_other_cell
        from openbragg.orchestrator.resolving.reference_factors import with_cache, with_comments
        from openbragg.orchestrator.simulation import Simulation

        roles, computation = self.selected.roles, self.computation
        if self.known is not None:
            refuse_other_cell(self.experiment.crystal, self.known)
        factors = with_comments(roles["structure_factors"], self.compat, self.notices)
        return Simulation(
            self.experiment,
            convention=roles["geometry_conventions"],
            structure_factors=with_cache(factors, self.compat, self.notices),
            lattice_shape=roles["lattice_shapes"],
            mosaic=roles["mosaic_models"],
            diffuse=roles["diffuse_models"],
            scene=roles["scene_models"],
            spectrum=roles["spectra"],
            backgrounds=self.selected.backgrounds,
            noise=roles["noise_models"],
            device=computation.device,
            precision=computation.precision,
            compat=self.compat,
            engine=computation.engine,
            threads=computation.threads,
            cull=computation.cull,
            announce=announce or (lambda line: warn(f"notice: {line}")),
            words=CommandWords(
                arguments=tuple(word for option, values in self.words for word in (option.opts[0], *values)),
                inputs=tuple(
                    (flag.spellings[0], word)
                    for flag, words in assignments_of(self.words)
                    if flag.spec.input
                    for word in words
                ),
            ),
        )


def understand(
    registry: Registry,
    words: Given,
    spellings: dict[str, str],
    *,
    settled: Iterable[tuple[click.Option, list[str]]] = (),
    hooks: Collection[str] | None = None,
    crystal: Crystal | None = None,
) -> CommandLine:
    """Understand flags in their order.

    Parameters
    ----------
    registry, words
        The plugins, and the flags.
    spellings
        Words that were taken for flags which they only begin like.
    settled
        Those of the flags that were read before, in a recorded run.
    hooks
        The roles that take part; all by default.
    crystal
        In place of one that flags describe.

    Raises
    ------
    OpenBraggError
        When a value, a file or a combination cannot be used.
    """
    preceded = with_preset(registry, words)
    words = preceded.words
    computation: Computation = construct(Computation, assignments_of(words))
    compat = parse_compat(computation.compat)
    ends: list[str] = []
    words = by_ends(registry, words, compat, ends)
    words, zeros = without_zero_cells(words)
    misread = as_the_reference_reads(words, settled)
    otherwise = "flag-matching" not in compat
    words = words if otherwise else misread.given
    counting, lines = heeded(words, compat)
    named = read_named(registry, words)
    selected = select(registry, counting, hooks, named)
    refuse_partial_cells(words, selected.roles.get("lattice_shapes"))
    geometry = read_described(registry, words)
    place_as_described(registry, words, geometry, selected)
    known = _with_spectrum(_known_crystal(selected), selected)
    notices = selected.notices
    notices[:0] = [f"{word} is read as {flag}, as the reference reads it" for word, flag in spellings.items()]
    notices.extend((*ends, *zeros))
    convention = selected.roles.get("geometry_conventions")
    made = dict(preceded.made)
    experiment = make_experiment(words, compat, notices, crystal, known, geometry, named, convention, made)
    if getattr(convention, "first_corner", None) is not None:
        # The first corner says how far the detector is.
        made.pop("distance", None)
    misread_as = experiment
    if misread.changes:
        misread_as = make_experiment(misread.given, compat, None, crystal, known, geometry, named, convention)
    if otherwise and misread_as != experiment:
        notices.append(notice("flag-matching", "; ".join(misread.changes)))
    notices.extend(lines)
    construct(WithoutEffect, assignments_of(words))
    for flag, _ in assignments_of(words):
        if flag.owner is WithoutEffect:
            line = f"{flag.spellings[0]} has no effect, in the reference program as here{_meaning(flag.spellings[0])}"
            if line not in notices:
                notices.append(line)
    if geometry is not None:
        made = {"geometry": described_summary(geometry), **made}
    return CommandLine(words, computation, compat, selected, experiment, made, known)


def _meaning(spelling: str) -> str:
    """What a flag of the reference's examples is probably meant for."""
    meant = MEANT.get(spelling)
    return (
        f": it stands in the reference's examples, but is none of its flags; {meant} is probably meant" if meant else ""
    )


def _with_spectrum(known: KnownCrystal | None, selected: Selected) -> KnownCrystal | None:
    """What is known of the crystal, with the mean of a spectrum that says its own wavelengths."""
    spectrum = selected.roles.get("spectra")
    if not isinstance(spectrum, DescribedSpectrum) or (mean := spectrum.mean_wavelength()) is None:
        return known
    return attrs.evolve(known or KnownCrystal(source=f"the spectrum {spectrum.name}"), wavelength=mean)


def _known_crystal(selected: Selected) -> KnownCrystal | None:
    """What the source of structure factors says of its crystal, where it says anything."""
    factors = selected.roles.get("structure_factors")
    return factors.crystal() if isinstance(factors, DescribedStructureFactors) else None
