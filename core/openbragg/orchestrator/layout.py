"""The layout: an experiment resolved and placed, its sum laid out, ready to be evaluated."""

from __future__ import annotations

from math import inf
from typing import Any

import attrs
import torch

from openbragg.engine.plan import Parts, Plan, make_plan, scaled, turned
from openbragg.engine.sources import mean_wavelength, moved_channels
from openbragg.errors import InputError, OpenBraggError, UsageError
from openbragg.model import Beam, Crystal, Experiment, Panel, Sampling
from openbragg.model.geometry import Laboratory
from openbragg.model.scalars import is_tensor, plain
from openbragg.model.sensor import resolve_sensor
from openbragg.model.vectors import scalar
from openbragg.orchestrator.composition import Composition
from openbragg.orchestrator.finding.answers import check_plan
from openbragg.orchestrator.resolving.backgrounds import Backgrounds
from openbragg.orchestrator.resolving.counting import Counting, counting
from openbragg.orchestrator.resolving.frame import Shown, shown_parts, visible_pixels
from openbragg.orchestrator.resolving.known import report_known
from openbragg.orchestrator.resolving.notices import (
    notice_carryover,
    notice_parallel,
    notice_quirks,
    notice_spindle,
    notice_water,
    with_reference_shape,
)
from openbragg.orchestrator.resolving.placement import place_with_quirks
from openbragg.orchestrator.resolving.quirks import ALL, check_names, notice
from openbragg.orchestrator.resolving.reference_factors import reference_interpolates
from openbragg.orchestrator.resolving.resolve import (
    Choices,
    refuse_ill_fitting_mask,
    refuse_too_many_layers,
    refuse_too_many_orientations,
    refuse_too_many_terms,
    resolve_crystal,
    resolve_sampling,
    resolve_scan,
)
from openbragg.orchestrator.resolving.slips import block_slip, likely_slips
from openbragg.orchestrator.resolving.spectrum import report_spectrum
from openbragg.orchestrator.resolving.subpixels import coarse_notice
from openbragg.roles import (
    Channels,
    ComputedStructureFactors,
    DescribedStructureFactors,
    LatticeShape,
    ShotSpectrum,
    StructureFactors,
    TensorLatticeShape,
)

#: Fields of a crystal that say how it, or its domains, are turned.
_TURNING = ("misset", "misset_seed", "mosaic_spread", "mosaic_domains", "mosaic_seed")
#: Those of them that say how its domains are.
_DOMAINS = ("mosaic_spread", "mosaic_domains", "mosaic_seed")
#: Fields of a crystal that say how large its cell is.
_CELL = ("cell", "reciprocal_vectors")
#: The plugins that the sum is made of.
_PLUGINS = ("structure_factors", "lattice_shape", "mosaic", "diffuse", "spectrum")
#: Those of them that a further crystal of a scene may have of its own.
_OWN = ("structure_factors", "lattice_shape", "mosaic", "diffuse")
#: How what was chosen for such a crystal begins.
_LATTICE = "lattice "
#: Crystals of at most so many cells along an axis may have their structure factors interpolated.
_FEW_CELLS = 2
#: What computes, beside the plugins.
_COMPUTATION = ("device", "precision", "dtype", "compat")
#: Fields of a plan that a turned crystal changes, and those that have nothing to do with the detector's place.
_TURNED = ("angles", "cell_vectors", "first_cell_vectors", "reciprocal_vectors", "domain_weights", "diffuse_parameters")
_PLACED = (
    *_TURNED,
    *("wavelengths", "source_weights", "spectral", "lattice", "tables"),
    *("fluence", "scale", "intensity_to_photons", "water", "kahn"),
)
_FIELDS = tuple(attribute.name for attribute in attrs.fields(Plan))


