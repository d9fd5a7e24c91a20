"""Notices: where the reference program would have given something else in this run."""

from __future__ import annotations

from openbragg.engine.plan import carried_steps, step_angles
from openbragg.model import Experiment
from openbragg.model.lattice import cell_angles, oriented_bases
from openbragg.model.scalars import plain
from openbragg.model.sensor import resolve_sensor
from openbragg.orchestrator.quirks import notice
from openbragg.orchestrator.resolve import Choices
from openbragg.units import DEGREES

#: Two cells built along different formulas are the same when they differ by rounding only.
_SAME_CELL = 1e-12


def notice_quirks(experiment: Experiment, quirks: frozenset[str], choices: Choices) -> None:
    """Note every quirk that is not reproduced and would have changed the result of a resolved experiment.

    The quirks that concern the detector's place are noticed where it is placed.
    """
    _notice_carryover(experiment, quirks, choices)
    _notice_oblique_cell(experiment, quirks, choices)
    _notice_factors(experiment, quirks, choices)


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
