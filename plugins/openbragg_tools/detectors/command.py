"""``openbragg detectors``: the detectors that ``-detector`` knows by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from openbragg import hookimpl, named_detectors, unit
from openbragg.commands import warn

if TYPE_CHECKING:
    from openbragg import Command, DetectorDescription, Registry

_HEADINGS = ("name", "pixels", "pixel (um)", "modules", "gap", "sensor", "saturation", "detector")
_UM = unit("um").from_si


@attrs.frozen
class Detectors:
    """The command that lists detectors."""

    name: ClassVar[str] = "detectors"
    summary: ClassVar[str] = "List the detectors that are known by name."
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def command(cls, registry: Registry) -> click.Command:
        """See `openbragg.Command.command`."""

        @click.command(cls.name, help="List the detectors that -detector NAME knows; pixels and gaps fast x slow.")
        @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table, in SI units.")
        def detectors(as_json: bool) -> None:
            known = named_detectors(registry)
            for fault in known.faults:
                warn(f"plugin skipped: {fault}")
            described = known.descriptions()
            if as_json:
                click.echo(json.dumps([_record(name, one) for name, one in described.items()], indent=2))
                return
            rows = [_HEADINGS, *(row(name, one) for name, one in described.items())]
            widths = [max(len(line[column]) for line in rows) for column in range(len(_HEADINGS))]
            for line in rows:
                click.echo("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())

        return detectors


@hookimpl
def commands() -> list[type[Command]]:
    """Offer the command."""
    return [Detectors]


def row(name: str, detector: DetectorDescription) -> tuple[str, ...]:
    """What people want to know of a detector, as in `openbragg detectors` and docs/reference/detectors.md."""
    modules = detector.modules
    several = modules is not None and modules.count != (1, 1)
    return (
        name,
        _by(detector.pixels),
        f"{_UM(detector.pixel_size):g}",
        f"{_by(modules.count)} of {_by(modules.pixels)}" if several and modules is not None else _panels(detector),
        _by(modules.gap) if several and modules is not None else "-",
        f"{detector.material} {_UM(detector.thickness):g} um" if detector.material else "-",
        str(detector.saturation) if detector.saturation is not None else "-",
        detector.title,
    )


def page_table(described: Mapping[str, DetectorDescription]) -> str:
    """The table of docs/reference/detectors.md, which a test compares with this one."""
    rows = [_HEADINGS, ("---",) * len(_HEADINGS), *(row(name, one) for name, one in described.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in rows)


def _panels(detector: DetectorDescription) -> str:
    return str(max(1, len(detector.panels)))


def _by(pair: tuple[int, int]) -> str:
    slow, fast = pair
    return f"{fast} x {slow}"


def _record(name: str, detector: DetectorDescription) -> dict[str, Any]:
    modules = detector.modules
    return {
        "name": name,
        "title": detector.title,
        "pixels": detector.pixels,
        "pixel_size": detector.pixel_size,
        "module": modules.pixels if modules is not None else detector.pixels,
        "modules": modules.count if modules is not None else (1, 1),
        "gap": modules.gap if modules is not None else (0, 0),
        "gaps": detector.gaps,
        "panels": max(1, len(detector.panels)),
        "material": detector.material,
        "thickness": detector.thickness,
        "saturation": detector.saturation,
        "noise": {model: dict(options) for model, options in detector.noise.items()},
    }
