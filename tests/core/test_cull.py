"""With ``--cull`` no pixel is further from the full sum than it is allowed to be."""

from __future__ import annotations

import re
from math import pi
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import culled
import openbragg
from culled import ONE_AMPLITUDE, QUIRKS, A, assert_close, assert_promised, rendered
from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan, Simulation
from openbragg.engine.compiled.block import evaluations_of
from openbragg.engine.evaluate import evaluate
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.sparse import spot_sum, spots
from openbragg.engine.sparse.bounds import columns_for_bounds, tile_bounds, views_of
from openbragg.engine.sparse.cull import cull_refusal
from openbragg.engine.sparse.tiles import cut_into_tiles
from openbragg.errors import UsageError

TABLE = culled.table(power=3, default=5.0)
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
        beam=draw(culled.beams()),
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
    compat=st.sampled_from([(), QUIRKS]),
    share=st.sampled_from([1e-2, 1e-4, 1e-6]),
)
@settings(max_examples=60, deadline=None)
def test_no_pixel_is_further_from_the_full_sum_than_allowed(
    experiment: Experiment, shape: str, factors: Any, compat: Any, share: float
) -> None:
    options: dict[str, Any] = {"structure_factors": factors, "lattice_shape": shape, "compat": compat}
    assert_promised(rendered(experiment, **options), rendered(experiment, **options, cull=share), share)


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


@pytest.mark.parametrize(("share", "least"), [(1e-2, 0.8), (1e-4, 0.4), (1e-6, 0.1)])
def test_much_is_left_out_of_a_mosaic_crystal(share: float, least: float) -> None:
    (found,) = rendered(mosaic(), cull=share).culled
    assert found.skipped() > least
    assert found.pairs == 16 * 16 * 40
    assert found.bound > 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_in_single_precision_the_error_is_that_of_single_precision(shape: str) -> None:
    options = {"lattice_shape": shape, "precision": "mixed"}
    assert_close(rendered(mosaic(), **options).images, rendered(mosaic(), **options, cull=1e-4).images, 1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factors", [ONE_AMPLITUDE, TABLE], ids=["one-amplitude", "table"])
def test_every_orientation_adds_no_more_than_its_bound(shape: str, factors: Any) -> None:
    plan = rendered(mosaic(), lattice_shape=shape, structure_factors=factors).plan
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
    experiment = attrs.evolve(mosaic(), detector=attrs.evolve(mosaic().detector, layout=LAYOUT))
    full = rendered(experiment)
    assert len(full.images) == 2
    assert_promised(full, rendered(experiment, cull=1e-3), 1e-3)


def test_several_crystals_lack_no_more_together_than_one_may() -> None:
    # Each has a peak of its own, elsewhere.
    scene = openbragg.plugin("scene_models", "lattices", count=4, spread=0.3, weights=(1.0, 1.0, 1.0, 1.0))
    sparse = rendered(mosaic(), scene=scene, cull=1e-2)
    assert sparse.culled[0].pairs == 4 * 16 * 16 * 40
    assert sparse.culled[0].skipped() > 0.3
    assert_promised(rendered(mosaic(), scene=scene), sparse, 1e-2)


@attrs.frozen
class Colourful:
    """Structure factors that are bounded, and others at each wavelength."""

    name = "colourful"
    summary = "one angstrom over the wavelength"
    flags = ()

    def prepare(self, experiment: Any, device: Any, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        return (torch.full((), 50.0, dtype=dtype, device=device),)

    def amplitude(self, index: Any, nearest: Any, tables: Any) -> torch.Tensor:
        return tables[0] + 0.0 * nearest.h.to(tables[0].dtype)

    def neighbourhoods(self, tables: Any) -> Any:
        return tables

    def spectral(self, wavelengths: torch.Tensor, tables: Any) -> torch.Tensor:
        return A / wavelengths.unsqueeze(1)

    def amplitude_at(self, index: Any, nearest: Any, spectral: Any, tables: Any) -> torch.Tensor:
        return self.amplitude(index, nearest, tables) * spectral[0].to(tables[0].dtype)


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
        (mosaic(), {"diffuse": "gamma_sigma"}, "the diffuse scattering gamma_sigma has no bound"),
        (
            mosaic(),
            {"structure_factors": Colourful()},
            "the structure factors colourful have no bound at each wavelength",
        ),
    ],
    ids=["interpolation", "gradients", "running-product", "diffuse", "wavelengths"],
)
def test_where_the_full_sum_is_needed_a_notice_says_so(experiment: Experiment, options: Any, reason: str) -> None:
    found = rendered(experiment, **options, cull=1e-2)
    (line,) = [line for line in found.choices.notices if line.startswith("nothing is culled: ")]
    assert reason in line
    assert found.culled == ()
    assert torch.equal(found.images[0], rendered(experiment, **options).images[0])


