"""The plan: everything the sum needs, as tensors on one device."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any

import attrs
import torch
from torch.autograd import forward_ad

from openbragg.engine.sources import make_sources
from openbragg.errors import InputError
from openbragg.model import Experiment, Panel
from openbragg.model.geometry import Laboratory, PanelFrame
from openbragg.model.lattice import oriented_bases
from openbragg.model.scalars import is_tensor, plain
from openbragg.model.sensor import Sensor, resolve_sensor
from openbragg.model.vectors import carries_derivatives, is_transformed, matrix, rotation_about, scalar, vector
from openbragg.roles import (
    ClosedMosaicModel,
    DiffuseModel,
    InterpolatingStructureFactors,
    Lattice,
    LatticeShape,
    MosaicModel,
    PreparedLatticeShape,
    SpectralStructureFactors,
    Spectrum,
    StructureFactors,
)
from openbragg.units import AVOGADRO, ELECTRON_RADIUS_SQUARED

#: Amplitude of a water molecule in the forward direction, electrons.
_WATER_AMPLITUDE = 2.57
#: Grams in a cubic metre of water, and in a mole.
_WATER_DENSITY = 1e6
_WATER_MOLAR_MASS = 18.0

#: Working precision of amplitudes for each ``--precision``; geometry, q and h k l are float64 in both.
PRECISIONS = {"mixed": torch.float32, "double": torch.float64}
#: Terms of an image that take a fraction of a second in either precision.
_FEW_TERMS = 5e7


@attrs.frozen(kw_only=True, eq=False)
class PanelPlan:
    """One panel's tensors: vectors (3,) in metres or without a unit, depths of its layers (layer,), the rest ().

    A pixel's sides are its size times `fast` and `slow`, which may be oblique and of any length.
    `absorbs` is False for a surface, which captures every photon.
    """

    pixels: tuple[int, int]
    pixel_size: torch.Tensor
    pixel_area: torch.Tensor
    origin: torch.Tensor
    fast: torch.Tensor
    slow: torch.Tensor
    normal: torch.Tensor
    close_distance: torch.Tensor
    layer_depths: torch.Tensor
    layer_step: torch.Tensor
    absorption: torch.Tensor
    absorbs: bool


@attrs.frozen(kw_only=True, eq=False)
class Water:
    """The background that water around the crystal adds, as far as it is the same everywhere; float64, ().

    Attributes
    ----------
    photons
        Photons per steradian that it scatters.
    in_sum
        With the reference's running-product and water-over-steps, the intensity in squared electrons that every
        pixel's sum starts from, in place of `photons`; else None.
    cut
        Whether a pixel of which the resolution limit leaves nothing has none, as in the reference.
    """

    photons: torch.Tensor
    in_sum: torch.Tensor | None
    cut: bool


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """The sum, axis by axis. All tensors are float64 on one device unless said otherwise.

    Attributes
    ----------
    panels
        The panels to render.
    subpixels
        Centres of the subpixels along a side of a pixel, in pixels, (subpixels,).
    incident, wavelengths, source_weights
        The sources: unit vectors along their beams (sources, 3), metres (sources,), weights of mean 1 (sources,).
    weighted
        Whether any weight is not 1.
    angles
        Spindle angle of each step, radians, (phi,).
    cell_vectors
        Rows a, b, c in metres of every step and mosaic domain, (phi, mosaic, 3, 3).
    reciprocal_vectors
        Rows a*, b*, c* in 1/metres of the crystal as it is mounted, (3, 3).
    domain_weights
        Weights of mean 1 of the mosaic domains, (mosaic,); None where all are 1.
    closed_mosaic
        Whether the one mosaic domain stands for all orientations, in closed form.
    spectral
        What structure factors that are others at each wavelength know of each source, (sources, numbers); else None.
    first_cell_vectors
        The cell vectors of the very first evaluation of a run, where the reference's phi-carryover has nothing to carry
        yet; None where it is no different.
    electric_axis, kahn, polarized
        The polarization; `polarized` False makes its factor 1.
    point_pixel
        Whether a pixel's solid angle is 1/R^2.
    curvature
        Of a curved detector, the distance () that all pixels share and the beam's direction (3,); else None.
    oversample_capture, oversample_polarization, oversample_solid_angle
        Factors that each term has of its own; the others are a pixel's.
    polarization_place
        Where in a pixel the polarization that is the pixel's is taken: ``first``, ``centre`` or ``last``.
    parallel_polarization, last_layer, running_product, interpolation_latch
        Quirks of the reference that concern the sum.
    reference_rays
        Whether rays are rounded as by the reference, where a quirk hangs on whether q is 0.
    water
        The background of water, or None.
    lattice, shape, structure_factors, tables
        The plugins that give amplitudes, and what they need.
    diffuse, diffuse_parameters
        The plugin of diffuse scattering and what it needs; None where there is none.
    interpolates
        Whether the structure factors interpolate between reflections where they can, and can tell where that is.
    reference_interpolates
        Whether the reference program would begin to.
    fluence
        Photons per square metre, ().
    scale
        What the photons of the crystal are multiplied by, ().
    intensity_to_photons
        r_e^2 x fluence x scale / steps, in photons x steradian^-1 per squared electron, shape ().
    resolution_limit
        Smallest d spacing in metres that scatters, shape (), or None for all.
    columns, sources_across
        In the plan of a block (`openbragg.engine.compiled.block`): what each term of an evaluation needs, and whether
        sources are told apart in it.
    """

    panels: tuple[PanelPlan, ...]
    subpixels: torch.Tensor
    incident: torch.Tensor
    wavelengths: torch.Tensor
    source_weights: torch.Tensor
    weighted: bool
    angles: torch.Tensor
    cell_vectors: torch.Tensor
    reciprocal_vectors: torch.Tensor
    first_cell_vectors: torch.Tensor | None
    electric_axis: torch.Tensor
    kahn: torch.Tensor
    polarized: bool
    parallel_polarization: bool
    point_pixel: bool
    curvature: tuple[torch.Tensor, torch.Tensor] | None
    oversample_capture: bool
    oversample_polarization: bool
    oversample_solid_angle: bool
    polarization_place: str
    last_layer: bool
    running_product: bool
    interpolation_latch: bool
    reference_rays: bool
    water: Water | None
    resolution_limit: torch.Tensor | None
    lattice: Lattice
    shape: LatticeShape
    structure_factors: StructureFactors
    tables: tuple[torch.Tensor, ...]
    interpolates: bool
    reference_interpolates: bool
    fluence: torch.Tensor
    scale: torch.Tensor
    intensity_to_photons: torch.Tensor
    domain_weights: torch.Tensor | None = None
    closed_mosaic: bool = False
    spectral: torch.Tensor | None = None
    diffuse: DiffuseModel | None = None
    diffuse_parameters: tuple[torch.Tensor, ...] = ()
    columns: torch.Tensor | None = None
    sources_across: bool = False

    @property
    def plugins(self) -> tuple[Any, ...]:
        """The plugins whose code the terms are made of."""
        alone = (self.shape, self.structure_factors)
        return alone if self.diffuse is None else (*alone, self.diffuse)

    @property
    def electron_radius_squared(self) -> float:
        """r_e^2, in square metres."""
        return ELECTRON_RADIUS_SQUARED

    @property
    def device(self) -> torch.device:
        """Where the sum is evaluated."""
        return self.incident.device

    @property
    def oversample(self) -> int:
        """Subpixels along each side of a pixel."""
        return self.subpixels.numel()

    def steps(self) -> int:
        """Number of terms that the reference program divides by: sources x mosaic domains x phi steps x subpixels."""
        return self.terms_per_pixel() // self.panels[0].layer_depths.numel()

    def terms_per_pixel(self) -> int:
        """Number of terms in one pixel's sum."""
        phi, mosaic = self.cell_vectors.shape[:2]
        layers = self.panels[0].layer_depths.numel()
        return layers * self.oversample**2 * self.wavelengths.numel() * phi * mosaic

    def differentiable(self) -> bool:
        """Whether any number in the plan carries a gradient."""
        return torch.is_grad_enabled() and self._carries

    def transformed(self) -> bool:
        """Whether torch differentiates forwards, or transforms by `torch.func`, what is computed from any number."""
        if torch._C._functorch.peek_interpreter_stack() is None and forward_ad._current_level < 0:
            return False
        return any(is_transformed(tensor) for tensor in self._tensors())

    @cached_property
    def _carries(self) -> bool:
        """Whether any number is part of a graph: each panel asks, and a detector may have many."""
        return any(tensor.requires_grad for tensor in self._tensors())

    def _tensors(self) -> Iterable[torch.Tensor]:
        yield from (self.incident, self.wavelengths, self.source_weights, self.cell_vectors)
        yield from (self.electric_axis, self.kahn, *(self.curvature or ()))
        yield from (self.lattice.cells, self.lattice.tensor, self.lattice.reciprocal_metric, self.lattice.fudge)
        yield from (self.intensity_to_photons, *self.tables, *self.lattice.parameters, *self.diffuse_parameters)
        yield from (each for each in (self.domain_weights, self.spectral) if each is not None)
        if self.water is not None:
            yield self.water.photons
        for panel in self.panels:
            yield from (panel.origin, panel.fast, panel.slow, panel.normal, panel.pixel_size, panel.pixel_area)
            yield from (panel.layer_depths, panel.absorption)


