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
#: What torch calls an operation that has no derivative, in a graph.
_ERROR = "torch::autograd::Error"
#: Parameters by which what pixels see is differentiated at once.
_AT_ONCE = 8


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


def motions_of(prepared: Sequence[Plan], numbers: Sequence[torch.Tensor]) -> list[list[Motion]] | None:
    """The motions of several plans with each of some numbers, all at once.

    A derivative that goes backwards is linear in what it starts from, and differentiated by that it goes forwards: two
    passes through the graph of the plans do for all numbers together.

    Parameters
    ----------
    prepared
        From `block_plan`, of plans that were made from the numbers.
    numbers
        Float64 tensors that require gradients.

    Returns
    -------
    Of each plan a motion for each number, one tensor's after the other's; None where an operation has no second
    derivative, or none for many directions together.
    """
    moving = [[(name, tensor) for name, tensor in tensors_in(plan) if tensor.requires_grad] for plan in prepared]
    tensors = [tensor for named in moving for _, tensor in named]
    count = sum(each.numel() for each in numbers)
    if not tensors:
        return [[Motion({}) for _ in range(count)] for _ in prepared]
    starts = [torch.zeros_like(tensor).requires_grad_() for tensor in tensors]
    try:
        backward = torch.autograd.grad(tensors, numbers, starts, create_graph=True, materialize_grads=True)
        whole = torch.cat([each.reshape(-1) for each in backward])
        if _stops(whole):
            return None
        directions = torch.eye(count, dtype=whole.dtype)
        found = torch.autograd.grad(
            whole, starts, directions, is_grads_batched=True, allow_unused=True, materialize_grads=False
        )
    except RuntimeError:
        return None
    tangents = iter(found)
    motions = []
    for named in moving:
        of_plan: list[dict[str, torch.Tensor]] = [{} for _ in range(count)]
        for name, _ in named:
            each = next(tangents)
            if each is None:
                continue
            for number in each.reshape(count, -1).any(dim=1).nonzero().reshape(-1).tolist():
                of_plan[number][name] = each[number].detach().contiguous()
        motions.append([Motion(moved) for moved in of_plan])
    return motions


def _stops(derivative: torch.Tensor) -> bool:
    """Whether an operation that a derivative was made by has none further; torch says so of one by one alone."""
    seen, found = set(), [derivative.grad_fn]
    while found:
        node = found.pop()
        if node is None or node in seen:
            continue
        if node.name() == _ERROR:
            return True
        seen.add(node)
        found.extend(following for following, _ in node.next_functions)
    return False


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
    named = tensors_in(prepared)
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
        worth = self._worth(flat[0], slow, fast)
        # Where pixels see what they saw, photons are proportional to the sums of their evaluations.
        columns = [
            (worth * self._change(number, flat)).reshape(-1, slow.numel()).sum(dim=0)
            for number in range(len(self.motions))
        ]
        moving = [
            number
            for number, motion in enumerate(self.motions)
            if not {_COLUMNS, *self.within}.issuperset(motion.tangents)
        ]
        for low, high in ranges(0, len(moving), _AT_ONCE):
            for number, found in zip(moving[low:high], self._seen(moving[low:high], flat, slow, fast), strict=True):
                columns[number] = columns[number] + found
        return torch.stack(columns, dim=1)

    def _worth(self, intensity: torch.Tensor, slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        """Photons of a pixel for each squared electron of an evaluation, (evaluation,)."""
        evaluations = evaluations_of(self.plan, self.plan.panels[0], slow, fast)
        with torch.enable_grad():
            summed = intensity.reshape(evaluations.scattering[0].shape).requires_grad_()
            photons = block_photons(self.plan, self.plan.panels[0], slow, fast, summed, evaluations.weight)
            (worth,) = torch.autograd.grad(photons.sum(), summed)
        return worth.reshape(-1)

    def _change(self, number: int, sums: Sequence[torch.Tensor]) -> torch.Tensor:
        """How the sums of evaluations change with one parameter while they see the same q, (evaluation,)."""
        intensity, _, along, within = sums
        tangents = self.motions[number].tangents
        change = torch.zeros_like(intensity)
        if number in self.places:
            change = change + along[self.places[number]]
        first = 0
        for name, count in self._counts():
            if name in tangents:
                change = change + tangents[name].reshape(-1).to(torch.float64) @ within[first : first + count]
            first += count
        return change

    def _seen(
        self, numbers: Sequence[int], sums: Sequence[torch.Tensor], slow: torch.Tensor, fast: torch.Tensor
    ) -> torch.Tensor:
        """How photons change with some parameters by what pixels see, not by what there is to see, (number, pixel)."""
        intensity, by_scattering, _, _ = sums
        plan = self.plan
        panel = plan.panels[0]
        held = evaluations_of(plan, panel, slow, fast)
        shape = held.scattering[0].shape
        names = [name for name, _ in self.named if any(name in self.motions[number].tangents for number in numbers)]
        known = dict(self.named)
        tangents = [
            torch.stack([self.motions[number].tangents.get(name, torch.zeros_like(known[name])) for number in numbers])
            for name in names
        ]

        def photons(*moved: torch.Tensor) -> torch.Tensor:
            others = dict(zip(names, moved, strict=True))
            whole: Plan = with_tensors(plan, [others.get(name, tensor.detach()) for name, tensor in self.named])
            evaluations = evaluations_of(whole, whole.panels[0], slow, fast)
            summed = intensity.reshape(shape)
            for by, there, here in zip(by_scattering, evaluations.scattering, held.scattering, strict=True):
                summed = summed + by.reshape(shape) * (there - here)
            return block_photons(whole, whole.panels[0], slow, fast, summed, evaluations.weight)

        # Forwards is twice backwards, as in `motions_of`: torch's own way forwards takes far longer on few numbers.
        with torch.enable_grad():
            primals = [known[name].detach().clone().requires_grad_() for name in names]
            made = photons(*primals)
            start = torch.zeros_like(made).requires_grad_()
            backward = torch.autograd.grad(made, primals, start, create_graph=True, materialize_grads=True)
            moving = [place for place, each in enumerate(backward) if each.requires_grad]
            if not moving:
                return torch.zeros((len(numbers), made.numel()), dtype=made.dtype)
            (found,) = torch.autograd.grad(
                [backward[place] for place in moving],
                start,
                [tangents[place].to(backward[place].dtype) for place in moving],
                is_grads_batched=True,
            )
        return found.detach()

    def _counts(self) -> list[tuple[str, int]]:
        numbers = {name: tensor.numel() for name, tensor in self.named}
        return [(name, numbers[name]) for name in self.within]
