"""``openbragg completion``: the script that teaches a shell to complete commands, flags and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
import click

from openbragg import hookimpl
from openbragg.commands import SHELLS, completion_script

if TYPE_CHECKING:
    from openbragg import Command, Registry

_HELP = """Print the script that completes commands, flags, detectors, plugins and files when Tab is pressed.

\b
bash:  eval "$(openbragg completion bash)"     in ~/.bashrc
zsh:   eval "$(openbragg completion zsh)"      in ~/.zshrc, after compinit
fish:  openbragg completion fish | source      in ~/.config/fish/config.fish
"""


@attrs.frozen
class Completion:
    """The command that prints the script."""

    name: ClassVar[str] = "completion"
    summary: ClassVar[str] = "Print what teaches a shell to complete flags."
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""

        @click.command(cls.name, help=_HELP)
        @click.argument("shell", type=click.Choice(SHELLS))
        def completion(shell: str) -> None:
            click.echo(completion_script(shell))

        return completion


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Completion]
