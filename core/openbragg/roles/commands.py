"""The contract of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import click

    from openbragg.roles.installed import Registry


@runtime_checkable
class Command(Plugin, Protocol):
    """A command of ``openbragg``, which its name calls; the summary is its line in the overview.

    The overview and ``openbragg plugins`` load the module of every command, so it imports nothing heavy: torch, the
    simulation and what draws pictures are imported where they are used.

    The option fields of the class are flags of this command alone. A command that takes the flags of ``simulate`` too
    has `openbragg.commands.simulation_command` make it.

    A class may have a static method ``python()``, which imports and returns what Python has in place of the command: a
    function, or a module of several. It is called ``openbragg.NAME``, by the command's name or by a class attribute
    ``python_name``.
    """

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """Make the command, when it is called or its help is asked for.

        Parameters
        ----------
        registry
            The plugins that are installed and not blocked.
        """
