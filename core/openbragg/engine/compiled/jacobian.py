"""The derivatives of pixels by many parameters at once, by compiled code.

The code differentiates the sums of evaluations; what follows from them, and how the plan moves with each parameter, are
torch's own operations with tangents, for there are few numbers in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import torch
from torch.autograd import forward_ad

from openbragg.engine.compiled.block import block_photons, block_plan, evaluations_of, tensors_in, with_tensors
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.compiled.gradient import WITHIN_TERMS
from openbragg.engine.compiled.summers import padded
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.strips import ranges
from openbragg.engine.threads import in_threads

_COLUMNS = "columns"
#: Evaluations that are gone through together, once for each parameter.
_TOGETHER = 1 << 17


@attrs.frozen(eq=False)
class Motion:
    """How the tensors of a block's plan move with one parameter, by their names; what is not there does not move."""

    tangents: Mapping[str, torch.Tensor]


def motion_of(plan: Plan, panel: PanelPlan) -> Motion:
    """The motion of a plan whose tensors have tangents at the current level of forward differentiation."""
    moved = {}
    for name, tensor in tensors_in(block_plan(plan, panel)):
        tangent = forward_ad.unpack_dual(tensor).tangent  # type: ignore[no-untyped-call]
        if tangent is not None and bool((tangent != 0.0).any()):
            moved[name] = tangent.detach().clone()
    return Motion(moved)


def panel_jacobian(
    plan: Plan, panel: PanelPlan, pixels: Pixels, motions: Sequence[Motion], engine: Engine
) -> torch.Tensor | None:
    """Derivatives of a panel's pixels by parameters, float64, (pixel, parameter).

    Parameters
    ----------
    plan, panel, pixels
        What is differentiated.
    motions
        How the plan moves with each parameter.
    engine
        Whose compiled code differentiates.

    Returns
    -------
    None where there is no compiled code, or where a plan that moves is another sum: weights that are all 1 stand in no
    column of a plan that stays.
    """
    prepared = block_plan(plan, panel)
    named = list(tensors_in(prepared))
    shapes = {name: tensor.shape for name, tensor in named}
    if any(shapes.get(name) != tangent.shape for motion in motions for name, tangent in motion.tangents.items()):
        return None
    within = [name for name, _ in named if name.startswith(WITHIN_TERMS) and any(name in m.tangents for m in motions)]
    moving = [number for number, motion in enumerate(motions) if _COLUMNS in motion.tangents]
    found = engine.jacobian(plan, panel, pixels.count, len(motions), within)
    if found is None:
        return None
    run, size = found
    assert prepared.columns is not None
    directions = torch.zeros((*prepared.columns.shape, max(1, len(moving))), dtype=torch.float64)
    for place, number in enumerate(moving):
        directions[:, :, place] = motions[number].tangents[_COLUMNS]
    places = {number: place for place, number in enumerate(moving)}
    moved = _Moved(prepared, named, within, motions, places)
    tensors = [tensor.detach().contiguous() for _, tensor in named]

    def sums(piece: tuple[int, int]) -> list[torch.Tensor]:
        slow, fast = pixels.coordinates(*piece)
        made = run([*tensors, padded(slow), padded(fast), directions])
        # Pixels that only fill a block up count nothing; pixels are what changes first.
        filled = padded(slow).numel()
        return [each.reshape(*each.shape[:-1], each.shape[-1] // filled, filled)[..., : slow.numel()] for each in made]

    pieces = list(ranges(0, pixels.count, size))
    several = max(1, _TOGETHER // (size * plan.oversample**2))
    found_sums, derivatives, start = [], [], 0
    with torch.no_grad():
        for (_, stop), made in zip(pieces, in_threads(sums, pieces, plan.device, engine.team()), strict=True):
            found_sums.append(made)
            if len(found_sums) == several or stop == pixels.count:
                together = [torch.cat(parts, dim=-1) for parts in zip(*found_sums, strict=True)]
                derivatives.append(moved.derivatives(together, *pixels.coordinates(start, stop)))
                found_sums, start = [], stop
    return torch.cat(derivatives)


@attrs.frozen(eq=False)
class _Moved:
    """A panel's plan, and how it moves with each parameter."""

    plan: Plan
    named: list[tuple[str, torch.Tensor]]
    within: list[str]
    motions: Sequence[Motion]
    places: dict[int, int]

    def derivatives(self, sums: Sequence[torch.Tensor], slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        """Of some pixels whose sums are known, (pixel, parameter)."""
        flat = [each.flatten(-2) for each in sums]
        return torch.stack([self._by(number, flat, slow, fast) for number in range(len(self.motions))], dim=1)

    def _by(self, number: int, sums: Sequence[torch.Tensor], slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        """By one parameter, (pixel,)."""
        intensity, by_scattering, along, within = sums
        tangents = self.motions[number].tangents
        if not tangents:
            return torch.zeros_like(slow)
        change = torch.zeros_like(intensity)
        if number in self.places:
            change = change + along[self.places[number]]
        first = 0
        for name, count in self._counts():
            if name in tangents:
                change = change + tangents[name].reshape(-1).to(torch.float64) @ within[first : first + count]
            first += count
        with forward_ad.dual_level():
            whole: Plan = with_tensors(self.plan, [_dual(tensor, tangents.get(name)) for name, tensor in self.named])
            slow, fast = _dual(slow), _dual(fast)
            evaluations = evaluations_of(whole, whole.panels[0], slow, fast)
            shape = evaluations.scattering[0].shape
            turned = [forward_ad.unpack_dual(component).tangent for component in evaluations.scattering]  # type: ignore[no-untyped-call]
            for by, tangent in zip(by_scattering, turned, strict=True):
                if tangent is not None:
                    change = change + by * tangent.reshape(-1)
            summed = forward_ad.make_dual(intensity.reshape(shape), change.reshape(shape))  # type: ignore[no-untyped-call]
            photons = block_photons(whole, whole.panels[0], slow, fast, summed, evaluations.weight)
            found = forward_ad.unpack_dual(photons).tangent  # type: ignore[no-untyped-call]
            return torch.zeros(len(slow), dtype=torch.float64) if found is None else found.clone()

    def _counts(self) -> list[tuple[str, int]]:
        numbers = {name: tensor.numel() for name, tensor in self.named}
        return [(name, numbers[name]) for name in self.within]


def _dual(tensor: torch.Tensor, tangent: torch.Tensor | None = None) -> torch.Tensor:
    """A tensor with a tangent, of zeros where it does not move.

    Where one of two numbers has a tangent and the other none, torch asks Python what comes out, which takes longer than
    a few thousand pixels do.
    """
    tensor = tensor.detach()
    if not tensor.is_floating_point():
        return tensor
    dual: torch.Tensor = forward_ad.make_dual(tensor, torch.zeros_like(tensor) if tangent is None else tangent)  # type: ignore[no-untyped-call]
    return dual