@attrs.frozen(kw_only=True, eq=False)
class Parts:
    """The plugins that a sum is made of, and the space group where the structure factors name one."""

    shape: LatticeShape
    structure_factors: StructureFactors
    mosaic: MosaicModel
    diffuse: DiffuseModel
    spectrum: Spectrum
    space_group: str = ""


def make_plan(
    experiment: Experiment,
    laboratory: Laboratory,
    parts: Parts,
    *,
    device: torch.device,
    precision: str,
    quirks: Collection[str] = (),
    exact_if_short: bool = False,
    reference_interpolates: bool | None = None,
    tables: tuple[torch.Tensor, ...] | None = None,
) -> Plan:
    """Lay the sum out.

    Parameters
    ----------
    experiment
        With every default resolved: steps, mosaic domains and oversampling are numbers, misset is angles.
    laboratory
        Where the convention placed beam, spindle and panels.
    parts
        The plugins of the roles that take part.
    device, precision
        Where and how to compute; `precision` is a key of `PRECISIONS`.
    quirks
        Names of reference quirks to reproduce; those that concern detector settings alone are the laboratory's.
    exact_if_short
        Whether to compute in double precision where that takes no time worth speaking of.
    reference_interpolates
        Whether the reference program would begin to interpolate between reflections; as the plugin does by default.
    tables
        What the structure factors prepared before; they prepare it here by default.

    Raises
    ------
    InputError
        From the crystal, or from a plugin.
    """
    beam, sampling = experiment.beam, experiment.sampling
    oversampled = sampling.oversample_capture or sampling.oversample_polarization or sampling.oversample_solid_angle
    running_product = "running-product" in quirks and oversampled
    structure_factors = parts.structure_factors
    oriented = _orientations(experiment, laboratory, parts.mosaic, quirks, device)
    oversample = sampling.oversample or 1
    sources = make_sources(
        beam,
        laboratory,
        parts.spectrum,
        image=experiment.scan.image,
        weighted="source-weights" not in quirks,
        exact="rounded-counts" not in quirks,
    )
    steps = len(sources.incident) * oriented.cell_vectors.shape[:2].numel() * oversample**2
    sensor = resolve_sensor(experiment.detector)
    # The last few terms may be all that is left of a running product, and they may be far from any peak.
    exact = running_product or (exact_if_short and steps * sensor.layers * _rendered(experiment) <= _FEW_TERMS)
    dtype = torch.float64 if exact else PRECISIONS[precision]
    shape, lattice = _shaped(experiment, parts, oriented.reciprocal_vectors, dtype)
    fluence, scale = scalar(beam.photons_per_area), scalar(experiment.crystal.scale).to(device)
    if tables is None:
        tables = structure_factors.prepare(experiment, device, dtype)
    interpolates = isinstance(structure_factors, InterpolatingStructureFactors) and structure_factors.interpolates(
        tables
    )
    spectral = None
    if isinstance(structure_factors, SpectralStructureFactors):
        spectral = structure_factors.spectral(sources.wavelengths.to(device), tables)
    diffuse = parts.diffuse.prepare(experiment, oriented.reciprocal_vectors, parts.space_group, device)
    limit = sampling.resolution_limit
    # The reference works the factor out when it is to be oversampled, even if it was asked to leave it out.
    polarized = not beam.no_polarization_factor or (running_product and sampling.oversample_polarization)
    water = _water(experiment, quirks, steps, running_product, device)
    _refuse_scaled_water(water, scale)
    return Plan(
        panels=tuple(_panel_plan(frame, sensor, device) for frame in laboratory.panels),
        subpixels=((torch.arange(oversample, dtype=torch.float64) + 0.5) / oversample).to(device),
        incident=sources.incident.to(device),
        wavelengths=sources.wavelengths.to(device),
        source_weights=sources.weights.to(device),
        weighted=bool((sources.weights != 1.0).any()) or carries_derivatives(sources.weights),
        angles=oriented.angles,
        cell_vectors=oriented.cell_vectors,
        reciprocal_vectors=oriented.reciprocal_vectors,
        first_cell_vectors=oriented.first_cell_vectors,
        domain_weights=oriented.domain_weights,
        closed_mosaic=isinstance(parts.mosaic, ClosedMosaicModel),
        spectral=spectral,
        electric_axis=laboratory.polarization.to(device),
        kahn=scalar(beam.polarization).to(device),
        polarized=polarized,
        parallel_polarization="parallel-polarization" in quirks,
        point_pixel=experiment.detector.point_pixel,
        curvature=(laboratory.distance.to(device), laboratory.beam.to(device)) if experiment.detector.curved else None,
        oversample_capture=sampling.oversample_capture,
        oversample_polarization=sampling.oversample_polarization,
        oversample_solid_angle=sampling.oversample_solid_angle,
        polarization_place=sampling.polarization_place,
        last_layer="last-layer" in quirks and not sampling.oversample_capture,
        running_product=running_product,
        interpolation_latch="interpolation-latch" in quirks,
        reference_rays=False,
        water=water,
        resolution_limit=scalar(limit).to(device) if plain(limit) > 0.0 else None,
        lattice=lattice,
        shape=shape,
        structure_factors=structure_factors,
        tables=tables,
        diffuse=None if diffuse is None else parts.diffuse,
        diffuse_parameters=diffuse or (),
        interpolates=interpolates,
        reference_interpolates=interpolates if reference_interpolates is None else reference_interpolates,
        fluence=fluence.to(device),
        scale=scale,
        intensity_to_photons=_per_intensity(fluence.to(device), steps, scale),
    )


