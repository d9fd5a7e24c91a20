"""Every block of code on every page runs, and prints what the page says; `document_blocks` says how to write one."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from document_blocks import NEEDS, Block, MarkError, Setting, read_page
from document_inputs import make_inputs
from document_shell import Finished, Shell, shell

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
HELP = "tests/document_blocks.py says how a block is marked"
#: A number whose last digits may differ from one processor to another, and by how much.
_NUMBER = re.compile(r"(-?\d+\.\d+(?:e[-+]\d+)?)")
_ROUNDING = 1e-4
#: In the words of a command, where a page leaves some out.
_DOTS = re.compile(r"(?<=\s)\.\.\.(?=\s|$)")


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("programs") / "bin"
    folder.mkdir()
    with shell(folder) as made:
        yield made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_the_page_run_and_print_what_it_shows(
    page: Path, commands: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = read_page(page)
    if not any(isinstance(block, Block) and block.language in ("sh", "python") for block in blocks):
        return
    _check_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBRAGG_CACHE", str(tmp_path / "compiled"))
    _Reader(commands, tmp_path).read(blocks)


def _check_out(folder: Path) -> None:
    """What commands find in a checkout, and may write over; its environment is the one that is there."""
    for name in ("examples", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.egg-info", "build", "*.png"))
    script = folder / "tests" / "environment.sh"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\ndirname "$(dirname "$(command -v openbragg)")"\n')
    script.chmod(0o755)


@attrs.define
class _Reader:
    """Does what a page says, from top to bottom."""

    commands: Shell
    folder: Path
    settings: dict[str, str] = attrs.field(factory=dict)
    names: dict[str, Any] = attrs.field(factory=lambda: {"__name__": "__main__"})
    last: Finished | None = None

    def read(self, blocks: list[Block | Setting]) -> None:
        for block in blocks:
            if isinstance(block, Setting):
                self.settings[block.name] = block.value
            elif "file" in block.marks:
                file = self.folder / block.marks["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
            elif "needs" in block.marks:
                self.last = None
            elif "prints" in block.marks:
                self.compare(block)
            elif block.language != "text":
                make_inputs(block.text, self.folder)
                self.last = self.run_python(block) if block.language == "python" else self.run_shell(block)

    def run_shell(self, block: Block) -> Finished:
        script = block.text
        if "dots" in self.settings:
            script = _DOTS.sub(self.settings["dots"], script)
        assert not _DOTS.search(script), f"{block.place}: what do the dots stand for? {HELP}"
        make_inputs(script, self.folder)
        finished = self.commands.run(script, self.folder, self.settings.get("with", ""))
        expected = int(block.marks.get("status", 0))
        assert finished.status == expected, (
            f"{block.place}: exit status {finished.status}, expected {expected} ({HELP})\n{script}\n{finished.output}"
        )
        return finished

    def run_python(self, block: Block) -> Finished:
        printed = io.StringIO()
        try:
            code = compile(block.text, block.place, "exec")
            with contextlib.redirect_stdout(printed):
                exec(code, self.names)
        except Exception as error:
            raise AssertionError(f"{block.place}: {error!r} ({HELP})\n{block.text}") from error
        return Finished(0, printed.getvalue())

    def compare(self, block: Block) -> None:
        assert self.last is not None, f"{block.place}: nothing ran before it"
        shown, printed = (_lines(text) for text in (block.text, self.last.output))
        if block.marks["prints"] == "at the end":
            printed = "\n".join(printed.splitlines()[-len(shown.splitlines()) :])
        assert _says(shown, printed), f"{block.place}: printed was\n{printed}\nand not\n{shown}"


def _says(shown: str, printed: str) -> bool:
    """Whether a text is what is shown: dots there are anything, and numbers with a point agree but for rounding."""
    pieces = [_NUMBER.split(part) for part in shown.split("...")]
    pattern = ".*".join(_NUMBER.pattern.join(re.escape(words) for words in piece[::2]) for piece in pieces)
    found = re.fullmatch(pattern, printed, re.DOTALL)
    numbers = [number for piece in pieces for number in piece[1::2]]
    return found is not None and all(
        math.isclose(float(one), float(other), rel_tol=_ROUNDING)
        for one, other in zip(numbers, found.groups(), strict=True)
    )


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_not_run_says_why_and_needs_it(page: Path) -> None:
    for block in read_page(page):
        if isinstance(block, Block) and "needs" in block.marks:
            need = block.marks["needs"]
            assert need in NEEDS, f"{block.place}: it may need one of {', '.join(NEEDS)}"
            assert NEEDS[need].search(block.text), f"{block.place}: it does not look as if it needed {need}"


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("```sh\nopenbragg cache\n```\n", ["sh"]),
        ("- in a list\n\n  ```python\n  import os\n  ```\n", ["python"]),
        ("```console\n$ openbragg cache\n```\n", ["sh"]),
        ("```\nopenbragg cache\n```\n", ["sh"]),
        ("Words.\n\n    for n in 1 2; do\n        openbragg cache\n    done\n\nWords.\n", ["sh"]),
        ("Words.\n\n    # first\n    nanoBragg -N 3\n", ["sh"]),
        ("Words.\n\n    for n in range(3):\n        print(n)\n", ["python"]),
        ("Words.\n\n    openbragg: error: no\n", ["text"]),
        ("```toml\n[a]\n```\n\n~~~python\nx = 1\n~~~\n", ["text", "python"]),
        ("Words\n    that go on.\n", []),
    ],
)
def test_no_block_escapes(tmp_path: Path, text: str, languages: list[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert [block.language for block in read_page(page) if isinstance(block, Block)] == languages


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("<!-- test need: DIALS -->\n\n    dials.import\n", "no such mark: need"),
        ("<!-- test needs: DIALS -->\n\nWords.\n\n    dials.import\n", "belongs to a block"),
        ("<!-- test prints -->\n", "belongs to a block"),
    ],
)
def test_a_mark_that_says_nothing_is_refused(tmp_path: Path, mark: str, message: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(mark)
    with pytest.raises(MarkError, match=message):
        read_page(page)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nprint('is 1.2345')\n```\n\n<!-- test prints -->\n\n    is 1.2347\n", "page.md:7: printed was"),
        ("    openbragg simulate -cell\n", "page.md:1: exit status 2, expected 0"),
        ("<!-- test status: 3 -->\n\n    openbragg cache\n", "page.md:3: exit status 0, expected 3"),
        ("    openbragg simulate ... -N 3\n", "page.md:1: what do the dots stand for"),
        ("```python\n1 / 0\n```\n", "page.md:1: ZeroDivisionError"),
        ("    sh -c 'echo one'\n\n<!-- test prints -->\n\n    two\n", "page.md:5: printed was"),
    ],
)
def test_a_block_that_does_something_else_fails(
    tmp_path: Path, commands: Shell, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=re.escape(message)):
        _Reader(commands, tmp_path).read(read_page(page))


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("largest 51145.3 at 3, 4", "largest 51145.2 at 3, 4"),
        ("a\n...\nd 1e5", "a\nb 2.5\nc\nd 1e5"),
        ("1.5 of 2.5...", "1.50001 of 2.50001 and more"),
        ("", ""),
    ],
)
def test_what_is_the_same_but_for_rounding_passes(shown: str, printed: str) -> None:
    assert _says(shown, printed)
