"""A simulation from the flags of the command line, for Python."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from openbragg.cli.command_line import understand
from openbragg.cli.compose import given, read_as
from openbragg.cli.reference_flags import BEGINNINGS
from openbragg.cli.registry import simulation_sections
from openbragg.cli.replay import ReplayingCommand, provenance
from openbragg.errors import UsageError
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.simulation import Simulation


def from_flags(words: str | Sequence[str]) -> Simulation:
    """The simulation that ``openbragg simulate`` makes of its flags; those that name files to write count nothing.

    For example ``from_flags("-mat A.mat -hkl P1.hkl -lambda 0.9795 -N 30")``, or the words as a list.

    Raises
    ------
    OpenBraggError
        When a value, a file or a combination cannot be used; the message is one line.
    """
    registry = default_registry()
    command = ReplayingCommand("simulate", simulation_sections(registry), registry, beginnings=BEGINNINGS)
    context = click.Context(command, info_name="simulate")
    try:
        command.parse_args(context, shlex.split(words) if isinstance(words, str) else list(words))
    except click.UsageError as error:
        raise UsageError(error.format_message()) from None
    replay = provenance(context)[1]
    line = understand(registry, given(context), read_as(context), settled=replay.flags if replay is not None else ())
    return line.simulation()
