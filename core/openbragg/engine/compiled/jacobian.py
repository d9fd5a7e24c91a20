"""The derivatives of pixels by many parameters at once, by compiled code.

The code differentiates the sums of evaluations; what follows from them, and how the plan moves with each parameter, are
torch's own operations with tangents, for there are few numbers in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice

import attrs
import torch
from torch.autograd import forward_ad

from openbragg.engine.compiled.alike import LAYERS, PANEL, likeness, spread
from openbragg.engine.compiled.block import (
    block_photons,
    block_plan,
    evaluations_of,
    tensors_in,
    with_panel,
    with_tensors,
)
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
    # What plans share is differentiated once.
    tensors = list({id(tensor): tensor for named in moving for _, tensor in named}.values())
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
    moved = {
        id(tensor): {
            number: each[number].detach().contiguous()
            for number in each.reshape(count, -1).any(dim=1).nonzero().reshape(-1).tolist()
        }
        for tensor, each in zip(tensors, found, strict=True)
        if each is not None
    }
    motions = []
    for named in moving:
        of_plan: list[dict[str, torch.Tensor]] = [{} for _ in range(count)]
        for name, tensor in named:
            for number, tangent in moved.get(id(tensor), {}).items():
                of_plan[number][name] = tangent
        motions.append([Motion(each) for each in of_plan])
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


@attrs.frozen(eq=False)
class Seen:
    """Pixels of a panel, and how the plan of its sum moves with each parameter."""

    panel: PanelPlan
    pixels: Pixels
    motions: Sequence[Motion]


def jacobian_of_panels(plan: Plan, seen: Sequence[Seen], engine: Engine) -> list[torch.Tensor] | None:
    """Derivatives of pixels of some panels by parameters, float64, (pixel, parameter) of each panel.

    Parameters
    ----------
    plan, seen
        What is differentiated.
    engine
        Whose compiled code differentiates.

    Returns
    -------
    None where there is no compiled code, or where a plan that moves is another sum: weights that are all 1 stand in no
    column of a plan that stays.
    """
    if not seen:
        return []
    engine = engine.for_alike()
    prepared = engine.prepared(plan, seen[0].panel)
    tensors = [engine.arguments(plan, each.panel) for each in seen]
    names = [name for name, _ in tensors_in(prepared)]
    if not all(_stays(dict(zip(names, own, strict=True)), each) for own, each in zip(tensors, seen, strict=True)):
        return None
    motions = seen[0].motions
    moved_names = {name for each in seen for motion in each.motions for name in motion.tangents}
    within = [name for name in names if name.startswith(WITHIN_TERMS) and name in moved_names]
    runs, size = [], 0
    for each in seen:
        found = engine.jacobian(plan, each.panel, each.pixels.count, len(motions), within)
        if found is None:
            return None
        run, size = found
        runs.append(run)
    # Of what panels share, of which columns are, all their motions say the same.
    moving = [number for number, motion in enumerate(motions) if _COLUMNS in motion.tangents]
    assert prepared.columns is not None
    directions = torch.zeros((*prepared.columns.shape, max(1, len(moving))), dtype=torch.float64)
    for place, number in enumerate(moving):
        directions[:, :, place] = motions[number].tangents[_COLUMNS]
    places = {number: place for place, number in enumerate(moving)}

    def coordinates(piece: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        number, start = piece
        pixels = seen[number].pixels
        return pixels.coordinates(start, min(start + size, pixels.count))

    def sums(piece: tuple[int, int]) -> list[torch.Tensor]:
        slow, fast = coordinates(piece)
        made = runs[piece[0]]([*tensors[piece[0]], padded(slow), padded(fast), directions])
        # Pixels that only fill a block up count nothing; pixels are what changes first.
        filled = padded(slow).numel()
        return [each.reshape(*each.shape[:-1], each.shape[-1] // filled, filled)[..., : slow.numel()] for each in made]

    pieces = [(number, start) for number, each in enumerate(seen) for start in range(0, each.pixels.count, size)]
    rows: list[list[torch.Tensor]] = [[] for _ in seen]
    with torch.no_grad():
        found_sums = in_threads(sums, pieces, plan.device, engine.team())
        for batch in _batches(plan, seen, pieces, size):
            together = [torch.cat(parts, dim=-1) for parts in zip(*islice(found_sums, len(batch)), strict=True)]
            where = [coordinates(piece) for piece in batch]
            counts = [slow.numel() for slow, _ in where]
            those = [seen[number] for number, _ in batch]
            moved = _Moved.of(those, counts, with_panel(prepared, those[0].panel), within, places)
            slow, fast = (torch.cat(each) for each in zip(*where, strict=True))
            parts = torch.split(moved.derivatives(together, slow, fast), counts)
            for (number, _), own in zip(batch, parts, strict=True):
                rows[number].append(own)
        # At its end torch has its threads again.
        next(found_sums, None)
    return [torch.cat(each) for each in rows]


def _stays(tensors: Mapping[str, torch.Tensor], seen: Seen) -> bool:
    """Whether what moves of a panel's plan has the shape of what stays."""
    return all(
        name in tensors and tensors[name].shape == tangent.shape
        for motion in seen.motions
        for name, tangent in motion.tangents.items()
    )


