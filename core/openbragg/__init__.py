"""Absolute-scale X-ray diffraction images of small crystals, from interchangeable parts.

``import openbragg`` is quick: torch and the engine are loaded when they are first needed. The names below are the
public ones; a plugin imports from here and from `openbragg.testing` only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from openbragg.errors import InputError, OpenBraggError, PluginError, UsageError
from openbragg.hookspecs import hookimpl
from openbragg.model import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    Geometry,
    Panel,
    PanelGeometry,
    Sampling,
    Scan,
    described_panel,
    unit_vector,
)
from openbragg.model.presets import detector_preset
from openbragg.options import COUNT, COUNT_OR_NONE, NOT_NEGATIVE, POSITIVE, SEED, Rule, one_of, option
from openbragg.roles import (
    Background,
    BoundedLatticeShape,
    BoundedStructureFactors,
    ComputedStructureFactors,
    DescribedStructureFactors,
    FileStructureFactors,
    GeometryConvention,
    GeometryReader,
    GroupedStructureFactors,
    Image,
    ImageFormat,
    InterpolatingStructureFactors,
    KnownCrystal,
    Lattice,
    LatticeShape,
    ListedStructureFactors,
    Miller,
    NoiseModel,
    PanelRays,
    PixelTrace,
    PredictedReflections,
    Readout,
    ReadoutNoiseModel,
    ReflectionTable,
    Series,
    SeriesFormat,
    StructureFactors,
    Tracer,
    Truth,
    TruthFormat,
    WrittenImages,
)

if TYPE_CHECKING:
    from openbragg.cli.from_flags import from_flags
    from openbragg.engine.numerics import exp_minus, interference, interference_product, sin_pi, sphere_transform
    from openbragg.model.geometry import Axes, Laboratory, PanelFrame, place
    from openbragg.orchestrator.amplitudes import read_amplitudes
    from openbragg.orchestrator.composition import plugin
    from openbragg.orchestrator.described import described_convention, described_experiment
    from openbragg.orchestrator.geometry_files import read_geometry
    from openbragg.orchestrator.image_series import ImageSeries
    from openbragg.orchestrator.outputs import write_file
    from openbragg.orchestrator.recognition import structure_factors_of
    from openbragg.orchestrator.rendering import Rendering
    from openbragg.orchestrator.run import Run, load_run
    from openbragg.orchestrator.series import image_seed
    from openbragg.orchestrator.simulate import simulate
    from openbragg.orchestrator.simulation import Simulation
    from openbragg.orchestrator.strict_json import parse_json
    from openbragg.orchestrator.textfile import read_content, read_lines

_LATER = {
    "Axes": "openbragg.model.geometry",
    "Laboratory": "openbragg.model.geometry",
    "PanelFrame": "openbragg.model.geometry",
    "place": "openbragg.model.geometry",
    "read_amplitudes": "openbragg.orchestrator.amplitudes",
    "exp_minus": "openbragg.engine.numerics",
    "interference": "openbragg.engine.numerics",
    "interference_product": "openbragg.engine.numerics",
    "sin_pi": "openbragg.engine.numerics",
    "sphere_transform": "openbragg.engine.numerics",
    "ImageSeries": "openbragg.orchestrator.image_series",
    "Rendering": "openbragg.orchestrator.rendering",
    "Simulation": "openbragg.orchestrator.simulation",
    "from_flags": "openbragg.cli.from_flags",
    "Run": "openbragg.orchestrator.run",
    "described_convention": "openbragg.orchestrator.described",
    "described_experiment": "openbragg.orchestrator.described",
    "read_geometry": "openbragg.orchestrator.geometry_files",
    "parse_json": "openbragg.orchestrator.strict_json",
    "read_content": "openbragg.orchestrator.textfile",
    "read_lines": "openbragg.orchestrator.textfile",
    "image_seed": "openbragg.orchestrator.series",
    "load_run": "openbragg.orchestrator.run",
    "plugin": "openbragg.orchestrator.composition",
    "simulate": "openbragg.orchestrator.simulate",
    "structure_factors_of": "openbragg.orchestrator.recognition",
    "write_file": "openbragg.orchestrator.outputs",
}

__all__ = [
    "COUNT",
    "COUNT_OR_NONE",
    "NOT_NEGATIVE",
    "POSITIVE",
    "SEED",
    "Axes",
    "Background",
    "Beam",
    "BoundedLatticeShape",
    "BoundedStructureFactors",
    "ComputedStructureFactors",
    "Crystal",
    "DescribedStructureFactors",
    "Detector",
    "Experiment",
    "FileStructureFactors",
    "Geometry",
    "GeometryConvention",
    "GeometryReader",
    "GroupedStructureFactors",
    "Image",
    "ImageFormat",
    "ImageSeries",
    "InputError",
    "InterpolatingStructureFactors",
    "KnownCrystal",
    "Laboratory",
    "Lattice",
    "LatticeShape",
    "ListedStructureFactors",
    "Miller",
    "NoiseModel",
    "OpenBraggError",
    "Panel",
    "PanelFrame",
    "PanelGeometry",
    "PanelRays",
    "PixelTrace",
    "PluginError",
    "PredictedReflections",
    "Readout",
    "ReadoutNoiseModel",
    "ReflectionTable",
    "Rendering",
    "Rule",
    "Run",
    "Sampling",
    "Scan",
    "Series",
    "SeriesFormat",
    "Simulation",
    "StructureFactors",
    "Tracer",
    "Truth",
    "TruthFormat",
    "UsageError",
    "WrittenImages",
    "described_convention",
    "described_experiment",
    "described_panel",
    "detector_preset",
    "exp_minus",
    "from_flags",
    "hookimpl",
    "image_seed",
    "interference",
    "interference_product",
    "load_run",
    "one_of",
    "option",
    "parse_json",
    "place",
    "plugin",
    "read_amplitudes",
    "read_content",
    "read_geometry",
    "read_lines",
    "simulate",
    "sin_pi",
    "sphere_transform",
    "structure_factors_of",
    "unit_vector",
    "write_file",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("openbragg")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'openbragg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
