"""A report as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import chain

from openbragg_tracers.comparison.curves import draw_curves
from openbragg_tracers.comparison.differences import Comparison
from openbragg_tracers.comparison.findings import Finding
from openbragg_tracers.comparison.report import MARK, Block, Facts, Heading, Table, report

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; border-bottom: 1px solid #ccc; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin-bottom: 0.3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1.2rem; } dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
div.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.88rem; }
th, td { padding: 0.15rem 0.7rem; text-align: right; border-bottom: 1px solid #e5e5e5; white-space: nowrap; }
th.name, td.name { text-align: left; } td { font-variant-numeric: tabular-nums; }
td.off { background: #fbe3e4; font-weight: 600; } figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
"""


def as_html(comparison: Comparison, findings: Sequence[Finding] = ()) -> str:
    """A page with the report and, of every pixel, the curves of both traces over phi.

    Parameters
    ----------
    comparison
        What was compared.
    findings
        What explains the differences.

    Raises
    ------
    InputError
        When matplotlib is not installed.
    """
    drawings = (draw_curves(pixel) for pixel in comparison.pixels)
    body = chain.from_iterable(_lines(block, drawings) for block in report(comparison, findings))
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8"><title>Comparison of traces</title>',
            f"<style>{_STYLE}</style></head><body>",
            "<h1>Comparison of traces</h1>",
            *body,
            "</body></html>",
            "",
        )
    )


def _lines(block: Block, drawings: Iterator[tuple[str, str] | None]) -> Iterable[str]:
    if isinstance(block, Facts):
        rows = (f"<dt>{escape(word)}</dt><dd>{escape(said)}</dd>" for word, said in block.rows)
        return ["<dl>", *rows, "</dl>"]
    if isinstance(block, Heading):
        drawing = next(drawings)
        figure = [] if drawing is None else [f"<figure>{drawing[0]}<figcaption>{drawing[1]}</figcaption></figure>"]
        return [f"<h2>{escape(block.text)}</h2>", *figure]
    return _table(block)


def _table(table: Table) -> list[str]:
    def row(cells: list[str], tag: str) -> str:
        made = []
        for column, cell in enumerate(cells):
            kind = "name" if column < table.labels else "off" if cell.endswith(MARK) else ""
            made.append(f'<{tag} class="{kind}">{escape(cell)}</{tag}>' if kind else f"<{tag}>{escape(cell)}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    return [
        f"<h3>{escape(table.title)}</h3>",
        '<div class="wide"><table>',
        row(table.header, "th"),
        *(row(cells, "td") for cells in table.rows),
        "</table></div>",
    ]
