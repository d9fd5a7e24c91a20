"""Panels that move, alone and in groups."""

import math
from functools import cache

import attrs
import numpy as np
import pytest
import torch

from openbragg import Simulation, UsageError
from openbragg_tools.refine.model import make_model
from openbragg_tools.refine.panels import MOTIONS, detector_axes, named_groups, panel_groups
from openbragg_tools.refine.rotations import turn, turns
from refined_stills import PIXEL, SIZE, truth, whole


@cache
def two_panels() -> Simulation:
    return truth(panels=2)


@pytest.mark.parametrize("kind", ["panels", "detector"])
def test_derivatives_by_motions_are_those_of_the_model(kind):
    model = make_model(two_panels(), ("cells", kind), "P 2 2 2")
    values = model.start()
    # Tilted already, so that the turns are not at their middle.
    values[model.of([kind])] = 0.2 * np.array([model.parameters[place].stride for place in model.of([kind])])
    free = list(range(3, len(values)))
    pixels = (np.arange(10, 40), np.arange(30, 60))
    found = whole(model.derivatives(values, free, pixels))
    assert (np.abs(found).max(axis=0) > 0.0).all()
    precise = attrs.evolve(model, simulation=model.simulation.evolve(precision="double"))
    for column, place in enumerate(free):
        step = np.zeros_like(values)
        step[place] = 1e-3 * model.parameters[place].stride
        above, below = (precise.at(values + sign * step).pixels(*pixels).double().numpy() for sign in (1.0, -1.0))
        differences = (above - below) / (2.0 * step[place])
        # Differences over a thousandth of a stride are off by its square; single precision is 1e-6 of the peak.
        scale = np.abs(differences).max()
        assert found[:, column] == pytest.approx(differences, abs=1e-3 * scale), model.parameters[place].name


def test_a_group_turns_about_its_own_middle():
    detector = two_panels().experiment.detector
    group = panel_groups(detector, "groups", [(1,)])
    moved = group.moved(detector, torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.01], dtype=torch.float64))
    assert moved.layout[0] == detector.layout[0]
    again = panel_groups(moved, "groups", [(1,)])
    assert torch.allclose(again.middles, group.middles, atol=1e-15)
    assert moved.layout[1].axes[0, 1].item() == pytest.approx(math.sin(0.01))


def test_several_rotations_are_those_of_one():
    vectors = torch.tensor([[0.0, 0.0, 0.0], [0.1, -0.2, 0.3], [0.6, 0.7, -0.4]], dtype=torch.float64)
    for made, vector in zip(turns(vectors), vectors, strict=True):
        assert torch.allclose(made, turn(vector), atol=1e-14)


def test_the_detectors_axes_are_those_of_its_panels():
    axes, corner = detector_axes(two_panels())
    frame = two_panels().layout().laboratory.panels[1]
    assert axes[0] == pytest.approx(frame.fast.numpy())
    assert axes[1] == pytest.approx(frame.slow.numpy())
    assert corner + SIZE / 2 * PIXEL * axes[0] == pytest.approx(frame.origin.numpy())


def test_groups_are_words():
    assert named_groups(["0-2,4+6", "5"]) == ((0, 1, 2), (4, 6), (5,))
    for word in ("", "a", "1-", "0,,1"):
        with pytest.raises(UsageError, match="-groups: expected panels"):
            named_groups([word])


@pytest.mark.parametrize(
    ("free", "groups", "message"),
    [
        (("groups",), (), "named by -groups"),
        (("groups",), ((0, 2),), "there is no panel 2"),
        (("groups",), ((0,), (0, 1)), "panel 0 is in two groups"),
        (("groups", "panels"), ((0,),), "both asked for"),
        (("misset",), ((0,),), "groups are not free"),
    ],
)
def test_groups_that_are_none_are_refused(free, groups, message):
    with pytest.raises(UsageError, match=message):
        make_model(two_panels(), free, groups=groups)


def test_a_parameter_of_a_panel_is_named_after_it():
    model = make_model(two_panels(), ("panels",))
    assert [each.name for each in model.parameters[6:]] == [f"panel_1_{motion}" for motion in MOTIONS]