def _rendered(experiment: Experiment) -> int:
    """How many pixels the region has that is rendered."""
    assert experiment.sampling.region is not None  # resolved
    first_fast, last_fast, first_slow, last_slow = experiment.sampling.region
    return (last_fast - first_fast + 1) * (last_slow - first_slow + 1)


def scaled(plan: Plan, scale: torch.Tensor) -> Plan:
    """The plan with another scale, (), float64.

    Raises
    ------
    InputError
        Where the water is in the crystal's own sum.
    """
    scale = scale.to(plan.device)
    _refuse_scaled_water(plan.water, scale)
    return attrs.evolve(plan, scale=scale, intensity_to_photons=_per_intensity(plan.fluence, plan.steps(), scale))


def _refuse_scaled_water(water: Water | None, scale: torch.Tensor) -> None:
    if water is not None and water.in_sum is not None and not bool(scale == 1.0):
        raise InputError(
            "a crystal is not scaled with the quirks running-product and water-over-steps, whose sum has its water"
        )


def _per_intensity(fluence: torch.Tensor, steps: int, scale: torch.Tensor) -> torch.Tensor:
    return ELECTRON_RADIUS_SQUARED * fluence / steps * scale


def turned(
    plan: Plan, experiment: Experiment, laboratory: Laboratory, parts: Parts, quirks: Collection[str] = ()
) -> Plan:
    """The plan of the same experiment with the crystal or its domains turned otherwise; all else is shared.

    It is the plan that `make_plan` would make, in a tenth of the time.

    Parameters
    ----------
    plan
        Made for an experiment that differs in what turns the crystal alone: its rotations (misset, or reciprocal
        vectors that are turned), the mosaic spread, domains and seed, the scan's angles and steps.
    experiment, laboratory, parts, quirks
        See `make_plan`.

    Raises
    ------
    InputError
        From the crystal.
    """
    oriented = _orientations(experiment, laboratory, parts.mosaic, quirks, plan.device)
    changed = attrs.evolve(
        plan,
        angles=oriented.angles,
        cell_vectors=oriented.cell_vectors,
        reciprocal_vectors=oriented.reciprocal_vectors,
        first_cell_vectors=oriented.first_cell_vectors,
        domain_weights=oriented.domain_weights,
        lattice=_shaped(experiment, parts, oriented.reciprocal_vectors, plan.lattice.dtype)[1],
    )
    if plan.diffuse is not None:
        diffuse = plan.diffuse.prepare(experiment, oriented.reciprocal_vectors, parts.space_group, plan.device)
        changed = attrs.evolve(changed, diffuse_parameters=diffuse or ())
    if changed.steps() != plan.steps():
        water = _water(experiment, quirks, changed.steps(), plan.running_product, plan.device)
        changed = attrs.evolve(changed, water=water)
    return scaled(changed, scalar(experiment.crystal.scale))


