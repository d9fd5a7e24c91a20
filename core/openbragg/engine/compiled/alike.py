"""Panels that are alike but for where they stand: prepared once, served by one code, evaluated together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.block import block_plan, tensors_in, with_panel
from openbragg.engine.plan import PanelPlan, Plan

#: The field that is the same in every pixel: several numbers that are no vector.
LAYERS = "layer_depths"
#: What names of the tensors of a block's panel begin with.
PANEL = "panels.0."


def likeness(panel: PanelPlan) -> Hashable:
    """Equal for panels whose plans have one structure, and whose layers lie alike."""
    numbers = (getattr(panel, field.name) for field in attrs.fields(PanelPlan) if field.name != "pixels")
    shapes = (tuple(each.shape) if isinstance(each, torch.Tensor) else each for each in numbers)
    return (*shapes, tuple(panel.layer_depths.tolist()))


def spread(panels: Sequence[PanelPlan], counts: Sequence[int]) -> PanelPlan:
    """One panel for so many pixels of each of some that are alike: in each pixel it stands as the pixel's own does.

    Vectors become (3, pixel), numbers (pixel,).
    """
    repeats = torch.tensor(counts)
    made: dict[str, Any] = {}
    for field in attrs.fields(PanelPlan):
        held = getattr(panels[0], field.name)
        if isinstance(held, torch.Tensor) and field.name != LAYERS:
            each = torch.stack([getattr(panel, field.name).detach() for panel in panels], dim=-1)
            made[field.name] = each.repeat_interleave(repeats, dim=-1)
    return attrs.evolve(panels[0], pixels=(0, 0), **made)


@attrs.frozen(eq=False)
class Alike:
    """What has been prepared of a plan's panels, and the code that was found for them; for one use of a plan."""

    _prepared: dict[int, tuple[Plan, Plan, list[tuple[str, torch.Tensor]]]] = attrs.field(factory=dict, init=False)
    _code: dict[Hashable, tuple[Plan, Any]] = attrs.field(factory=dict, init=False)

    def prepared(self, plan: Plan, panel: PanelPlan) -> Plan:
        """What `block_plan` makes of a plan and a panel, all but the panel made once."""
        return with_panel(self._first(plan, panel)[1], panel)

    def tensors(self, plan: Plan, panel: PanelPlan) -> list[tuple[str, torch.Tensor]]:
        """What `tensors_in` finds in that."""
        named = self._first(plan, panel)[2]
        return [
            (name, getattr(panel, name.removeprefix(PANEL)) if name.startswith(PANEL) else tensor)
            for name, tensor in named
        ]

    def _first(self, plan: Plan, panel: PanelPlan) -> tuple[Plan, Plan, list[tuple[str, torch.Tensor]]]:
        known = self._prepared.get(id(plan))
        if known is None:
            prepared = block_plan(plan, panel)
            # The plan is held with it, so that no other has its place.
            known = self._prepared[id(plan)] = plan, prepared, tensors_in(prepared)
        return known

    def code(self, plan: Plan, panel: PanelPlan, kind: Hashable) -> Any:
        """The code of a kind that was found for a panel like this one; None where there is none yet."""
        known = self._code.get((id(plan), likeness(panel), kind))
        return None if known is None else known[1]

    def keep(self, plan: Plan, panel: PanelPlan, kind: Hashable, code: Any) -> None:
        """Keep what was found for panels like this one."""
        self._code[id(plan), likeness(panel), kind] = plan, code