@attrs.frozen(kw_only=True, eq=False)
class Layout:
    """An experiment ready to be evaluated.

    Attributes
    ----------
    experiment
        The experiment with every default resolved.
    laboratory
        Where the convention placed beam, spindle and panels.
    choices
        What was chosen without the user, and notices.
    plan
        The sum.
    parts
        The plugins that the sum is made of.
    dtype
        Of the image.
    backgrounds
        Photons that do not come from the crystal.
    placed, noted
        The notices of the detector's place, and those that hold however the crystal is turned.
    finest
        The smallest d spacing in metres to which the structure factors were asked to reach; None where they need not
        know.
    panels, shown
        The detector's panels, and what is rendered of each.
    others
        The further crystals of the scene, each laid out as if it were alone, without backgrounds.
    """

    experiment: Experiment
    laboratory: Laboratory
    choices: Choices
    plan: Plan
    parts: Parts
    dtype: torch.dtype
    backgrounds: Backgrounds
    placed: Choices = attrs.field(factory=Choices)
    noted: tuple[str, ...] = ()
    finest: float | None = None
    panels: tuple[Panel, ...]
    shown: tuple[Shown, ...]
    others: tuple[Base, ...] = ()

    def lattices(self) -> tuple[Layout, ...]:
        """The layout of each crystal of the scene, this one first."""
        return self, *(other.layout for other in self.others)

    @property
    def channels(self) -> Channels:
        """The spectrum, with weights of the sum 1."""
        return moved_channels(self.experiment.beam, self.parts.spectrum, self.experiment.scan.image)

    @property
    def wavelength(self) -> float:
        """In metres, the one that stands for all: the mean by weight."""
        beam, scan = self.experiment.beam, self.experiment.scan
        return plain(mean_wavelength(beam, self.parts.spectrum, scan.image))

    def said(self) -> Experiment:
        """The experiment as files are told it, whose beam has one wavelength."""
        beam = self.experiment.beam
        if self.wavelength == plain(beam.wavelength):
            return self.experiment
        mean = attrs.evolve(beam, wavelength=self.wavelength, wavelength_shift=0.0, wavelength_scale=1.0)
        return attrs.evolve(self.experiment, beam=mean)

    def mask(self) -> torch.Tensor | None:
        """Which pixels of the stored frame are rendered, (slow, fast), where some are hidden or absent; else None."""
        return visible_pixels(self.experiment.detector)


@attrs.frozen(eq=False)
class Base:
    """A composition and its layout, from which another one takes what is the same."""

    asked: Composition
    layout: Layout

    def carries(self, *but: str) -> bool:
        """Whether anything in the plan carries gradients, but for some of its fields.

        What does has a graph, which serves one use.
        """
        values = (getattr(self.layout.plan, name) for name in _FIELDS if name not in but)
        return any(map(_carries, values))


def lay_out(asked: Composition, base: Base | None = None) -> Layout:
    """Resolve and place an experiment and lay out the sum of each crystal; what is as in `base` is taken from there.

    Raises
    ------
    OpenBraggError
        When the experiment cannot be rendered; the message is one line.
    """
    main = _lay_out_one(asked, base)
    # The crystals of a rotation stay what they are.
    scan = main.experiment.scan
    still = scan.range is None or plain(scan.range) == 0.0
    shot = asked.scene.shot(main.experiment.crystal, scan.image if still else 1)
    shared = Base(_composed(asked, main.experiment.crystal), main) if shot.others else None
    others: list[Base] = []
    for number, member in enumerate(shot.others, 1):
        parts = {name: getattr(member, name) for name in _OWN if getattr(member, name) is not None}
        alone = _composed(asked, attrs.evolve(member.crystal, water=0.0), **parts)
        former = base.layout.others[number - 1] if base is not None and number <= len(base.layout.others) else None
        # What a crystal has of its own is as it was in the former layout, and what it shares as in the main crystal's.
        near = former if former is not None and "structure_factors" in parts else shared
        try:
            layout = _lay_out_one(alone, near)
            plan = scaled(layout.plan, _weighted(layout.experiment.crystal, member.weight))
        except OpenBraggError as error:
            raise type(error)(f"lattice {number}: {error}") from None
        _tell(main.choices, layout.choices, number)
        others.append(Base(alone, attrs.evolve(layout, plan=plan)))
    if others:
        weights = (plain(weight) for weight in (shot.weight, *(member.weight for member in shot.others)))
        main.choices.made[f"{_LATTICE}weights"] = " ".join(f"{weight:.6g}" for weight in weights)
    if not others and not main.others and not is_tensor(shot.weight) and shot.weight == 1.0:
        return main
    plan = scaled(main.plan, _weighted(main.experiment.crystal, shot.weight))
    return attrs.evolve(main, plan=plan, others=tuple(others))


def _composed(asked: Composition, crystal: Crystal, **parts: Any) -> Composition:
    """A crystal of a scene alone, with parts of its own, without what belongs to the whole image."""
    same = {attribute.name: getattr(asked, attribute.name) for attribute in attrs.fields(Composition)}
    experiment = attrs.evolve(asked.experiment, crystal=crystal)
    return Composition(**(same | parts | {"experiment": experiment, "backgrounds": ()}))


