"""Notices: where the reference program would have given something else in this run."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import torch

from openbragg.engine.direct_beam import pixels_in_beam, with_reference_rays
from openbragg.engine.evaluate import any_resolved
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.plan import Plan, carried_steps, step_angles
from openbragg.model import Experiment
from openbragg.model.geometry import Laboratory
from openbragg.model.lattice import cell_angles, oriented_bases
from openbragg.model.scalars import plain
from openbragg.model.sensor import resolve_sensor
from openbragg.orchestrator.outputs.outputs import Output
from openbragg.orchestrator.resolving.frame import shown_parts
from openbragg.orchestrator.resolving.quirks import notice
from openbragg.orchestrator.resolving.resolve import Choices
from openbragg.roles import ReferenceLatticeShape
from openbragg.units import DEGREES, ELECTRON_RADIUS_SQUARED

#: Two cells built along different formulas are the same when they differ by rounding only.
_SAME_CELL = 1e-12
#: Evaluations looked at together.
_TOGETHER = 1 << 18
#: The fluence by default makes r_e^2 fluence 1, but for rounding.
_SAME_STRENGTH = 1e-12
#: The cosine between two axes that are one, to a tenth of a degree.
_ALONG = 1.0 - 1.5e-6


def notice_quirks(experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    """Note every quirk that is not reproduced and would have changed the result of a resolved experiment.

    The quirks that concern the detector's place are noticed where it is placed.
    """
    notice_carryover(experiment, quirks, choices)
    _notice_oblique_cell(experiment, quirks, choices)
    _notice_factors(experiment, quirks, choices)


def notice_carryover(experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    """Note a step at exactly phi = 0, whose orientation the reference would take from the step before."""
    angles = step_angles(experiment).detach().tolist()
    following, _ = carried_steps(angles)
    changed = [step for step, used in enumerate(following) if angles[used] != angles[step]]
    if changed and "phi-carryover" not in quirks:
        choices.notices.append(notice("phi-carryover", f"step {changed[0]} of {len(angles)}"))


def half_step_notices(experiment: Experiment, outputs: Iterable[Output]) -> list[str]:
    """A notice where files say at which spindle angles a crystal turned, and the steps stand half a step before."""
    scan = experiment.scan
    half = (0.5 - scan.place_of_step()) * plain(scan.step if scan.step is not None else 0.0)
    said = list(dict.fromkeys(output.path for output in outputs if getattr(output.format, "says_angles", False)))
    if half == 0.0 or not said or plain(scan.range if scan.range is not None else 0.0) == 0.0:
        return []
    return [
        "rotation steps stand at the beginnings of their intervals, so that the images are of a crystal half a step, "
        f"{half * DEGREES:.3g} degrees, behind what {' and '.join(map(str, said))} says; "
        "-phi_sampling middle puts them into the middle"
    ]


def notice_spindle(experiment: Experiment, laboratory: Laboratory, convention: str, choices: Choices) -> None:
    """Note a crystal that turns about the beam: most likely a spindle was given for another convention's axes."""
    angles = step_angles(experiment)
    spindle, beam = laboratory.spindle.detach(), laboratory.beam.detach()
    if not bool((angles.detach() != 0.0).any()) or abs(float(spindle @ beam)) < _ALONG:
        return
    shown = " ".join(f"{value + 0.0:g}" for value in beam.tolist())
    choices.notices.append(
        f"the spindle is along the beam, which is along {shown} in the convention {convention}; an axis given beside "
        "another convention's flag is in its own vectors, which can be given too (-beam_vector and others)"
    )


def notice_water(plan: Plan, experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    """Note what the reference would have done to the background of water."""
    if plan.water is None:
        return
    steps = plan.steps()
    twice = ELECTRON_RADIUS_SQUARED * plain(experiment.beam.photons_per_area)
    if "water-over-steps" not in quirks and (steps > 1 or _cuts_a_pixel(plan, experiment)):
        choices.notices.append(notice("water-over-steps", f"{steps} steps here"))
    if "water-fluence" not in quirks and abs(twice - 1.0) > _SAME_STRENGTH:
        choices.notices.append(notice("water-fluence", f"a factor of {twice:.3g} here"))


def with_reference_shape(
    plan: Plan, experiment: Experiment, laboratory: Laboratory, quirks: frozenset[str], choices: Choices
) -> Plan:
    """The plan with the shape as the reference evaluates it, where that matters and is asked for; else it is noted."""
    if not isinstance(plan.shape, ReferenceLatticeShape):
        return plan
    if plan.running_product:
        plan = attrs.evolve(plan, shape=plan.shape.as_reference(frozenset({"running-product"})))
    assert isinstance(plan.shape, ReferenceLatticeShape)
    cancelling = plan.shape.as_reference(frozenset({"sphere-cancellation"}))
    if cancelling is plan.shape or not _shows_beam(plan, experiment):
        return plan
    if "sphere-cancellation" in quirks:
        return attrs.evolve(with_reference_rays(plan, laboratory.reference), shape=cancelling)
    choices.notices.append(notice("sphere-cancellation"))
    return plan


def _shows_beam(plan: Plan, experiment: Experiment) -> bool:
    """Whether a pixel that is rendered has a subpixel in the direct beam."""
    for panel, part in zip(plan.panels, shown_parts(experiment), strict=True):
        if part.region is None:
            continue
        first_fast, last_fast, first_slow, last_slow = part.region
        for slow, fast in pixels_in_beam(plan, panel):
            inside = first_fast <= fast <= last_fast and first_slow <= slow <= last_slow
            if inside and (part.mask is None or bool(part.mask[slow, fast])):
                return True
    return False


def notice_parallel(plan: Plan, experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    """Note a beam along its own polarization, which has no polarization factor by itself."""
    if not plan.polarized or not plan.kahn or "parallel-polarization" in quirks:
        return
    own = plan.oversample_polarization or plan.resolution_limit is not None
    beams = plan.incident if own else plan.incident[:1]
    across = torch.linalg.cross(plan.electric_axis.expand_as(beams), beams)
    if bool((across == 0.0).all(dim=-1).any()):
        choices.notices.append(notice("parallel-polarization"))


def _cuts_a_pixel(plan: Plan, experiment: Experiment) -> bool:
    """Whether the resolution limit leaves nothing of a pixel, and with it nothing of the reference's background."""
    if plan.resolution_limit is None or experiment.beam.no_polarization_factor:
        return False
    together = max(1, _TOGETHER // (plan.terms_per_pixel() // plan.cell_vectors.shape[:2].numel()))
    for panel, part in zip(plan.panels, shown_parts(experiment), strict=True):
        if part.region is None:
            continue
        pixels = choose_pixels(panel.pixels, part.region, part.mask, plan.device)
        for start in range(0, pixels.count, together):
            place = pixels.coordinates(start, min(start + together, pixels.count))
            if not bool(any_resolved(plan, panel, *place).all()):
                return True
    return False


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
