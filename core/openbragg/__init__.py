"""Absolute-scale X-ray diffraction images of small crystals, from interchangeable parts.

``import openbragg`` is quick: torch and the engine are loaded when they are first needed. The names below are the
public ones; a plugin imports from here and from `openbragg.testing` only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from openbragg.errors import InputError, OpenBraggError, PluginError, UsageError, quoted, shown
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
    Command,
    ComputedStructureFactors,
    DescribedStructureFactors,
    FileStructureFactors,
    GeometryConvention,
    GeometryReader,
    GroupedStructureFactors,
    Image,
    ImageFormat,
    ImageReader,
    ImageSource,
    InterpolatingStructureFactors,
    KnownCrystal,
    Lattice,
    LatticeShape,
    ListedStructureFactors,
    Miller,
    NoiseModel,
    PredictedReflections,
    ReadImage,
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
    from openbragg.engine.numerics import exp_minus, interference, interference_product, sin_pi, sphere_transform
    from openbragg.engine.panel_rays import PanelRays
    from openbragg.engine.trace import PixelTrace
    from openbragg.model.geometry import Axes, Laboratory, PanelFrame, place
    from openbragg.model.vectors import rotation_about
    from openbragg.orchestrator.amplitudes import read_amplitudes
    from openbragg.orchestrator.described import described_convention, described_experiment
    from openbragg.orchestrator.geometry_files import read_geometry
    from openbragg.orchestrator.images import read_image, read_images
    from openbragg.orchestrator.outputs import write_file
    from openbragg.orchestrator.reach import reach
    from openbragg.orchestrator.recognition import structure_factors_of
    from openbragg.orchestrator.recorded import Recorded, Tolerance, find_record, read_recorded
    from openbragg.orchestrator.run import Run, load_run
    from openbragg.orchestrator.series import SeriesImage, image_seed, render_series
    from openbragg.orchestrator.simulate import Rendering, plugin, render, simulate
    from openbragg.orchestrator.strict_json import parse_json
    from openbragg.orchestrator.textfile import read_at_most, read_content, read_lines
    from openbragg.orchestrator.tracing import trace

_LATER = {
    "Axes": "openbragg.model.geometry",
    "Laboratory": "openbragg.model.geometry",
    "PanelFrame": "openbragg.model.geometry",
    "place": "openbragg.model.geometry",
    "PanelRays": "openbragg.engine.panel_rays",
    "PixelTrace": "openbragg.engine.trace",
    "read_amplitudes": "openbragg.orchestrator.amplitudes",
    "exp_minus": "openbragg.engine.numerics",
    "interference": "openbragg.engine.numerics",
    "interference_product": "openbragg.engine.numerics",
    "sin_pi": "openbragg.engine.numerics",
    "sphere_transform": "openbragg.engine.numerics",
    "Rendering": "openbragg.orchestrator.simulate",
    "Run": "openbragg.orchestrator.run",
    "described_convention": "openbragg.orchestrator.described",
    "described_experiment": "openbragg.orchestrator.described",
    "read_geometry": "openbragg.orchestrator.geometry_files",
    "parse_json": "openbragg.orchestrator.strict_json",
    "Recorded": "openbragg.orchestrator.recorded",
    "Tolerance": "openbragg.orchestrator.recorded",
    "find_record": "openbragg.orchestrator.recorded",
    "read_recorded": "openbragg.orchestrator.recorded",
    "reach": "openbragg.orchestrator.reach",
    "rotation_about": "openbragg.model.vectors",
    "read_at_most": "openbragg.orchestrator.textfile",
    "read_content": "openbragg.orchestrator.textfile",
    "read_image": "openbragg.orchestrator.images",
    "read_images": "openbragg.orchestrator.images",
    "read_lines": "openbragg.orchestrator.textfile",
    "SeriesImage": "openbragg.orchestrator.series",
    "image_seed": "openbragg.orchestrator.series",
    "render_series": "openbragg.orchestrator.series",
    "load_run": "openbragg.orchestrator.run",
    "plugin": "openbragg.orchestrator.simulate",
    "render": "openbragg.orchestrator.simulate",
    "simulate": "openbragg.orchestrator.simulate",
    "structure_factors_of": "openbragg.orchestrator.recognition",
    "trace": "openbragg.orchestrator.tracing",
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
    "Command",
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
    "ImageReader",
    "ImageSource",
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
    "ReadImage",
    "Readout",
    "ReadoutNoiseModel",
    "Recorded",
    "ReflectionTable",
    "Rendering",
    "Rule",
    "Run",
    "Sampling",
    "Scan",
    "Series",
    "SeriesFormat",
    "SeriesImage",
    "StructureFactors",
    "Tolerance",
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
    "find_record",
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
    "quoted",
    "reach",
    "read_amplitudes",
    "read_at_most",
    "read_content",
    "read_geometry",
    "read_image",
    "read_images",
    "read_lines",
    "read_recorded",
    "render",
    "render_series",
    "rotation_about",
    "shown",
    "simulate",
    "sin_pi",
    "sphere_transform",
    "structure_factors_of",
    "trace",
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
