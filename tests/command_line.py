"""The command line, run inside the test's own process."""

import contextlib
import io
import warnings
from functools import cache

import attrs
import click

from openbragg.cli.compose import Flag, ModelCommand, assignments_of, given
from openbragg.cli.experiment import make_experiment
from openbragg.cli.main import main
from openbragg.cli.registry import load_registry
from openbragg.cli.selection import Selected, select
from openbragg.cli.simulate import command
from openbragg.model import Experiment

CRYSTAL = ("-cell", "50", "-N", "3")
#: A model of 16 pixels without noise in its output, for which one subpixel is enough: nothing to notice.
SMALL = (*CRYSTAL, "-default_F", "100", "-detpixels", "4", "-pixel", "0.1")

_QUIET_WARNINGS = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


@attrs.frozen
class Finished:
    """A finished command: its exit status and what it printed."""

    status: int
    out: str
    err: str

    def complaints(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


def run(*words: object) -> Finished:
    """Run ``openbragg`` with these words; a traceback comes out as the exception it is."""
    # As in a terminal: words that are no letters cannot be printed as they are.
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for category in _QUIET_WARNINGS:
            warnings.simplefilter("ignore", category)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(word) for word in words])
    # pytest keeps warnings to itself; a user would see them on stderr.
    shown = "".join(f"{warning.category.__name__}: {warning.message}\n" for warning in caught)
    return Finished(status, _text(out), _text(err) + shown)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    written = stream.buffer
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode()


@cache
def simulate_command() -> ModelCommand:
    """The composed command with the installed plugins."""
    made = command(load_registry(()))
    assert isinstance(made, ModelCommand)
    return made


def parsed(*words: object) -> list[tuple[click.Option, list[str]]]:
    """The flags among words in their order, as the simulate command reads them."""
    return given(simulate_command().make_context("simulate", [str(word) for word in words]))


def assignments(*words: object) -> list[tuple[Flag, list[str]]]:
    """The flags among words that set an option."""
    return assignments_of(parsed(*words))


def experiment(*words: object) -> Experiment:
    """The experiment that words after those of a small crystal describe."""
    return make_experiment(parsed(*CRYSTAL, *words))


def selected(*words: object) -> Selected:
    """The plugins that words choose and set up."""
    return select(load_registry(()), parsed(*words))
