"""All roles, as the orchestrator and the command line see them."""

from __future__ import annotations

from openbragg.roles.backgrounds import Background
from openbragg.roles.commands import Command
from openbragg.roles.detectors import DetectorFamily
from openbragg.roles.diagnoses import Diagnosis
from openbragg.roles.diffuse_models import DiffuseModel
from openbragg.roles.geometry_conventions import GeometryConvention
from openbragg.roles.geometry_readers import GeometryReader
from openbragg.roles.image_formats import ImageFormat, ImageReader
from openbragg.roles.lattice_shapes import LatticeShape
from openbragg.roles.mosaic_models import MosaicModel
from openbragg.roles.noise_models import NoiseModel
from openbragg.roles.plugin import Role
from openbragg.roles.presets import Preset
from openbragg.roles.scene_models import SceneModel
from openbragg.roles.spectra import Spectrum
from openbragg.roles.structure_factors import StructureFactors
from openbragg.roles.tracers import Tracer
from openbragg.roles.truth_formats import TruthFormat

ROLES = (
    Role("geometry_conventions", "convention", GeometryConvention, "mosflm", "-convention"),
    Role("structure_factors", "structure factors", StructureFactors, "hkl", "-structure_factors"),
    Role("lattice_shapes", "lattice shape", LatticeShape, "square", "-lattice_shape"),
    Role("mosaic_models", "mosaic model", MosaicModel, "nanobragg", "-mosaic_model"),
    Role("diffuse_models", "diffuse scattering", DiffuseModel, "none", "-diffuse"),
    Role("scene_models", "scene", SceneModel, "single", "-scene_model"),
    Role("spectra", "spectrum", Spectrum, "dispersion", "-spectrum"),
    Role("backgrounds", "background", Background),
    Role("noise_models", "noise model", NoiseModel, "poisson", "-noise"),
    Role("tracers", "tracer", Tracer),
    Role("diagnoses", "diagnosis", Diagnosis, simulates=False),
    Role("image_formats", "image format", ImageFormat, alternatives=(ImageReader,)),
    Role("geometry_readers", "geometry reader", GeometryReader, "", "-geometry_reader"),
    Role("truth_formats", "truth format", TruthFormat),
    Role("detectors", "detector family", DetectorFamily, simulates=False),
    Role("presets", "preset", Preset, simulates=False),
    Role("commands", "command", Command, simulates=False),
)
