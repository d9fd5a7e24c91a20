"""A step that repeats the orientation of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import attrs

from openbragg.orchestrator.traces.alignment import Place, places
from openbragg.orchestrator.traces.diagnoses.evidence import in_all_that_differ
from openbragg.orchestrator.traces.differences import (
    Comparison,
    PixelComparison,
    StepComparison,
    relative_difference,
)
from openbragg.orchestrator.traces.quantities import step_quantity

_Step = TypeVar("_Step")
#: What turns with the crystal.
_TURNING = ("h_frac", "k_frac", "l_frac", "F_latt_a", "F_latt_b", "F_latt_c", "F_latt")


@attrs.frozen
class PhiCarryover:
    """One trace repeats, at the step whose phi is 0, the step before; the other does not; all other steps agree."""

    name: ClassVar[str] = "phi-carryover"
    explanation: ClassVar[str] = (
        "A program that rotates the cell only where phi is not exactly 0 keeps, at phi = 0, the orientation that the "
        "previous evaluation left: that of the last rotation step. nanoBragg.c does so, and openbragg repeats it with "
        "--compat phi-carryover."
    )

    def matches(self, comparison: Comparison) -> str | None:
        """See `Diagnosis.matches`."""
        return in_all_that_differ(comparison, _stale)


def _stale(pixel: PixelComparison) -> str | None:
    if not pixel.phases_agree("geometry", "q"):
        return None
    turning = [name for name in pixel.names if name in _TURNING]
    found: dict[str, str] = {}
    sides = [_rotations(places(side.steps)) for side in (pixel.first, pixel.second)]
    for run, steps in _rotations({step.place: step for step in pixel.steps}).items():
        for step in steps.values():
            if pixel.step_agrees(step, turning):
                continue
            before = [_before(side[run], step.place) for side in sides]
            side = _repeating(pixel, step, before, turning) if _is_zero(step) else None
            if side is None:
                return None
            repeated = before["AB".index(side)]["phi_tic"]
            found.setdefault(side, f"{side} repeats phi_tic {repeated} at phi_tic {step.place.phi_tic}, where phi is 0")
    if len(found) != 1:
        return None
    return f"{next(iter(found.values()))}; all other steps agree"


def _rotations(steps: Mapping[Place, _Step]) -> dict[tuple[int, ...], dict[Place, _Step]]:
    """Steps that differ by their phi only, in order."""
    runs: dict[tuple[int, ...], dict[Place, _Step]] = {}
    for place, step in steps.items():
        runs.setdefault(place.run(), {})[place] = step
    return runs


def _before(run: Mapping[Place, dict[str, Any]], place: Place) -> Mapping[str, Any]:
    """The step of one trace that was evaluated before; before the first the last, which the other may not have."""
    order = list(run)
    return run[order[order.index(place) - 1]]


def _is_zero(step: StepComparison) -> bool:
    """Whether phi is 0; the first step where it is not said."""
    if "phi_deg" not in step.sizes:
        return step.place.phi_tic == 0
    return bool(step.first["phi_deg"] == 0.0 and step.second["phi_deg"] == 0.0)


def _repeating(
    pixel: PixelComparison, step: StepComparison, before: list[Mapping[str, Any]], names: list[str]
) -> str | None:
    """Which trace says the same at this step as before, when the other does not."""
    same = []
    for now, then in zip((step.first, step.second), before, strict=True):
        held = [name for name in names if now.get(name) is not None and then.get(name) is not None]
        sizes = {
            name: relative_difference(now[name], then[name], step_quantity(name).measure, pixel.peaks.get(name, 0.0))
            for name in held
        }
        same.append(
            then["phi_tic"] != step.place.phi_tic
            and all(size <= pixel.tolerances.of(step_quantity(name)) for name, size in sizes.items())
        )
    return None if same[0] == same[1] else "AB"[same.index(True)]
