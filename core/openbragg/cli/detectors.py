"""``openbragg detectors``: the detectors that ``-detector`` knows by name."""

from __future__ import annotations

import json
from typing import Any

import click

from openbragg.model.presets import PRESETS, Preset

_HEADINGS = ("name", "pixels", "pixel (um)", "modules", "gap", "sensor", "saturation", "detector")


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command."""

    @click.command("detectors", help="List the detectors that -detector NAME knows; pixels and gaps fast x slow.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table, in SI units.")
    def detectors(as_json: bool) -> None:
        if as_json:
            click.echo(json.dumps([_record(preset) for preset in PRESETS], indent=2))
            return
        rows = [_HEADINGS, *(row(preset) for preset in PRESETS)]
        widths = [max(len(line[column]) for line in rows) for column in range(len(_HEADINGS))]
        for line in rows:
            click.echo("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())

    return detectors


def row(preset: Preset) -> tuple[str, ...]:
    """What people want to know of a detector, as in `openbragg detectors` and docs/reference/detectors.md."""
    several = preset.modules != (1, 1)
    return (
        preset.name,
        _by(preset.extent()),
        f"{preset.pixel_size * 1e6:g}",
        f"{_by(preset.modules)} of {_by(preset.module)}" if several else "1",
        _by(preset.gap) if several else "-",
        f"{preset.material} {preset.thickness * 1e6:g} um" if preset.material else "-",
        str(preset.saturation) if preset.saturation is not None else "-",
        preset.title,
    )


def page_table() -> str:
    """The table of docs/reference/detectors.md, which a test compares with this one."""
    rows = [_HEADINGS, ("---",) * len(_HEADINGS), *(row(preset) for preset in PRESETS)]
    return "".join(f"| {' | '.join(line)} |\n" for line in rows)


def _by(pair: tuple[int, int]) -> str:
    slow, fast = pair
    return f"{fast} x {slow}"


def _record(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "title": preset.title,
        "pixels": preset.extent(),
        "pixel_size": preset.pixel_size,
        "module": preset.module,
        "modules": preset.modules,
        "gap": preset.gap,
        "gaps": preset.gaps(),
        "panels": len(list(preset.corners())) if preset.stacked else 1,
        "material": preset.material,
        "thickness": preset.thickness,
        "saturation": preset.saturation,
    }
