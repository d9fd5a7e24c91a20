"""What plugins answer, held against their contracts where it is used: a wrong answer ends a run in one line.

What the properties of `openbragg.testing` find in a plugin at leisure, this finds in one that nobody tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import mul
from typing import Any

import torch

from openbragg.engine.pixels import Region
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.trace import trace_pixel
from openbragg.errors import InputError
from openbragg.model.geometry import Laboratory
from openbragg.orchestrator.finding.blame import wrong_answer
from openbragg.roles import GroupedStructureFactors, Miller

#: The shape of the indices that a shape and structure factors are first asked about.
_SHAPE = (2, 3)
_CONVENTIONS, _FACTORS, _SHAPES = "geometry_conventions", "structure_factors", "lattice_shapes"
_BACKGROUNDS, _NOISE, _DIFFUSE = "backgrounds", "noise_models", "diffuse_models"


def check_laboratory(convention: Any, laboratory: Any, panels: int) -> None:
    """Refuse a placement that is none.

    Raises
    ------
    PluginError
        With what was expected.
    """
    if not isinstance(laboratory, Laboratory):
        raise wrong_answer(_CONVENTIONS, convention, "place", f"expected a Laboratory, got {_kind(laboratory)}")
    if len(laboratory.panels) != panels:
        raise wrong_answer(_CONVENTIONS, convention, "place", f"expected {panels} panels, got {len(laboratory.panels)}")
    for name, value in _vectors(laboratory):
        reason = _fault(value, (3,), torch.float64)
        if reason is not None:
            raise wrong_answer(_CONVENTIONS, convention, "place", f"{name}: {reason}")


def check_plan(plan: Plan) -> None:
    """Ask the plugins of a plan that know amplitudes about a few indices, and refuse what is no answer.

    Raises
    ------
    PluginError
        With what was expected.
    """
    part = torch.linspace(-0.4, 0.4, 6, dtype=torch.float64, device=plan.device).reshape(_SHAPE)
    whole = torch.ones_like(part)
    offset, nearest, index = Miller(part, part, part), Miller(whole, whole, whole), Miller(*(3 * [part + whole]))
    dtype = plan.lattice.dtype
    with torch.no_grad():
        _check_factors(plan, plan.shape.factors(offset, nearest, plan.lattice))
        if not isinstance(plan.tables, tuple) or not all(isinstance(each, torch.Tensor) for each in plan.tables):
            raise wrong_answer(_FACTORS, plan.structure_factors, "prepare", "expected a tuple of tensors")
        answer = plan.structure_factors.amplitude(index, nearest, plan.tables)
        _refuse(_FACTORS, plan.structure_factors, "amplitude", _fault(answer, _SHAPE, dtype, numbers=False))
        grouping = plan.structure_factors
        if isinstance(grouping, GroupedStructureFactors) and grouping.grouped(plan.tables):
            first = Miller(*(3 * [whole[:, :1]]))
            answer = grouping.grouped_amplitude(index, nearest, first, plan.tables)
            _refuse(_FACTORS, grouping, "grouped_amplitude", _fault(answer, _SHAPE, dtype, numbers=False))
        _check_diffuse(plan, index, nearest)


def check_background(background: Any, photons: Any, pixels: int) -> None:
    """Refuse photons of a background that are none.

    Raises
    ------
    PluginError
        With what was expected.
    """
    reason = _fault(photons, (pixels,), torch.float64)
    if reason is None and pixels and bool(photons.detach().min() < 0.0):
        reason = f"expected no number below 0, got {float(photons.detach().min()):.6g}"
    _refuse(_BACKGROUNDS, background, "photons", reason)


def check_counts(noise: Any, method: str, counts: Any, photons: torch.Tensor) -> None:
    """Refuse counts that are none, of these photons.

    Raises
    ------
    PluginError
        With what was expected.
    """
    reason = _fault(counts, tuple(photons.shape), None, numbers=False)
    # A sum that is a finite number has nothing else in it, and is soon made.
    if reason is None and not bool(counts.detach().sum(dtype=torch.float64).isfinite()):
        reason = _fault(counts, None, None)
        if reason is None and not bool(counts.isfinite().all()):
            reason = "expected finite numbers, got inf"
    _refuse(_NOISE, noise, method, reason)


def refuse_odd_pixel(
    plan: Plan, panel: PanelPlan, pixel: tuple[int, int], region: Region, mask: torch.Tensor | None
) -> None:
    """Of a pixel (slow, fast) that has no finite number of photons, refuse what a plugin has no reason to say.

    Raises
    ------
    InputError
        When the pixel is where the crystal is, so that nothing can be said of it.
    PluginError
        When the lattice shape or the structure factors give NaN, or infinite amplitudes.
    """
    with torch.no_grad():
        made = trace_pixel(plan, panel, *pixel, dtype=torch.float64, region=region, mask=mask)
        # A crystal of too many cells has no amplitude in this precision, whoever computes it.
        countable = bool(plan.lattice.cells.prod().to(plan.lattice.dtype).square().isfinite())
    if made is None:
        return
    if not bool(made.solid_angle.isfinite().all()):
        raise InputError(f"the pixel at slow {pixel[0]}, fast {pixel[1]} lies in the crystal: move the detector away")
    if not countable:
        return
    terms = made.terms
    for hook, plugin, method, values in (
        (_SHAPES, plan.shape, "factors", terms.lattice_factors),
        (_FACTORS, plan.structure_factors, "amplitude", (terms.cell_amplitude,)),
        (_DIFFUSE, plan.diffuse, "intensity", () if terms.diffuse is None else (terms.diffuse,)),
    ):
        if any(bool(value.isnan().any()) for value in values):
            raise wrong_answer(hook, plugin, method, "expected numbers, got nan")
        if any(bool(value.isinf().any()) for value in values):
            raise wrong_answer(hook, plugin, method, f"expected numbers of {_dtype(plan.lattice.dtype)}, got inf")


def _check_factors(plan: Plan, factors: Any) -> None:
    if not isinstance(factors, tuple) or len(factors) not in (1, 3):
        got = f"{len(factors)} of them" if isinstance(factors, Sequence) else _kind(factors)
        raise wrong_answer(_SHAPES, plan.shape, "factors", f"expected a tuple of 1 or 3 tensors, got {got}")
    for factor in factors:
        _refuse(_SHAPES, plan.shape, "factors", _fault(factor, None, plan.lattice.dtype, numbers=False))
    try:
        product = reduce(mul, factors)
    except RuntimeError:
        shapes = " and ".join(str(tuple(factor.shape)) for factor in factors)
        raise wrong_answer(_SHAPES, plan.shape, "factors", f"expected shapes that fit {_SHAPE}, got {shapes}") from None
    _refuse(_SHAPES, plan.shape, "factors", _fault(product, _SHAPE, plan.lattice.dtype, numbers=False))


def _check_diffuse(plan: Plan, index: Miller, nearest: Miller) -> None:
    if plan.diffuse is None:
        return
    parameters, dtype = plan.diffuse_parameters, plan.lattice.dtype
    if not isinstance(parameters, tuple) or not all(isinstance(each, torch.Tensor) for each in parameters):
        raise wrong_answer(_DIFFUSE, plan.diffuse, "prepare", "expected a tuple of tensors, or None")
    answer = plan.diffuse.intensity(index, nearest, lambda at: at.h.to(dtype), plan.lattice, parameters)
    reason = _fault(answer, _SHAPE, dtype)
    if reason is None and bool((answer < 0.0).any()):
        reason = f"expected no number below 0, got {float(answer.min()):.6g}"
    _refuse(_DIFFUSE, plan.diffuse, "intensity", reason)


def _fault(
    answer: Any, shape: tuple[int, ...] | None, dtype: torch.dtype | None, *, numbers: bool = True
) -> str | None:
    """What is wrong with a tensor; None as a shape or a dtype allows any, of floating point. NaN is no number."""
    if not isinstance(answer, torch.Tensor):
        return f"expected a tensor, got {_kind(answer)}"
    if shape is not None and tuple(answer.shape) != shape:
        return f"expected the shape {shape}, got {tuple(answer.shape)}"
    if (answer.dtype != dtype) if dtype is not None else not answer.dtype.is_floating_point:
        return f"expected {'floating point' if dtype is None else _dtype(dtype)}, got {_dtype(answer.dtype)}"
    if numbers and answer.numel() and bool(answer.detach().min().isnan()):
        return "expected numbers, got nan"
    return None


def _vectors(laboratory: Laboratory) -> Iterator[tuple[str, Any]]:
    yield from (("beam", laboratory.beam), ("polarization", laboratory.polarization), ("spindle", laboratory.spindle))
    for number, frame in enumerate(laboratory.panels):
        for name in ("origin", "fast", "slow", "normal"):
            yield f"{name} of panel {number}", getattr(frame, name)


def _refuse(hook: str, plugin: Any, method: str, reason: str | None) -> None:
    if reason is not None:
        raise wrong_answer(hook, plugin, method, reason)


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
