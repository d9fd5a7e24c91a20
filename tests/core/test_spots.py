"""The sum from reflections to pixels: no pixel is further from the full sum than allowed, whatever the detector."""

from __future__ import annotations

import gc
import weakref
from math import pi
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import culled
from culled import ONE_AMPLITUDE, QUIRKS, REORDERED, A, assert_close, assert_promised
from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan, Simulation, plugin
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.reflections.camera import Camera
from openbragg.engine.reflections.touching import orientation_groups, touching_spots
from openbragg.engine.sparse import spot_sum
from openbragg.engine.sparse.canvas import Canvas, place_of
from openbragg.engine.sparse.derivatives import SpotTerms
from openbragg.engine.sparse.limits import largest_term
from openbragg.engine.sparse.spots import OF_SPOTS, SpotRenderer, spots_refusal
from openbragg.engine.sparse.visits import directions, make_search
from openbragg.orchestrator.rendering import Rendering

TABLE = culled.table(power=7, default=2.0)
COLOURED = culled.table(power=7, default=2.0, of=culled.Coloured)
#: Of the shapes whose spots end, a factor on the squared distance with which they are of some pixels.
FUDGES = {"gauss": (1e-5, 1e-4, 1e-3), "tophat": (1e-4, 1e-2), "round": (1.0, 4.0)}


