"""``openbragg plugins``: what is installed."""

from __future__ import annotations

import json

import click

from openbragg.cli.words import warn
from openbragg.roles import Found, Registry


def command(registry: Registry) -> click.Command:
    """Make the command."""

    @click.command("plugins", help="List the installed plugins.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    def plugins(as_json: bool) -> None:
        if as_json:
            click.echo(json.dumps([_record(found) for found in registry.found], indent=2))
            return
        _print_table(registry.found)
        for name in registry.blocked:
            warn(f"blocked: {name}")

    return plugins


def _record(found: Found) -> dict[str, object]:
    return {
        "role": found.role.hook,
        "name": found.name,
        "summary": str(found.cls.summary),
        "flags": found.spellings(),
        "options": [
            {"field": field, "flags": spec.spellings(), "unit": spec.unit, "help": spec.help}
            for field, spec in found.options()
        ],
        "distribution": found.distribution,
        "version": found.version,
        "path": found.path,
    }


def _print_table(found: tuple[Found, ...]) -> None:
    header = ("role", "name", "summary", "distribution", "loaded from")
    rows = [(p.role.title, p.name, str(p.cls.summary), p.origin(), p.path) for p in found]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        click.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
