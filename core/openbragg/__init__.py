"""Absolute-scale X-ray diffraction images of small crystals, from interchangeable parts.

``import openbragg`` is quick: torch and the engine are loaded when they are first needed. The names below are the
public ones; a plugin imports from here and from `openbragg.testing` only.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
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
from openbragg.options import (
    COUNT,
    COUNT_OR_NONE,
    NOT_NEGATIVE,
    PART,
    POSITIVE,
    SEED,
    OptionSpec,
    Rule,
    one_of,
    option,
    options_of,
)
from openbragg.roles import (
    AdvisedLatticeShape,
    AdvisedMosaicModel,
    Background,
    BoundedLatticeShape,
    BoundedStructureFactors,
    Channels,
    ClosedMosaicModel,
    Command,
    ComputedStructureFactors,
    CountingLatticeShape,
    DescribedSpectrum,
    DescribedStructureFactors,
    DetectorDescription,
    DetectorFamily,
    Diagnosis,
    DiffuseModel,
    DispersedSpectrum,
    FileStructureFactors,
    GaussianLatticeShape,
    GeometryConvention,
    GeometryReader,
    GroupedStructureFactors,
    Image,
    ImageFormat,
    ImageReader,
    ImageSetup,
    ImageSource,
    InterpolatingStructureFactors,
    KnownCrystal,
    Lattice,
    LatticeShape,
    Levels,
    LimitedStructureFactors,
    LinkedImages,
    LinkingFormat,
    ListedStructureFactors,
    LocalLatticeShape,
    Miller,
    Modules,
    MosaicBlocks,
    MosaicModel,
    NoiseModel,
    PanelRays,
    PixelComparison,
    PixelLabels,
    PixelTrace,
    PredictedReflections,
    PreparedLatticeShape,
    Preset,
    PresetFlag,
    ReadImage,
    Readout,
    ReadoutNoiseModel,
    ReferenceLatticeShape,
    ReflectionTable,
    Registry,
    SampledLatticeShape,
    SceneCrystal,
    SceneModel,
    Series,
    SeriesFormat,
    Shot,
    ShotSpectrum,
    SmearedLatticeShape,
    SpectralStructureFactors,
    Spectrum,
    StepComparison,
    StepNumber,
    StructureFactors,
    TensorLatticeShape,
    TraceDifference,
    TracedPixel,
    TracePlace,
    Tracer,
    Truth,
    TruthFormat,
    WrittenImages,
)
from openbragg.units import unit
from openbragg.version import own_version

if TYPE_CHECKING:
    from openbragg.cli.from_flags import from_flags
    from openbragg.engine.numerics import (
        exp_minus,
        gaussian_reach,
        interference,
        interference_product,
        sin_pi,
        sphere_transform,
    )
    from openbragg.model.absorption import attenuation_length
    from openbragg.model.geometry import Axes, Laboratory, PanelFrame, place
    from openbragg.model.intervals import Interval, resolve_interval
    from openbragg.model.reference_random import draw_mosaic_domains
    from openbragg.model.turning import turned_crystal
    from openbragg.model.vectors import rotation_about, rotation_xyz, scalar
    from openbragg.orchestrator.composition import plugin
    from openbragg.orchestrator.finding.compiled_code import CompiledCode, CompiledModel, compiled_code
    from openbragg.orchestrator.finding.detectors import detector_description, detector_preset, named_detectors
    from openbragg.orchestrator.finding.recognition import structure_factors_of
    from openbragg.orchestrator.layout import Layout
    from openbragg.orchestrator.outputs.outputs import write_file
    from openbragg.orchestrator.outputs.previews import scale_end, scale_ends, write_png
    from openbragg.orchestrator.reading.amplitudes import read_amplitudes
    from openbragg.orchestrator.reading.described import described_convention, described_experiment
    from openbragg.orchestrator.reading.geometry_files import read_geometries, read_geometry
    from openbragg.orchestrator.reading.hkl_table import checked_reflections, write_hkl_table
    from openbragg.orchestrator.reading.images import read_image, read_images
    from openbragg.orchestrator.reading.numpy_arrays import NPY_START, NpyHeader, parse_npy, read_npy_header
    from openbragg.orchestrator.reading.pictures import Picture, read_picture
    from openbragg.orchestrator.reading.sources import read_spectrum
    from openbragg.orchestrator.reading.strict_json import parse_json
    from openbragg.orchestrator.reading.textfile import read_at_most, read_content, read_lines
    from openbragg.orchestrator.records.recorded import Recorded, find_record, read_recorded
    from openbragg.orchestrator.records.run import Run, load_run
    from openbragg.orchestrator.rendering import Rendering
    from openbragg.orchestrator.series.image_series import ImageSeries
    from openbragg.orchestrator.series.series import image_seed
    from openbragg.orchestrator.simulate import simulate
    from openbragg.orchestrator.simulation import Simulation

_LATER = {
    "Axes": "openbragg.model.geometry",
    "attenuation_length": "openbragg.model.absorption",
    "Laboratory": "openbragg.model.geometry",
    "PanelFrame": "openbragg.model.geometry",
    "place": "openbragg.model.geometry",
    "Interval": "openbragg.model.intervals",
    "turned_crystal": "openbragg.model.turning",
    "resolve_interval": "openbragg.model.intervals",
    "draw_mosaic_domains": "openbragg.model.reference_random",
    "rotation_about": "openbragg.model.vectors",
    "rotation_xyz": "openbragg.model.vectors",
    "scalar": "openbragg.model.vectors",
    "read_amplitudes": "openbragg.orchestrator.reading.amplitudes",
    "read_spectrum": "openbragg.orchestrator.reading.sources",
    "exp_minus": "openbragg.engine.numerics",
    "gaussian_reach": "openbragg.engine.numerics",
    "interference": "openbragg.engine.numerics",
    "interference_product": "openbragg.engine.numerics",
    "sin_pi": "openbragg.engine.numerics",
    "sphere_transform": "openbragg.engine.numerics",
    "ImageSeries": "openbragg.orchestrator.series.image_series",
    "Layout": "openbragg.orchestrator.layout",
    "Rendering": "openbragg.orchestrator.rendering",
    "Simulation": "openbragg.orchestrator.simulation",
    "from_flags": "openbragg.cli.from_flags",
    "Run": "openbragg.orchestrator.records.run",
    "CompiledCode": "openbragg.orchestrator.finding.compiled_code",
    "CompiledModel": "openbragg.orchestrator.finding.compiled_code",
    "checked_reflections": "openbragg.orchestrator.reading.hkl_table",
    "compiled_code": "openbragg.orchestrator.finding.compiled_code",
    "detector_description": "openbragg.orchestrator.finding.detectors",
    "detector_preset": "openbragg.orchestrator.finding.detectors",
    "named_detectors": "openbragg.orchestrator.finding.detectors",
    "Picture": "openbragg.orchestrator.reading.pictures",
    "read_picture": "openbragg.orchestrator.reading.pictures",
    "scale_end": "openbragg.orchestrator.outputs.previews",
    "scale_ends": "openbragg.orchestrator.outputs.previews",
    "write_hkl_table": "openbragg.orchestrator.reading.hkl_table",
    "write_png": "openbragg.orchestrator.outputs.previews",
    "described_convention": "openbragg.orchestrator.reading.described",
    "described_experiment": "openbragg.orchestrator.reading.described",
    "read_geometries": "openbragg.orchestrator.reading.geometry_files",
    "read_geometry": "openbragg.orchestrator.reading.geometry_files",
    "parse_json": "openbragg.orchestrator.reading.strict_json",
    "Recorded": "openbragg.orchestrator.records.recorded",
    "find_record": "openbragg.orchestrator.records.recorded",
    "read_recorded": "openbragg.orchestrator.records.recorded",
    "NPY_START": "openbragg.orchestrator.reading.numpy_arrays",
    "NpyHeader": "openbragg.orchestrator.reading.numpy_arrays",
    "parse_npy": "openbragg.orchestrator.reading.numpy_arrays",
    "read_npy_header": "openbragg.orchestrator.reading.numpy_arrays",
    "read_at_most": "openbragg.orchestrator.reading.textfile",
    "read_content": "openbragg.orchestrator.reading.textfile",
    "read_image": "openbragg.orchestrator.reading.images",
    "read_images": "openbragg.orchestrator.reading.images",
    "read_lines": "openbragg.orchestrator.reading.textfile",
    "image_seed": "openbragg.orchestrator.series.series",
    "load_run": "openbragg.orchestrator.records.run",
    "plugin": "openbragg.orchestrator.composition",
    "simulate": "openbragg.orchestrator.simulate",
    "structure_factors_of": "openbragg.orchestrator.finding.recognition",
    "write_file": "openbragg.orchestrator.outputs.outputs",
}

__all__ = [
    "COUNT",
    "COUNT_OR_NONE",
    "NOT_NEGATIVE",
    "NPY_START",
    "PART",
    "POSITIVE",
    "SEED",
    "AdvisedLatticeShape",
    "AdvisedMosaicModel",
    "Axes",
    "Background",
    "Beam",
    "BoundedLatticeShape",
    "BoundedStructureFactors",
    "Channels",
    "ClosedMosaicModel",
    "Command",
    "CompiledCode",
    "CompiledModel",
    "ComputedStructureFactors",
    "CountingLatticeShape",
    "Crystal",
    "DescribedSpectrum",
    "DescribedStructureFactors",
    "Detector",
    "DetectorDescription",
    "DetectorFamily",
    "Diagnosis",
    "DiffuseModel",
    "DispersedSpectrum",
    "Experiment",
    "FileStructureFactors",
    "GaussianLatticeShape",
    "Geometry",
    "GeometryConvention",
    "GeometryReader",
    "GroupedStructureFactors",
    "Image",
    "ImageFormat",
    "ImageReader",
    "ImageSeries",
    "ImageSetup",
    "ImageSource",
    "InputError",
    "InterpolatingStructureFactors",
    "Interval",
    "KnownCrystal",
    "Laboratory",
    "Lattice",
    "LatticeShape",
    "Layout",
    "Levels",
    "LimitedStructureFactors",
    "LinkedImages",
    "LinkingFormat",
    "ListedStructureFactors",
    "LocalLatticeShape",
    "Miller",
    "Modules",
    "MosaicBlocks",
    "MosaicModel",
    "NoiseModel",
    "NpyHeader",
    "OpenBraggError",
    "OptionSpec",
    "Panel",
    "PanelFrame",
    "PanelGeometry",
    "PanelRays",
    "Picture",
    "PixelComparison",
    "PixelLabels",
    "PixelTrace",
    "PluginError",
    "PredictedReflections",
    "PreparedLatticeShape",
    "Preset",
    "PresetFlag",
    "ReadImage",
    "Readout",
    "ReadoutNoiseModel",
    "Recorded",
    "ReferenceLatticeShape",
    "ReflectionTable",
    "Registry",
    "Rendering",
    "Rule",
    "Run",
    "SampledLatticeShape",
    "Sampling",
    "Scan",
    "SceneCrystal",
    "SceneModel",
    "Series",
    "SeriesFormat",
    "Shot",
    "ShotSpectrum",
    "Simulation",
    "SmearedLatticeShape",
    "SpectralStructureFactors",
    "Spectrum",
    "StepComparison",
    "StepNumber",
    "StructureFactors",
    "TensorLatticeShape",
    "TraceDifference",
    "TracePlace",
    "TracedPixel",
    "Tracer",
    "Truth",
    "TruthFormat",
    "UsageError",
    "WrittenImages",
    "attenuation_length",
    "checked_reflections",
    "compiled_code",
    "described_convention",
    "described_experiment",
    "described_panel",
    "detector_description",
    "detector_preset",
    "draw_mosaic_domains",
    "exp_minus",
    "find_record",
    "from_flags",
    "gaussian_reach",
    "hookimpl",
    "image_seed",
    "interference",
    "interference_product",
    "load_run",
    "named_detectors",
    "one_of",
    "option",
    "options_of",
    "parse_json",
    "parse_npy",
    "place",
    "plugin",
    "quoted",
    "read_amplitudes",
    "read_at_most",
    "read_content",
    "read_geometries",
    "read_geometry",
    "read_image",
    "read_images",
    "read_lines",
    "read_npy_header",
    "read_picture",
    "read_recorded",
    "read_spectrum",
    "resolve_interval",
    "rotation_about",
    "rotation_xyz",
    "scalar",
    "scale_end",
    "scale_ends",
    "shown",
    "simulate",
    "sin_pi",
    "sphere_transform",
    "structure_factors_of",
    "turned_crystal",
    "unit",
    "unit_vector",
    "write_file",
    "write_hkl_table",
    "write_png",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return own_version()
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    # A module is asked for here before it is imported.
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is None:
        # What a command does, Python calls by a name that its plugin offers.
        from openbragg.orchestrator.finding.registry import python_of_command

        found = python_of_command(name)
        if found is not None:
            return found
    raise AttributeError(f"module 'openbragg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
