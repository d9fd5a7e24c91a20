"""Several panels make one stored frame: every place of it is one panel's pixel, or none."""

from __future__ import annotations

import io
import itertools
from math import pi
from typing import Any

import attrs
import fabio
import h5py
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import openbragg
from openbragg import Crystal, Detector, Experiment, Image, Panel, Sampling, Scan, Simulation
from openbragg.errors import InputError
from openbragg.model.panel import frame_shape, overlapping
from openbragg.orchestrator.outputs.printout import printed_pixels
from openbragg.orchestrator.outputs.statistics import statistics
from openbragg.orchestrator.rendering import Rendering
from openbragg.orchestrator.resolving.frame import panel_at, shown_parts
from openbragg.orchestrator.tracing import trace_of
from openbragg.testing import make_image
from openbragg_tracers.traces.command import brightest

A = 1e-10
PIXEL = 1e-3
SIZES = ((4, 5), (3, 5), (6, 2))
#: Beside and below each other, with a gap between, the second one 2 mm further back.
PANELS = (
    Panel(pixels=SIZES[0], pixel_size=PIXEL, slab=(1, 0), offset=(0.0, PIXEL, 0.0), name="top"),
    Panel(pixels=SIZES[1], pixel_size=PIXEL, slab=(6, 0), offset=(0.0, 6 * PIXEL, 2 * PIXEL)),
    Panel(pixels=SIZES[2], pixel_size=PIXEL, slab=(1, 7), offset=(7 * PIXEL, PIXEL, 0.0)),
)
SHAPE = (9, 9)
#: A column of the third panel.
GAP = (8, 8, 0, 4)


def experiment(**detector: Any) -> Experiment:
    right = pi / 2
    return Experiment(
        crystal=Crystal(cell=(40 * A, 50 * A, 60 * A, right, right, right), cells=(3, 3, 3)),
        detector=Detector(**{"layout": PANELS} | detector),
        scan=Scan(start=0.0, range=0.01, steps=1),
        sampling=Sampling(oversample=1),
    )


def rendered(model: Experiment, **options: Any) -> Rendering:
    factors = openbragg.plugin("structure_factors", "hkl", default_F=20.0)
    progress = options.pop("progress", None)
    simulation = Simulation(model, structure_factors=factors, engine="eager", **{"precision": "double"} | options)
    return simulation.rendering(progress)


def inside() -> np.ndarray:
    """Where the panels are, written down by hand."""
    found = np.zeros(SHAPE, dtype=bool)
    found[1:5, 0:5] = found[6:9, 0:5] = found[1:7, 7:9] = True
    return found


def test_the_frame_is_the_panels_each_in_its_slab() -> None:
    made = rendered(experiment())
    frame = made.frame().numpy()
    assert frame.shape == SHAPE == made.experiment.detector.frame_shape()
    assert np.array_equal(frame[1:5, 0:5], made.images[0])
    assert np.array_equal(frame[6:9, 0:5], made.images[1])
    assert np.array_equal(frame[1:7, 7:9], made.images[2])
    assert np.array_equal(frame > 0.0, inside())
    assert np.array_equal(made.experiment.detector.absent(), ~inside())


def test_simulate_gives_the_frame_and_gradients_flow_through_it() -> None:
    wavelength = torch.tensor(A, dtype=torch.float64, requires_grad=True)
    model = experiment()
    model = attrs.evolve(model, beam=attrs.evolve(model.beam, wavelength=wavelength))
    factors = openbragg.plugin("structure_factors", "hkl", default_F=20.0)
    frame = openbragg.simulate(model, structure_factors=factors, precision="double")
    assert tuple(frame.shape) == SHAPE
    sums = [
        torch.autograd.grad(frame[rows].sum(), wavelength, retain_graph=True)[0] for rows in (slice(5), slice(5, 9))
    ]
    assert all(float(part) != 0.0 for part in sums)


