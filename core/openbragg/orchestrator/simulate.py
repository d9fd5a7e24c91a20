"""The main job, from Python: an experiment in, photons out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import attrs
import torch

from openbragg.engine.image import Region, render_panel
from openbragg.engine.plan import PRECISIONS, Plan, carried_steps, make_plan, step_angles
from openbragg.errors import UsageError
from openbragg.model import Detector, Experiment
from openbragg.model.geometry import Laboratory
from openbragg.model.lattice import cell_angles, oriented_bases
from openbragg.model.scalars import plain
from openbragg.model.sensor import resolve_sensor
from openbragg.orchestrator.quirks import check_names, notice
from openbragg.orchestrator.registry import default_registry
from openbragg.orchestrator.resolve import (
    Choices,
    refuse_too_many_orientations,
    resolve_crystal,
    resolve_sampling,
    resolve_scan,
)
from openbragg.roles import ROLES, GeometryConvention, LatticeShape, StructureFactors
from openbragg.units import DEGREES

#: Two spots on a detector are one when they are closer than this part of a pixel.
_SAME_SPOT = 1e-3
#: Two cells built along different formulas are the same when they differ by rounding only.
_SAME_CELL = 1e-12


@attrs.frozen(kw_only=True, eq=False)
class Rendering:
    """A rendered experiment.

    Attributes
    ----------
    images
        Expected photons of each panel, (slow, fast).
    experiment
        The experiment with every default resolved.
    laboratory
        Where the convention placed beam, spindle and panels.
    choices
        What was chosen without the user, and notices.
    plan
        The sum that was evaluated.
    """

    images: tuple[torch.Tensor, ...]
    experiment: Experiment
    laboratory: Laboratory
    choices: Choices
    plan: Plan


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
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    precision: str = "mixed",
    compat: Collection[str] = (),
) -> torch.Tensor:
    """Expected photons of an experiment with one panel.

    Parameters
    ----------
    experiment
        What is simulated; blanks are filled as on the command line.
    convention, structure_factors, lattice_shape
        Plugins, or the names of installed ones.
    device
        Where to compute and to leave the image.
    dtype
        Of the image; float32 by default, float64 with double precision.
    precision
        ``mixed``: amplitudes in float32 from float64 geometry, within 1e-6 of the peak; ``double``: all float64.
    compat
        Names of quirks of the reference program to reproduce, or ``nanobragg`` for all.

    Returns
    -------
    Photons, (slow, fast). Gradients flow to every tensor in the experiment and the plugins.

    Raises
    ------
    OpenBraggError
        When the experiment cannot be rendered; the message is one line.
    """
    rendering = render(
        experiment,
        convention=convention,
        structure_factors=structure_factors,
        lattice_shape=lattice_shape,
        device=device,
        dtype=dtype,
        precision=precision,
        compat=compat,
    )
    if len(rendering.images) != 1:
        raise UsageError(f"simulate() renders one panel, this detector has {len(rendering.images)}; use render()")
    return rendering.images[0]


def render(
    experiment: Experiment,
    *,
    convention: GeometryConvention | str = "mosflm",
    structure_factors: StructureFactors | str = "hkl",
    lattice_shape: LatticeShape | str = "square",
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    precision: str = "mixed",
    compat: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Rendering:
    """Render every panel of an experiment; the arguments are those of `simulate`.

    `progress` is called with the number of pixels done and the number of all.
    """
    quirks = check_names(compat)
    placed = _usable_device(device)
    if precision not in PRECISIONS:
        raise UsageError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    chosen_convention = _instance("geometry_conventions", convention)
    choices = Choices()
    laboratory = _place(experiment, chosen_convention, quirks, choices)
    resolved = resolve(experiment, laboratory, choices)
    choices.made.update({"convention": chosen_convention.name, "pivot": laboratory.pivot})
    _notice_carryover(resolved, quirks, choices)
    _notice_oblique_cell(resolved, quirks, choices)
    _notice_factors(resolved, quirks, choices)
    plan = make_plan(
        resolved,
        laboratory,
        _instance("lattice_shapes", lattice_shape),
        _instance("structure_factors", structure_factors),
        device=placed,
        precision=precision,
        quirks=quirks,
    )
    images = _render_panels(plan, resolved.sampling.region, dtype or PRECISIONS[precision], progress)
    return Rendering(images=images, experiment=resolved, laboratory=laboratory, choices=choices, plan=plan)


def resolve(experiment: Experiment, laboratory: Laboratory, choices: Choices) -> Experiment:
    """Fill in every default of an experiment, noting what was chosen."""
    scan = resolve_scan(experiment.scan)
    crystal = resolve_crystal(experiment.crystal, experiment.beam.size, choices)
    refuse_too_many_orientations(scan, crystal)
    experiment = attrs.evolve(experiment, scan=scan, crystal=crystal)
    return attrs.evolve(experiment, sampling=resolve_sampling(experiment, laboratory, choices))


def _place(
    experiment: Experiment, convention: GeometryConvention, quirks: frozenset[str], choices: Choices
) -> Laboratory:
    """The laboratory, with the reference's two ways of not listening reproduced or noticed."""
    detector = experiment.detector
    if detector.pivot is not None and detector.implied_pivot is None:
        detector = attrs.evolve(detector, implied_pivot=detector.pivot)
    if getattr(convention, "first_corner", None) is not None:
        # Protocols know no fields: only a convention that has this one can be given a first corner.
        deaf = attrs.evolve(convention, first_corner=None)  # type: ignore[misc]
        if "pix0-ignored" not in quirks:
            return _heard_first_corner(convention, detector, deaf.place(detector), choices)
        convention = deaf
    laboratory = convention.place(detector)
    _notice_idle_beam_centre(detector, convention, laboratory, choices)
    if detector.pivot is None:
        return laboratory
    without = convention.place(attrs.evolve(detector, pivot=None))
    if "pivot-ignored" in quirks:
        return without
    if _farthest_corner(laboratory, without) > 0.0:
        choices.notices.append(notice("pivot-ignored", f"it would pivot about the {without.pivot}"))
    return laboratory


