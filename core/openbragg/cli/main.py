"""The entry point: commands by name, loaded when used; errors as one line."""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from openbragg.errors import OpenBraggError

#: Command, the module that defines it as `command`, and its line in the overview; kept here so that an overview
#: imports nothing.
_COMMANDS = {
    "simulate": ("openbragg.cli.simulate", "Render a diffraction image."),
    "noise": ("openbragg.cli.noise", "Apply a noise model to an image."),
    "trace": ("openbragg.cli.trace", "Show what single pixels are made of."),
    "plugins": ("openbragg.cli.plugins", "List the installed plugins."),
    "detectors": ("openbragg.cli.detectors", "List the detectors that are known by name."),
    "cache": ("openbragg.cli.cache", "Show or remove the compiled code that is kept between runs."),
    "wilson": ("openbragg.cli.wilson", "Make structure factors for a cell from Wilson statistics."),
    "convert": ("openbragg.cli.convert", "Write structure factors of any kind as a table of h k l F."),
    "compare": ("openbragg.cli.compare", "Compare two images, or two simulators run with the same flags."),
    "view": ("openbragg.cli.view", "Look at images: a page for any browser, or a PNG."),
    "compare-traces": ("openbragg.cli.compare_traces", "Find where two traces of a pixel part."),
}
_BLOCKED_KEY = "openbragg.blocked"
_DEBUG_FLAG = "--debug"
_BLOCK_FLAG = "--no-plugin"
#: In the message with which torch says, as a RuntimeError, that memory ran out.
_TORCH_OUT_OF_MEMORY = "memory"


class _Commands(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command(tuple(ctx.meta[_BLOCKED_KEY]))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS:
            raise click.UsageError(f"there is no command {args[0]!r}; there are {', '.join(_COMMANDS)}")
        return super().resolve_command(ctx, args)


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
    words = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # The name of a file need not consist of letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    debug, blocked, rest = take_global_flags(words)
    status = _run(rest or ["--help"], blocked, debug)
    if arguments is None:
        # The process ends here, and Python would look through all that is left for garbage, several times, and take it
        # apart piece by piece: with torch that is half a second.
        gc.freeze()
        sys.exit(status)
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
    except (MemoryError, RuntimeError) as error:
        if debug or not (isinstance(error, MemoryError) or _TORCH_OUT_OF_MEMORY in str(error)):
            raise
        _complain("not enough memory for this run")
        return 1
    return 0


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


def warn(text: str) -> None:
    """One line of notice on stderr."""
    print(f"openbragg: {text}", file=sys.stderr)