def _batches(
    plan: Plan, seen: Sequence[Seen], pieces: Sequence[tuple[int, int]], size: int
) -> Iterator[list[tuple[int, int]]]:
    """Pieces that are gone through together, for their panels are alike and they are not too many."""
    batch: list[tuple[int, int]] = []
    evaluations, before = 0, None
    for number, start in pieces:
        likeness = _together_with(plan, seen[number], number)
        if batch and (evaluations >= _TOGETHER or likeness != before):
            yield batch
            batch, evaluations = [], 0
        batch.append((number, start))
        evaluations += min(size, seen[number].pixels.count - start) * plan.oversample**2
        before = likeness
    if batch:
        yield batch


def _together_with(plan: Plan, seen: Seen, number: int) -> Hashable:
    """Equal for panels whose pixels can be gone through together."""
    return likeness(seen.panel) if _framed(plan, seen) else number


def _framed(plan: Plan, seen: Seen) -> bool:
    """Whether all of a panel that moves can stand otherwise in each pixel."""
    deep = any(name.endswith(LAYERS) for motion in seen.motions for name in motion.tangents)
    return not deep and plan.curvature is None


@attrs.frozen(eq=False)
class _Moved:
    """The plan of some pixels, and how it moves with each parameter.

    Attributes
    ----------
    plan, named
        The plan, whose panel stands in each pixel as the pixel's own does where it is `framed`, and its tensors.
    within
        Names of the tensors within terms that move.
    motions
        Of what panels share, and where it is not `framed` of the one panel.
    places
        Of each parameter that moves columns, its direction.
    frames, counts
        Names of the panel's tensors that move, and of each panel their motion with each parameter, (parameter,
        numbers), and how many of the pixels are on it.
    """

    plan: Plan
    named: list[tuple[str, torch.Tensor]]
    within: list[str]
    motions: Sequence[Mapping[str, torch.Tensor]]
    places: dict[int, int]
    frames: list[str]
    moving: list[torch.Tensor]
    counts: list[int]

    @classmethod
    def of(
        cls, seen: Sequence[Seen], counts: list[int], prepared: Plan, within: list[str], places: dict[int, int]
    ) -> _Moved:
        """Of so many pixels on each of some panels, from what was prepared of the first one's plan."""
        if not _framed(prepared, seen[0]):
            motions = [motion.tangents for motion in seen[0].motions]
            return cls(prepared, tensors_in(prepared), within, motions, places, [], [], counts)
        plan = attrs.evolve(prepared, panels=(spread([each.panel for each in seen], counts),))
        there = {name for each in seen for motion in each.motions for name in motion.tangents}
        frames = [(name, tensor) for name, tensor in tensors_in(prepared) if name.startswith(PANEL) and name in there]
        moving = [
            torch.stack([_numbers(motion, frames) for motion in each.motions]) if frames else torch.zeros(0)
            for each in seen
        ]
        shared = [
            {name: tangent for name, tangent in motion.tangents.items() if not name.startswith(PANEL)}
            for motion in seen[0].motions
        ]
        return cls(plan, tensors_in(plan), within, shared, places, [name for name, _ in frames], moving, counts)

    def derivatives(self, sums: Sequence[torch.Tensor], slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        """Of some pixels whose sums are known, (pixel, parameter)."""
        flat = [each.flatten(-2) for each in sums]
        worth, frames = self._worth(flat, slow, fast)
        # Where pixels see what they saw, photons are proportional to the sums of their evaluations.
        columns = [
            (worth * self._change(number, flat)).reshape(-1, slow.numel()).sum(dim=0)
            for number in range(len(self.motions))
        ]
        moving = [
            number for number, tangents in enumerate(self.motions) if not {_COLUMNS, *self.within}.issuperset(tangents)
        ]
        for low, high in ranges(0, len(moving), _AT_ONCE):
            for number, found in zip(moving[low:high], self._seen(moving[low:high], flat, slow, fast), strict=True):
                columns[number] = columns[number] + found
        made = torch.stack(columns, dim=1)
        if self.frames:
            parts = zip(torch.split(frames, self.counts, dim=1), self.moving, strict=True)
            made += torch.cat([of_pixels.T @ motion.T for of_pixels, motion in parts])
        return made

    def _worth(
        self, sums: Sequence[torch.Tensor], slow: torch.Tensor, fast: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is differentiated pixel by pixel.

        Returns
        -------
        Photons of a pixel for each squared electron of an evaluation, (evaluation,), and for each number of the frame
        that the pixel's own panel has, (number, pixel).
        """
        with torch.enable_grad():
            known = dict(self.named)
            frames = [known[name].detach().requires_grad_() for name in self.frames]
            intensity = sums[0].detach().clone().requires_grad_()
            photons = self._photons([intensity, *sums[1:]], dict(zip(self.frames, frames, strict=True)), slow, fast)
            # A pixel knows no other pixel's frame: one way back is enough for all.
            worth, *found = torch.autograd.grad(photons.sum(), [intensity, *frames], materialize_grads=True)
        numbers = [each.reshape(-1, slow.numel()) for each in found]
        return worth, torch.cat(numbers) if numbers else torch.zeros((0, slow.numel()))

    def _photons(
        self,
        sums: Sequence[torch.Tensor],
        moved: Mapping[str, torch.Tensor],
        slow: torch.Tensor,
        fast: torch.Tensor,
    ) -> torch.Tensor:
        """Photons of pixels after some tensors have moved a little, (pixel,)."""
        intensity, by_scattering = sums[0], sums[1]
        with torch.no_grad():
            held = evaluations_of(self.plan, self.plan.panels[0], slow, fast)
        whole: Plan = with_tensors(self.plan, [moved.get(name, tensor.detach()) for name, tensor in self.named])
        evaluations = evaluations_of(whole, whole.panels[0], slow, fast)
        shape = held.scattering[0].shape
        summed = intensity.reshape(shape)
        if moved:
            for by, there, here in zip(by_scattering, evaluations.scattering, held.scattering, strict=True):
                summed = summed + by.reshape(shape) * (there - here)
        return block_photons(whole, whole.panels[0], slow, fast, summed, evaluations.weight)

    def _change(self, number: int, sums: Sequence[torch.Tensor]) -> torch.Tensor:
        """How the sums of evaluations change with one parameter while they see the same q, (evaluation,)."""
        intensity, _, along, within = sums
        tangents = self.motions[number]
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
        names = [name for name, _ in self.named if any(name in self.motions[number] for number in numbers)]
        known = dict(self.named)
        tangents = [
            torch.stack([self.motions[number].get(name, torch.zeros_like(known[name])) for number in numbers])
            for name in names
        ]
        # Forwards is twice backwards, as in `motions_of`: torch's own way forwards takes far longer on few numbers.
        with torch.enable_grad():
            primals = [known[name].detach().clone().requires_grad_() for name in names]
            made = self._photons(sums, dict(zip(names, primals, strict=True)), slow, fast)
            if not made.requires_grad:
                # As of a wavelength that the columns have, and pixels do not see.
                return torch.zeros((len(numbers), made.numel()), dtype=made.dtype)
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


def _numbers(motion: Motion, frames: Sequence[tuple[str, torch.Tensor]]) -> torch.Tensor:
    """How the numbers of a frame's tensors move, one after the other, (number,)."""
    parts = [motion.tangents.get(name, torch.zeros_like(tensor)).reshape(-1) for name, tensor in frames]
    return torch.cat(parts).to(torch.float64)