def step_angles(experiment: Experiment) -> torch.Tensor:
    """Spindle angle of every rotation step of a resolved experiment: radians, float64, (phi,)."""
    scan = experiment.scan
    steps = torch.arange(scan.steps or 1, dtype=torch.float64)
    return scalar(scan.start) + scalar(scan.step if scan.step is not None else 0.0) * (steps + scan.place_of_step())


def carried_steps(angles: list[float]) -> tuple[list[int], list[int]]:
    """Whose orientation each step gets where a step at exactly phi = 0 keeps the one before (phi-carryover).

    Returns
    -------
    For each step the step whose orientation it uses: in every evaluation but the first, where a sequence follows the
    last step of the evaluation before; and in the very first, which starts from the crystal as mounted.
    """

    def carried(before: int) -> list[int]:
        used = []
        for step, angle in enumerate(angles):
            before = step if angle != 0.0 else before
            used.append(before)
        return used

    zero = next((step for step, angle in enumerate(angles) if angle == 0.0), 0)
    first = carried(zero)
    return carried(first[-1]) if angles else [], first


@attrs.frozen(eq=False)
class _Orientations:
    """What turns with the crystal; see `Plan`."""

    angles: torch.Tensor
    cell_vectors: torch.Tensor
    reciprocal_vectors: torch.Tensor
    first_cell_vectors: torch.Tensor | None
    domain_weights: torch.Tensor | None


