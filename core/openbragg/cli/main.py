"""The entry point: commands by name, loaded when used; errors as one line."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from openbragg.cli.completing import REGISTRY_KEY, answer_shell
from openbragg.errors import OpenBraggError, PluginError
from openbragg.roles import Found, Registry

#: The commands of the core: name, the module that defines it as `command`, and its line in the overview. All others are
#: plugins.
_OWN_COMMANDS = {
    "simulate": ("openbragg.cli.simulate", "Render a diffraction image."),
    "plugins": ("openbragg.cli.plugins", "List the installed plugins."),
}
_BLOCKED_KEY = "openbragg.blocked"
_COMMANDS = "commands"
_DEBUG_FLAG = "--debug"
_BLOCK_FLAG = "--no-plugin"
#: In the message with which torch says, as a RuntimeError, that memory ran out.
_TORCH_OUT_OF_MEMORY = "memory"
#: Why standard output may take no more.
_CANNOT_PRINT = {errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT}


class _Commands(click.Group):
    """The commands of the core and those of plugins, made when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_OWN_COMMANDS, *(found.name for found in _registry(ctx).of_role(_COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        registry = _registry(ctx)
        if cmd_name in _OWN_COMMANDS:
            own: click.Command = import_module(_OWN_COMMANDS[cmd_name][0]).command(registry)
            return own
        found = registry.of_name(_COMMANDS, cmd_name)
        return made(found, registry) if found is not None else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(_summaries(ctx))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin like a word, none of which is made for it; or flags."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=line) for name, line in _summaries(ctx) if name.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if ctx.resilient_parsing and args[0] not in known:
            return None, None, args
        if args and args[0] not in known:
            _registry(ctx).refuse_unloaded(args[0])
            raise click.UsageError(f"there is no command {args[0]!r}; there are {', '.join(known)}")
        return super().resolve_command(ctx, args)


def made(found: Found, registry: Registry) -> click.Command:
    """The click command of a plugin.

    Raises
    ------
    PluginError
        When it cannot be made; the message says whose it is.
    """
    try:
        command: click.Command = found.cls.command(registry)
    except OpenBraggError:
        raise
    except Exception as error:
        raise PluginError(
            f"the command {found.name} of {found.origin()} cannot be made: {type(error).__name__}: {error}"
        ) from error
    return command


def _summaries(ctx: click.Context) -> list[tuple[str, str]]:
    """The commands, each with its line in the overview."""
    rows = [(name, line) for name, (_, line) in _OWN_COMMANDS.items()]
    return rows + [(found.name, str(found.cls.summary)) for found in _registry(ctx).of_role(_COMMANDS)]


def _registry(ctx: click.Context) -> Registry:
    """The plugins of this command line, loaded once."""
    meta = ctx.find_root().meta
    if REGISTRY_KEY not in meta:
        from openbragg.cli.registry import load_registry

        meta[REGISTRY_KEY] = load_registry(tuple(meta.get(_BLOCKED_KEY, ())))
    registry: Registry = meta[REGISTRY_KEY]
    return registry


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="--no-plugin NAME and --debug may stand anywhere in the command.",
)
@click.version_option(package_name="openbragg", prog_name="openbragg")
@click.option(
    "--no-plugin", multiple=True, metavar="NAME", help="Do not load a plugin or distribution; * for all added."
)
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.pass_context
def cli(ctx: click.Context, no_plugin: Sequence[str], debug: bool) -> None:
    """Absolute-scale X-ray diffraction images of small crystals."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status and, as a console script, exits with it."""
    if arguments is None and (status := answer_shell(cli)) is not None:
        sys.exit(status)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # The name of a file need not consist of letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    debug, blocked, rest = take_global_flags(words)
    status = _printed(_run(rest or ["--help"], blocked, debug))
    if arguments is None:
        # The process ends here, and Python would look through all that is left for garbage, several times, and take it
        # apart piece by piece: with torch that is half a second.
        gc.freeze()
        sys.exit(status)
    return status


def _printed(status: int) -> int:
    """The exit status when all that was said is printed; what cannot be is given up, for Python would try again."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with open(os.devnull, "wb") as nowhere, suppress(OSError, ValueError):  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if status == 0 and not isinstance(error, BrokenPipeError):
            _complain(f"cannot write to standard output: {error.strerror or error}")
        return status or 1
    return status


def _run(words: list[str], blocked: list[str], debug: bool) -> int:
    try:
        with _context(words, blocked) as context:
            cli.invoke(context)
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except (OpenBraggError, click.ClickException) as error:
        if debug:
            raise
        status = error.exit_status if isinstance(error, OpenBraggError) else error.exit_code
        text = str(error) if isinstance(error, OpenBraggError) else error.format_message()
        _complain(" ".join(text.split()))
        return status
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; no output was left half written")
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        if debug:
            raise
        explained = _explained(error)
        if explained is None:
            raise
        _complain(explained)
        return 1
    return 0


def _explained(error: Exception) -> str | None:
    """The line for an error that is none of the program's own; None for a fault in the program."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _TORCH_OUT_OF_MEMORY in str(error)):
        return "not enough memory for this run"
    if isinstance(error, OSError) and error.filename is None and error.errno in _CANNOT_PRINT:
        return f"cannot write to standard output: {error.strerror}"
    from openbragg.orchestrator.finding.blame import blamed

    line = blamed(error)
    return None if line is None else f"{line}; --debug shows where"


def _context(words: list[str], blocked: list[str]) -> click.Context:
    context = click.Context(cli, info_name="openbragg", **cli.context_settings)
    context.meta[_BLOCKED_KEY] = blocked
    with context.scope(cleanup=False):
        cli.parse_args(context, words)
    return context


def take_global_flags(words: list[str]) -> tuple[bool, list[str], list[str]]:
    """Take --debug and --no-plugin out of a command line, wherever they stand: plugins shape what follows.

    Returns
    -------
    Whether --debug was there, what --no-plugin names, and the other words.
    """
    debug, blocked, rest = False, [], []
    queue = iter(words)
    for word in queue:
        if word == _DEBUG_FLAG:
            debug = True
        elif word == _BLOCK_FLAG:
            name = next(queue, None)
            if name is None:
                rest.append(word)
            else:
                blocked.append(name)
        elif word.startswith(_BLOCK_FLAG + "="):
            blocked.append(word.split("=", 1)[1])
        else:
            rest.append(word)
    return debug, blocked, rest


def _complain(text: str) -> None:
    print(f"openbragg: error: {text}", file=sys.stderr)