@pytest.fixture
def search_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of tests are so small that looking for reflections is not worth it, nor the sum from them."""
    monkeypatch.setattr(spot_sum, "_SEARCHING", 1e3)
    monkeypatch.setattr(spot_sum, "_SURELY", 0.02)


@st.composite
def panels(draw: st.DrawFn) -> tuple[Panel, ...]:
    """One or two panels, skewed, stretched and tilted."""
    made = []
    for number in range(draw(st.integers(1, 2))):
        tilt = [draw(st.floats(-0.3, 0.3)) for _ in range(4)]
        made.append(
            Panel(
                pixels=(draw(st.integers(5, 12)), draw(st.integers(5, 12))),
                pixel_size=draw(st.sampled_from([5e-5, 2e-4, 8e-4])),
                offset=(0.004 * number, draw(st.floats(-0.002, 0.002)), 0.0),
                axes=((1.0 + tilt[0], tilt[1], tilt[2]), (tilt[3], 1.0, tilt[0]), (0.0, 0.1, 1.0)),
            )
        )
    return tuple(made)


@st.composite
def experiments(draw: st.DrawFn, shape: str) -> Experiment:
    """Small experiments of every kind but curved detectors."""
    flag = st.booleans()
    layered = {"sensor_thickness": 3e-4, "sensor_layers": 2, "attenuation_length": 2e-4} if draw(flag) else {}
    detector = Detector(
        pixels=(draw(st.integers(8, 16)), draw(st.integers(8, 16))),
        pixel_size=draw(st.sampled_from([5e-5, 2e-4, 1e-3])),
        distance=0.1,
        twotheta=draw(st.sampled_from([0.0, 0.3, 1.2])),
        point_pixel=draw(flag),
        **layered,
    )
    if draw(flag):
        detector = attrs.evolve(detector, layout=draw(panels()))
    elif draw(flag):
        mask = torch.rand(detector.pixels, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))) > 0.6
        mask[-2] = True
        detector = attrs.evolve(detector, mask=mask)
    return Experiment(
        crystal=Crystal(
            cell=(8 * A, 10 * A, 13 * A, 1.4, 1.6, 1.7),
            cells=tuple(draw(st.integers(8, 40)) for _ in range(3)),
            mosaic_spread=draw(st.sampled_from([0.002, 0.1, 3.0])),
            mosaic_domains=draw(st.integers(1, 5)),
            misset=(draw(st.floats(0.0, 1.0)), 0.3, 0.0),
            fudge=draw(st.sampled_from(FUDGES[shape])),
            water=draw(st.sampled_from([0.0, 2e-8])),
        ),
        beam=draw(culled.beams()),
        detector=detector,
        scan=Scan(
            start=draw(st.sampled_from([0.0, 0.2])),
            range=draw(st.sampled_from([0.04, 2.0])),
            steps=draw(st.integers(1, 3)),
        ),
        sampling=Sampling(
            oversample=draw(st.integers(1, 2)),
            resolution_limit=draw(st.sampled_from([0.0, 4 * A])),
            oversample_solid_angle=draw(flag),
            oversample_polarization=draw(flag),
            oversample_capture=bool(layered) and draw(flag),
        ),
    )


@pytest.mark.parametrize("shape", sorted(FUDGES))
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_no_pixel_is_further_from_the_full_sum_than_allowed(shape: str, data: st.DataObject) -> None:
    experiment = data.draw(experiments(shape))
    share = data.draw(st.sampled_from([1e-2, 1e-4, 1e-6]))
    options: dict[str, Any] = {
        "structure_factors": data.draw(st.sampled_from([ONE_AMPLITUDE, TABLE, COLOURED])),
        "lattice_shape": shape,
        "compat": data.draw(st.sampled_from([(), QUIRKS])),
    }
    full = culled.rendered(experiment, **options)
    with pytest.MonkeyPatch.context() as patch:
        # Also where it takes longer, or the search alone does.
        patch.setattr(spot_sum, "_SURELY", 0.02)
        patch.setattr(spot_sum, "_SEARCHING", 1e2)
        patch.setattr(spot_sum, "_OF_STRIP", 64)
        sparse = culled.rendered(experiment, **options, cull=share)
    if options["structure_factors"] is not COLOURED:
        assert_promised(full, sparse, share)
        return
    # Where this gives up there are no tiles to take its place.
    for one, other, left_out in zip(full.images, sparse.images, sparse.left_out[0], strict=True):
        bound = 0.0 if left_out is None else left_out.bound
        assert bound <= share * float(one.max()) * (1.0 + REORDERED)
        assert float((one - other).abs().max()) <= bound + REORDERED * float(one.max())


def mosaic(**crystal: Any) -> Experiment:
    """A mosaic crystal whose spots are of some pixels and stand apart."""
    return Experiment(
        crystal=Crystal(
            cell=(70 * A, 80 * A, 90 * A, 1.31, 1.48, 1.66),
            **{"cells": (30, 30, 30), "mosaic_spread": 0.005, "mosaic_domains": 20, "fudge": 2e-3} | crystal,
        ),
        beam=Beam(wavelength=1.0 * A),
        detector=Detector(pixels=(64, 64), pixel_size=1e-4, distance=0.1),
        scan=Scan(range=0.2 * pi / 180, steps=2),
        sampling=Sampling(oversample=1),
    )


def rendered(experiment: Experiment | None = None, **options: Any) -> Rendering:
    return culled.rendered(experiment or mosaic(), **{"lattice_shape": "gauss"} | options)


@pytest.mark.usefixtures("search_anyway")
def test_next_to_all_terms_of_narrow_spots_are_left_out() -> None:
    (found,) = rendered(cull=1e-6).culled
    assert found.of == OF_SPOTS
    assert found.pairs == 64 * 64 * 40
    assert found.skipped() > 0.9


@pytest.mark.usefixtures("search_anyway")
def test_terms_of_a_crystal_with_a_size_are_left_out_though_the_reference_would_interpolate() -> None:
    """It goes by the number of cells, which a size replaces, and each term tells whether it goes on."""
    experiment = mosaic(cells=(1, 1, 1), size=(2e-7, 2e-7, 2e-7), fudge=1.0)
    factors = plugin("structure_factors", "hkl", default_F=10.0)
    full = Simulation(experiment, structure_factors=factors, lattice_shape="gauss_index")
    assert full.layout().plan.reference_interpolates
    cut = full.evolve(cull=1e-6)
    (found,) = cut.rendering().culled
    assert found.skipped() > 0.9
    told = "interpolation-latch: "
    assert [line for line in cut.notices if line.startswith(told)]
    assert not [line for line in full.evolve(cull=None).notices if line.startswith(told)]


@pytest.mark.usefixtures("search_anyway")
@pytest.mark.parametrize("shape", ["gauss", "tophat"])
def test_in_single_precision_the_error_is_that_of_single_precision(shape: str) -> None:
    full = rendered(lattice_shape=shape, precision="mixed")
    sparse = rendered(lattice_shape=shape, precision="mixed", cull=1e-4)
    assert sparse.culled[0].of == OF_SPOTS
    assert_close(full.images, sparse.images, 1e-4)


@pytest.mark.usefixtures("search_anyway")
def test_visits_of_bounded_lots_add_up_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rendered(cull=1e-6)
    assert found.culled[0].of == OF_SPOTS
    whole = found.images[0]
    monkeypatch.setattr(spot_sum, "_MOST_VISITS", 20)
    monkeypatch.setattr(spot_sum, "_STRIPS", 9)
    monkeypatch.setattr(spot_sum, "_OF_STRIP", 1)
    parts = rendered(cull=1e-6).images[0]
    torch.testing.assert_close(parts, whole, rtol=0.0, atol=REORDERED * float(whole.max()))


def channels(folder: Path) -> Any:
    """A column for each of three wavelengths, with few strong reflections."""
    generator = torch.Generator().manual_seed(1)
    amplitudes = 50.0 * torch.rand((len(culled.INDEX), 3), generator=generator) ** 8
    rows = zip(culled.INDEX.tolist(), amplitudes.tolist(), strict=True)
    file = folder / "channels.hkl"
    file.write_text("".join(" ".join(map(str, (*index, *row))) + "\n" for index, row in rows))
    return plugin("structure_factors", "hkl", file=file, for_channels=True)


def dispersing(folder: Path) -> Any:
    """Atoms whose f' and f'' change from one wavelength to the next, beside what does not."""
    table, atoms, steps = folder / "a.hkl", folder / "atoms.txt", folder / "f.txt"
    table.write_text("# h k l A B\n" + "".join(f"{h} {k} {l} {h + 0.5} {k - l}\n" for h, k, l in culled.INDEX.tolist()))
    atoms.write_text("Se 0.1 0.2 0.3 12.5 0.8\nSe 0.5 0.6 0.1 20 1\n")
    steps.write_text("energy f' f''\nSe 10000 -3 1\nSe 12400 -30 2\nSe 15000 -2 9\n")
    return plugin("structure_factors", "hkl", file=table, atoms_file=atoms, corrections_file=steps)