def _weighted(crystal: Crystal, weight: Any) -> torch.Tensor:
    """The scale of a resolved crystal times its weight in a scene.

    Raises
    ------
    InputError
        When the weight is no number of 0 or more.
    """
    if not 0.0 <= plain(weight) < inf:
        raise InputError(f"expected a weight of 0 or more, got {plain(weight):g}")
    return scalar(crystal.scale) * scalar(weight)


def _tell(choices: Choices, own: Choices, number: int) -> None:
    """Add what is to be said of a further crystal, as far as it is not said of the first."""
    said = {*choices.notices}
    choices.notices.extend(f"{_LATTICE}{number}: {line}" for line in own.notices if line not in said)
    for word, value in own.made.items():
        if choices.made.get(word) != value:
            choices.made[f"{_LATTICE}{number} {word}"] = value


def _lay_out_one(asked: Composition, base: Base | None = None) -> Layout:
    """The layout of the experiment's own crystal; see `lay_out`."""
    if base is not None and _differs_in_orientation(base.asked, asked) and not base.carries(*_TURNED):
        layout = _turned(base, asked)
        if layout is not None:
            return layout
    quirks = asked.compat
    choices = Choices()
    if base is not None and _same_place(base.asked, asked) and not base.carries(*_PLACED):
        laboratory, placed = base.layout.laboratory, base.layout.placed
    else:
        placed = Choices()
        laboratory = place_with_quirks(asked.experiment.detector, asked.convention, quirks, placed)
    choices.notices.extend(placed.notices)
    resolved = resolve(asked, laboratory, choices)
    choices.made.update({"convention": asked.convention.name, "pivot": laboratory.pivot})
    notice_quirks(resolved, quirks, choices)
    notice_spindle(resolved, laboratory, asked.convention.name, choices)
    begins = reference_interpolates(asked.structure_factors, asked.experiment)
    tables: tuple[torch.Tensor, ...] | None = None
    finest: float | None = None
    if base is not None and _same_factors(base, asked) and not any(map(_carries, base.layout.plan.tables)):
        factors, tables = base.layout.plan.structure_factors, base.layout.plan.tables
        finest = base.layout.finest
    else:
        factors = asked.structure_factors
        if begins is not None and "interpolation-latch" in quirks:
            factors = attrs.evolve(factors, interpolate=begins)  # type: ignore[misc]
        knows = isinstance(factors, ComputedStructureFactors | DescribedStructureFactors)
        finest = _reach(asked, resolved, laboratory) if knows else None
        factors = _settled(factors, resolved, finest)
    if finest is not None and isinstance(factors, DescribedStructureFactors):
        report_known(factors.crystal(), resolved, finest, choices)
    _refuse_nothing(factors, asked, resolved, choices)
    _refuse_tensor(asked.lattice_shape, resolved)
    report_spectrum(resolved, asked.spectrum, choices)
    parts = _parts(asked, factors)
    plan = make_plan(
        resolved,
        laboratory,
        parts,
        device=asked.device,
        precision="double" if asked.precision == "double" else "mixed",
        quirks=quirks,
        exact_if_short=asked.precision == "auto" and asked.compat == check_names(ALL),
        # Whether the reference's rays go on with it shows in each term, of which a culled sum has but few.
        reference_interpolates=begins if asked.cull is None else None,
        tables=tables,
    )
    if asked.cull is not None and begins and not plan.interpolates and "interpolation-latch" not in quirks:
        choices.notices.append(notice("interpolation-latch", "it interpolates, as it goes by -N and not by a size"))
    refuse_too_many_terms(plan.terms_per_pixel())
    if base is None or not _alike(base.asked, asked, *_COMPUTATION, *_PLUGINS):
        # Plugins answer a plan of other numbers as they answered the one before.
        check_plan(plan)
    if asked.experiment.sampling.oversample:
        choices.notices.extend(coarse_notice(resolved, laboratory, asked.lattice_shape))
    plan = with_reference_shape(plan, resolved, laboratory, quirks, choices)
    notice_water(plan, resolved, quirks, choices)
    notice_parallel(plan, resolved, quirks, choices)
    carried = Choices()
    notice_carryover(resolved, quirks, carried)
    return Layout(
        experiment=resolved,
        laboratory=laboratory,
        choices=choices,
        plan=plan,
        parts=parts,
        dtype=asked.dtype or (torch.float64 if asked.precision == "double" else torch.float32),
        backgrounds=Backgrounds(asked.backgrounds, resolved, plan),
        placed=placed,
        finest=finest,
        panels=resolved.detector.panels(),
        shown=shown_parts(resolved),
        noted=tuple(line for line in choices.notices if line not in carried.notices),
    )


