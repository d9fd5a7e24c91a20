"""The parts of a simulation: an experiment, the plugins that play its roles, and how to compute."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

import attrs
import torch

from openbragg.engine.compiled.engine import ENGINES
from openbragg.engine.plan import PRECISIONS
from openbragg.errors import PluginError, UsageError
from openbragg.model import Experiment
from openbragg.orchestrator.finding.keywords import by_fields
from openbragg.orchestrator.finding.recognition import structure_factors_of
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.resolving.quirks import check_names
from openbragg.roles import (
    ROLES,
    Background,
    DiffuseModel,
    GeometryConvention,
    LatticeShape,
    MosaicModel,
    NoiseModel,
    Role,
    SceneCrystal,
    SceneModel,
    Spectrum,
    StructureFactors,
)

_STRUCTURE_FACTORS = "structure_factors"
#: Classes that are known to play a role, by its hook: a protocol takes long to look through.
_PLAYING: dict[str, WeakSet[type]] = {}


def plugin(role: str, name: str, **options: Any) -> Any:
    """Make an installed plugin by its role's hook name and its own name.

    For example ``plugin("structure_factors", "hkl", default_F=100.0)``. An option is named by its field or by
    one of its flags without the dash; its value is in SI and radians either way.

    Raises
    ------
    PluginError
        When there is no such plugin.
    InputError
        When an option's value breaks its rule.
    UsageError
        When the plugin has no such option, or one is named twice; the message lists those that it has.
    """
    found = default_registry().get(role, name)
    return found.cls(**by_fields(found, options))


def plugin_of(hook: str, chosen: Any) -> Any:
    """A plugin object: given, or made from a name with its options at their defaults.

    Raises
    ------
    PluginError
        When there is none of that name.
    UsageError
        When it is neither a plugin of the role nor a name.
    """
    if isinstance(chosen, str):
        return default_registry().get(hook, chosen).cls()
    role = next(role for role in ROLES if role.hook == hook)
    if isinstance(chosen, type) or not _plays(chosen, role):
        raise UsageError(f"expected a {role.title} or the name of one, got {chosen!r}")
    return chosen


def _plays(thing: Any, role: Role) -> bool:
    """Whether a thing has what its role asks for, looked at once a class."""
    known, cls = _PLAYING.setdefault(role.hook, WeakSet()), type(thing)
    if cls not in known and isinstance(thing, role.protocol):
        known.add(cls)
    return cls in known


def _convention(chosen: GeometryConvention | str) -> GeometryConvention:
    made: GeometryConvention = plugin_of("geometry_conventions", chosen)
    return made


def _lattice_shape(chosen: LatticeShape | str) -> LatticeShape:
    made: LatticeShape = plugin_of("lattice_shapes", chosen)
    return made


def _mosaic_model(chosen: MosaicModel | str) -> MosaicModel:
    made: MosaicModel = plugin_of("mosaic_models", chosen)
    return made


def _diffuse_model(chosen: DiffuseModel | str) -> DiffuseModel:
    made: DiffuseModel = plugin_of("diffuse_models", chosen)
    return made


def _spectrum(chosen: Spectrum | str) -> Spectrum:
    made: Spectrum = plugin_of("spectra", chosen)
    return made


def _scene_model(chosen: SceneModel | Iterable[SceneCrystal] | str) -> SceneModel:
    """A scene: given, by name, or the further crystals alone."""
    if isinstance(chosen, Iterable) and not isinstance(chosen, str | SceneModel):
        chosen = default_registry().get("scene_models", "crystals").cls(crystals=tuple(chosen))
    made: SceneModel = plugin_of("scene_models", chosen)
    return made


def _noise_model(chosen: NoiseModel | str) -> NoiseModel:
    made: NoiseModel = plugin_of("noise_models", chosen)
    return made


def _structure_factors(chosen: StructureFactors | Path | str) -> StructureFactors:
    """Structure factors: given, by name, or from a file."""
    if isinstance(chosen, Path):
        return structure_factors_of(chosen)
    if isinstance(chosen, str) and default_registry().of_name(_STRUCTURE_FACTORS, chosen) is None:
        if Path(chosen).exists() or Path(chosen).suffix:
            return structure_factors_of(chosen)
        try:
            default_registry().get(_STRUCTURE_FACTORS, chosen)
        except PluginError as error:
            raise PluginError(f"{error}; and there is no file of that name") from None
    made: StructureFactors = plugin_of(_STRUCTURE_FACTORS, chosen)
    return made


def _backgrounds(chosen: Iterable[Background | str] | Background | str) -> tuple[Background, ...]:
    if isinstance(chosen, str | Background):
        chosen = [chosen]
    return tuple(plugin_of("backgrounds", each) for each in chosen)


def _one_of(*words: str) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value not in words:
            raise UsageError(f"{attribute.name}: expected one of {', '.join(words)}, got {value!r}")

    return check


def _check_threads(_: object, __: attrs.Attribute[Any], value: int | None) -> None:
    if value is not None and value < 1:
        raise UsageError(f"threads: expected 1 or more, got {value}")


def _check_cull(_: object, __: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not 0.0 < value < 1.0:
        raise UsageError(f"cull: expected a number above 0 and below 1, got {value}")


@cache
def _computes(device: torch.device) -> bool:
    """Whether a device gives numbers back, which tells devices that compute from those that only keep shapes."""
    return float(torch.zeros(1, dtype=torch.float64, device=device)) == 0.0


def usable_device(device: torch.device | str) -> torch.device:
    """The device, if it is there and computes in double precision.

    Raises
    ------
    UsageError
        When it is not, with torch's own reason.
    """
    try:
        placed = torch.device(device)
        _computes(placed)
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {str(device)!r} cannot be used: {reason}") from None
    return placed


@attrs.frozen(eq=False)
class Composition:
    """What is simulated, of which parts, and how it is computed; see `Simulation`."""

    experiment: Experiment
    convention: GeometryConvention = attrs.field(default=cast(Any, "mosflm"), converter=_convention, kw_only=True)
    structure_factors: StructureFactors = attrs.field(
        default=cast(Any, "hkl"), converter=_structure_factors, kw_only=True
    )
    lattice_shape: LatticeShape = attrs.field(default=cast(Any, "square"), converter=_lattice_shape, kw_only=True)
    mosaic: MosaicModel = attrs.field(default=cast(Any, "nanobragg"), converter=_mosaic_model, kw_only=True)
    diffuse: DiffuseModel = attrs.field(default=cast(Any, "none"), converter=_diffuse_model, kw_only=True)
    scene: SceneModel = attrs.field(default=cast(Any, "single"), converter=_scene_model, kw_only=True)
    spectrum: Spectrum = attrs.field(default=cast(Any, "dispersion"), converter=_spectrum, kw_only=True)
    backgrounds: tuple[Background, ...] = attrs.field(default=(), converter=_backgrounds, kw_only=True)
    noise: NoiseModel = attrs.field(default=cast(Any, "poisson"), converter=_noise_model, kw_only=True)
    device: torch.device = attrs.field(default=cast(Any, "cpu"), converter=usable_device, kw_only=True)
    dtype: torch.dtype | None = attrs.field(default=None, kw_only=True)
    precision: str = attrs.field(default="auto", validator=_one_of("auto", *PRECISIONS), kw_only=True)
    compat: frozenset[str] = attrs.field(default=(), converter=check_names, kw_only=True)
    engine: str = attrs.field(default="auto", validator=_one_of(*ENGINES), kw_only=True)
    threads: int | None = attrs.field(default=None, validator=_check_threads, kw_only=True)
    cull: float | None = attrs.field(default=None, validator=_check_cull, kw_only=True)
