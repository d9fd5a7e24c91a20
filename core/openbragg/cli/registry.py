"""The plugins of a command, with faults said on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from openbragg.cli.compose import FlagOption, Section, SwitchOption, flags_of, section
from openbragg.cli.settings import (
    BackgroundChoice,
    CameraFile,
    Computation,
    ConventionChoice,
    CrystalChoices,
    DetectorChoice,
    GeometryFile,
    NoiseChoice,
    Output,
    PresetChoice,
    Printout,
    Provenance,
    SeriesChoice,
    SpectrumChoice,
    Timing,
    WithoutEffect,
)
from openbragg.cli.words import warn
from openbragg.model import Beam, Crystal, Detector, Sampling, Scan
from openbragg.orchestrator.finding.registry import load
from openbragg.roles import Found, Registry

#: The commands that are no plugins.
CORE_COMMANDS = ("simulate", "plugins")

#: Classes whose options every simulation has, by the group of help they stand in.
CORE_SECTIONS: dict[str, tuple[type, ...]] = {
    "experiment": (PresetChoice,),
    "detector": (ConventionChoice, DetectorChoice, GeometryFile, CameraFile, Detector),
    "beam": (SpectrumChoice, Beam),
    "crystal": (CrystalChoices, Crystal),
    "sampling": (Scan, SeriesChoice, Sampling, Computation),
    "background": (BackgroundChoice,),
    "output": (NoiseChoice, Output, Timing, Printout),
    "provenance": (Provenance,),
    "without effect, as in the reference": (WithoutEffect,),
}


#: The flags that most runs need, by the group in which ``--help`` shows them.
COMMON_FLAGS: dict[str, tuple[str, ...]] = {
    "experiment": ("-preset",),
    "crystal": ("-mat", "-cell", "-hkl", "-default_F", "-N", "-mosaic"),
    "beam": ("-lambda", "-energy", "-fluence"),
    "detector": ("-detector", "-geometry", "-distance", "-detpixels", "-pixel"),
    "sampling": ("-phi", "-osc", "-images"),
    "output": ("-floatfile", "-noisefile", "-pngfile"),
}


def load_registry(blocked: tuple[str, ...]) -> Registry:
    """Load the plugins; each that cannot be loaded is one line on stderr."""
    core = [
        spelling
        for classes in CORE_SECTIONS.values()
        for cls in classes
        for flag in flags_of(cls)
        for spelling in flag.spellings
    ]
    registry = load(blocked, [*core, "--help", "-h", "--debug", "--no-plugin"], CORE_COMMANDS)
    for _, fault in registry.faults:
        warn(f"plugin skipped: {fault}")
    return registry


def simulation_sections(registry: Registry) -> list[Section]:
    """The flags of a simulation: the core's and those of every plugin."""
    core = [section(title, *classes) for title, classes in CORE_SECTIONS.items()]
    return core + [plugin_section(found) for found in registry.found if found.role.simulates]


def common_sections(sections: Iterable[Section]) -> list[Section]:
    """Of the flags of a simulation those that most runs need, as far as they are there."""
    options = {name: option for part in sections for option in part.options for name in option.opts}
    chosen = ((title, [options[flag] for flag in flags if flag in options]) for title, flags in COMMON_FLAGS.items())
    return [Section(title, tuple(found)) for title, found in chosen if found]


def option_named(registry: Registry, spelling: str) -> FlagOption:
    """A flag of a simulation with a value, by one of its spellings, for a command that takes some of them.

    Raises
    ------
    KeyError
        When no simulation has it.
    """
    for part in simulation_sections(registry):
        for option in part.options:
            if spelling in option.opts and isinstance(option, FlagOption):
                return option
    raise KeyError(spelling)


def plugin_section(found: Found) -> Section:
    """The bare flags and the options of a plugin."""
    return _section_of(f"{found.role.title}: {found.name}", found.cls)


@cache
def _section_of(title: str, cls: Any) -> Section:
    switches = [SwitchOption(cls.flags[0], cls.flags[1:], str(cls.summary))] if cls.flags else []
    return Section(title, (*switches, *(FlagOption(flag) for flag in flags_of(cls))))