def _parts(asked: Composition, factors: StructureFactors) -> Parts:
    return Parts(
        shape=asked.lattice_shape,
        structure_factors=factors,
        mosaic=asked.mosaic,
        diffuse=asked.diffuse,
        spectrum=asked.spectrum,
        space_group=factors.crystal().space_group if isinstance(factors, DescribedStructureFactors) else "",
    )


def _refuse_tensor(shape: LatticeShape, experiment: Experiment) -> None:
    """Refuse numbers of cells that a shape would pass over.

    Raises
    ------
    UsageError
        With the shape.
    """
    if isinstance(shape, TensorLatticeShape):
        return
    if any(is_tensor(value) or value != 0.0 for value in experiment.crystal.cells_offdiagonal):
        raise UsageError(f"-N_offdiagonal has no part in the lattice shape {shape.name}")


def _reach(asked: Composition, experiment: Experiment, laboratory: Laboratory) -> float:
    # Few runs need it.
    from openbragg.engine.reflections.spacing import reach

    return reach(experiment, laboratory, asked.spectrum)


def _refuse_nothing(factors: StructureFactors, asked: Composition, experiment: Experiment, choices: Choices) -> None:
    """Refuse a crystal that scatters nothing, unless something else does.

    Raises
    ------
    InputError
        With what the structure factors lack.
    """
    lacking: Any = getattr(factors, "nothing", None)
    reason = lacking() if lacking is not None else None
    if reason is None:
        return
    water = experiment.crystal.water
    if not asked.backgrounds and not is_tensor(water) and water == 0.0:
        raise InputError(reason)
    choices.notices.append(f"only the background is rendered; {reason}")


def resolve(asked: Composition, laboratory: Laboratory, choices: Choices) -> Experiment:
    """Fill in every default of an experiment, noting what was chosen."""
    experiment, quirks = asked.experiment, asked.compat
    refuse_ill_fitting_mask(experiment.detector)
    counts = counting(quirks)
    scan = resolve_scan(experiment.scan, counts)
    crystal = resolve_crystal(experiment.crystal, experiment.beam, asked.mosaic, choices, counts)
    refuse_too_many_orientations(scan, crystal)
    experiment = attrs.evolve(experiment, scan=scan, crystal=crystal)
    layers = resolve_sensor(experiment.detector).layers
    refuse_too_many_layers(layers)
    slips = likely_slips(experiment)
    choices.notices.extend(slips)
    try:
        sampling = resolve_sampling(experiment, laboratory, asked.lattice_shape, choices, counts, quirks)
    except UsageError as error:
        # What was meant may be what is wrong.
        slips = [*slips, *filter(None, [block_slip(crystal)])]
        raise UsageError("; ".join([str(error), *slips])) from None
    choices.notices.extend(filter(None, [block_slip(crystal, sampling.oversample)]))
    _compare_sources(experiment.beam, counts)
    choices.notices.extend(counts.notices())
    orientations = (scan.steps or 1) * (crystal.mosaic_domains or 1)
    refuse_too_many_terms(layers * (sampling.oversample or 1) ** 2 * orientations)
    return attrs.evolve(experiment, sampling=sampling)


def _compare_sources(beam: Beam, counts: Counting) -> None:
    """Note where the reference would count sources otherwise."""
    if beam.sources is None:
        settings = zip(beam.divergence_range, beam.divergence_step, beam.divergence_steps, strict=True)
        for word, (whole, step, count) in zip(("horizontally", "vertically"), settings, strict=True):
            counts.interval(whole, step, count, f"sources {word}")


