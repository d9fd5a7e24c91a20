"""A report as text for a terminal, and in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from openbragg_tracers.comparison.report import Block, Facts, Heading

_WIDTH = 120
_TERM = 18


def as_text(blocks: Iterable[Block]) -> str:
    """Aligned columns of text."""
    return "\n".join(line for block in blocks for line in _text_lines(block)) + "\n"


def as_markdown(blocks: Iterable[Block], title: str = "Comparison of traces") -> str:
    """Headings, lists and tables in Markdown."""
    lines = [f"# {title}", ""]
    for block in blocks:
        lines += [*_markdown_lines(block), ""]
    return "\n".join(lines)


def _text_lines(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield from ("", block.text, "-" * len(block.text))
    elif isinstance(block, Facts):
        for word, said in block.rows:
            first, *rest = textwrap.wrap(said, _WIDTH - _TERM, break_long_words=False, break_on_hyphens=False) or [""]
            yield f"{word:<{_TERM}}{first}"
            yield from (" " * _TERM + line for line in rest)
    else:
        yield from ("", block.title)
        widths = [max(len(row[column]) for row in (block.header, *block.rows)) for column in range(len(block.header))]
        for row in (block.header, *block.rows):
            yield (
                "  "
                + "  ".join(
                    f"{cell:<{width}}" if column < block.labels else f"{cell:>{width}}"
                    for column, (cell, width) in enumerate(zip(row, widths, strict=True))
                ).rstrip()
            )


def _markdown_lines(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"## {_escaped(block.text)}"
    elif isinstance(block, Facts):
        for word, said in block.rows:
            yield f"- **{_escaped(word)}**: {_escaped(said)}" if word else f"  {_escaped(said)}"
    else:
        yield from (f"### {_escaped(block.title)}", "")
        yield _markdown_row(block.header)
        yield _markdown_row(
            [":---" if column < block.labels else "---:" for column in range(len(block.header))], raw=True
        )
        yield from map(_markdown_row, block.rows)


def _markdown_row(cells: list[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cells if raw else map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    """Text in which Markdown finds nothing to do: underscores in a name are not emphasis."""
    plain = " ".join(text.split())
    for letter in "\\`*_|<>[]":
        plain = plain.replace(letter, f"\\{letter}")
    return plain