@pytest.mark.usefixtures("search_anyway")
@pytest.mark.parametrize("factors", [channels, dispersing])
@pytest.mark.parametrize("shape", ["square", "gauss"])
def test_amplitudes_at_each_wavelength_are_bounded_by_those_of_all(tmp_path: Path, factors: Any, shape: str) -> None:
    experiment = spread_over(dispersion=0.3, dispersion_steps=3, divergence_range=(0.01, 0.0), divergence_steps=(2, 1))
    options = {"structure_factors": factors(tmp_path), "lattice_shape": shape}
    full, sparse = (rendered(experiment, **options, cull=cull) for cull in (None, 1e-4))
    assert full.plan.spectral is not None
    if shape == "square":
        assert not sparse.culled
        (line,) = [line for line in sparse.choices.notices if "culled" in line]
        assert line.endswith("have no end, and tiles know of one amplitude at all wavelengths")
        return
    assert sparse.culled[0].of == OF_SPOTS and sparse.culled[0].skipped() > 0.9
    assert_promised(full, sparse, 1e-4)
    # It counts which wavelength is whose.
    swapped = rendered(spread_over(dispersion=0.3, dispersion_steps=3), **options)
    assert not torch.equal(swapped.images[0], full.images[0])


@pytest.mark.usefixtures("search_anyway")
@pytest.mark.parametrize("several", [False, True])
def test_the_brightest_pixel_tells_what_may_be_left_out(monkeypatch: pytest.MonkeyPatch, several: bool) -> None:
    """It is found where the boxes of spots of a high level lie on each other, also when they come in several lots."""
    if several:
        monkeypatch.setattr(spot_sum, "_MOST_VISITS", 20)
    found = rendered(mosaic(mosaic_spread=0.3, fudge=1e-4), cull=1e-3)
    assert found.culled[0].of == OF_SPOTS
    peak = float(found.images[0].max())
    assert 0.2 * 1e-3 * peak < found.culled[0].bound <= 1e-3 * peak


@pytest.mark.usefixtures("search_anyway")
def test_code_that_does_not_pay_for_a_high_level_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(Engine, "kernels", lambda engine, wanted, seconds: asked.append(seconds))
    rendered(cull=1e-4, engine="auto")
    assert len(asked) == 2


