"""Random command lines: each renders, or fails with one line; none gives a traceback, a warning or half a file."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

import openbragg.orchestrator.rendering
from command_line import Finished, run, simulate_command
from command_lines import Theme, all_options, command_lines, furnish, themes
from openbragg.cli.compose import Flag, assignments_of
from openbragg.cli.main import take_global_flags
from openbragg.orchestrator.series.numbering import numbered

#: 600 examples where other tests draw 100, in parts that share the work among processes.
PARTS = 8
EXAMPLES = 6 * settings().max_examples // PARTS
#: Terms of a sum that is evaluated; the program evaluates longer ones too, but not in milliseconds.
FEW_TERMS = 300_000
#: Without an explanation of what is found, which takes hundreds of runs.
PHASES = [phase for phase in Phase if phase is not Phase.explain]
#: How files begin that are no raw floats: pictures, images with a header, records and traces.
STARTS = (
    b"\x89PNG",
    b"P5\n",
    b"\x89HDF",
    b"###CBF",
    b"II*\0",
    b"{",
    b"[",
    b"TRACE",
    b"\x93\xbbdials",
    b"h,k,l,",
    b"PAR1",
)

Contents = dict[Path, bytes]


class LaboriousError(Exception):
    """A sum that is right to evaluate, but takes long."""


@contextmanager
def little_work() -> Iterator[None]:
    """Give up before a long sum; all that comes before it has happened."""
    render_panel = openbragg.orchestrator.rendering.render_panel

    def render_few(plan: Any, panel: Any, **options: Any) -> Any:
        slow, fast = panel.pixels
        if plan.terms_per_pixel() * slow * fast > FEW_TERMS:
            raise LaboriousError
        return render_panel(plan, panel, **options)

    with mock.patch.object(openbragg.orchestrator.rendering, "render_panel", render_few):
        yield


@pytest.mark.parametrize("theme", themes(PARTS), ids=lambda theme: f"part{theme.number}")
@settings(max_examples=EXAMPLES, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_random_command_line_renders_or_fails_with_one_line(theme: Theme, data: st.DataObject) -> None:
    words = data.draw(command_lines(theme))
    check_run(words)


def check_run(words: list[str]) -> None:
    """Run a command line in a folder of its own, and look at what it says and what it leaves there."""
    with tempfile.TemporaryDirectory() as name, chdir(name):
        furnish(Path())
        before = contents()
        try:
            with little_work():
                finished = run("simulate", *words)
        except LaboriousError:
            event("much work")
            return
        event(f"status {finished.status}")
        after = contents()
        assert not [path for path in after if path.name.startswith(".openbragg-")]
        if finished.status != 0:
            check_refusal(finished)
            named = {Path(part).name for word in words for part in (word, word.partition("=")[2])} | {"out.bin"}
            kept = {path: content for path, content in before.items() if path.name not in named}
            assert kept.items() <= after.items()
        elif not {"-h", "--help"} & set(words):
            check_success(finished, words, after)


def contents() -> Contents:
    """The regular files below the working folder, and what is in them."""
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def check_refusal(finished: Finished) -> None:
    *notices, last = messages(finished)
    assert finished.status in (1, 2)
    assert re.match(r"openbragg: error: \S", last)
    check_notices(notices)


def check_success(finished: Finished, words: list[str], after: Contents) -> None:
    check_notices(messages(finished))
    # Whatever stands after --no-plugin is the name of one, also what looks like a flag.
    given = simulate_command().scan(take_global_flags(words)[2])[1]
    series = any(flag.field == "images" for flag, _ in assignments_of(given))
    files: dict[tuple[type, str], tuple[Flag, str | None]] = {}
    for flag, values in assignments_of(given):
        if flag.spec.output or flag.field == "record":
            files[flag.owner, flag.field] = flag, values[0] if flag.constant is None else None
    images = [file for flag, file in files.values() if file is not None and flag.spec.output in ("photons", "counts")]
    if not images and not {"-from", "--from"} & {word.partition("=")[0] for word in words}:
        check_file(numbered(Path("floatimage.bin"), 1) if series else Path("floatimage.bin"), after)
    for flag, file in files.values():
        if file is not None and f"{flag.spellings[0]} {file} is not written" not in finished.err:
            alone = series and flag.spec.output in ("photons", "counts") and not hasattr(flag.owner, "write_series")
            check_file(numbered(Path(file), 1) if alone else Path(file), after)


def messages(finished: Finished) -> list[str]:
    """The lines on stderr but for a progress bar."""
    return [line for line in finished.complaints() if not line.startswith("rendering ")]


def check_file(path: Path, after: Contents) -> None:
    """Whether an output is there and whole."""
    if path.exists() and not path.is_file():
        return
    content = after[path.resolve().relative_to(Path.cwd())]
    assert content
    start = next((start for start in STARTS if content.startswith(start)), None)
    if start is None:
        assert np.isfinite(np.frombuffer(content, dtype="<f4")).all()


def check_notices(notices: list[str]) -> None:
    assert all(re.match(r"openbragg: notice: \S", notice) for notice in notices), notices
    assert len(notices) == len(set(notices)), notices


def test_every_flag_may_be_drawn() -> None:
    drawn = {id(option) for theme in themes(PARTS) for option in theme.options}
    assert drawn == {id(option) for option in all_options()}
    assert len(drawn) > 100
