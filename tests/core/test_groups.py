"""Pixels summed in groups have the sums that they have one by one, whatever their neighbours are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pytest
import torch

import openbragg
import openbragg.engine.compiled.grouped
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan, Simulation
from openbragg.engine.compiled.block import block_plan, block_sums, tensors_in, with_tensors
from openbragg.engine.compiled.grouped import GROUP, Regrouped, group_sums, groups_gain, groups_pay
from openbragg.engine.compiled.kernel import KernelError
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.summation import COMPLETE, MISSING

A = 1e-10
#: Sums of the same numbers in another order; in single precision of products of up to 125 of either sign.
ALLOWED = {"double": 1e-12, "mixed": 1e-6}


def table(span: int, far: tuple[int, int, int] = (0, 0, 0)) -> Any:
    """A table of amplitudes of either sign, of all indices up to a limit around one."""
    index = np.stack(np.meshgrid(*[np.arange(-span, span + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    amplitudes = np.random.default_rng(1).normal(size=len(index)) * 100.0
    return openbragg.plugin(
        "structure_factors", "hkl", reflections=(index + np.array(far), amplitudes), default_F=7.0, interpolate=True
    )


def experiment(pixel: float = 2e-4, **changed: Any) -> Experiment:
    """A small crystal in several orientations before a sensor of two layers; some pixels see the end of a table."""
    fields: dict[type, dict[str, Any]] = {
        Crystal: {"cell": (30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7), "cells": (1, 2, 1), "mosaic_spread": 0.02},
        Beam: {"wavelength": 1.2 * A},
        Detector: {"pixels": (7, 37), "pixel_size": pixel, "distance": 0.05},
        Scan: {"start": 0.1, "range": 0.04, "steps": 2},
        Sampling: {"oversample": 2},
    }
    fields[Crystal]["mosaic_domains"] = 3
    fields[Detector] |= {"sensor_thickness": 3e-4, "sensor_layers": 2, "attenuation_length": 2e-4}
    for name, value in changed.items():
        (cls,) = [cls for cls in fields if name in cls.__annotations__]
        fields[cls][name] = value
    return Experiment(**{cls.__name__.lower(): cls(**values) for cls, values in fields.items()})


def laid_out(model: Experiment, precision: str = "double", **options: Any) -> tuple[Plan, PanelPlan]:
    """The plan of a block and its panel."""
    plan = Simulation(model, precision=precision, **{"structure_factors": table(4)} | options).layout().plan
    return block_plan(plan, plan.panels[0]), plan.panels[0]


def pixels_of(panel: PanelPlan) -> tuple[torch.Tensor, torch.Tensor]:
    """Slow and fast index of all pixels, row by row."""
    slow, fast = torch.meshgrid(*(torch.arange(length, dtype=torch.float64) for length in panel.pixels), indexing="ij")
    return slow.reshape(-1), fast.reshape(-1)


def in_groups(plan: Plan, panel: PanelPlan, calls: list[int]) -> Regrouped:
    """What compiled code does, by torch's own operations; notes how many pixels it is given."""
    count = len(list(tensors_in(plan)))

    def kernel(arguments: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        slow, fast = arguments[count:]
        if slow.numel() % GROUP:
            raise KernelError("not in whole groups")
        calls.append(slow.numel())
        return group_sums(with_tensors(plan, arguments[:count]), panel, slow, fast)

    return Regrouped(kernel)


def agree(plan: Plan, panel: PanelPlan, precision: str = "double") -> list[int]:
    """See that photons and marks are those of single pixels; returns how many pixels each call was given."""
    slow, fast = pixels_of(panel)
    calls: list[int] = []
    tensors = [tensor for _, tensor in tensors_in(plan)]
    photons, marks = in_groups(plan, panel, calls)([*tensors, slow, fast])
    wanted = block_sums(plan, panel, slow, fast)
    assert wanted.missing is not None and wanted.complete is not None
    assert torch.equal(marks.int() & MISSING > 0, wanted.missing)
    assert torch.equal(marks.int() & COMPLETE > 0, wanted.complete)
    assert float((photons - wanted.photons).abs().max()) <= ALLOWED[precision] * float(wanted.photons.max())
    return calls


SOURCES = ((-1.0, 0.001, 0.0, 1.0, 1.2 * A), (-1.0, -0.001, 0.0, 3.0, 1.21 * A))
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "several orientations": ({}, {}),
    "one of all": ({"mosaic_spread": 0.0, "mosaic_domains": 1, "steps": 1, "oversample": 1}, {}),
    "weighted sources": ({"sources": SOURCES}, {}),
    "weighted sources with a limit": ({"sources": SOURCES, "resolution_limit": 4 * A}, {}),
    "polarization of each term": ({"oversample_polarization": True, "oversample_capture": True}, {}),
    "a curved detector": ({"curved": True}, {"convention": "xds"}),
    "a convention": ({}, {"convention": "denzo"}),
    "water": ({"water": 1e-6}, {"compat": ["nanobragg"]}),
    "a round crystal": ({}, {"lattice_shape": "round"}),
    "a table's end": ({}, {"structure_factors": table(2)}),
    "a table of hardly a block": ({}, {"structure_factors": table(2, (1, -1, 0))}),
    "no table there": ({}, {"structure_factors": table(3, (500, 0, 0))}),
}