def _turned(former: Base, asked: Composition) -> Layout | None:
    """The layout of a crystal that is turned otherwise; None where it has another number of orientations."""
    base = former.layout
    made = {word: value for word, value in base.choices.made.items() if not word.startswith((_LATTICE, "misset"))}
    choices = Choices(made=made, notices=list(base.noted))
    counts, beam = counting(asked.compat), asked.experiment.beam
    scan, crystal, sampling = base.experiment.scan, asked.experiment.crystal, base.experiment.sampling
    if asked.experiment.scan is not former.asked.experiment.scan:
        scan = resolve_scan(asked.experiment.scan, counts)
    if _alike(former.asked.experiment.crystal, crystal, *_DOMAINS) and not isinstance(crystal.misset, str):
        crystal = attrs.evolve(base.experiment.crystal, misset=crystal.misset, misset_seed=crystal.misset_seed)
    else:
        crystal = resolve_crystal(crystal, beam, asked.mosaic, Choices(made=choices.made), counts)
    steps, domains = base.plan.cell_vectors.shape[:2]
    if (scan.steps, crystal.mosaic_domains) != (steps, domains):
        return None
    if asked.experiment.sampling.seed is not sampling.seed:
        sampling = attrs.evolve(sampling, seed=asked.experiment.sampling.seed)
    experiment = attrs.evolve(base.experiment, scan=scan, crystal=crystal, sampling=sampling)
    notice_carryover(experiment, asked.compat, choices)
    plan = turned(base.plan, experiment, base.laboratory, base.parts, asked.compat)
    backgrounds = base.backgrounds
    if len(asked.backgrounds) != len(backgrounds.plugins):
        _refuse_nothing(base.parts.structure_factors, asked, experiment, choices)
        backgrounds = Backgrounds(asked.backgrounds, experiment, plan)
    return attrs.evolve(base, experiment=experiment, choices=choices, plan=plan, backgrounds=backgrounds, others=())


def _settled(factors: StructureFactors, experiment: Experiment, finest: float | None) -> StructureFactors:
    """Structure factors as far as the detector reaches."""
    if finest is not None and isinstance(factors, ComputedStructureFactors):
        factors = factors.reaching(finest, experiment)
    return factors


def _differs_in_orientation(one: Composition, other: Composition) -> bool:
    """Whether nothing but the crystal's orientation, its rotation and the seed of the noise differ, if anything.

    The other one may also be without backgrounds.
    """
    here, there = one.experiment, other.experiment
    return (
        _same_place(one, other)
        and _alike(one, other, *_COMPUTATION, *_PLUGINS, "cull")
        and (not other.backgrounds or _alike(one, other, "backgrounds"))
        and not (isinstance(one.spectrum, ShotSpectrum) and here.scan.image != there.scan.image)
        and _alike(here, there, "beam")
        and _alike(here.crystal, there.crystal, *_others(Crystal, _TURNING))
        and _alike(here.sampling, there.sampling, *_others(Sampling, ("seed",)))
    )


def _same_place(one: Composition, other: Composition) -> bool:
    """Whether a detector stands as it did."""
    return _alike(one, other, "convention", "compat") and _alike(one.experiment, other.experiment, "detector")


def _same_factors(base: Base, other: Composition) -> bool:
    """Whether structure factors serve as they were prepared.

    Computed ones reach as far as the detector, and those that depend on the wavelength know the beam and the cell.
    """
    one = base.asked
    here, there = one.experiment, other.experiment
    spectral = base.layout.plan.spectral is not None
    return (
        _alike(one, other, *_COMPUTATION, "structure_factors")
        and _alike(here.crystal, there.crystal, "size", *(_CELL if spectral else ()))
        and (_alike(here.crystal, there.crystal, "cells") or not (_are_few(here.crystal) or _are_few(there.crystal)))
        and (not spectral or _alike(here, there, "beam"))
        and (
            not isinstance(one.structure_factors, ComputedStructureFactors)
            or (_same_place(one, other) and _alike(one, other, "spectrum") and _alike(here, there, "beam"))
        )
        and _alike(here.sampling, there.sampling, "resolution_limit")
    )


def _are_few(crystal: Crystal) -> bool:
    """Whether the number of cells may decide whether structure factors are interpolated."""
    return any(plain(count) <= _FEW_CELLS for count in crystal.cells)


def _others(cls: type, names: tuple[str, ...]) -> tuple[str, ...]:
    """The fields of a class but for these."""
    return tuple(attribute.name for attribute in attrs.fields(cls) if attribute.name not in names)


def _alike(one: Any, other: Any, *names: str) -> bool:
    """Whether two objects have the same in these fields: the same object, or plain values that are equal."""
    return all(_same(getattr(one, name), getattr(other, name)) for name in names)


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if is_tensor(one) or is_tensor(other) or type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, int | float | str | frozenset | torch.dtype | torch.device) and one == other


def _carries(value: Any) -> bool:
    """Whether a tensor, or one in a tuple or an object of the engine, carries a gradient."""
    if isinstance(value, torch.Tensor):
        return value.requires_grad
    if isinstance(value, tuple):
        return any(map(_carries, value))
    if attrs.has(type(value)) and type(value).__module__.startswith("openbragg."):
        return any(_carries(getattr(value, attribute.name)) for attribute in attrs.fields(type(value)))
    return False