def test_panels_without_slabs_are_stacked() -> None:
    loose = tuple(attrs.evolve(panel, slab=None) for panel in PANELS)
    detector = Detector(layout=loose)
    assert [panel.slab for panel in detector.panels()] == [(0, 0), (4, 0), (7, 0)]
    assert detector.frame_shape() == (13, 5)


def test_one_panel_that_fills_its_frame_has_nothing_absent() -> None:
    assert Detector(pixels=(3, 4)).absent() is None
    assert Detector(pixels=(3, 4)).hidden() is None


@given(first=st.tuples(st.integers(0, 6), st.integers(0, 6)), second=st.tuples(st.integers(0, 6), st.integers(0, 6)))
@settings(max_examples=60, deadline=None)
def test_panels_may_touch_and_not_overlap(first: tuple[int, int], second: tuple[int, int]) -> None:
    sizes = ((3, 2), (2, 4))
    detector = Detector(
        layout=tuple(
            Panel(pixels=size, pixel_size=PIXEL, slab=slab) for size, slab in zip(sizes, (first, second), strict=True)
        )
    )
    taken = np.zeros((12, 12), dtype=int)
    for size, (slow, fast) in zip(sizes, (first, second), strict=True):
        taken[slow : slow + size[0], fast : fast + size[1]] += 1
    if taken.max() > 1:
        with pytest.raises(InputError, match="panel 0 and panel 1 lie over each other"):
            detector.frame_shape()
    else:
        rows, columns = np.nonzero(taken)
        assert detector.frame_shape() == (rows.max() + 1, columns.max() + 1)
        absent = detector.absent()
        count = 0 if absent is None else int(absent.sum())
        assert count == (rows.max() + 1) * (columns.max() + 1) - len(rows)


_RECTANGLES = st.lists(st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 5)] * 2), max_size=8)


@given(rectangles=_RECTANGLES)
@settings(max_examples=300, deadline=None)
def test_overlaps_are_those_of_all_pairs(rectangles: list[tuple[int, int, int, int]]) -> None:
    places = [(slice(y, y + high), slice(x, x + wide)) for y, x, high, wide in rectangles]
    taken = [{(y, x) for y in range(20)[rows] for x in range(20)[columns]} for rows, columns in places]
    pairs = [pair for pair in itertools.combinations(range(len(places)), 2) if taken[pair[0]] & taken[pair[1]]]
    found = overlapping(places)
    assert found in pairs if pairs else found is None


