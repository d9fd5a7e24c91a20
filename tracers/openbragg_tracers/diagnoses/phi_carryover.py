"""A step that repeats the orientation of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import in_all_that_differ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openbragg import Diagnosis, PixelComparison, StepComparison, TracePlace

_Step = TypeVar("_Step")
#: What turns with the crystal.
_TURNING = ("h_frac", "k_frac", "l_frac", "F_latt_a", "F_latt_b", "F_latt_c", "F_latt")


@attrs.frozen
class PhiCarryover:
    """One trace repeats, at the step whose phi is 0, the step before; the other does not; all other steps agree."""

    name: ClassVar[str] = "phi-carryover"
    summary: ClassVar[str] = "a step that repeats the orientation of the one before"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "cell"
    explanation: ClassVar[str] = (
        "A program that rotates the cell only where phi is not exactly 0 keeps, at phi = 0, the orientation that the "
        "previous evaluation left: that of the last rotation step. nanoBragg.c does so, and openbragg repeats it with "
        "--compat phi-carryover."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        return in_all_that_differ(pixels, _stale)


def _stale(pixel: PixelComparison) -> str | None:
    if not pixel.phases_agree("geometry", "q"):
        return None
    turning = [name for name in pixel.numbers if name in _TURNING]
    found: dict[str, str] = {}
    sides = [_rotations(steps) for steps in (pixel.first_steps, pixel.second_steps)]
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


def _rotations(steps: Mapping[TracePlace, _Step]) -> dict[tuple[int, ...], dict[TracePlace, _Step]]:
    """Steps that differ by their phi only, in order."""
    runs: dict[tuple[int, ...], dict[TracePlace, _Step]] = {}
    for place, step in steps.items():
        runs.setdefault(place.run(), {})[place] = step
    return runs


def _before(run: Mapping[TracePlace, Mapping[str, Any]], place: TracePlace) -> Mapping[str, Any]:
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
        same.append(
            then["phi_tic"] != step.place.phi_tic
            and all(pixel.distance(name, now[name], then[name]) <= pixel.numbers[name].tolerance for name in held)
        )
    return None if same[0] == same[1] else "AB"[same.index(True)]


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [PhiCarryover]