@pytest.mark.parametrize("share", [1e-2, 1e-5])
def test_weights_of_domains_count_in_what_is_left_out(share: float) -> None:
    experiment = mosaic(mosaic_domains=4, mosaic_spread=0.0)
    full, sparse = (rendered(experiment, mosaic=culled.WEIGHTED, cull=cull) for cull in (None, share))
    assert_promised(full, sparse, share)
    assert sparse.culled[0].skipped() > 0.0


def test_pixels_that_are_not_culled_say_so_once() -> None:
    simulation = Simulation(mosaic(), structure_factors=ONE_AMPLITUDE, diffuse="gamma_sigma", engine="eager", cull=1e-2)
    for slow in (3, 4):
        simulation.pixels([slow], [5])
    assert [line for line in simulation.notices if "culled" in line] == [
        "nothing is culled: the diffuse scattering gamma_sigma has no bound"
    ]


@attrs.frozen
class Plain:
    """A lattice shape that has nothing but what every shape must have."""

    name = "plain"
    summary = "one everywhere"
    flags = ()

    def factors(self, offset: Any, nearest: Any, lattice: Any) -> tuple[torch.Tensor, ...]:
        return (torch.ones_like(offset.h).to(lattice.dtype),)


def test_a_shape_without_a_bound_is_summed_in_full() -> None:
    found = rendered(mosaic(), lattice_shape=Plain(), cull=1e-2)
    assert cull_refusal(found.plan) == "the lattice shape plain has no bound"
    assert found.culled == ()


@attrs.frozen
class Ball(Plain):
    """One within a ball, nothing outside: spots that end, and no bound for tiles."""

    name = "ball"

    def factors(self, offset: Any, nearest: Any, lattice: Any) -> tuple[torch.Tensor, ...]:
        return ((lattice.distance_squared(offset, torch.ones(())) < 9e14).to(lattice.dtype),)

    def reach(self, level: Any, length: Any, lattice: Any) -> torch.Tensor:
        return torch.as_tensor(3.01e7).where(level < 1.0, -1.0).expand(length.shape)


LAYOUT = tuple(Panel(pixels=(8, 9), pixel_size=1e-4, offset=(along, 0.0, 0.0)) for along in (0.0, 0.002))


@pytest.mark.parametrize(
    ("spread", "shape", "reason"),
    [
        (0.01, Ball(), "all terms .* near reflections, and the lattice shape ball has no bound for tiles"),
        (torch.tensor(0.01, requires_grad=True), "gauss", "all terms .* near reflections, and tiles .* derivatives"),
    ],
)
def test_where_nothing_pays_a_notice_says_so_once_for_all_panels(
    monkeypatch: pytest.MonkeyPatch, spread: Any, shape: Any, reason: str
) -> None:
    monkeypatch.setattr(spot_sum, "_SURELY", 1e9)
    made = mosaic(mosaic_spread=spread, fudge=1e-3)
    experiment = attrs.evolve(made, detector=attrs.evolve(made.detector, layout=LAYOUT))
    found = rendered(experiment, lattice_shape=shape, cull=1e-3)
    assert found.culled == ()
    (line,) = [line for line in found.choices.notices if "culled" in line]
    assert re.fullmatch(f"nothing is culled: {reason}", line)


def test_a_panel_that_is_summed_in_full_beside_others_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = iter([0.0, 1.0])
    monkeypatch.setattr(spots, "largest_weight", lambda *_: next(weights))
    monkeypatch.setattr(spot_sum, "_SEARCHING", 1e3)
    monkeypatch.setattr(spot_sum, "_SURELY", 0.02)
    experiment = attrs.evolve(mosaic(), detector=attrs.evolve(mosaic().detector, layout=LAYOUT))
    found = rendered(experiment, lattice_shape=Ball(), cull=1e-3)
    assert len(found.culled) == 1
    assert [line for line in found.choices.notices if "culled" in line] == [
        "nothing is culled of 1 of 2 images of a panel and a crystal: the crystal scatters nothing, "
        "and the lattice shape ball has no bound for tiles"
    ]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_beyond_its_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="cull: expected a number above 0 and below 1"):
        rendered(mosaic(), cull=share)
