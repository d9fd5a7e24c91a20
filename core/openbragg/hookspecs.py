"""The roles a plugin can offer classes for. Entry-point group: ``openbragg``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from openbragg.roles import (
        Background,
        Command,
        DetectorFamily,
        Diagnosis,
        DiffuseModel,
        GeometryConvention,
        GeometryReader,
        ImageFormat,
        ImageReader,
        LatticeShape,
        MosaicModel,
        NoiseModel,
        Preset,
        SceneModel,
        Spectrum,
        StructureFactors,
        Tracer,
        TruthFormat,
    )

GROUP = "openbragg"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def geometry_conventions() -> list[type[GeometryConvention]]:  # type: ignore[empty-body]
    """Return classes that turn detector settings into laboratory vectors."""


@hookspec
def structure_factors() -> list[type[StructureFactors]]:  # type: ignore[empty-body]
    """Return classes that compute the amplitude F of the unit cell at h k l."""


@hookspec
def lattice_shapes() -> list[type[LatticeShape]]:  # type: ignore[empty-body]
    """Return classes that compute the amplitude of the finite lattice's transform."""


@hookspec
def mosaic_models() -> list[type[MosaicModel]]:  # type: ignore[empty-body]
    """Return classes that say how the blocks of a crystal are turned."""


@hookspec
def diffuse_models() -> list[type[DiffuseModel]]:  # type: ignore[empty-body]
    """Return classes that compute what a crystal scatters between its spots."""


@hookspec
def scene_models() -> list[type[SceneModel]]:  # type: ignore[empty-body]
    """Return classes that say which crystals are on a shot."""


@hookspec
def spectra() -> list[type[Spectrum]]:  # type: ignore[empty-body]
    """Return classes that say which wavelengths the beam has."""


@hookspec
def backgrounds() -> list[type[Background]]:  # type: ignore[empty-body]
    """Return classes that compute expected photons which do not come from the crystal."""


@hookspec
def noise_models() -> list[type[NoiseModel]]:  # type: ignore[empty-body]
    """Return classes that turn expected photons into detector counts."""


@hookspec
def tracers() -> list[type[Tracer]]:  # type: ignore[empty-body]
    """Return classes that record one pixel's calculation."""


@hookspec
def diagnoses() -> list[type[Diagnosis]]:  # type: ignore[empty-body]
    """Return classes that tell what explains the difference of two traces."""


@hookspec
def image_formats() -> list[type[ImageFormat] | type[ImageReader]]:  # type: ignore[empty-body]
    """Return classes that write an image to a file, read one from it, or both."""


@hookspec
def geometry_readers() -> list[type[GeometryReader]]:  # type: ignore[empty-body]
    """Return classes that read where panels, beam and crystal are from a file."""


@hookspec
def truth_formats() -> list[type[TruthFormat]]:  # type: ignore[empty-body]
    """Return classes that write what is known of a run to a file."""


@hookspec
def detectors() -> list[type[DetectorFamily]]:  # type: ignore[empty-body]
    """Return classes that describe detectors by name."""


@hookspec
def presets() -> list[type[Preset]]:  # type: ignore[empty-body]
    """Return classes that have the settings of a kind of experiment."""


@hookspec
def commands() -> list[type[Command]]:  # type: ignore[empty-body]
    """Return classes that are commands of ``openbragg``."""
