"""Code for a GPU, as far as a CPU can tell: what torch compiles is the sum, once for all images of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
import torch

import openbragg
from openbragg import Crystal, Detector, Experiment, Sampling, Scan, Simulation
from openbragg.engine.compiled.block import block_plan, block_sums
from openbragg.engine.compiled.compilation import CompilationError
from openbragg.engine.compiled.kernel import Run
from openbragg.engine.compiled.kinds import FORWARD, arguments_of
from openbragg.engine.compiled.on_device import device_kernel
from openbragg.engine.plan import Plan

A = 1e-10


def plan_of(**options: Any) -> Plan:
    """The plan of a block of a mosaic crystal turned in two steps."""
    experiment = Experiment(
        crystal=Crystal(cell=(30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7), cells=(5, 4, 3), mosaic_spread=0.02,
                        mosaic_domains=3),
        detector=Detector(pixels=(8, 8), pixel_size=2e-3),
        scan=Scan(start=0.1, range=0.04, steps=2),
        sampling=Sampling(oversample=2),
    )  # fmt: skip
    factors = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
    plan = Simulation(experiment, structure_factors=factors, precision="double", **options).layout().plan
    return block_plan(plan, plan.panels[0])


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[torch.nn.Module]:
    """What torch compiles from now on, for which no compiler is needed."""
    seen: list[torch.nn.Module] = []
    compiling = torch.compile

    def compile_(module: torch.nn.Module, *, dynamic: bool) -> Any:
        seen.append(module)
        return compiling(module, dynamic=dynamic, backend="eager")

    monkeypatch.setattr(torch, "compile", compile_)
    return seen


def kernel(plan: Plan, function: Callable[[Plan], Callable[..., Sequence[torch.Tensor]]] = FORWARD.function) -> Run:
    further = [torch.zeros(16, dtype=torch.float64)] * FORWARD.further
    return device_kernel(plan, FORWARD.name, function, further, differentiates=False)


def test_one_code_sums_blocks_of_any_number_of_pixels_of_all_images(compilations: list[torch.nn.Module]) -> None:
    plan = plan_of()
    run = kernel(plan)
    moved = attrs.evolve(plan, columns=plan.columns * 1.01)  # type: ignore[operator]
    assert kernel(moved) is run
    for chosen, count in ((plan, 64), (moved, 32)):
        slow, fast = torch.arange(count, dtype=torch.float64) // 8, torch.arange(count, dtype=torch.float64) % 8
        with torch.no_grad():
            (found,) = run([*arguments_of(chosen), slow, fast])
            wanted = block_sums(chosen, chosen.panels[0], slow, fast).photons
        assert float(wanted.max()) > 0.0
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0.0)
    assert len(compilations) == 1


def test_what_cannot_be_one_program_is_an_error_of_one_line(compilations: list[torch.nn.Module]) -> None:
    def looking(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
        def sums(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
            return [tensors[-1] * float(tensors[-1].sum())]

        return sums

    with pytest.raises(CompilationError) as raised:
        kernel(plan_of(lattice_shape="round"), looking)
    assert len(str(raised.value).splitlines()) == 1
    assert not compilations
