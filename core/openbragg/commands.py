"""What commands are made from: flags composed from declarations, and the words on the terminal.

A plugin of the role ``commands`` imports from here, from `openbragg` and from `openbragg.testing` only. A command that
simulates needs `simulation_command` alone; the other names are for those that take a part of a simulation's flags.
"""

from __future__ import annotations

from openbragg.cli.command_line import CommandLine, understand
from openbragg.cli.completing import SHELLS, completion_script
from openbragg.cli.compose import (
    FlagOption,
    ModelCommand,
    Section,
    assignments_of,
    construct,
    flags_of,
    given,
    read_as,
    section,
)
from openbragg.cli.loading import load_torch
from openbragg.cli.memory import keep_freed_memory
from openbragg.cli.progress import ProgressBar, progress_bar
from openbragg.cli.reading_out import DrawnImages, PlacedDetector, images_to_write, place_detector
from openbragg.cli.reference_flags import BEGINNINGS
from openbragg.cli.registry import load_registry, option_named, plugin_section, simulation_sections
from openbragg.cli.selection import select
from openbragg.cli.simulation_command import simulation_command
from openbragg.cli.words import warn
from openbragg.errors import shown
from openbragg.orchestrator.outputs.outputs import Output, write_output, write_text
from openbragg.orchestrator.outputs.outputs import check as check_outputs
from openbragg.orchestrator.reading.strict_json import layout as json_layout
from openbragg.orchestrator.resolving.known import shown_cell

__all__ = [
    "BEGINNINGS",
    "SHELLS",
    "CommandLine",
    "DrawnImages",
    "FlagOption",
    "ModelCommand",
    "Output",
    "PlacedDetector",
    "ProgressBar",
    "Section",
    "assignments_of",
    "check_outputs",
    "completion_script",
    "construct",
    "flags_of",
    "given",
    "images_to_write",
    "json_layout",
    "keep_freed_memory",
    "load_registry",
    "load_torch",
    "option_named",
    "place_detector",
    "plugin_section",
    "progress_bar",
    "read_as",
    "section",
    "select",
    "shown",
    "shown_cell",
    "simulation_command",
    "simulation_sections",
    "understand",
    "warn",
    "write_output",
    "write_text",
]
