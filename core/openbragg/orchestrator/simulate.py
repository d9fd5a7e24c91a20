"""The main job, from Python: an experiment in, photons out."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from typing import Any

import attrs
import torch

from openbragg.engine.compiled import ENGINES, Engine, Use, finish
from openbragg.engine.cull import Culled, cull_refusal
from openbragg.engine.image import RenderedPanel, empty_panel, render_panel
from openbragg.engine.plan import PRECISIONS, Plan, make_plan
from openbragg.engine.reflections import reach
from openbragg.errors import InputError, UsageError
from openbragg.model import Experiment
from openbragg.model.geometry import Laboratory
from openbragg.model.sensor import resolve_sensor
from openbragg.orchestrator.backgrounds import Backgrounds
from openbragg.orchestrator.frame import assembled, shown_parts, visible_pixels
from openbragg.orchestrator.known import refuse_other_cell, report_known
from openbragg.orchestrator.notices import notice_quirks, notice_water
from openbragg.orchestrator.placement import place_with_quirks
from openbragg.orchestrator.quirks import check_names, notice
from openbragg.orchestrator.reflections import reference_interpolates
from openbragg.orchestrator.registry import default_registry
from openbragg.orchestrator.resolve import (
    Choices,
    refuse_ill_fitting_mask,
    refuse_too_many_layers,
    refuse_too_many_orientations,
    refuse_too_many_terms,
    resolve_crystal,
    resolve_sampling,
    resolve_scan,
)
from openbragg.orchestrator.timings import Stopwatch
from openbragg.roles import (
    ROLES,
    Background,
    ComputedStructureFactors,
    DescribedStructureFactors,
    GeometryConvention,
    LatticeShape,
    StructureFactors,
)


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
    dtype
        Of the image.
    backgrounds
        Photons that do not come from the crystal.
    """

    experiment: Experiment
    laboratory: Laboratory
    choices: Choices
    plan: Plan
    dtype: torch.dtype
    backgrounds: Backgrounds

    def mask(self) -> torch.Tensor | None:
        """Which pixels of the stored frame are rendered, (slow, fast), where some are hidden or absent; else None."""
        return visible_pixels(self.experiment.detector)


@attrs.frozen(kw_only=True, eq=False)
class Rendering(Layout):
    """A rendered experiment.

    Attributes
    ----------
    images
        Expected photons of each panel, (slow, fast).
    use
        Whether compiled code summed them, and what preparing it took.
    culled
        What was left out of each; empty for full sums.
    """

    images: tuple[torch.Tensor, ...]
    use: Use = attrs.field(factory=Use)
    culled: tuple[Culled, ...] = ()

    def frame(self) -> torch.Tensor:
        """Expected photons of all panels in the stored frame, (slow, fast), 0 between them; see `Panel.slab`."""
        return assembled(self.images, self.experiment.detector.panels())


def plugin(role: str, name: str, **options: Any) -> Any:
    """Make an installed plugin by its role's hook name and its own name.

    For example ``plugin("structure_factors", "hkl", default_F=100.0)``.

    Raises
    ------
    PluginError
        When there is no such plugin.
    InputError
        When an option's value breaks its rule.
    TypeError
        When the plugin has no such option.
    """
    return default_registry().get(role, name).cls(**options)


def simulate(
    experiment: Experiment,
    *,
    convention: GeometryConvention | str = "mosflm",
    structure_factors: StructureFactors | str = "hkl",
    lattice_shape: LatticeShape | str = "square",
    backgrounds: Iterable[Background | str] = (),
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    precision: str = "mixed",
    compat: Collection[str] = (),
    engine: str = "auto",
    threads: int | None = None,
    cull: float | None = None,
) -> torch.Tensor:
    """Expected photons of an experiment.

    Parameters
    ----------
    experiment
        What is simulated; blanks are filled as on the command line.
    convention, structure_factors, lattice_shape
        Plugins, or the names of installed ones.
    backgrounds
        Any number of plugins of this role, or names of installed ones: photons that do not come from the crystal.
    device
        Where to compute and to leave the image.
    dtype
        Of the image; float32 by default, float64 with double precision.
    precision
        ``mixed``: amplitudes in float32 from float64 geometry, within 1e-6 of the peak; ``double``: all float64.
    compat
        Names of quirks of the reference program to reproduce, or ``nanobragg`` for all.
    engine
        ``compiled``: by code that is compiled for this model, in half a minute the first time, and kept for the next;
        ``eager``: operation by operation; ``auto``: compiled where such code is there or compiling pays.
    threads
        Cores to use; by default all that this process may use, and one in a worker of another process.
    cull
        Leave out orientations that hardly matter: the largest error of a pixel as a part of the panel's largest one,
        above 0 and below 1. By default nothing is left out; see docs/cull.md.

    Returns
    -------
    Photons of the stored frame, (slow, fast); of a detector of one panel its image. Gradients flow to every tensor in
    the experiment and the plugins.

    Raises
    ------
    OpenBraggError
        When the experiment cannot be rendered; the message is one line.
    """
    return render(
        experiment,
        convention=convention,
        structure_factors=structure_factors,
        lattice_shape=lattice_shape,
        backgrounds=backgrounds,
        device=device,
        dtype=dtype,
        precision=precision,
        compat=compat,
        engine=engine,
        threads=threads,
        cull=cull,
    ).frame()


