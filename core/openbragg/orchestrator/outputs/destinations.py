"""Files that Python names, as outputs: by the ends of their names, or by the flags of their formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import UsageError, shown
from openbragg.model import Experiment
from openbragg.options import options_of
from openbragg.orchestrator.outputs.outputs import Output, requested
from openbragg.roles import Found, NoiseModel, Registry

_IMAGES, _TRUTHS = "image_formats", "truth_formats"
#: The noise model after which there are no counts.
_SILENCE = "nonoise"


@attrs.frozen
class Destinations:
    """The files of a run's images, and the formats that write what is known of them, with their files."""

    images: tuple[Output, ...]
    truths: tuple[Any, ...]


def destinations(
    registry: Registry,
    noise: NoiseModel,
    names: Iterable[Path | str] = (),
    truth: Iterable[Path | str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Destinations:
    """The files that a call names.

    Parameters
    ----------
    registry
        The installed plugins.
    noise
        The noise model: with one, a file of images is one of counts, where its format has such.
    names, truth
        Names of files of images, and of what is known of them; the end of a name tells the format.
    settings
        Flags of image and truth formats without the dash, each with its value: ``nxmx="s.nxs"``, ``nxmx_block=10``.

    Raises
    ------
    UsageError
        When no format, or more than one, has files of a name's end, or there is no such flag.
    """
    values: dict[Any, dict[str, Any]] = {}
    for name in names:
        found, field = _by_name(registry, _IMAGES, Path(name), "photons" if noise.name == _SILENCE else "counts")
        _name(values, found, field, Path(name))
    for name in truth:
        found, field = _by_name(registry, _TRUTHS, Path(name), "truth")
        _name(values, found, field, Path(name))
    flags = _flags(registry)
    for flag, value in (settings or {}).items():
        if flag not in flags:
            raise UsageError(f"{flag}: expected a flag of an image or truth format: {', '.join(sorted(flags))}")
        found, field, names_file = flags[flag]
        values.setdefault(found.cls, {})[field] = Path(value) if names_file and not isinstance(value, bool) else value
    made = {cls: cls(**fields) for cls, fields in values.items()}
    return Destinations(
        images=tuple(requested(made[found.cls] for found in registry.of_role(_IMAGES) if found.cls in made)),
        truths=tuple(made[found.cls] for found in registry.of_role(_TRUTHS) if found.cls in made),
    )


def refuse_unsayable(formats: Iterable[Any], experiment: Experiment) -> None:
    """Refuse, before the work begins, what truth formats of which an option is given cannot say of an experiment.

    Raises
    ------
    UsageError
        With the flag and the reason.
    """
    for format_ in formats:
        asked: Any = getattr(format_, "refuses", None)
        blank = type(format_)()
        given = [spec for field, spec in options_of(type(format_)) if getattr(format_, field) != getattr(blank, field)]
        reason = asked(experiment) if given and asked is not None else None
        if reason is not None:
            raise UsageError(f"{given[0].flags[0]}: {reason}")


def _name(values: dict[Any, dict[str, Any]], found: Found, field: str, path: Path) -> None:
    """Name a file of a format, which writes one of a kind."""
    other = values.setdefault(found.cls, {}).setdefault(field, path)
    if other != path:
        raise UsageError(f"{shown(str(other))} and {shown(str(path))} are the same kind of file: one is written")


def _by_name(registry: Registry, hook: str, path: Path, content: str) -> tuple[Found, str]:
    """The format of a file by the end of its name, and its field for such a file."""
    suffix = path.suffix.lower()
    found = [plugin for plugin in registry.of_role(hook) if suffix in getattr(plugin.cls, "suffixes", ())]
    if len(found) != 1:
        known = sorted({end for plugin in registry.of_role(hook) for end in getattr(plugin.cls, "suffixes", ())})
        raise UsageError(f"{shown(str(path))}: expected a name that ends in one of {', '.join(known)}")
    fields = {spec.output: name for name, spec in reversed(options_of(found[0].cls)) if spec.output}
    field = fields.get(content) or next(iter(fields.values()))
    return found[0], field


def _flags(registry: Registry) -> dict[str, tuple[Found, str, bool]]:
    """Every flag of a format without its dash: the plugin, the field, and whether it names a file that is written."""
    return {
        flag.lstrip("-"): (found, name, bool(spec.output))
        for hook in (_IMAGES, _TRUTHS)
        for found in registry.of_role(hook)
        for name, spec in found.options()
        for flag in spec.flags
    }
