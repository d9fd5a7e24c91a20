"""``openbragg cache``: what compiled code is kept, and its removal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import click

from openbragg.cli.words import warn
from openbragg.engine.compiled.cache import Cache, Entry
from openbragg.engine.compiled.origins import outdated
from openbragg.errors import InputError, UsageError, shown

_CURRENT = "current"
_UNITS = ("B", "kB", "MB", "GB")


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command; it uses no plugins."""

    @click.command("cache", context_settings={"help_option_names": ["--help", "-h"]})
    @click.option("--clear", is_flag=True, help="Remove all of it.")
    @click.option("--clear-stale", is_flag=True, help="Remove what no run will use any more.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    def cache(clear: bool, clear_stale: bool, as_json: bool) -> None:
        """Show the compiled code that is kept between runs, or remove it.

        A model that was compiled is kept in the folder that OPENBRAGG_CACHE names, or else in openbragg in the user's
        cache folder. It is stale once this program, Python, PyTorch, the processor or a plugin is another one.
        """
        if clear and clear_stale:
            raise UsageError("--clear and --clear-stale: give one of them")
        kept = Cache()
        try:
            freed = _clear(kept, stale_only=clear_stale) if clear or clear_stale else None
            listed = _listed(kept)
        except OSError as error:
            raise InputError(f"{_where(kept, error)}: {(error.strerror or str(error)).lower()}") from None
        distrust = kept.usable()
        if as_json:
            click.echo(json.dumps({**_record(kept, listed), "usable": distrust is None, "freed": freed}, indent=2))
        else:
            _print(kept, listed, freed)
        if distrust is not None:
            warn(f"nothing in {shown(str(kept.folder))} is used: {distrust}")

    return cache


@attrs.frozen
class _Listed:
    """Entries with what makes each stale, or "current"; and the folders of what is left of others."""

    entries: tuple[tuple[Entry, str], ...]
    remains: tuple[Path, ...]


def _listed(kept: Cache) -> _Listed:
    return _Listed(tuple((entry, _state(entry)) for entry in kept.entries()), tuple(kept.remains()))


def _state(entry: Entry) -> str:
    reason = outdated(entry.signature)
    if reason is None and not entry.intact():
        reason = "damaged"
    return _CURRENT if reason is None else f"stale: {reason}"


def _clear(kept: Cache, *, stale_only: bool) -> int:
    if not stale_only:
        return kept.clear()
    listed = _listed(kept)
    return kept.remove([*(entry.folder for entry, state in listed.entries if state != _CURRENT), *listed.remains])


def _where(kept: Cache, error: OSError) -> str:
    return shown(str(error.filename or kept.folder))


def _record(kept: Cache, listed: _Listed) -> dict[str, Any]:
    return {
        "folder": str(kept.folder),
        "size": kept.size(),
        "entries": [_entry_record(entry, state) for entry, state in listed.entries],
        "remains": [str(place) for place in listed.remains],
    }


def _entry_record(entry: Entry, state: str) -> dict[str, Any]:
    shape, structure_factors = _names(entry)
    return {
        "lattice_shape": shape,
        "structure_factors": structure_factors,
        "precision": _word(entry, "precision"),
        "kind": _word(entry, "kind"),
        "made": _date(entry).isoformat(),
        "seconds": entry.seconds,
        "size": entry.size,
        "stale": state != _CURRENT,
        "state": state,
        "torch": _word(entry, "torch").partition(" ")[0],
        "folder": str(entry.folder),
    }


def _print(kept: Cache, listed: _Listed, freed: int | None) -> None:
    click.echo(f"folder  {shown(str(kept.folder))}")
    header = ("shape", "structure factors", "precision", "kind", "made (UTC)", "size", "compiled in", "state")
    rows = [_row(entry, state) for entry, state in listed.entries]
    if rows:
        widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        for row in (header, *rows):
            click.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
    if listed.remains:
        click.echo(f"remains {len(listed.remains)} of entries that are not whole")
    if freed is not None:
        click.echo(f"freed   {_bytes(freed)}")
    count = len(rows)
    click.echo(f"total   {_bytes(kept.size())}, {count} {'entry' if count == 1 else 'entries'}")


def _row(entry: Entry, state: str) -> tuple[str, ...]:
    return (
        *_names(entry),
        _word(entry, "precision"),
        _word(entry, "kind"),
        f"{_date(entry):%Y-%m-%d %H:%M:%S}",
        _bytes(entry.size),
        f"{entry.seconds:.0f} s",
        state,
    )


def _names(entry: Entry) -> tuple[str, str]:
    names = entry.signature.get("names")
    if isinstance(names, list) and len(names) == 2:
        return shown(str(names[0])), shown(str(names[1]))
    return "?", "?"


def _word(entry: Entry, name: str) -> str:
    return shown(str(entry.signature.get(name, "?")))


def _date(entry: Entry) -> datetime:
    try:
        return datetime.fromtimestamp(round(entry.made), UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _bytes(number: int) -> str:
    value, unit = float(number), 0
    while value >= 1000.0 and unit < len(_UNITS) - 1:
        value, unit = value / 1000.0, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"