def render(
    experiment: Experiment,
    *,
    convention: GeometryConvention | str = "mosflm",
    structure_factors: StructureFactors | str = "hkl",
    lattice_shape: LatticeShape | str = "square",
    backgrounds: Iterable[Background | str] = (),
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    precision: str = "mixed",
    compat: Collection[str] = (),
    engine: str = "auto",
    threads: int | None = None,
    cull: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    stopwatch: Stopwatch | None = None,
    check: Callable[[Layout], None] | None = None,
) -> Rendering:
    """Render every panel of an experiment; the arguments are those of `simulate`.

    `progress` is called with the number of pixels done and the number of all; `stopwatch` takes the time of the layout
    and of the sum. `check` is called with the layout before anything is summed, and may refuse it.
    """
    check_computation(engine, threads, cull)
    stopwatch = stopwatch or Stopwatch()
    with stopwatch.stage("layout"):
        layout = lay_out(
            experiment,
            convention=convention,
            structure_factors=structure_factors,
            lattice_shape=lattice_shape,
            backgrounds=backgrounds,
            device=device,
            dtype=dtype,
            precision=precision,
            compat=compat,
        )
    if check is not None:
        check(layout)
    chosen = Engine(name=engine, threads=threads, notices=layout.choices.notices.append)
    return render_layout(layout, chosen, cull=cull, progress=progress, stopwatch=stopwatch)


def check_computation(engine: str, threads: int | None, cull: float | None) -> None:
    """Refuse what `render` cannot compute with.

    Raises
    ------
    UsageError
        With the argument, and what was expected.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads: expected 1 or more, got {threads}")
    if cull is not None and not 0.0 < cull < 1.0:
        raise UsageError(f"cull: expected a number above 0 and below 1, got {cull}")


def render_layout(
    layout: Layout,
    engine: Engine,
    *,
    cull: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    stopwatch: Stopwatch | None = None,
) -> Rendering:
    """Render every panel of what `lay_out` made; what is to be said is added to its notices."""
    stopwatch = stopwatch or Stopwatch()
    reason = None if cull is None else cull_refusal(layout.plan)
    if reason is not None:
        layout.choices.notices.append(f"nothing is culled: {reason}")
    before = engine.use.preparing
    with stopwatch.stage("render"):
        panels = _render_panels(layout, engine, progress, None if reason is not None else cull)
        images = layout.backgrounds.added_to(tuple(panel.image for panel in panels))
        finish(layout.plan.device)
    stopwatch.move(engine.use.preparing - before, "render", "compile")
    if not layout.plan.interpolation_latch and any(panel.interpolated_otherwise for panel in panels):
        layout.choices.notices.append(notice("interpolation-latch"))
    return Rendering(
        images=images,
        experiment=layout.experiment,
        laboratory=layout.laboratory,
        choices=layout.choices,
        plan=layout.plan,
        dtype=layout.dtype,
        backgrounds=layout.backgrounds,
        use=engine.use,
        culled=tuple(panel.culled for panel in panels if panel.culled is not None),
    )


def lay_out(
    experiment: Experiment,
    *,
    convention: GeometryConvention | str = "mosflm",
    structure_factors: StructureFactors | str = "hkl",
    lattice_shape: LatticeShape | str = "square",
    backgrounds: Iterable[Background | str] = (),
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    precision: str = "mixed",
    compat: Collection[str] = (),
) -> Layout:
    """Resolve and place an experiment and lay out its sum, as `render` does, without evaluating it."""
    quirks = check_names(compat)
    placed = usable_device(device)
    if precision not in PRECISIONS:
        raise UsageError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    chosen_convention = _instance("geometry_conventions", convention)
    choices = Choices()
    laboratory = place_with_quirks(experiment.detector, chosen_convention, quirks, choices)
    resolved = resolve(experiment, laboratory, choices)
    choices.made.update({"convention": chosen_convention.name, "pivot": laboratory.pivot})
    notice_quirks(resolved, quirks, choices)
    factors = _instance("structure_factors", structure_factors)
    begins = reference_interpolates(factors, experiment)
    if begins is not None and "interpolation-latch" in quirks:
        factors = attrs.evolve(factors, interpolate=begins)
    if isinstance(factors, ComputedStructureFactors | DescribedStructureFactors):
        factors = _settled(factors, resolved, laboratory, choices)
    plan = make_plan(
        resolved,
        laboratory,
        _instance("lattice_shapes", lattice_shape),
        factors,
        device=placed,
        precision=precision,
        quirks=quirks,
        reference_interpolates=begins,
    )
    refuse_too_many_terms(plan.terms_per_pixel())
    notice_water(plan, resolved, quirks, choices)
    return Layout(
        experiment=resolved,
        laboratory=laboratory,
        choices=choices,
        plan=plan,
        dtype=dtype or PRECISIONS[precision],
        backgrounds=Backgrounds(backgrounds, resolved, plan),
    )


def resolve(experiment: Experiment, laboratory: Laboratory, choices: Choices) -> Experiment:
    """Fill in every default of an experiment, noting what was chosen."""
    refuse_ill_fitting_mask(experiment.detector)
    scan = resolve_scan(experiment.scan)
    crystal = resolve_crystal(experiment.crystal, experiment.beam.size, choices)
    refuse_too_many_orientations(scan, crystal)
    experiment = attrs.evolve(experiment, scan=scan, crystal=crystal)
    layers = resolve_sensor(experiment.detector).layers
    refuse_too_many_layers(layers)
    sampling = resolve_sampling(experiment, laboratory, choices)
    orientations = (scan.steps or 1) * (crystal.mosaic_domains or 1)
    refuse_too_many_terms(layers * (sampling.oversample or 1) ** 2 * orientations)
    return attrs.evolve(experiment, sampling=sampling)


def _settled(
    factors: StructureFactors, experiment: Experiment, laboratory: Laboratory, choices: Choices
) -> StructureFactors:
    """Structure factors as far as the detector reaches, their crystal compared with the experiment's."""
    finest = reach(experiment, laboratory)
    if isinstance(factors, DescribedStructureFactors):
        refuse_other_cell(experiment.crystal, factors.crystal())
    if isinstance(factors, ComputedStructureFactors):
        factors = factors.reaching(finest, experiment)
    if isinstance(factors, DescribedStructureFactors):
        report_known(factors.crystal(), experiment, finest, choices)
    return factors


