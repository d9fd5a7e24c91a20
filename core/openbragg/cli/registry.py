"""The plugins of a command, with faults said on stderr."""

from __future__ import annotations

from openbragg.cli.compose import flags_of
from openbragg.cli.main import warn
from openbragg.cli.settings import Computation, ConventionChoice, CrystalChoices, NoiseChoice, Output
from openbragg.model import Beam, Crystal, Detector, Sampling, Scan
from openbragg.orchestrator.registry import Registry, load

#: Classes whose options every simulation has, by the group of help they stand in.
CORE_SECTIONS: dict[str, tuple[type, ...]] = {
    "detector": (ConventionChoice, Detector),
    "beam": (Beam,),
    "crystal": (CrystalChoices, Crystal),
    "sampling": (Scan, Sampling, Computation),
    "output": (NoiseChoice, Output),
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
    registry = load(blocked, [*core, "--help", "-h", "--debug", "--no-plugin"])
    for _, fault in registry.faults:
        warn(f"plugin skipped: {fault}")
    return registry
