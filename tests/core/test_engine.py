"""The image is the sum of its terms, however it is cut, wherever it is computed, on however many panels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import openbragg
from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan, Simulation
from openbragg.engine.compiled.cache import Cache, Entry
from openbragg.engine.compiled.loading import Wanted
from openbragg.engine.evaluate import background_share, evaluate, photons, pixel_factors
from openbragg.engine.image import cut_into_blocks
from openbragg.engine.rays import Part
from openbragg.engine.rendering import render_panel
from openbragg.orchestrator.rendering import Rendering

A = 1e-10
PIXEL = 1e-3
#: Sums of the same float64 numbers in another order.
REORDERED = {"rtol": 1e-12, "atol": 0.0}


def rendering(
    detector: Detector | None = None,
    shape: str = "square",
    oversample: int = 2,
    cells: tuple[Any, Any, Any] = (5, 4, 3),
    **options: Any,
) -> Rendering:
    """A small scan of a mosaic crystal with two subpixels a side."""
    experiment = Experiment(
        crystal=Crystal(
            cell=(30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7), cells=cells, mosaic_spread=0.02, mosaic_domains=3
        ),
        beam=Beam(wavelength=1.2 * A),
        detector=detector or Detector(pixels=(6, 8), pixel_size=PIXEL),
        scan=Scan(start=0.1, range=0.04, steps=2),
        sampling=Sampling(oversample=oversample),
    )
    factors = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
    progress = options.pop("progress", None)
    made = Simulation(experiment, structure_factors=factors, lattice_shape=shape, **{"precision": "double"} | options)
    return made.rendering(progress)


@given(block_terms=st.integers(1, 5000))
@settings(max_examples=40, deadline=None)
def test_cutting_the_sum_into_blocks_does_not_change_it(block_terms: int) -> None:
    whole = uncut(rendering)
    cut = render_panel(whole.plan, whole.plan.panels[0], dtype=torch.float64, block_terms=block_terms).image
    torch.testing.assert_close(cut, whole.images[0], **REORDERED)


@cache
def uncut(made: Callable[..., Rendering], quirks: Any = ()) -> Rendering:
    """A rendering that examples are compared with; in blocks as large as usual."""
    return made(compat=quirks)


def everything(**options: Any) -> Rendering:
    """Sources, layers, water, a resolution limit, and factors that belong to single terms."""
    experiment = Experiment(
        crystal=Crystal(cell=(30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7), cells=(2, 4, 3), water=2e-8),
        beam=Beam(wavelength=1.2 * A, dispersion=0.01, dispersion_steps=3),
        detector=Detector(
            pixels=(6, 8), pixel_size=8 * PIXEL, sensor_thickness=3e-4, sensor_layers=3, attenuation_length=2e-4
        ),
        scan=Scan(start=-0.02, range=0.04, steps=2),
        sampling=Sampling(oversample=2, oversample_solid_angle=True, resolution_limit=4 * A),
    )
    index = torch.cartesian_prod(*[torch.arange(-3, 4)] * 3)
    table = openbragg.plugin("structure_factors", "hkl", reflections=(index, 50.0 + index.sum(dim=1).double()))
    return Simulation(experiment, structure_factors=table, **{"precision": "double"} | options).rendering()


@given(block_terms=st.integers(50, 5000), quirks=st.sampled_from([(), ("last-layer",), "nanobragg"]))
@settings(max_examples=40, deadline=None)
def test_cutting_a_sum_of_everything_into_blocks_does_not_change_it(block_terms: int, quirks: Any) -> None:
    whole = uncut(everything, quirks)
    cut = render_panel(whole.plan, whole.plan.panels[0], dtype=torch.float64, block_terms=block_terms).image
    torch.testing.assert_close(cut, whole.images[0], rtol=1e-11, atol=0.0)


def test_a_mask_leaves_the_other_pixels_as_they_are() -> None:
    whole = everything()
    mask = torch.rand(6, 8, generator=torch.Generator().manual_seed(1)) > 0.4
    part = render_panel(
        whole.plan, whole.plan.panels[0], dtype=torch.float64, region=(1, 6, 2, 5), mask=mask, block_terms=100
    ).image
    kept = torch.zeros_like(mask)
    kept[2:6, 1:7] = mask[2:6, 1:7]
    assert 0 < int(kept.sum()) < int(mask.sum())
    torch.testing.assert_close(part, whole.images[0] * kept, **REORDERED)


def test_a_mask_that_hides_everything_leaves_an_empty_image() -> None:
    whole = everything(compat="nanobragg")
    mask = torch.zeros(6, 8, dtype=torch.bool)
    assert not render_panel(whole.plan, whole.plan.panels[0], dtype=torch.float64, mask=mask).image.any()


@given(pixels=st.integers(1, 10_000_000), terms=st.integers(1, 1 << 22))
@settings(max_examples=200, deadline=None)
def test_no_block_is_larger_than_asked_and_all_parts_make_the_whole(pixels: int, terms: int) -> None:
    plan = rendering().plan
    blocks = cut_into_blocks(plan, plan.panels[0], pixels, terms)
    sizes = [_terms(part, plan) for part in blocks.parts]
    assert sum(sizes) == plan.terms_per_pixel()
    assert max(sizes) * blocks.pixels <= max(terms, 1)


def _terms(part: Any, plan: Any) -> int:
    lengths = (1, plan.oversample, plan.oversample, 1, *plan.cell_vectors.shape[:2])
    count = 1
    for cut, length in zip(attrs.astuple(part, recurse=False), lengths, strict=True):
        count *= len(range(*cut.indices(length)))
    return count


def test_a_pixel_is_its_unreduced_terms_summed() -> None:
    """What a trace shows is what the image was summed from."""
    whole = rendering()
    panel = whole.plan.panels[0]
    slow, fast = torch.tensor([3.0], dtype=torch.float64), torch.tensor([5.0], dtype=torch.float64)
    terms = evaluate(whole.plan, panel, slow, fast)
    assert terms.intensity.shape == (1, 2, 2, 1, 2, 3, 1)
    total = photons(whole.plan, terms.intensity.sum().reshape(1), pixel_factors(whole.plan, panel, slow, fast))
    torch.testing.assert_close(total[0], whole.images[0][3, 5], **REORDERED)


def test_a_pixel_of_everything_is_its_unreduced_terms_and_its_background() -> None:
    whole = everything()
    panel = whole.plan.panels[0]
    slow, fast = torch.tensor([2.0], dtype=torch.float64), torch.tensor([5.0], dtype=torch.float64)
    terms = evaluate(whole.plan, panel, slow, fast)
    share = background_share(whole.plan, panel, slow, fast, Part())
    factors = pixel_factors(whole.plan, panel, slow, fast)
    total = photons(whole.plan, terms.intensity.sum().reshape(1), factors, share)
    assert float(photons(whole.plan, torch.zeros(1, dtype=torch.float64), factors, share)) > 0.01 * float(total)
    torch.testing.assert_close(total[0], whole.images[0][2, 5], **REORDERED)


def test_threads_give_the_image_of_one_thread() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = rendering().images[0]
        torch.set_num_threads(3)
        several = rendering().images[0]
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, several)


@pytest.mark.parametrize("shape", ["square", "round", "gauss", "tophat"])
def test_mixed_precision_is_within_a_millionth_of_the_peak(shape: str) -> None:
    exact = rendering(shape=shape).images[0]
    mixed = rendering(shape=shape, precision="mixed").images[0]
    assert mixed.dtype == torch.float32
    assert float((mixed.double() - exact).abs().max()) < 1e-6 * float(exact.max())


def test_the_reference_s_numbers_are_exact_in_an_image_far_from_any_peak() -> None:
    """In single precision a Gaussian ends where it counts nothing beside a peak; here is nothing else."""
    options = {"shape": "gauss", "cells": (30, 30, 30), "dtype": torch.float64}
    exact, mixed, itself, reference = (
        rendering(**options, **more).images[0]
        for more in (
            {"precision": "double", "compat": "nanobragg"},
            {"precision": "mixed", "compat": "nanobragg"},
            {"precision": "auto"},
            {"precision": "auto", "compat": "nanobragg"},
        )
    )
    assert torch.equal(reference, exact)
    assert float((mixed - exact).abs().max()) > 1e-3 * float(exact.max())
    assert torch.equal(itself, rendering(**options, precision="mixed").images[0])


def test_the_reference_s_numbers_of_a_long_sum_are_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbragg.engine.plan._FEW_TERMS", 100)
    assert rendering(precision="auto", compat="nanobragg").plan.lattice.dtype == torch.float32


def test_the_image_comes_in_the_dtype_asked_for() -> None:
    exact = rendering().images[0]
    assert exact.dtype == torch.float64
    assert torch.equal(rendering(dtype=torch.float32).images[0], exact.to(torch.float32))


def test_a_tiled_detector_is_the_whole_one_cut_up() -> None:
    """Two panels with the detector's own axes, side by side, and one of them turned upside down."""
    settings_ = {"pixels": (6, 8), "pixel_size": PIXEL, "rotation": (0.1, 0.2, 0.3), "twotheta": 0.2}
    # A pixel's solid angle is its first subpixel's, which is another one upside down; so one subpixel.
    whole = rendering(Detector(**settings_), oversample=1).images[0]
    left = Panel(pixels=(6, 3), pixel_size=PIXEL)
    right = Panel(
        pixels=(6, 5),
        pixel_size=PIXEL,
        offset=(8 * PIXEL, 6 * PIXEL, 0.0),
        axes=((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    )
    tiles = rendering(Detector(**settings_, layout=(left, right)), oversample=1).images
    # The same subpixels, reached along other axes: positions differ by rounding, and fringes magnify it.
    tolerance = {"rtol": 0.0, "atol": 1e-9 * float(whole.max())}
    torch.testing.assert_close(tiles[0], whole[:, :3], **tolerance)
    torch.testing.assert_close(tiles[1], whole[:, 3:].flip(0, 1), **tolerance)


def test_numbers_of_numpy_are_numbers() -> None:
    kinds = (np.int64, np.float32, np.float64)
    made = rendering(cells=tuple(kind(count) for kind, count in zip(kinds, (5, 4, 3), strict=True)))
    assert torch.equal(made.images[0], rendering().images[0])


def test_progress_counts_every_pixel_once() -> None:
    seen: list[tuple[int, int]] = []
    rendering(progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (48, 48)


def test_an_error_in_a_plugin_comes_out_of_the_threads() -> None:
    class Broken(type(openbragg.plugin("lattice_shapes", "square"))):  # type: ignore[misc]
        def factors(self, offset: Any, nearest: Any, lattice: Any) -> Any:
            raise ZeroDivisionError("broken shape")

    with pytest.raises(ZeroDivisionError, match="broken shape"):
        rendering(shape=Broken())  # type: ignore[arg-type]


def test_kept_code_that_cannot_be_loaded_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernel.so").write_text("no library")
    entry = Entry(
        folder=tmp_path, signature={}, options={}, shapes=[], dtypes=[], outputs=1, sha256="", seconds=1.0, made=0.0
    )
    monkeypatch.setenv("OPENBRAGG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Cache, "find", lambda *asked: entry)
    monkeypatch.setattr(Wanted, "_fits", lambda *asked: True)
    panels = tuple(Panel(pixels=(6, 8), pixel_size=PIXEL, offset=(place, 0.0, 0.0)) for place in (0.0, 0.01))
    found = rendering(Detector(layout=panels), engine="auto")
    (line,) = [line for line in found.choices.notices if "no compiled code" in line]
    assert "kept code cannot be loaded" in line and "kernel.so" in line
    assert not found.use.compiled
    for one, other in zip(found.images, rendering(Detector(layout=panels), engine="eager").images, strict=True):
        assert torch.equal(one, other)


def test_shape_and_structure_factors_see_what_the_engine_computes() -> None:
    """A recording plugin is handed offsets within half an index, and their nearest whole indices."""
    handed: list[Any] = []

    class Recorder(type(openbragg.plugin("lattice_shapes", "gauss"))):  # type: ignore[misc]
        def factors(self, offset: Any, nearest: Any, lattice: Any) -> Any:
            handed.append((offset, nearest))
            return super().factors(offset, nearest, lattice)

    recorded = rendering(shape=Recorder()).images[0]  # type: ignore[arg-type]
    assert torch.equal(recorded, rendering(shape="gauss").images[0])
    for offset, nearest in handed:
        assert all(float(step.abs().max()) <= 0.5 for step in offset)
        assert all(torch.equal(index, index.round()) for index in nearest)
