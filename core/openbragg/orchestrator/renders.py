"""What series, files and derivatives need of a simulation."""

from __future__ import annotations

from typing import Any, Protocol, Self

import attrs
import torch

from openbragg.engine.compiled.engine import Engine
from openbragg.model import Experiment
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.outputs.stopwatch import Stopwatch
from openbragg.orchestrator.rendering import Progress, Rendering
from openbragg.orchestrator.resolving.expectation import Expectation
from openbragg.roles import (
    Background,
    DiffuseModel,
    GeometryConvention,
    LatticeShape,
    MosaicModel,
    NoiseModel,
    PixelLabels,
    SceneModel,
    Spectrum,
    StructureFactors,
)


@attrs.frozen
class CommandWords:
    """The command line that a simulation was made from, for its record.

    Attributes
    ----------
    arguments
        Its words, those that name outputs among them.
    inputs
        The files that it names: flag and name.
    """

    arguments: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]


class Renders(Protocol):
    """A simulation, as far as those know it that it hands itself to; see `openbragg.Simulation`."""

    @property
    def experiment(self) -> Experiment: ...
    @property
    def convention(self) -> GeometryConvention: ...
    @property
    def structure_factors(self) -> StructureFactors: ...
    @property
    def lattice_shape(self) -> LatticeShape: ...
    @property
    def mosaic(self) -> MosaicModel: ...
    @property
    def diffuse(self) -> DiffuseModel: ...
    @property
    def scene(self) -> SceneModel: ...
    @property
    def spectrum(self) -> Spectrum: ...
    @property
    def backgrounds(self) -> tuple[Background, ...]: ...
    @property
    def noise(self) -> NoiseModel: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def precision(self) -> str: ...
    @property
    def compat(self) -> frozenset[str]: ...
    @property
    def engine(self) -> str: ...
    @property
    def cull(self) -> float | None: ...
    @property
    def words(self) -> CommandWords | None: ...

    def layout(self) -> Layout: ...
    def evolve(self, **changes: Any) -> Self: ...
    def expected_time(self, images: int = 1) -> Expectation: ...
    def compiling(self) -> Engine: ...
    def foresee(self, uses: int) -> None: ...
    def rendering(self, progress: Progress | None = None, stopwatch: Stopwatch | None = None) -> Rendering: ...
    def pixels(self, slow: Any, fast: Any) -> torch.Tensor: ...
    def labels(self) -> PixelLabels: ...
    def photons(self, progress: Progress | None = None) -> torch.Tensor: ...


def roles_of(simulation: Renders) -> list[tuple[str, Any]]:
    """The plugins that take part in a simulation, each with the hook of its role."""
    return [
        ("geometry_conventions", simulation.convention),
        ("structure_factors", simulation.structure_factors),
        ("lattice_shapes", simulation.lattice_shape),
        ("mosaic_models", simulation.mosaic),
        ("diffuse_models", simulation.diffuse),
        ("scene_models", simulation.scene),
        ("spectra", simulation.spectrum),
        ("noise_models", simulation.noise),
        *(("backgrounds", background) for background in simulation.backgrounds),
    ]
