"""``-preset``: flags of a kind of experiment, before those of the user."""

from __future__ import annotations

import attrs
import click

from openbragg.cli.compose import FlagOption, ModelCommand, assignments_of, construct
from openbragg.cli.reference_flags import Given
from openbragg.cli.registry import simulation_sections
from openbragg.cli.selection import overrule
from openbragg.cli.settings import PresetChoice
from openbragg.errors import OpenBraggError, PluginError
from openbragg.roles import Found, Preset, Registry

#: The role.
_PRESETS = "presets"
#: Flags of a preset that make no sense, or win, beside others: first spellings.
_YIELDS = {
    "-detector": (
        *("-detpixels", "-detpixels_s", "-detpixels_f", "-detsize", "-detsize_s", "-detsize_f", "-pixel"),
        *("-geometry", "-img"),
    ),
    "-distance": ("-geometry", "-img"),
    "-lambda": ("-geometry", "-img", "-spectrum_file", "-sourcefile"),
    "-flux": ("-fluence",),
    "-xtalsize": ("-N", "-Na", "-Nb", "-Nc", "-N_offdiagonal"),
    "-crystal_volume": ("-crystal_scale",),
    "-dispersion": ("-spectrum", "-sourcefile"),
    "-dispsteps": ("-spectrum", "-sourcefile"),
    "-divergence": ("-sourcefile",),
    "-divsteps": ("-sourcefile",),
    "-misset": ("-mat",),
}


@attrs.frozen
class Preceded:
    """Flags with those of a preset before them.

    Attributes
    ----------
    words
        All flags in order, without the one that names the preset.
    made
        For people: the preset, and those of its flags that count, with their units and reasons.
    """

    words: Given
    made: dict[str, str] = attrs.field(factory=dict)


def with_preset(registry: Registry, words: Given) -> Preceded:
    """Put the flags of the preset that is named, if one is, before the others.

    Raises
    ------
    PluginError
        When there is no such preset, or it has flags that there are not.
    """
    chosen: PresetChoice = construct(PresetChoice, assignments_of(words))
    if chosen.name is None:
        return Preceded(words)
    found = registry.get(_PRESETS, chosen.name)
    own = [pair for pair in words if not _is_choice(pair[0])]
    told = {found.name: f"{found.cls.summary}; these settings, where no other flag says otherwise:"}
    before: Given = []
    for option, values, reason in _flags(registry, found):
        if any(other.opts[0] in _YIELDS.get(option.opts[0], ()) for other, _ in own):
            continue
        kept = overrule(registry, [(option, values)], own)
        before.extend(kept)
        if kept and not _is_replaced(option, own):
            unit = option.flag.unit if isinstance(option, FlagOption) else ""
            value = " ".join([*values, *([unit] if unit and values else [])])
            told[f"  {option.opts[0]}"] = f"{value} ({reason})".strip()
    return Preceded([*before, *own], told)


def _flags(registry: Registry, found: Found) -> list[tuple[click.Option, list[str], str]]:
    preset: type[Preset] = found.cls
    command = ModelCommand("simulate", simulation_sections(registry))
    flags = []
    try:
        for setting in preset.settings():
            ((option, values),) = command.scan(setting.words)[1]
            if isinstance(option, FlagOption):
                option.flag.value(values)
            flags.append((option, values, setting.reason))
    except (click.UsageError, OpenBraggError, ValueError) as error:
        text = error.format_message() if isinstance(error, click.UsageError) else str(error)
        raise PluginError(f"the preset {found.name} of {found.origin()}: {text}") from None
    return flags


def _is_choice(option: click.Option) -> bool:
    return isinstance(option, FlagOption) and option.flag.owner is PresetChoice


def _is_replaced(option: click.Option, later: Given) -> bool:
    """Whether a later flag sets the same."""
    if not isinstance(option, FlagOption):
        return any(option.opts == other.opts for other, _ in later)
    return any(
        (flag.owner, flag.field) == (option.flag.owner, option.flag.field)
        and flag.component in (None, option.flag.component)
        for flag, _ in assignments_of(later)
    )