@pytest.mark.usefixtures("search_anyway")
def test_where_it_would_take_longer_it_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spot_sum, "_SURELY", 1e9)
    (found,) = rendered(cull=1e-4).culled
    assert found.of != OF_SPOTS


@pytest.mark.usefixtures("search_anyway")
def test_nothing_is_left_out_of_a_crystal_that_scatters_nothing() -> None:
    found = rendered(mosaic(scale=0.0), cull=1e-4)
    assert not found.images[0].any()
    assert found.culled[0].skipped() == 0.0


@pytest.mark.usefixtures("search_anyway")
@pytest.mark.parametrize("share", [1e-2, 1e-6])
def test_weights_of_domains_count_in_what_is_left_out(share: float) -> None:
    experiment = mosaic(mosaic_domains=4, mosaic_spread=0.0)
    full, sparse = (rendered(experiment, mosaic=culled.WEIGHTED, cull=cull) for cull in (None, share))
    assert sparse.culled[0].of == OF_SPOTS
    assert_promised(full, sparse, share)


@attrs.frozen
class Cube:
    """A third party's shape: one within a cube of offsets, nothing outside."""

    name = "cube"
    summary = "a cube"
    flags = ()

    def factors(self, offset: Any, nearest: Any, lattice: Any) -> tuple[torch.Tensor, ...]:
        inside = (offset.h.abs() < 0.05) & (offset.k.abs() < 0.05) & (offset.l.abs() < 0.05)
        return (inside.to(lattice.dtype),)

    def bound(self, distance: Any, lattice: Any) -> torch.Tensor:
        return (torch.maximum(torch.maximum(distance.h, distance.k), distance.l) < 0.0501).to(lattice.dtype)

    def reach(self, level: Any, length: Any, lattice: Any) -> torch.Tensor:
        furthest = 0.0501 * lattice.reciprocal_metric.diagonal().sqrt().sum()
        return furthest.where(level < 1.0, -1.0)


@pytest.mark.usefixtures("search_anyway")
def test_a_shape_of_a_third_party_takes_part() -> None:
    full, sparse = rendered(lattice_shape=Cube()), rendered(lattice_shape=Cube(), cull=1e-6)
    assert sparse.culled[0].of == OF_SPOTS
    torch.testing.assert_close(sparse.images[0], full.images[0], rtol=0.0, atol=REORDERED * float(full.images[0].max()))


def test_what_has_no_sum_from_reflections_is_told() -> None:
    plan = rendered().plan
    assert spots_refusal(plan) is None
    assert spots_refusal(rendered(lattice_shape="square").plan) == "spots of the lattice shape square have no end"
    curved = attrs.evolve(mosaic(), detector=attrs.evolve(mosaic().detector, curved=True))
    assert spots_refusal(rendered(curved).plan) == "the detector is curved"


