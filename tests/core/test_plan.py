"""A plan whose crystal is turned is the plan that would be made anew, and shares what does not turn."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import torch

import openbragg
from mosaic_model import experiment, table
from openbragg import Simulation
from openbragg.engine.compiled.block import leaves_in, tensors_in
from openbragg.engine.plan import Plan, turned
from openbragg.orchestrator.layout import Layout

TURNED: dict[str, dict[str, Any]] = {
    "misset": {"misset": (0.1, -0.2, 0.3)},
    "spindle": {"start": 0.7},
    "more steps": {"steps": 5, "range": 0.1},
    "fewer domains": {"mosaic_domains": 2},
    "other domains": {"mosaic_seed": 17},
    "spread": {"mosaic_spread": 0.003},
    "all of them": {"misset": (1.0, 0.0, 2.0), "start": 0.0, "mosaic_domains": 7, "mosaic_spread": 0.1},
}


def layout(quirks: tuple[str, ...] = (), **changed: Any) -> Layout:
    made = experiment(water=1e-7, **changed)
    return Simulation(made, structure_factors=table(2), lattice_shape="gauss", compat=quirks).layout()


def same(one: Plan, other: Plan) -> bool:
    tensors = zip(tensors_in(one), tensors_in(other), strict=True)
    leaves = zip(leaves_in(one), leaves_in(other), strict=True)
    return all(name == named and torch.equal(mine, yours) for (name, mine), (named, yours) in tensors) and all(
        name == named and (mine == yours or type(mine) is type(yours)) for (name, mine), (named, yours) in leaves
    )


@pytest.mark.parametrize("quirks", [(), ("phi-carryover", "water-over-steps", "oblique-cell")], ids=["right", "quirks"])
@pytest.mark.parametrize("way", TURNED)
def test_a_turned_plan_is_the_plan_made_anew(way: str, quirks: tuple[str, ...]) -> None:
    first, anew = layout(quirks), layout(quirks, **TURNED[way])
    made = turned(first.plan, anew.experiment, anew.laboratory, first.parts, quirks)
    assert not same(first.plan, anew.plan)
    assert same(made, anew.plan)


def test_a_turned_plan_shares_panels_sources_and_tables() -> None:
    first = layout()
    crystal = attrs.evolve(first.experiment.crystal, misset=(0.1, 0.2, 0.3))
    made = turned(first.plan, attrs.evolve(first.experiment, crystal=crystal), first.laboratory, first.parts)
    assert made.panels is first.plan.panels
    assert made.tables is first.plan.tables
    assert made.incident is first.plan.incident


def test_gradients_flow_through_a_turned_plan() -> None:
    """Also a second time: nothing of an earlier turn is left in the graph."""
    first = layout()
    for start in (0.1, 0.2):
        angles = tuple(torch.tensor(angle, dtype=torch.float64, requires_grad=True) for angle in (start, 0.2, 0.3))
        spread = torch.tensor(0.01, dtype=torch.float64, requires_grad=True)
        crystal = attrs.evolve(first.experiment.crystal, misset=angles, mosaic_spread=spread)
        made = turned(first.plan, attrs.evolve(first.experiment, crystal=crystal), first.laboratory, first.parts)
        assert made.differentiable()
        lengths = made.cell_vectors.square().sum(dim=-1)
        found = torch.autograd.grad(lengths[..., 0].sum(), [*angles, spread], retain_graph=True)
        # Turning changes no length.
        assert all(abs(float(each)) < 1e-25 for each in found)
        (bend,) = torch.autograd.grad(made.cell_vectors[..., 0].sum(), angles[2])
        assert float(bend.abs()) > 0.0


def test_images_of_turned_plans_are_those_of_plans_made_anew() -> None:
    from openbragg.engine.pixels import choose_pixels
    from openbragg.engine.rendering import render_panel

    first = layout()
    panel = first.plan.panels[0]
    pixels = choose_pixels(panel.pixels, None, None, first.plan.device)
    for angle in (0.1, 0.2):
        anew = layout(misset=(angle, 0.0, 0.0))
        made = turned(first.plan, anew.experiment, first.laboratory, first.parts)
        image = render_panel(made, panel, dtype=torch.float32, pixels=pixels).image
        whole = openbragg.simulate(
            experiment(water=1e-7, misset=(angle, 0.0, 0.0)), structure_factors=table(2), lattice_shape="gauss",
            engine="eager",
        )  # fmt: skip
        assert torch.equal(image, whole)
