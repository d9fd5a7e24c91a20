"""A bar on stderr that tells how far a run is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class ProgressBar(Protocol):
    """What moves a bar."""

    def __call__(self, done: int, total: int, said: str = "") -> None:
        """Say how much of how much is done, and what else there is to say in place of the bar's word."""


@contextmanager
def progress_bar(wanted: bool | None, word: str = "rendering") -> Iterator[ProgressBar | None]:
    """A bar with an estimate of the time left, when stderr is a terminal or the user says so; else None."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # On a terminal the bar goes when it is done; in a pipe its last state is all there is to see.
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task(word, total=None)

        def move(done: int, total: int, said: str = "") -> None:
            bar.update(task, completed=done, total=total, description=said or word)

        yield move