def _shaped(
    experiment: Experiment, parts: Parts, reciprocal: torch.Tensor, dtype: torch.dtype
) -> tuple[LatticeShape, Lattice]:
    """The shape of the spots, and the lattice with all that it needs to know."""
    crystal, device = experiment.crystal, reciprocal.device
    lattice = Lattice(
        cells=vector(crystal.cells).to(device),
        tensor=crystal.cells_tensor().to(device),
        reciprocal_metric=reciprocal @ reciprocal.T,
        fudge=scalar(crystal.fudge).to(device),
        dtype=dtype,
    )
    shape = parts.shape
    if isinstance(shape, PreparedLatticeShape):
        lattice = attrs.evolve(lattice, parameters=shape.prepare(experiment, lattice))
    if isinstance(parts.mosaic, ClosedMosaicModel):
        shape, lattice = parts.mosaic.smeared(shape, crystal, lattice)
    # Compiled code knows no transposed matrices.
    return shape, attrs.evolve(lattice, parameters=tuple(each.contiguous() for each in lattice.parameters))


def _orientations(
    experiment: Experiment, laboratory: Laboratory, model: MosaicModel, quirks: Collection[str], device: torch.device
) -> _Orientations:
    vectors, reciprocal = oriented_bases(experiment.crystal, oblique="oblique-cell" in quirks)
    angles = step_angles(experiment)
    own = list(range(angles.numel()))
    following, first = carried_steps(angles.detach().tolist()) if "phi-carryover" in quirks else (own, own)
    spindle = rotation_about(laboratory.spindle.expand(angles.numel(), 3), angles)
    blocks = model.blocks(experiment.crystal, vectors)
    mosaic, weights = blocks.rotations, blocks.weights

    def oriented(steps: list[int]) -> torch.Tensor:
        # Rows are vectors: v' = U R v, phi first and then the domain's own rotation; R U v where that is mounted.
        turned, own_turns = spindle[steps].unsqueeze(1), mosaic.unsqueeze(0)
        rotations = turned @ own_turns if blocks.mounted else own_turns @ turned
        return (vectors @ rotations.transpose(-1, -2)).to(device)

    return _Orientations(
        angles=angles.to(device),
        cell_vectors=oriented(following),
        reciprocal_vectors=reciprocal.to(device),
        first_cell_vectors=oriented(first) if first != following else None,
        domain_weights=None if weights is None else (weights / weights.mean()).to(device),
    )


