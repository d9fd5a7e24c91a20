"""``openbragg cache``: what compiled code is kept, and its removal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from openbragg import UsageError, compiled_code, hookimpl
from openbragg.commands import shown, warn

if TYPE_CHECKING:
    from openbragg import Command, CompiledCode, CompiledModel, Registry

_UNITS = ("B", "kB", "MB", "GB")


@attrs.frozen
class Cache:
    """The command that shows the compiled code which is kept between runs."""

    name: ClassVar[str] = "cache"
    summary: ClassVar[str] = "Show or remove the compiled code that is kept between runs."
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`; it uses no plugins."""

        @click.command(cls.name, context_settings={"help_option_names": ["--help", "-h"]})
        @click.option("--clear", is_flag=True, help="Remove all of it.")
        @click.option("--clear-stale", is_flag=True, help="Remove what no run will use any more.")
        @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
        def cache(clear: bool, clear_stale: bool, as_json: bool) -> None:
            """Show the compiled code that is kept between runs, or remove it.

            A model that was compiled is kept in the folder that OPENBRAGG_CACHE names, or else in openbragg in the
            user's cache folder. It is stale once this program, Python, PyTorch, the processor or a plugin is another
            one.
            """
            if clear and clear_stale:
                raise UsageError("--clear and --clear-stale: give one of them")
            kept = compiled_code()
            freed = kept.clear() if clear else kept.clear_stale() if clear_stale else None
            models, remains, distrust = kept.models(), kept.remains(), kept.distrusted()
            if as_json:
                record = _record(kept, models, remains)
                click.echo(json.dumps({**record, "usable": distrust is None, "freed": freed}, indent=2))
            else:
                _print(kept, models, remains, freed)
            if distrust is not None:
                warn(f"nothing in {shown(str(kept.folder))} is used: {distrust}")

        return cache


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Cache]


def _record(kept: CompiledCode, models: list[CompiledModel], remains: list[Path]) -> dict[str, Any]:
    return {
        "folder": str(kept.folder),
        "size": kept.size(),
        "entries": [_model_record(model) for model in models],
        "remains": [str(place) for place in remains],
    }


def _model_record(model: CompiledModel) -> dict[str, Any]:
    return {
        "lattice_shape": shown(model.lattice_shape),
        "structure_factors": shown(model.structure_factors),
        "precision": shown(model.precision),
        "kind": shown(model.kind),
        "made": model.made.isoformat(),
        "seconds": model.seconds,
        "size": model.size,
        "stale": model.outdated is not None,
        "state": model.state,
        "torch": shown(model.torch),
        "folder": str(model.folder),
    }


def _print(kept: CompiledCode, models: list[CompiledModel], remains: list[Path], freed: int | None) -> None:
    click.echo(f"folder  {shown(str(kept.folder))}")
    header = ("shape", "structure factors", "precision", "kind", "made (UTC)", "size", "compiled in", "state")
    rows = [_row(model) for model in models]
    if rows:
        widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        for row in (header, *rows):
            click.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
    if remains:
        click.echo(f"remains {len(remains)} of entries that are not whole")
    if freed is not None:
        click.echo(f"freed   {_bytes(freed)}")
    count = len(rows)
    click.echo(f"total   {_bytes(kept.size())}, {count} {'entry' if count == 1 else 'entries'}")


def _row(model: CompiledModel) -> tuple[str, ...]:
    return (
        shown(model.lattice_shape),
        shown(model.structure_factors),
        shown(model.precision),
        shown(model.kind),
        f"{model.made:%Y-%m-%d %H:%M:%S}",
        _bytes(model.size),
        f"{model.seconds:.0f} s",
        model.state,
    )


def _bytes(number: int) -> str:
    value, unit = float(number), 0
    while value >= 1000.0 and unit < len(_UNITS) - 1:
        value, unit = value / 1000.0, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"