def _heard_first_corner(
    convention: GeometryConvention, detector: Detector, without: Laboratory, choices: Choices
) -> Laboratory:
    """The laboratory with its first corner as given, and a notice where beam centre and distance say otherwise.

    Headers get the beam centre that follows, in place of the one that was overruled.
    """
    laboratory = convention.place(detector)
    centre = convention.beam_centre(detector, *laboratory.panels[0].beam_point(laboratory.beam))
    laboratory = attrs.evolve(laboratory, beam_centre=centre)
    apart = _farthest_corner(laboratory, without) / plain(without.panels[0].panel.pixel_size)
    if apart > 0.0:
        detail = f"{apart:.3g} pixels away" + (", so they disagree" if apart > 0.5 else "")
        choices.notices.append(notice("pix0-ignored", detail))
    return laboratory


def _notice_idle_beam_centre(
    detector: Detector, convention: GeometryConvention, laboratory: Laboratory, choices: Choices
) -> None:
    """Say when a beam centre was given and the beam is somewhere else, for the detector stands by its near point."""
    if not any(value is not None for value in detector.beam_centre) or any(map(plain, detector.rotation)):
        return
    real = convention.beam_centre(detector, *laboratory.panels[0].beam_point(laboratory.beam))
    asked = laboratory.beam_centre
    apart = max(abs(plain(one) - plain(other)) for one, other in zip(real, asked, strict=True))
    if apart > _SAME_SPOT * plain(detector.pixel_size) and plain(detector.twotheta) == 0.0:
        spot = " ".join(f"{plain(value) * 1000.0:g}" for value in real)
        choices.notices.append(f"the beam centre given does not place this detector: the beam is at {spot} mm")


def _farthest_corner(one: Laboratory, other: Laboratory) -> float:
    """Largest distance in metres between the first corners or axes' far ends of two placements of a detector."""
    farthest = 0.0
    for first, second in zip(one.panels, other.panels, strict=True):
        for slow, fast in ((0, 0), (0, first.panel.pixels[1]), (first.panel.pixels[0], 0)):
            corners = (
                frame.origin + (fast * frame.fast + slow * frame.slow) * plain(first.panel.pixel_size)
                for frame in (first, second)
            )
            here, there = corners
            farthest = max(farthest, float((here - there).detach().norm()))
    return farthest


def _notice_carryover(experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    angles = step_angles(experiment).detach().tolist()
    following, _ = carried_steps(angles)
    changed = [step for step, used in enumerate(following) if angles[used] != angles[step]]
    if changed and "phi-carryover" not in quirks:
        choices.notices.append(notice("phi-carryover", f"step {changed[0]} of {len(angles)}"))


def _notice_oblique_cell(experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    crystal = experiment.crystal
    if crystal.reciprocal_vectors is not None or "oblique-cell" in quirks:
        return
    right, _ = oriented_bases(crystal)
    wrong, _ = oriented_bases(crystal, oblique=True)
    if float((right - wrong).detach().abs().max()) > _SAME_CELL * float(right.detach().abs().max()):
        angles = " ".join(f"{angle * DEGREES:.6g}" for angle in cell_angles(wrong))
        choices.notices.append(notice("oblique-cell", f"angles {angles} here"))


def _notice_factors(experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    """Quirks of the factors that stand beside the amplitudes in the sum."""
    sampling, sources = experiment.sampling, experiment.beam.sources
    sensor = resolve_sensor(experiment.detector)
    flags = {
        "-oversample_thick": sampling.oversample_capture,
        "-oversample_polar": sampling.oversample_polarization,
        "-oversample_omega": sampling.oversample_solid_angle,
    }
    given = [flag for flag, on in flags.items() if on]
    if given and "running-product" not in quirks:
        choices.notices.append(notice("running-product", f"{' '.join(given)} here"))
    if sensor.absorbs and not sampling.oversample_capture and "last-layer" not in quirks:
        choices.notices.append(notice("last-layer", f"{sensor.layers} layers here"))
    weights = {1.0 if row[3] is None else plain(row[3]) for row in sources or ()}
    if len(weights) > 1 and "source-weights" not in quirks:
        choices.notices.append(notice("source-weights"))


def _render_panels(
    plan: Plan, region: Region | None, dtype: torch.dtype, progress: Callable[[int, int], None] | None
) -> tuple[torch.Tensor, ...]:
    several = len(plan.panels) > 1
    sizes = [slow * fast for slow, fast in (panel.pixels for panel in plan.panels)]
    if not several and region is not None:
        sizes = [(region[1] - region[0] + 1) * (region[3] - region[2] + 1)]
    done = 0

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        if progress is not None:
            progress(done, sum(sizes))

    return tuple(
        render_panel(plan, panel, dtype=dtype, region=None if several else region, progress=advance)
        for panel in plan.panels
    )


def _instance(hook: str, chosen: Any) -> Any:
    """A plugin object: given, or made from a name with its options at their defaults."""
    if isinstance(chosen, str):
        return default_registry().get(hook, chosen).cls()
    role = next(role for role in ROLES if role.hook == hook)
    if isinstance(chosen, type) or not isinstance(chosen, role.protocol):
        raise UsageError(f"expected a {role.title} or the name of one, got {chosen!r}")
    return chosen


def _usable_device(device: torch.device | str) -> torch.device:
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