def _water(
    experiment: Experiment, quirks: Collection[str], steps: int, running_product: bool, device: torch.device
) -> Water | None:
    """The water's background: as many molecules as a cube of that width holds, each scattering as in the forward beam.

    Source: nanoBragg.c, without its second factor of r_e^2 fluence unless it is asked for.
    """
    width = experiment.crystal.water
    if not is_tensor(width) and width == 0.0:
        return None
    per_intensity = ELECTRON_RADIUS_SQUARED * scalar(experiment.beam.photons_per_area)
    molecules = scalar(width) ** 3 * _WATER_DENSITY * AVOGADRO / _WATER_MOLAR_MASS
    intensity = _WATER_AMPLITUDE**2 * molecules
    if "water-fluence" in quirks:
        intensity = intensity * per_intensity
    over_steps = "water-over-steps" in quirks
    in_sum = over_steps and running_product
    photons = per_intensity * intensity / steps if over_steps else per_intensity * intensity
    return Water(
        photons=(torch.zeros_like(photons) if in_sum else photons).to(device),
        in_sum=intensity.to(device) if in_sum else None,
        cut=over_steps and not experiment.beam.no_polarization_factor,
    )


def _panel_plan(frame: PanelFrame, sensor: Sensor, device: torch.device) -> PanelPlan:
    step = scalar(sensor.step)
    return PanelPlan(
        pixels=frame.panel.pixels,
        pixel_size=scalar(frame.panel.pixel_size).to(device),
        pixel_area=_pixel_area(frame.panel).to(device),
        origin=frame.origin.to(device),
        fast=frame.fast.to(device),
        slow=frame.slow.to(device),
        normal=frame.normal.to(device),
        close_distance=frame.close_distance().to(device),
        layer_depths=(step * torch.arange(sensor.layers, dtype=torch.float64) + scalar(sensor.offset)).to(device),
        layer_step=step.to(device),
        absorption=scalar(sensor.absorption).to(device),
        absorbs=sensor.absorbs,
    )


def _pixel_area(panel: Panel) -> torch.Tensor:
    """Of a pixel, in square metres, ()."""
    size = scalar(panel.pixel_size)
    axes = matrix(panel.axes)
    if not (panel.is_oblique() or carries_derivatives(axes)):
        return size * size
    area: torch.Tensor = size * size * torch.linalg.cross(axes[0], axes[1]).norm()
    return area
