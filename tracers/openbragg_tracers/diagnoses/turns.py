"""Rotations that turn 57.3 times as far in one trace as in the other."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from openbragg import PixelComparison, StepComparison
from openbragg_tracers.diagnoses.evidence import vector
from openbragg_tracers.diagnoses.rotations import (
    Matrix,
    angle_of,
    nearest_axes,
    rotation_between,
    scaled_rotations,
    upright_cell,
)

_FACTOR = 180.0 / math.pi
#: How well predicted components and angles (radians) are met, and how well indices are.
_CLOSE, _CLOSE_INDEX = 1e-6, 1e-5
#: An index follows 1, cos phi and sin phi; beyond as many steps there is something to check.
_LEAST_STEPS = 3


def turned_detector(pixel: PixelComparison) -> str | None:
    """The detector's rotations, from axes that are the laboratory's before."""
    fast, slow = vector(pixel, "fdet_vec"), vector(pixel, "sdet_vec")
    if fast is None or slow is None or pixel.agrees("fdet_vec", "sdet_vec"):
        return None
    frames = [np.array([f, s, np.cross(f, s)]) for f, s in zip(fast, slow, strict=True)]
    return _turned(frames, [nearest_axes(frame) for frame in frames], "the detector")


def turned_crystal(pixel: PixelComparison) -> str | None:
    """The crystal's missetting angles, from the upright cell."""
    stars = [vector(pixel, f"rot_{axis}_star_A_inv") for axis in "abc"]
    if not pixel.phases_agree("geometry", "q") or any(pair is None for pair in stars):
        return None
    cells = [np.array([pair[side] for pair in stars if pair is not None]) for side in (0, 1)]
    if pixel.agrees(*(f"rot_{axis}_star_A_inv" for axis in "abc")):
        return None
    upright = [upright_cell(cell) for cell in cells]
    return _turned(cells, upright, "the mounted crystal")


def _turned(sides: list[Matrix], unturned: list[Matrix | None] | list[Matrix], what: str) -> str | None:
    """Whether one side is turned from where it began 57.3 times as far as the other."""
    for name, own, other in (("B", 0, 1), ("A", 1, 0)):
        beginning = unturned[own]
        rotation = None if beginning is None else rotation_between(beginning, sides[own])
        if rotation is None or beginning is None:
            continue
        scale = float(np.abs(sides[other]).max())
        for expected in scaled_rotations(rotation, _FACTOR):
            if np.abs(beginning @ expected.T - sides[other]).max() <= _CLOSE * scale:
                return f"{name} turns {what} by 57.3 times the angle of the other, or by one of its angles so"
    return None


def turned_phi(pixel: PixelComparison) -> str | None:
    """The spindle's rotation: in the cell of the first step, else in the indices of the steps."""
    if not pixel.phases_agree("geometry", "q") or not pixel.agrees(*(f"rot_{axis}_star_A_inv" for axis in "abc")):
        return None
    return _phi_of_cell(pixel) or _phi_of_steps(pixel)


def _phi_of_cell(pixel: PixelComparison) -> str | None:
    axes = [vector(pixel, f"rot_{axis}_angstroms") for axis in "abc"]
    if any(pair is None for pair in axes) or not pixel.steps:
        return None
    ours, theirs = (np.array([pair[side] for pair in axes if pair is not None]) for side in (0, 1))
    between = rotation_between(ours, theirs)
    if between is None or angle_of(between) <= _CLOSE:
        return None
    # The cell that is shown is that of the first step; where the first repeats the last, of the last.
    for step in (pixel.steps[0], pixel.steps[-1]):
        phi = math.radians(_phi_of(step))
        for further in (phi * (_FACTOR - 1.0), phi * (1.0 - 1.0 / _FACTOR)):
            if phi and math.isclose(abs(math.remainder(further, 2.0 * math.pi)), angle_of(between), abs_tol=_CLOSE):
                turn = math.degrees(angle_of(between))
                return f"at phi {_phi_of(step):g} degrees the two cells are {turn:g} degrees apart"
    return None


def _phi_of_steps(pixel: PixelComparison) -> str | None:
    """Indices of the steps: of one side they lie on the curve of the other at 57.3 times the angle."""
    names = [name for name in pixel.numbers if name in ("h_frac", "k_frac", "l_frac")]
    for name, fitted in (("B", 0), ("A", 1)):
        for own, other in ((1.0, _FACTOR), (1.0 / _FACTOR, 1.0)):
            if names and all(_follows(steps, names, fitted, own, other) for steps in _runs(pixel)):
                return f"the indices of {name} turn with 57.3 times the phi of the other"
    return None


def _runs(pixel: PixelComparison) -> Iterator[list[StepComparison]]:
    """Steps that differ by their phi only; where phi is 0 the orientation may be that of another step."""
    runs: dict[tuple[int, ...], list[StepComparison]] = {}
    for step in pixel.steps:
        if _phi_of(step) != 0.0:
            runs.setdefault(step.place.run(), []).append(step)
    yield from runs.values() or ([],)


def _follows(steps: list[StepComparison], names: list[str], fitted: int, own: float, other: float) -> bool:
    """Whether indices of one side are those of the curve of the fitted side, both at multiples of phi."""
    phi = np.array([math.radians(_phi_of(step)) for step in steps])
    if len(set(phi.tolist())) < _LEAST_STEPS:
        return False
    for name in names:
        if not all(name in step.sizes for step in steps):
            return False
        sides = np.array([[step.first[name] for step in steps], [step.second[name] for step in steps]], dtype=float)
        if not np.isfinite(sides).all():
            return False
        near = _CLOSE_INDEX * max(1.0, float(np.abs(sides).max()))
        if np.abs(sides[1] - sides[0]).max() <= near:
            return False
        try:
            curve = np.linalg.lstsq(_basis(own * phi), sides[fitted], rcond=None)[0]
        except np.linalg.LinAlgError:
            return False
        if np.abs(_basis(own * phi) @ curve - sides[fitted]).max() > near:
            return False
        if np.abs(_basis(other * phi) @ curve - sides[1 - fitted]).max() > near:
            return False
    return True


def _basis(phi: Matrix) -> Matrix:
    """1, sin phi and 1 - cos phi, which is kept accurate where phi is small, (steps, 3)."""
    return np.stack([np.ones_like(phi), np.sin(phi), 2.0 * np.sin(phi / 2.0) ** 2], axis=1)


def _phi_of(step: StepComparison) -> float:
    phi = step.first.get("phi_deg")
    return float(phi) if isinstance(phi, int | float) and math.isfinite(phi) else 0.0
