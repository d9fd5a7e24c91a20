"""The code on the pages of the documents: what there is, and how it is to be run.

Every block of shell or Python is run, in its page's own folder, from top to bottom: fenced ones by their language
(```sh, ```python), indented ones by what they look like. Comments of HTML, which readers do not see, say what else a
block needs to run here:

``<!-- test needs: DIALS -->``
    The next block is not run; `NEEDS` lists what may be needed.
``<!-- test file: my_package/lorentz.py -->``
    The next block is no program but a file of this name; later blocks use it.
``<!-- test prints -->``
    The next block is what the one before printed, or with ``prints: at the end`` its last lines. ``...`` in it stands
    for anything, and numbers with a decimal point may differ by rounding.
``<!-- test status: 3 -->``
    The next block ends with this exit status.
``<!-- test dots: -cell 50 -N 3 -->``
    From here on, ``...`` among the words of a command stands for these.
``<!-- test with: -detpixels 32 -->``
    From here on, these flags are added to every ``openbragg simulate``, to make it a small one.
``<!-- test sh: ... -->``, ``<!-- test python: ... -->``
    Code that is run here, for what follows.

Files with the names in `document_inputs.INPUTS` are there when a block names them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs

#: What a block may need that is not to be had where tests run.
NEEDS = {
    "DIALS": re.compile(r"\bdials\.|examples/dials/"),
    "the reference program": re.compile(r"\breference_settings\.py\b|\bnanoBragg\b|--reference|\bgcc\b"),
    "the network": re.compile(r"\bpip install\b|\bgit clone\b|\bpre-commit install\b"),
    "a browser": re.compile(r"\bchromium\b"),
    "a batch system": re.compile(r"\bsbatch\b|--cluster slurm\b"),
    "other machines": re.compile(r"\btcp://ADDRESS\b"),
    "an idle machine": re.compile(r"-m benchmarks|-m cProfile"),
    "to be what runs it": re.compile(r"tests/(run|environment)\.sh|\bmkdocs\b"),
}
#: Marks that belong to the block after them.
_OF_A_BLOCK = ("needs", "file", "prints", "status")
_STICKY = ("dots", "with")
_HIDDEN = ("sh", "python")
_LANGUAGES = {"sh": "sh", "shell": "sh", "bash": "sh", "console": "sh", "python": "python", "py": "python"}
#: Words that commands of the pages begin with.
_COMMANDS = re.compile(
    r"(?m)\A(#.*\n)*"
    r"(\$ |[A-Z_]+=\S* |dials\.\w|for \w+ in .*; do|"
    r"(openbragg|nanoBragg|python3?|pip|pytest|sh|export|cd|pre-commit|mkdocs|git)(?![\w:.]))"
)
_COMMENT = re.compile(r"<!--\s*test\s+(\w+)(?::\s*(.*?))?\s*-->", re.DOTALL)
_FENCE = re.compile(r"^( *)(```+|~~~+)\s*(.*)$")

Language = Literal["sh", "python", "text"]


@attrs.frozen
class Block:
    """A block of code, where it stands, and what the marks before it say."""

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str] = attrs.field(factory=dict)
    hidden: bool = False

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.page.name}:{self.line}"


@attrs.frozen
class Setting:
    """A mark that counts from here on."""

    name: str
    value: str


class MarkError(Exception):
    """A mark that is not understood, or stands before nothing."""


def read_page(page: Path) -> list[Block | Setting]:
    """Blocks and settings of a page, from top to bottom.

    Raises
    ------
    MarkError
        As it says.
    """
    found: list[Block | Setting] = []
    marks: dict[str, str] = {}
    for line, kind, language, text in _pieces(page.read_text(encoding="utf-8")):
        place = f"{page.name}:{line}"
        if kind == "code":
            found.append(Block(page, line, language, text, marks))
            marks = {}
        elif kind == "mark":
            name, value = language, text
            if name in _HIDDEN:
                found.append(Block(page, line, name, value, hidden=True))
            elif name in _STICKY:
                found.append(Setting(name, value))
            elif name in _OF_A_BLOCK:
                marks[name] = value
            else:
                raise MarkError(f"{place}: no such mark: {name}")
        elif marks:
            raise MarkError(f"{place}: the mark before this line belongs to a block, and there is none")
    if marks:
        raise MarkError(f"{page.name}: the last mark belongs to a block, and there is none")
    return found


def _pieces(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Line, kind (code, mark or words), language or name, and text of what a page is made of."""
    lines = text.splitlines()
    number = 0
    blank = True
    while number < len(lines):
        line, start = lines[number], number + 1
        if fence := _FENCE.match(line):
            indent, ticks, info = fence.groups()
            end = next((n for n in range(start, len(lines)) if lines[n].strip() == ticks), len(lines))
            body = "\n".join(part.removeprefix(indent) for part in lines[start:end]) + "\n"
            language = re.match(r"\{?\.?(\w*)", info)
            yield start, "code", _language(language[1] if language else "", body), body
            number = end + 1
        elif line.lstrip().startswith("<!--"):
            end = next((n for n in range(number, len(lines)) if "-->" in lines[n]), len(lines) - 1)
            if mark := _COMMENT.search("\n".join(lines[number : end + 1])):
                yield start, "mark", mark[1], mark[2] or ""
            number = end + 1
        elif blank and line.startswith("    "):
            end = next(
                (n for n in range(number, len(lines)) if lines[n] and not lines[n].startswith("    ")), len(lines)
            )
            body = "\n".join(part.removeprefix("    ") for part in lines[number:end]).rstrip() + "\n"
            yield start, "code", _language("", body), body
            number = end
        else:
            if line.strip():
                yield start, "words", "", line
            number += 1
        blank = number > 0 and not lines[number - 1].strip()


def _language(info: str, body: str) -> str:
    """A block's language by its info string, else by what it looks like."""
    if info:
        return _LANGUAGES.get(info, "text")
    if _COMMANDS.match(body):
        return "sh"
    return "python" if _is_python(body) else "text"


def _is_python(body: str) -> bool:
    """Whether it compiles, and does more than name things."""
    try:
        statements = ast.parse(body).body
    except SyntaxError:
        return False
    return any(not isinstance(part, ast.Expr) or isinstance(part.value, ast.Call) for part in statements)