@pytest.mark.parametrize(
    ("spread", "change"), [(0.001, 0.0), (0.3, 0.0), (3.0, 0.0), (1e-9, 0.01), (1e-9, 0.05), (0.1, 0.02), (1e-9, 0.6)]
)
@pytest.mark.parametrize("together", [False, True])
def test_spots_are_those_that_trying_all_reflections_with_all_orientations_finds(
    spread: float, change: float, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if together:
        monkeypatch.setattr("openbragg.engine.reflections.touching._LESS", 0.0)
    experiment = mosaic(mosaic_spread=spread, mosaic_domains=7)
    if change:
        experiment = attrs.evolve(experiment, scan=Scan())
    plan = Simulation(experiment, structure_factors=ONE_AMPLITUDE, lattice_shape="gauss").layout().plan
    # To another wavelength each, of q and of what a spot reaches.
    sizes = np.tile(np.linspace(1.0 - change, 1.0 + change, 7), len(plan.cell_vectors))
    cells = plan.cell_vectors.reshape(-1, 3, 3).numpy() / sizes[:, None, None]
    camera, widest = Camera(incident=np.array([1e10, 0.0, 0.0]), resolution=4 * A), 1e7
    found = set()
    for group in orientation_groups(camera, cells.reshape(-1, 7, 3, 3), widest * sizes.max()):
        for some in touching_spots(
            camera, cells, group, lambda points, lengths: np.full(len(points), widest), sizes if change else None
        ):
            found |= {
                (*index, turn) for index, turn in zip(some.indices.tolist(), some.orientation.tolist(), strict=True)
            }
    index = torch.cartesian_prod(*[torch.arange(-23.0, 24.0, dtype=torch.float64)] * 3).numpy()
    missing = 0
    for turn, (cell, size) in enumerate(zip(cells, sizes, strict=True)):
        vectors = index @ np.linalg.inv(cell).T
        length = np.linalg.norm(vectors, axis=1)
        away = np.abs(np.linalg.norm(vectors + camera.incident, axis=1) - camera.radius)
        # The sphere of the shortest wavelength has the finest.
        near = index[(away < widest * size) & (length / size < 1.0 / (camera.resolution * (1.0 + change)))]
        missing += len({(*each, turn) for each in near.tolist()} - found)
    assert missing == 0
    # No spot is listed twice.
    assert len(found) > 100


def test_pixels_of_a_mask_are_visited_alone() -> None:
    plan = rendered().plan
    panel = plan.panels[0]
    mask = torch.zeros(panel.pixels, dtype=torch.bool)
    mask[40:44, 8:12] = True
    engine = Simulation(mosaic(), structure_factors=ONE_AMPLITUDE, engine="eager")._engine()
    counts = []
    for chosen in (None, mask):
        pixels = choose_pixels(panel.pixels, None, chosen, plan.device)
        renderer = SpotRenderer(plan, panel, pixels, 1e-4, torch.float64, engine)
        level = 1e-6 * largest_term(plan, 50.0)
        counts.append(sum(lot.visits.pixels() for lot in renderer._sum._lots(level)))
    assert counts[1] < 0.3 * counts[0]


def test_a_panel_is_let_go_once_nothing_else_holds_it() -> None:
    """It may carry the graph of a whole fit."""
    plan = rendered().plan
    panel = attrs.evolve(plan.panels[0])
    pixels = choose_pixels(panel.pixels, None, None, plan.device)
    make_search(plan, panel, pixels, np.array([0]), (1e-4 * largest_term(plan, 50.0), 50.0))
    let_go = weakref.ref(panel)
    del panel
    gc.collect()
    assert let_go() is None


def carrying(spread: Any) -> Experiment:
    made = mosaic(mosaic_spread=spread, mosaic_domains=5)
    return attrs.evolve(made, detector=attrs.evolve(made.detector, pixels=(24, 24)))


@pytest.mark.usefixtures("search_anyway")
def test_gradients_are_those_of_the_full_sum() -> None:
    found = []
    for cull in (None, 1e-9):
        spread = torch.tensor(0.005, dtype=torch.float64, requires_grad=True)
        distance = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
        experiment = carrying(spread)
        experiment = attrs.evolve(experiment, detector=attrs.evolve(experiment.detector, distance=distance))
        made = rendered(experiment, cull=cull)
        weights = torch.linspace(-1.0, 1.0, 24, dtype=torch.float64)
        found.append(torch.autograd.grad((made.images[0] * weights).sum(), [spread, distance]))
        assert cull is None or made.culled[0].of == OF_SPOTS
    for full, sparse in zip(*found, strict=True):
        # A billionth of the peak is left out of each pixel; of derivatives no more than some ten times as much.
        torch.testing.assert_close(sparse, full, rtol=1e-6, atol=0.0)


@pytest.mark.usefixtures("search_anyway")
def test_forward_derivatives_are_those_of_the_full_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, carried = [], SpotTerms.carried
    monkeypatch.setattr(SpotTerms, "carried", lambda *given: calls.append(given) or carried(*given))
    full, sparse = (
        Simulation(
            carrying(0.005),
            structure_factors=ONE_AMPLITUDE,
            lattice_shape="gauss",
            precision="double",
            engine="eager",
            cull=cull,
        ).jacobian(("mosaic_spread", "distance"))
        for cull in (None, 1e-9)
    )
    assert len(calls) == 2
    for name, column in full.items():
        torch.testing.assert_close(sparse[name], column, rtol=0.0, atol=1e-6 * float(column.abs().max()))


def test_the_full_sums_time_is_said_to_be_the_most_it_takes() -> None:
    large = attrs.evolve(mosaic(), detector=attrs.evolve(mosaic().detector, pixels=(4000, 4000)))
    options: dict[str, Any] = {"structure_factors": ONE_AMPLITUDE, "lattice_shape": "gauss", "engine": "eager"}
    expected = Simulation(large, **options, cull=1e-4).expected_time()
    assert expected.at_most
    assert expected.text().startswith("at most about ")


@pytest.mark.xdist_group("compiled")
@pytest.mark.usefixtures("search_anyway")
def test_compiled_code_sums_the_same(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBRAGG_CACHE", str(tmp_path))
    eager, compiled = (rendered(engine=engine, precision="mixed", cull=1e-4) for engine in ("eager", "compiled"))
    if any("no compiled code" in line for line in compiled.choices.notices):
        pytest.skip("no C++ compiler")
    assert compiled.use.compiled and compiled.culled[0].of == OF_SPOTS
    assert compiled.culled[0].evaluated == pytest.approx(eager.culled[0].evaluated, rel=1e-3)
    # Both leave out the same.
    assert_close(eager.images, compiled.images, 0.0)


def spread_over(**beam: Any) -> Experiment:
    return attrs.evolve(mosaic(mosaic_domains=4, mosaic_spread=0.0), beam=Beam(wavelength=1.0 * A, **beam))


def test_wavelengths_of_a_direction_are_searched_together_and_all_their_spots_are_found() -> None:
    experiment = spread_over(dispersion=0.3, dispersion_steps=5, divergence_range=(0.01, 0.0), divergence_steps=(2, 1))
    plan = Simulation(experiment, structure_factors=ONE_AMPLITUDE, lattice_shape="gauss").layout().plan
    panel = plan.panels[0]
    pixels = choose_pixels(panel.pixels, None, None, plan.device)
    limits = (1e-4 * largest_term(plan, 50.0), 50.0)

    def found(sources: list[Any]) -> set[tuple[int, ...]]:
        visits = []
        for together in sources:
            search = make_search(plan, panel, pixels, together, limits)
            visits += [each for number in range(len(search.groups)) for each in search.visits(number)]
        return {
            (source, orientation, *map(int, index))
            for part in visits
            for source, orientation, index in zip(part.source, part.orientation, part.indices, strict=True)
        }

    assert [len(sources) for sources in directions(plan)] == [5, 5]
    alone = found([np.array([source]) for source in range(10)])
    assert len({each[0] for each in alone}) == 10
    assert alone <= found(directions(plan))


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=4
    )
)
@settings(max_examples=30, deadline=None)
def test_a_canvas_has_a_place_of_its_own_for_every_pixel_of_boxes(corners: list[tuple[int, ...]]) -> None:
    pixels = choose_pixels((60, 50), (5, 40, 7, 50), None, torch.device("cpu"))
    boxes = np.array([(left, left + across, top, top + down) for left, across, top, down in corners])
    canvas = Canvas(pixels)
    for part in np.array_split(boxes, 2):
        if len(part):
            canvas.reach(part)
    wanted = {
        (y, x) for left, right, top, bottom in boxes for y in range(top, bottom + 1) for x in range(left, right + 1)
    }
    slow, fast = torch.tensor(sorted(wanted), dtype=torch.float64).unbind(1)
    slow, fast = slow + 7, fast + 5
    places = place_of(slow, fast, canvas.grid(), canvas.numbers)
    assert len(set(places.tolist())) == len(wanted)
    canvas.sums[places] = 1.0 + slow * 100.0 + fast
    lit = [canvas.lit(part) for part in canvas.parts(128)]
    for part in lit:
        assert torch.equal(canvas.sums[part.places], 1.0 + part.slow * 100.0 + part.fast)
        assert torch.equal(part.numbers, ((part.slow - 7) * 36 + part.fast - 5).to(torch.int64))
    dark = list(canvas.unlit(lit, 100))
    numbers = torch.cat([*(part.numbers for part in lit), *(each for each, _, _ in dark)])
    assert torch.equal(numbers.sort().values, torch.arange(pixels.count))
    assert sum(len(part.numbers) for part in lit) == len(wanted)
