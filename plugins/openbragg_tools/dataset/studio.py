"""Simulations of shots, in one process: each evolves from one before it, so that tables are read once."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg import InputError, OpenBraggError, Registry, UsageError
from openbragg.commands import (
    BEGINNINGS,
    FlagOption,
    ModelCommand,
    assignments_of,
    flags_of,
    option_named,
    simulation_sections,
    understand,
)
from openbragg_tools.dataset.draws import DrawnShot, words_of
from openbragg_tools.dataset.masters import linking_format
from openbragg_tools.dataset.recipe import Recipe

if TYPE_CHECKING:
    from openbragg import Simulation

#: Sources of structure factors that are kept in memory.
_MOST_KEPT = 16
#: Flags that a recipe cannot have, each with what to do.
_REFUSED = {
    "-seed": "the noise of every shot has a seed of its own, from that of the recipe",
    "-images": "images = N in the recipe gives every shot so many",
    "-restart": "the same command goes on where it stopped",
    "-from": "name the flags themselves",
    "-record": "the recipe is the record",
    "-water": "expected -solvent_thick, a background, which labels can tell from the crystal",
    "-threads": "use --workers",
}
#: The engine unless the recipe names one: auto would choose by how much work it has seen, which shots must not know.
_ENGINE = ("-engine", "compiled")


class Studio:
    """Makes the simulations of a recipe's shots.

    Parameters
    ----------
    registry
        The plugins that are installed.
    recipe
        What the shots have in common.

    Raises
    ------
    OpenBraggError
        When the recipe has a flag that there is not, or that makes no sense in one.
    """

    def __init__(self, registry: Registry, recipe: Recipe) -> None:
        self.recipe = recipe
        self._registry = registry
        #: The format that shows shots to other programs, where files of it are made.
        self.linking = linking_format(registry) if recipe.nxmx else None
        self._command = ModelCommand("dataset", simulation_sections(registry), beginnings=BEGINNINGS)
        self._options = {
            name: option for option in self._command.params if isinstance(option, click.Option) for name in option.opts
        }
        self._scenes = {
            "-scene_model",
            *(name for found in registry.of_role("scene_models") for name in found.spellings()),
        }
        self._kept: dict[Any, Simulation] = {}
        for name in (*recipe.names(), *recipe.lattice_draws):
            if name.startswith("-"):
                if name not in self._options:
                    # This says what may have been meant.
                    self._scan([name])
                self._refuse(self._options[name])
        for option, _ in self._scan(recipe.flags):
            self._refuse(option)

    def flags(self, shot: DrawnShot, lattice: int | None = None) -> list[str]:
        """The flags of ``openbragg simulate`` that make a shot, one of its crystals alone, in the recipe's folder."""
        own = words_of(shot.lattices[lattice].values) if lattice is not None else []
        words = [*self.recipe.flags, *words_of(shot.values), *own]
        engine = () if "-engine" in words else _ENGINE
        return [*engine, *words]

    def unit(self, name: str) -> str:
        """The unit of a flag's numbers; empty where it has none, or there is no such flag."""
        try:
            return option_named(self._registry, name).flag.unit
        except KeyError:
            return ""

    def simulation(self, shot: DrawnShot, lattice: int | None = None) -> Simulation:
        """The simulation of a shot with one of its crystals; with what all have drawn alone if there is none.

        Raises
        ------
        OpenBraggError
            When the flags cannot be used; the message has the number of the shot.
        """
        try:
            words = [(option, self._found(option, said)) for option, said in self._scan(self.flags(shot, lattice))]
            return self._evolved(words)
        except OpenBraggError as error:
            raise type(error)(f"shot {shot.number}: {error}") from None

    def images(self, simulation: Simulation, shot: DrawnShot) -> list[Simulation]:
        """The images of a shot from the simulation of the first, each with a seed of its own for its noise.

        Raises
        ------
        OpenBraggError
            When nothing says how far each turns the crystal; the message has the number of the shot.
        """
        asked = simulation.experiment.sampling
        seeded = simulation.evolve(sampling=attrs.evolve(asked, seed=shot.seed))
        if self.recipe.images is None:
            return [seeded]
        try:
            return list(seeded.series(self.recipe.images))
        except OpenBraggError as error:
            raise type(error)(f"shot {shot.number}: {error}") from None

    def _evolved(self, words: list[tuple[click.Option, list[str]]]) -> Simulation:
        from openbragg import Simulation

        line = understand(self._registry, words, {})
        asked = attrs.evolve(line.simulation(_quiet), threads=1)
        factors = asked.structure_factors
        own = {flag.spellings for flag in flags_of(type(factors))}
        key = (
            factors.name,
            asked.compat,
            *((flag.spellings, tuple(said)) for flag, said in assignments_of(words) if flag.spellings in own),
        )
        base = self._kept.get(key)
        if base is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = asked
            asked.layout()
            return asked
        changed = {
            attribute.name: getattr(asked, attribute.name)
            for attribute in attrs.fields(Simulation)
            if attribute.init and attribute.name not in _SHARED and not attribute.name.startswith("_")
        }
        return base.evolve(**changed)

    def _scan(self, words: Sequence[str]) -> list[tuple[click.Option, list[str]]]:
        try:
            return list(self._command.scan(words)[1])
        except click.UsageError as error:
            raise UsageError(f"{self.recipe.file}: {error.format_message()}") from None

    def _refuse(self, option: click.Option) -> None:
        known = next((name for name in option.opts if name in _REFUSED), None)
        if known is not None:
            raise InputError(f"{self.recipe.file}: {known}: not in a recipe; {_REFUSED[known]}")
        if option.opts[0] in self._scenes:
            raise InputError(
                f"{self.recipe.file}: {option.opts[0]}: not in a recipe; [lattices] says how many crystals a shot has"
            )
        if isinstance(option, FlagOption) and option.flag.spec.output:
            raise InputError(
                f"{self.recipe.file}: {option.opts[0]}: not in a recipe; the data set has files of its own"
            )

    def _found(self, option: click.Option, said: list[str]) -> list[str]:
        """The words after a flag; the names of files that lie beside the recipe with its folder."""
        if not isinstance(option, FlagOption) or not (option.flag.spec.input or option.flag.spec.type is Path):
            return said
        places = [self.recipe.file.parent / word for word in said]
        return [str(place) if place.exists() else word for place, word in zip(places, said, strict=True)]


#: Of a simulation, what stays when it evolves.
_SHARED = ("structure_factors", "words", "announce")


def command_of(words: Sequence[str]) -> str:
    """Flags as one would type them."""
    return shlex.join(words)


def _quiet(line: str) -> None:
    """Say nothing of code that is compiled: one line for a thousand shots is said by who starts them."""
