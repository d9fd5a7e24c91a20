"""What a plugin of each role must offer: the contracts, as typed protocols.

A plugin is an attrs class (``attrs.frozen``) whose option fields are made with `openbragg.option`. Every role shares
`Plugin`: a name, a summary, and the bare flags that choose it. The methods that compute are pure torch functions:
they follow the device and dtype of their inputs, have no Python branch on a tensor's value and never leave the
device. `openbragg.testing` holds properties that each role's plugins must have; run them on yours.
"""

from __future__ import annotations

from openbragg.roles.backgrounds import Background, PanelRays
from openbragg.roles.commands import Command
from openbragg.roles.detectors import DetectorDescription, DetectorFamily, Modules
from openbragg.roles.diagnoses import (
    Diagnosis,
    PixelComparison,
    StepComparison,
    StepNumber,
    TraceDifference,
    TracedPixel,
    TracePlace,
)
from openbragg.roles.diffuse_models import DiffuseModel
from openbragg.roles.geometry_conventions import GeometryConvention
from openbragg.roles.geometry_readers import GeometryReader
from openbragg.roles.image_formats import (
    Image,
    ImageFormat,
    ImageReader,
    ImageSetup,
    LinkedImages,
    LinkingFormat,
    ReadImage,
    Series,
    SeriesFormat,
)
from openbragg.roles.image_source import ImageSource
from openbragg.roles.installed import BLOCK_VARIABLE, Found, Registry
from openbragg.roles.lattice_shapes import (
    AdvisedLatticeShape,
    BoundedLatticeShape,
    CountingLatticeShape,
    GaussianLatticeShape,
    Lattice,
    LatticeShape,
    LocalLatticeShape,
    PreparedLatticeShape,
    ReferenceLatticeShape,
    SampledLatticeShape,
    SmearedLatticeShape,
    TensorLatticeShape,
)
from openbragg.roles.miller import Miller
from openbragg.roles.mosaic_models import AdvisedMosaicModel, ClosedMosaicModel, MosaicBlocks, MosaicModel
from openbragg.roles.noise_models import Levels, NoiseModel, Readout, ReadoutNoiseModel
from openbragg.roles.pixel_labels import PixelLabels
from openbragg.roles.plugin import Plugin, Role
from openbragg.roles.presets import Preset, PresetFlag
from openbragg.roles.scene_models import SceneCrystal, SceneModel, Shot
from openbragg.roles.spectra import Channels, DescribedSpectrum, DispersedSpectrum, ShotSpectrum, Spectrum
from openbragg.roles.structure_factors import (
    BoundedStructureFactors,
    ComputedStructureFactors,
    DescribedStructureFactors,
    FileStructureFactors,
    GroupedStructureFactors,
    InterpolatingStructureFactors,
    KnownCrystal,
    LimitedSpectralStructureFactors,
    LimitedStructureFactors,
    ListedStructureFactors,
    ReflectionTable,
    SpectralStructureFactors,
    StructureFactors,
)
from openbragg.roles.table import ROLES
from openbragg.roles.tracers import PixelTrace, Tracer
from openbragg.roles.truth_formats import PredictedReflections, Truth, TruthFormat, WrittenImages

__all__ = [
    "BLOCK_VARIABLE",
    "ROLES",
    "AdvisedLatticeShape",
    "AdvisedMosaicModel",
    "Background",
    "BoundedLatticeShape",
    "BoundedStructureFactors",
    "Channels",
    "ClosedMosaicModel",
    "Command",
    "ComputedStructureFactors",
    "CountingLatticeShape",
    "DescribedSpectrum",
    "DescribedStructureFactors",
    "DetectorDescription",
    "DetectorFamily",
    "Diagnosis",
    "DiffuseModel",
    "DispersedSpectrum",
    "FileStructureFactors",
    "Found",
    "GaussianLatticeShape",
    "GeometryConvention",
    "GeometryReader",
    "GroupedStructureFactors",
    "Image",
    "ImageFormat",
    "ImageReader",
    "ImageSetup",
    "ImageSource",
    "InterpolatingStructureFactors",
    "KnownCrystal",
    "Lattice",
    "LatticeShape",
    "Levels",
    "LimitedSpectralStructureFactors",
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
    "PanelRays",
    "PixelComparison",
    "PixelLabels",
    "PixelTrace",
    "Plugin",
    "PredictedReflections",
    "PreparedLatticeShape",
    "Preset",
    "PresetFlag",
    "ReadImage",
    "Readout",
    "ReadoutNoiseModel",
    "ReferenceLatticeShape",
    "ReflectionTable",
    "Registry",
    "Role",
    "SampledLatticeShape",
    "SceneCrystal",
    "SceneModel",
    "Series",
    "SeriesFormat",
    "Shot",
    "ShotSpectrum",
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
    "WrittenImages",
]
