"""With ``--cull`` no pixel is further from the full sum than it is allowed to be."""

from __future__ import annotations

from math import pi
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import openbragg
from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan, Simulation
from openbragg.engine.compiled.block import evaluations_of
from openbragg.engine.evaluate import evaluate
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.sparse.bounds import columns_for_bounds, tile_bounds, views_of
from openbragg.engine.sparse.cull import cull_refusal
from openbragg.engine.sparse.tiles import cut_into_tiles
from openbragg.errors import UsageError
from openbragg.orchestrator.rendering import Rendering

A = 1e-10
#: Sums of the same float64 numbers in another order, relative to the peak.
REORDERED = 1e-12
INDEX = torch.cartesian_prod(*[torch.arange(-4, 5)] * 3)
#: Amplitudes that differ much between neighbours, of both signs.
AMPLITUDES = 60.0 * torch.sin(INDEX.double() @ torch.tensor([1.0, 2.3, 3.1], dtype=torch.float64)) ** 3
TABLE = openbragg.plugin("structure_factors", "hkl", reflections=(INDEX, AMPLITUDES), default_F=5.0, interpolate=False)
ONE_AMPLITUDE = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
SHAPES = ("square", "round", "gauss", "tophat", "gauss_index", "gauss_star")


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Small experiments of every kind, with the direct beam, the peak for every orientation, or beside it."""
    flag = st.booleans()
    shape = (draw(st.integers(8, 22)), draw(st.integers(8, 22)))
    region = None
    if draw(flag):
        region = (draw(st.integers(0, 1)), shape[1] - 1, draw(st.integers(0, 2)), shape[0] - 2)
    mask = None
    if draw(flag):
        mask = torch.rand(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))) > 0.3
        mask[-2] = True
    layers = draw(st.sampled_from([None, 2]))
    return Experiment(
        crystal=Crystal(
            cell=(30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7),
            cells=tuple(draw(st.integers(8, 60)) for _ in range(3)),
            mosaic_spread=draw(st.sampled_from([0.02, 0.1, 0.5])),
            mosaic_domains=draw(st.integers(4, 15)),
            misset=(draw(st.floats(0.0, 1.0)), 0.3, 0.0),
            fudge=draw(st.sampled_from([1.0, 1e-3, 1e-6])),
            water=draw(st.sampled_from([0.0, 2e-8])),
        ),
        beam=Beam(
            wavelength=1.2 * A,
            dispersion=0.01,
            dispersion_steps=draw(st.integers(1, 3)),
            divergence_range=(2e-3, 0.0),
            divergence_steps=(draw(st.integers(1, 2)), 1),
        ),
        detector=Detector(
            pixels=shape,
            pixel_size=draw(st.sampled_from([2e-4, 4e-4, 5e-5, 1e-3])),
            twotheta=draw(st.sampled_from([0.0, 0.3, 0.6])),
            curved=draw(flag),
            mask=mask,
            **({} if layers is None else {"sensor_thickness": 3e-4, "sensor_layers": 2, "attenuation_length": 2e-4}),
        ),
        scan=Scan(start=draw(st.sampled_from([0.0, 0.2])), range=0.04, steps=draw(st.integers(1, 3))),
        sampling=Sampling(
            oversample=draw(st.integers(1, 3)),
            region=region,
            resolution_limit=draw(st.sampled_from([0.0, 4 * A])),
            oversample_solid_angle=draw(flag),
            oversample_polarization=draw(flag),
            oversample_capture=layers is not None and draw(flag),
        ),
    )


@given(
    experiment=experiments(),
    shape=st.sampled_from(SHAPES),
    factors=st.sampled_from([ONE_AMPLITUDE, TABLE]),
    compat=st.sampled_from([(), ("phi-carryover", "last-layer", "water-over-steps")]),
    share=st.sampled_from([1e-2, 1e-4, 1e-6]),
)
@settings(max_examples=60, deadline=None)
def test_no_pixel_is_further_from_the_full_sum_than_allowed(
    experiment: Experiment, shape: str, factors: Any, compat: Any, share: float
) -> None:
    options: dict[str, Any] = {
        "structure_factors": factors,
        "lattice_shape": shape,
        "compat": compat,
        "precision": "double",
        "engine": "eager",
    }
    full = Simulation(experiment, **options).rendering().images[0]
    culled = Simulation(experiment, **options, cull=share).rendering()
    (found,) = culled.culled
    error, peak = full - culled.images[0], float(full.max())
    assert float(error.abs().max()) <= found.bound + REORDERED * peak
    assert found.bound <= share * peak * (1.0 + REORDERED)
    # What is left out is missing, never too much.
    assert float(error.min()) >= -REORDERED * peak


def mosaic(**crystal: Any) -> Experiment:
    """A mosaic crystal whose spots stand apart."""
    return Experiment(
        crystal=Crystal(
            cell=(70 * A, 80 * A, 90 * A, 1.31, 1.48, 1.66),
            **{"cells": (30, 30, 30), "mosaic_spread": 0.01, "mosaic_domains": 20} | crystal,
        ),
        beam=Beam(wavelength=1.0 * A),
        detector=Detector(pixels=(32, 32), pixel_size=1e-4, distance=0.1),
        scan=Scan(range=1.0 * pi / 180, steps=2),
        sampling=Sampling(oversample=2),
    )


def rendered(experiment: Experiment | None = None, **options: Any) -> Rendering:
    standard = {"structure_factors": ONE_AMPLITUDE, "precision": "double", "engine": "eager"}
    return Simulation(experiment or mosaic(), **standard | options).rendering()


@pytest.mark.parametrize(("share", "least"), [(1e-2, 0.8), (1e-4, 0.4), (1e-6, 0.1)])
def test_much_is_left_out_of_a_mosaic_crystal(share: float, least: float) -> None:
    (found,) = rendered(cull=share).culled
    assert found.skipped() > least
    assert found.pairs == 16 * 16 * 40
    assert found.bound > 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_in_single_precision_the_error_is_that_of_single_precision(shape: str) -> None:
    full = rendered(lattice_shape=shape, precision="mixed").images[0]
    culled = rendered(lattice_shape=shape, precision="mixed", cull=1e-4).images[0]
    # Single precision costs less than 1e-6 of the peak, in either image.
    assert float((full - culled).abs().max()) <= (1e-4 + 2e-6) * float(full.max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factors", [ONE_AMPLITUDE, TABLE], ids=["one-amplitude", "table"])
def test_every_orientation_adds_no_more_than_its_bound(shape: str, factors: Any) -> None:
    plan = rendered(lattice_shape=shape, structure_factors=factors, cull=None).plan
    panel = plan.panels[0]
    tiles = cut_into_tiles(choose_pixels(panel.pixels, None, None, plan.device), 2)
    slow, fast = tiles.coordinates(torch.arange(tiles.count))
    # What an orientation adds to a pixel, at most: with nothing but this one in the plan, the reach of the tile.
    bounding = attrs.evolve(plan, tables=plan.structure_factors.neighbourhoods(plan.tables))
    one = torch.ones((), dtype=torch.float64)
    for mosaic_domain in range(0, 20, 5):
        alone = attrs.evolve(bounding, cell_vectors=plan.cell_vectors[:1, mosaic_domain : mosaic_domain + 1])
        views = views_of(alone, panel, slow, fast, evaluations_of(alone, panel, slow.reshape(-1), fast.reshape(-1)))
        reach = tile_bounds(alone, views, columns_for_bounds(alone), one).reach
        terms = evaluate(
            plan, panel, slow.reshape(-1), fast.reshape(-1), cell_vectors=alone.cell_vectors
        ).intensity.sum(dim=(0, 1, 2, 3, 4, 5))
        largest = terms.reshape(slow.shape).amax(dim=1) * views[:, 0, 6] / 4
        assert bool((largest <= reach).all())


def test_an_image_of_nothing_is_not_culled() -> None:
    crystal = mosaic(cells=(100, 100, 100), fudge=1e3)
    found = rendered(crystal, lattice_shape="tophat", cull=1e-3)
    assert not found.images[0].any()
    assert found.culled[0].skipped() == 0.0


def test_several_panels_are_culled_each_by_its_own_peak() -> None:
    layout = tuple(Panel(pixels=(8, 9), pixel_size=1e-4, offset=(along, 0.0, 0.0)) for along in (0.0, 0.002))
    experiment = attrs.evolve(mosaic(), detector=attrs.evolve(mosaic().detector, layout=layout))
    full = rendered(experiment)
    culled = rendered(experiment, cull=1e-3)
    assert len(culled.culled) == 2
    for one, other, found in zip(full.images, culled.images, culled.culled, strict=True):
        assert float((one - other).abs().max()) <= found.bound + REORDERED * float(one.max())
        assert found.bound <= 1e-3 * float(one.max())


@pytest.mark.parametrize(
    ("experiment", "options", "reason"),
    [
        (mosaic(cells=(2, 2, 2)), {"structure_factors": attrs.evolve(TABLE, interpolate=True)}, "neighbours"),
        (mosaic(mosaic_spread=torch.tensor(0.01, dtype=torch.float64, requires_grad=True)), {}, "gradients"),
        (
            attrs.evolve(mosaic(), sampling=Sampling(oversample=2, oversample_solid_angle=True)),
            {"compat": ("running-product",)},
            "running-product",
        ),
    ],
    ids=["interpolation", "gradients", "running-product"],
)
def test_where_the_full_sum_is_needed_a_notice_says_so(experiment: Experiment, options: Any, reason: str) -> None:
    found = rendered(experiment, **options, cull=1e-2)
    (line,) = [line for line in found.choices.notices if line.startswith("nothing is culled: ")]
    assert reason in line
    assert found.culled == ()
    assert torch.equal(found.images[0], rendered(experiment, **options).images[0])


@attrs.frozen
class Plain:
    """A lattice shape that has nothing but what every shape must have."""

    name = "plain"
    summary = "one everywhere"
    flags = ()

    def factors(self, offset: Any, nearest: Any, lattice: Any) -> tuple[torch.Tensor, ...]:
        return (torch.ones_like(offset.h).to(lattice.dtype),)


def test_a_shape_without_a_bound_is_summed_in_full() -> None:
    found = rendered(lattice_shape=Plain(), cull=1e-2)
    assert cull_refusal(found.plan) == "the lattice shape plain has no bound"
    assert found.culled == ()


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_beyond_its_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="cull: expected a number above 0 and below 1"):
        rendered(cull=share)


@pytest.mark.xdist_group("compiled")
def test_compiled_code_leaves_out_the_same(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBRAGG_CACHE", str(tmp_path))
    eager, compiled = (rendered(engine=engine, precision="mixed", cull=1e-4) for engine in ("eager", "compiled"))
    if any("no compiled code" in line for line in compiled.choices.notices):
        pytest.skip("no C++ compiler")
    # Compilers contract operations, which moves a pair or two across the bound.
    assert compiled.culled[0].evaluated == pytest.approx(eager.culled[0].evaluated, rel=1e-3)
    full = rendered(precision="mixed").images[0]
    assert float((full - compiled.images[0]).abs().max()) <= (1e-4 + 2e-6) * float(full.max())