def refuse_impossible(rendering: Rendering) -> None:
    """Refuse photons that cannot be, before a file is written of them; of an image without any, a word is said.

    Raises
    ------
    InputError
        With what to look at.
    """
    extremes = [tuple(map(float, image.aminmax())) for image in rendering.images]
    lowest, highest = min(low for low, _ in extremes), max(high for _, high in extremes)
    if not all(math.isfinite(value) for pair in extremes for value in pair):
        raise InputError("the image has pixels beyond single precision: check the fluence, amplitudes and distances")
    if lowest < 0.0:
        raise InputError("the detector stands with its back to the crystal: its solid angle is negative")
    if highest == 0.0:
        rendering.choices.notices.append("the image is empty: no pixel has a photon to expect")


def _render_panels(
    layout: Layout, engine: Engine, progress: Callable[[int, int], None] | None, cull: float | None
) -> tuple[RenderedPanel, ...]:
    plan, dtype = layout.plan, layout.dtype
    parts = shown_parts(layout.experiment)
    total = sum(part.count() for part in parts)
    done = 0

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        if progress is not None:
            progress(min(done, total), total)

    return tuple(
        render_panel(
            plan,
            panel,
            dtype=dtype,
            region=part.region,
            mask=part.mask,
            progress=advance,
            engine=engine,
            cull=cull,
        )
        if part.region is not None
        else empty_panel(plan, panel, dtype=dtype)
        for panel, part in zip(plan.panels, parts, strict=True)
    )


def _instance(hook: str, chosen: Any) -> Any:
    """A plugin object: given, or made from a name with its options at their defaults."""
    if isinstance(chosen, str):
        return default_registry().get(hook, chosen).cls()
    role = next(role for role in ROLES if role.hook == hook)
    if isinstance(chosen, type) or not isinstance(chosen, role.protocol):
        raise UsageError(f"expected a {role.title} or the name of one, got {chosen!r}")
    return chosen


def usable_device(device: torch.device | str) -> torch.device:
    """The device, if it is there and computes in double precision.

    Raises
    ------
    UsageError
        When it is not, with torch's own reason.
    """
    try:
        placed = torch.device(device)
        # Reading a number back tells devices that compute from those that only keep shapes.
        float(torch.zeros(1, dtype=torch.float64, device=placed))
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {str(device)!r} cannot be used: {reason}") from None
    return placed