@pytest.mark.parametrize("precision", ["mixed", "double"])
@pytest.mark.parametrize("name", MODELS)
def test_groups_have_the_sums_of_single_pixels(name: str, precision: str) -> None:
    changed, options = MODELS[name]
    agree(*laid_out(experiment(**changed), precision, **options), precision)


@pytest.mark.parametrize("pixel", [4e-4, 1e-3, 4e-3, 2e-2])
def test_groups_that_see_many_cells_are_made_smaller(pixel: float) -> None:
    calls = agree(*laid_out(experiment(pixel, mosaic_domains=1, mosaic_spread=0.0)))
    # Blocks are never larger than what was asked for, filled to whole groups.
    assert max(calls) <= 272
    assert len(calls) > 1


def test_a_sum_does_not_depend_on_its_group() -> None:
    plan, panel = laid_out(experiment(), "mixed")
    slow, fast = pixels_of(panel)
    tensors = [tensor for _, tensor in tensors_in(plan)]
    sums = in_groups(plan, panel, [])
    whole = sums([*tensors, slow, fast])[0]
    order = torch.from_numpy(np.random.default_rng(2).permutation(slow.numel()))
    torch.testing.assert_close(sums([*tensors, slow[order], fast[order]])[0], whole[order], rtol=1e-6, atol=0.0)


def test_groups_pay_where_neighbouring_pixels_see_few_cells() -> None:
    plan, panel = laid_out(experiment(1e-5))
    assert groups_gain(plan)
    assert groups_pay(plan, panel)
    assert not groups_pay(*laid_out(experiment(4e-3)))


@pytest.mark.parametrize(
    "factors",
    [
        openbragg.plugin("structure_factors", "hkl", default_F=5.0),
        attrs.evolve(table(4), interpolate=False),
        table(1),
        openbragg.plugin(
            "structure_factors",
            "hkl",
            reflections=(np.indices((6, 6, 6)).reshape(3, -1).T, np.r_[np.inf, np.ones(215)]),
            interpolate=True,
        ),
    ],
    ids=["one amplitude", "whole indices", "a table smaller than a block", "a table with an infinite amplitude"],
)
def test_nothing_gains_where_nothing_is_interpolated_in_blocks(factors: Any) -> None:
    assert not groups_gain(laid_out(experiment(1e-5), structure_factors=factors)[0])


def test_a_few_of_many_orientations_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the sum of a pixel is, looking takes little memory."""
    seen: list[int] = []
    exact = openbragg.engine.compiled.grouped.indices

    def watched(*arguments: Any) -> Any:
        found = exact(*arguments)
        seen.append(max(part.numel() for part in found[0]))
        return found

    monkeypatch.setattr(openbragg.engine.compiled.grouped, "indices", watched)
    groups_pay(*laid_out(experiment(mosaic_domains=2000)))
    assert seen and max(seen) <= 64 << 13
