"""A command that takes the flags of a simulation and some of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from openbragg.cli.command_line import understand
from openbragg.cli.compose import FlagOption, Section, assignments_of, construct, flags_of, given, read_as
from openbragg.cli.reference_flags import BEGINNINGS
from openbragg.cli.registry import common_sections, simulation_sections
from openbragg.cli.replay import ReplayingCommand, provenance
from openbragg.errors import PluginError, UsageError
from openbragg.roles import Registry


def simulation_command(cls: Any, registry: Registry) -> click.Command:
    """Make a command that takes the flags of ``simulate``, and those that its class declares, which win over aliases.

    A class attribute ``of_series = True`` says that it minds ``-images`` itself, which `CommandLine.images` tells;
    otherwise a notice says that the first image is taken. It may have ``arguments``, what is given without a flag,
    whose values are fields of the class by their names; and ``renamed``, words that stand for flags here and are not
    what simulate means by them.

    When the command is called, an object of the class is made from its flags, and its ``run`` is called with the
    command line: a `CommandLine`, of which ``simulation()`` is what the other flags describe.

    Parameters
    ----------
    cls
        The class of the command, an attrs class whose docstring is its help. It may say in ``writes`` what files of
        simulate it writes too, by the word for what is in them; of others that are named the user is told that they are
        not written.
    registry
        The plugins that are installed.

    Raises
    ------
    PluginError
        When a flag of the class is one of a simulation.
    """
    own = Section(cls.name, tuple(FlagOption(flag) for flag in flags_of(cls)))
    taken = {name for option in own.options for name in option.opts}
    renamed: dict[str, str] = getattr(cls, "renamed", {})
    parts = [_without_renamed(renamed, part) for part in simulation_sections(registry)]
    sections = [own, *(_without(cls, part, taken) for part in parts)]

    arguments: tuple[click.Argument, ...] = getattr(cls, "arguments", ())

    def run(**_: Any) -> None:
        context = click.get_current_context()
        settings, replay = provenance(context)
        if settings.record is not None:
            raise UsageError("-record: only openbragg simulate records a run")
        words = given(context)
        line = understand(registry, words, read_as(context), settled=replay.flags if replay is not None else ())
        if replay is not None:
            line.notices[:0] = replay.notices()
        for flag, values in assignments_of(words):
            if flag.owner is not cls and flag.spec.output and flag.spec.output not in getattr(cls, "writes", ()):
                line.notices.append(f"{flag.spellings[0]} {' '.join(values)} is not written by openbragg {cls.name}")
        if line.images is not None and not getattr(cls, "of_series", False):
            line.notices.append(f"-images {line.images}: openbragg {cls.name} takes the first image")
        without_flags = {str(argument.name): context.params[str(argument.name)] for argument in arguments}
        construct(cls, assignments_of(words), **without_flags).run(line)

    return _Renaming(
        cls.name,
        sections,
        registry,
        renamed,
        arguments=arguments,
        beginnings=BEGINNINGS,
        shorter=[own, *common_sections(sections[1:])],
        callback=run,
        help=cls.__doc__ or cls.summary,
    )


class _Renaming(ReplayingCommand):
    """A command in which some words stand for flags."""

    def __init__(
        self, name: str, sections: Sequence[Section], registry: Registry, renamed: Mapping[str, str], **rest: Any
    ) -> None:
        super().__init__(name, sections, registry, **rest)
        self._renamed = renamed

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags."""
        return super().parse_args(ctx, [self._renamed.get(word, word) for word in args])


def _without_renamed(renamed: Mapping[str, str], part: Section) -> Section:
    """A section of simulate without the flags that mean another here."""
    return Section(part.title, tuple(option for option in part.options if not set(renamed) & set(option.opts)))


def _without(cls: Any, part: Section, taken: set[str]) -> Section:
    """A section of simulate without the aliases that a command took for flags of its own."""
    options = []
    for option in part.options:
        common = taken & set(option.opts)
        if not common:
            options.append(option)
        elif isinstance(option, FlagOption) and not common & set(option.flag.spellings):
            options.append(FlagOption(option.flag, without=common))
        else:
            raise PluginError(f"the command {cls.name} claims {', '.join(sorted(common))}, a flag of every simulation")
    return Section(part.title, tuple(options))
