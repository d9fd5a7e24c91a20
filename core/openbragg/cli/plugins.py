"""``openbragg plugins``: what is installed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from openbragg.cli.compose import Flag, flags_of
from openbragg.cli.defaults import in_unit, typed
from openbragg.cli.words import warn
from openbragg.roles import Found, Registry

_PLUGINS = ("role", "name", "summary", "distribution", "loaded from")
_OPTIONS = ("plugin", "flag", "unit", "default", "default in SI")


def command(registry: Registry) -> click.Command:
    """Make the command."""

    @click.command("plugins", help="List the installed plugins, commands among them, and their options.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
    def plugins(as_json: bool) -> None:
        if as_json:
            click.echo(json.dumps([_record(found) for found in registry.found], indent=2))
            return
        _print_table(
            [_PLUGINS, *((p.role.title, p.name, str(p.cls.summary), p.origin(), p.path) for p in registry.found)]
        )
        click.echo()
        _print_table([_OPTIONS, *(_row(found, flag) for found in registry.found for flag in flags_of(found.cls))])
        for name in registry.blocked:
            warn(f"blocked: {name}")

    return plugins


def _record(found: Found) -> dict[str, object]:
    return {
        "role": found.role.hook,
        "name": found.name,
        "summary": str(found.cls.summary),
        "flags": found.spellings(),
        "options": [_option(flag) for flag in flags_of(found.cls)],
        "distribution": found.distribution,
        "version": found.version,
        "path": found.path,
    }


def _option(flag: Flag) -> dict[str, object]:
    default = flag.default
    return {
        "field": flag.field,
        "flags": list(flag.spellings),
        "unit": flag.unit,
        "default": _plain(in_unit(default, flag.unit)),
        "default_in_si": _plain(default),
        "help": flag.spec.help,
    }


def _row(found: Found, flag: Flag) -> tuple[str, ...]:
    default = flag.default
    return (
        f"{found.role.title}: {found.name}",
        " ".join(flag.spellings),
        flag.unit or "-",
        typed(default, flag.unit) or "-",
        typed(default, "") or "-",
    )


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    return str(value) if isinstance(value, Path) else value


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