@pytest.mark.parametrize("wide", [1, 64, 4096])
def test_as_many_panels_as_a_file_may_have_are_compared_with_their_neighbours_only(wide: int) -> None:
    """In one column, a square and one row."""
    looked_at = 0

    class Counted:
        def __init__(self, columns: slice) -> None:
            self.start, self.end = columns.start, columns.stop

        @property
        def stop(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return int(self.end)

    corners = [(3 * (number // wide), 2 * (number % wide)) for number in range(4096)]
    places: Any = [(slice(y, y + 3), Counted(slice(x, x + 2))) for y, x in corners]
    assert overlapping(places) is None
    assert looked_at <= 4 * 4096
    panels = [Panel(pixels=(3, 2), pixel_size=PIXEL, slab=corner) for corner in corners]
    assert frame_shape(panels) == (3 * 4096 // wide, 2 * wide)
    with pytest.raises(InputError, match="panel 4000 and panel 4096 lie over each other in the image"):
        frame_shape([*panels, panels[4000]])


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        ({"layout": (attrs.evolve(PANELS[0], slab=(1 << 29, 9)),)}, "is too large to render"),
        ({"gaps": ((3, 2, 0, 1),)}, "Detector.gaps: expected first and last pixel along fast"),
        ({"gaps": ((0, 1, -1, 1),)}, "whole numbers from 0"),
        ({"mask": np.ones((9, 8), dtype=bool)}, "the mask has 8 x 9 pixels, the detector 9 x 9"),
    ],
)
def test_frames_that_cannot_be_are_refused(detector: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rendered(experiment(**detector))


def test_a_slab_that_is_no_place_is_refused() -> None:
    with pytest.raises(InputError, match=r"Panel\.slab: expected two whole numbers"):
        Panel(pixels=(1, 1), pixel_size=PIXEL, slab=(0, -1))


@given(
    fast=st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted),
    slow=st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted),
    hidden=st.integers(0, 2**32 - 1),
)
@settings(max_examples=20, deadline=None)
def test_region_mask_and_gaps_are_those_of_the_frame(fast: list[int], slow: list[int], hidden: int) -> None:
    mask = np.random.default_rng(hidden).random(SHAPE) < 0.6
    model = experiment(mask=mask, gaps=(GAP,))
    region = (fast[0], fast[1], slow[0], slow[1])
    model = attrs.evolve(model, sampling=attrs.evolve(model.sampling, region=region))
    seen = inside() & mask
    seen[0:5, 8] = False
    kept = np.zeros(SHAPE, dtype=bool)
    kept[slow[0] : slow[1] + 1, fast[0] : fast[1] + 1] = True
    whole = rendered(experiment()).frame().numpy()
    np.testing.assert_array_equal(rendered(model).frame().numpy(), np.where(seen & kept, whole, 0.0))
    assert np.array_equal(~model.detector.hidden(), seen)


def test_progress_counts_the_pixels_of_the_region_once() -> None:
    seen: list[tuple[int, int]] = []
    model = experiment()
    model = attrs.evolve(model, sampling=attrs.evolve(model.sampling, region=(4, 7, 0, 6)))
    rendered(model, progress=lambda done, total: seen.append((done, total)))
    assert sum(part.count() for part in shown_parts(model)) == 4 + 1 + 6
    assert seen[-1] == (11, 11)


@pytest.mark.parametrize("place", [(2, 3), (7, 4), (5, 8), (1, 7)])
def test_a_trace_is_of_the_frame_s_pixel(place: tuple[int, int]) -> None:
    made = rendered(experiment())
    assert float(trace_of(made, *place).value) == float(made.frame()[place])


@pytest.mark.parametrize("place", [(0, 0), (5, 2), (8, 8), (3, 6)])
def test_between_panels_there_is_nothing_to_trace(place: tuple[int, int]) -> None:
    assert panel_at(experiment().detector.panels(), *place) is None
    with pytest.raises(openbragg.UsageError, match=f"pixel {place[0]} {place[1]} .slow, fast. is not rendered"):
        trace_of(rendered(experiment()), *place)


def test_what_is_said_of_pixels_counts_on_the_frame() -> None:
    made = rendered(experiment())
    frame = made.frame().numpy()
    top = np.unravel_index(frame.argmax(), SHAPE)
    assert brightest(made.frame(), 1) == [top]
    numbers = statistics(made.frame(), (0, 8, 0, 8), made.mask())
    assert (numbers.slow, numbers.fast) == top
    assert numbers.mean == pytest.approx(frame[inside()].mean(), rel=1e-12)
    lines = list(printed_pixels(made, None))
    assert len(lines) == inside().sum()
    printed = {tuple(map(int, text.split(" :")[0].split())): text for text in lines}
    for column, row in ((8, 5), (2, 7)):
        assert f"pixel   {frame[row, column]:15.10g}" in printed[column, row]
        assert next(printed_pixels(made, (column, row))) == printed[column, row]
    with pytest.raises(openbragg.UsageError, match="-printout_pixel 6 3: the pixel is not rendered"):
        list(printed_pixels(made, (6, 3)))


def image(content: str = "counts") -> Image:
    pixels = np.arange(81, dtype=np.float64 if content == "counts" else np.float32).reshape(SHAPE)
    return make_image(pixels, content, detector=Detector(layout=PANELS, gaps=(GAP,)))


def written(name: str, picture: Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    openbragg.plugin("image_formats", name, **options).write(stream, picture)
    return stream.getvalue()


def pixels_there() -> np.ndarray:
    there = inside()
    there[0:5, 8] = False
    return there


def test_nxmx_has_a_module_a_panel_and_the_gaps_in_its_mask() -> None:
    picture = image()
    with h5py.File(io.BytesIO(written("nxmx", picture)), "r") as file:
        detector = file["/entry/instrument/detector"]
        modules = [detector[f"module_{number:04d}"] for number in range(3)]
        assert [module["data_origin"][()].tolist() for module in modules] == [[1, 0], [6, 0], [1, 7]]
        assert [tuple(module["data_size"][()].tolist()) for module in modules] == list(SIZES)
        for module, frame in zip(modules, picture.laboratory.panels, strict=True):
            place = module["module_offset"].attrs["offset"]
            assert np.linalg.norm(place) == pytest.approx(float(frame.origin.norm()), abs=1e-15)
        assert np.array_equal(detector["pixel_mask"][()] == 0, pixels_there())
        stored = file["/entry/data/data"][0]
    assert np.array_equal(stored[pixels_there()], picture.pixels[pixels_there()])
    assert (stored[~pixels_there()] == np.iinfo(np.uint32).max).all()


def test_minicbf_has_minus_one_between_panels(tmp_path: Any) -> None:
    file = tmp_path / "panels.cbf"
    file.write_bytes(written("minicbf", image()))
    stored = fabio.open(str(file)).data
    assert np.array_equal(stored, np.where(pixels_there(), image().pixels, -1))


def test_tiff_has_its_mark_between_panels() -> None:
    stored = tifffile.imread(io.BytesIO(written("tiff", image("photons"))))
    assert np.array_equal(stored, np.where(pixels_there(), image().pixels, -1.0))


def test_smv_has_its_offset_between_panels_and_the_frame_s_size_and_beam_centre(tmp_path: Any) -> None:
    file = tmp_path / "panels.img"
    file.write_bytes(written("smv", image(), adc_offset=10.0))
    read = fabio.open(str(file))
    assert np.array_equal(read.data, np.where(pixels_there(), image().pixels, 0.0) + 10.0)
    picture = image()
    fast, _ = (float(value) for value in picture.laboratory.panels[0].beam_point(picture.laboratory.beam))
    # The first panel's slab begins one row down.
    assert float(read.header["DENZO_Y_BEAM"]) == pytest.approx(1000.0 * fast, rel=1e-5)
    third = picture.laboratory.panels[2].beam_point(picture.laboratory.beam)
    assert float(third[0]) + 7 * PIXEL == pytest.approx(fast, abs=1e-12)


def test_smv_says_that_it_cannot_mark_gaps() -> None:
    smv = openbragg.plugin("image_formats", "smv")
    assert "which of its pixels are none" in smv.unsaid(image())
    assert smv.unsaid(make_image(image().pixels, "counts")) is None


def test_headers_of_one_detector_say_what_they_cannot() -> None:
    worst = openbragg.plugin("image_formats", "minicbf").unsaid(image())
    assert worst is not None and "how panels stand: readers are up to" in worst
    flat = tuple(attrs.evolve(panel, offset=(*panel.offset[:2], 0.0)) for panel in PANELS)
    plain = make_image(image().pixels, "counts", detector=Detector(layout=flat))
    said = openbragg.plugin("image_formats", "minicbf").unsaid(plain)
    assert said is None or "stand" not in said


def test_a_record_brings_panels_and_gaps_back() -> None:
    from openbragg.orchestrator.records.serialise import from_plain, to_plain

    model = experiment(gaps=(GAP,))
    again = from_plain(Experiment, to_plain(model))
    assert again.detector.layout == PANELS
    assert again.detector.gaps == (GAP,)
