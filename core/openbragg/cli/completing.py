"""What a shell is told when a user presses the tabulator."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from openbragg.errors import OpenBraggError, UsageError
from openbragg.options import OptionSpec
from openbragg.roles import ROLES, Registry

SHELLS = ("bash", "zsh", "fish")
"""The shells that can be told."""
_PROGRAM = "openbragg"
#: Under this name the scripts of the shells ask.
_VARIABLE = "_OPENBRAGG_COMPLETE"
#: Where the context of a command line has its plugins.
REGISTRY_KEY = "openbragg.registry"
#: The flag whose words are names of detectors.
_DETECTOR = "-detector"
#: What help calls the name of a file.
_FILE = "FILE"


def completion_script(shell: str) -> str:
    """The script that teaches a shell to complete what follows ``openbragg``.

    Raises
    ------
    UsageError
        When the shell is none that can be taught.
    """
    made = get_completion_class(shell)
    if shell not in SHELLS or made is None:
        raise UsageError(f"completion: expected one of {', '.join(SHELLS)}, got {shell!r}")
    return made(click.Group(_PROGRAM), {}, _PROGRAM, _VARIABLE).source()


def answer_shell(cli: click.Command) -> int | None:
    """Answer the script of a shell, and return the exit status; None where no shell asks."""
    asked = os.environ.get(_VARIABLE)
    if not asked:
        return None
    # What is wrong with a plugin, or with the words so far, would stand in the middle of what the user types.
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return shell_complete(cli, {}, _PROGRAM, _VARIABLE, asked)
        except (OpenBraggError, click.ClickException):
            return 1


def flags_beginning(options: Iterable[click.Option], incomplete: str) -> list[CompletionItem]:
    """The flags that begin like a word: of two dashes only where the user types them."""
    double = incomplete.startswith("--")
    return [
        CompletionItem(name, help=option.help)
        for option in options
        for name in option.opts
        if name.startswith(incomplete) and name.startswith("--") == double
    ]


def values_beginning(ctx: click.Context, flag: str, spec: OptionSpec, incomplete: str) -> list[CompletionItem]:
    """What may follow a flag and begins like a word: one of a few words, the name of a plugin or of a file."""
    registry: Registry | None = ctx.find_root().meta.get(REGISTRY_KEY)
    if spec.type is Path or spec.input or spec.output or spec.metavar == _FILE:
        return [CompletionItem(incomplete, type="file")]
    words = spec.words or (spec.rule.words if spec.rule is not None else ())
    if registry is not None:
        hooks = [role.hook for role in ROLES if flag == role.flag] or [spec.role] * bool(spec.role)
        words = (*words, *(found.name for hook in hooks for found in registry.of_role(hook)))
        if flag == _DETECTOR:
            from openbragg.orchestrator.finding.detectors import named_detectors

            words = (*words, *named_detectors(registry).found)
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]
