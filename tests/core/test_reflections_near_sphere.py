"""Reflections near the sphere of reflection: found along rows of the lattice, all of them, and where they are."""

import itertools
import math
from collections.abc import Iterable

import attrs
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan, Simulation, plugin
from openbragg.engine.reflections.camera import Camera
from openbragg.engine.reflections.faces import Face, place_rays
from openbragg.engine.reflections.rows import Region, Shell, Slab, lattice_points, reciprocal_of
from openbragg.engine.reflections.search import Found, crossing_reflections, near_reflections
from openbragg.engine.reflections.sphere import Margin, excitation, turned_about
from openbragg.orchestrator.outputs.truth import make_truth
from openbragg.orchestrator.prediction import prediction
from openbragg.orchestrator.rendering import Rendering

Array = NDArray[np.float64]

#: Lengths in units of 1e-10 m, which keeps numbers near 1: cells of a few units, wavelengths of about 1.
number = st.floats(-1.0, 1.0, allow_subnormal=False)
#: Rounding decides on which side of an edge a point lies that is closer to it than this.
CLOSE = 1e-9


@st.composite
def directions(draw: st.DrawFn) -> Array:
    vector = np.array(draw(st.tuples(number, number, number)))
    assume(np.linalg.norm(vector) > 0.1)
    return vector / np.linalg.norm(vector)


@st.composite
def cells(draw: st.DrawFn) -> Array:
    """Oblique ones in any orientation, with axes of 3 to 8 units."""
    skew = np.eye(3) + 0.25 * np.array(draw(st.tuples(*[number] * 9))).reshape(3, 3)
    lengths = np.array(draw(st.tuples(*[st.floats(3.0, 8.0)] * 3)))
    cell = skew / np.linalg.norm(skew, axis=1, keepdims=True) * lengths[:, None]
    assume(abs(np.linalg.det(cell)) > 0.3 * lengths.prod())
    return turned_about(draw(directions()), cell, np.full(3, draw(st.floats(0.0, 3.0))))


@st.composite
def faces(draw: st.DrawFn) -> Face:
    """Skewed and tilted ones, at any side of the crystal, with a normal that is not across them."""
    fast, slow, normal = (draw(directions()) for _ in range(3))
    assume(abs(np.linalg.det([fast, slow, normal])) > 0.2)
    pixels = draw(st.tuples(*[st.integers(1, 40)] * 2))
    origin = draw(st.floats(5.0, 20.0)) * draw(directions())
    face = Face(origin=origin, fast=fast, slow=slow, normal=normal, pixel_size=0.5, pixels=pixels)
    # Not through the crystal.
    assume(abs(np.cross(fast, slow) @ origin) > 0.5)
    return face


def all_indices(cell: Array, resolution: float) -> Array:
    """Every h k l but 0 0 0 down to a d spacing, tried one by one."""
    ends = [
        range(-int(length / resolution) - 1, int(length / resolution) + 2) for length in np.linalg.norm(cell, axis=1)
    ]
    indices = np.array([each for each in itertools.product(*ends) if any(each)], dtype=float)
    return indices[np.linalg.norm(indices @ reciprocal_of(cell), axis=1) * resolution <= 1.0]


def gathered(found: Iterable[Found]) -> Found:
    parts = list(found)
    return Found(
        indices=np.concatenate([np.zeros((0, 3)), *(each.indices for each in parts)]),
        vectors=np.concatenate([np.zeros((0, 3)), *(each.vectors for each in parts)]),
        angle=np.concatenate([np.zeros(0), *(each.angle for each in parts)]),
    )


def names(indices: Array) -> list[tuple[int, ...]]:
    return [tuple(each) for each in indices.astype(int).tolist()]


def reached(face: Face, rays: Array) -> NDArray[np.bool_]:
    """Which rays meet a face well inside its edges, by three linear equations for each."""
    hits = []
    for ray in rays:
        times, fast, slow = np.linalg.solve(np.stack([ray, -face.fast, -face.slow], axis=1), face.origin)
        edges = (fast, face.pixels[1] * face.pixel_size - fast, slow, face.pixels[0] * face.pixel_size - slow)
        hits.append(times > 0.0 and min(edges) > CLOSE * max(1.0, times))
    return np.array(hits, dtype=bool)


@settings(max_examples=40, deadline=None)
@given(cells(), directions(), directions(), number, st.floats(0.0, 0.9), st.floats(0.0, 1.0), st.booleans())
def test_points_of_a_region_are_those_of_all_points_that_are_in_its_bodies(
    cell: Array, centre: Array, direction: Array, low: float, hole: float, thick: float, tight: bool
) -> None:
    reciprocal = reciprocal_of(cell)
    shells = (
        Shell(centre=np.zeros(3), lowest=0.3 * hole, highest=1.2),
        Shell(centre=centre, lowest=hole, highest=1.0),
    )
    slab = Slab(direction=direction, lowest=low, highest=low + thick)
    half = np.linalg.norm(cell, axis=1) * (0.4 if tight else 1.3)
    region = Region(reciprocal=reciprocal, box=np.stack([-half, half], axis=1), shells=shells, slabs=(slab,))
    found = np.concatenate([np.zeros((0, 3)), *lattice_points(region)])
    every = np.array(list(itertools.product(*(range(-int(end), int(end) + 1) for end in half))), dtype=float)

    def inside(slack: float) -> NDArray[np.bool_]:
        q = every @ reciprocal
        lengths = [(np.linalg.norm(q - shell.centre, axis=1), shell) for shell in shells]
        in_all = [(shell.lowest - slack <= length) & (length <= shell.highest + slack) for length, shell in lengths]
        height = q @ slab.direction
        return np.all([*in_all, (slab.lowest - slack <= height) & (height <= slab.highest + slack)], axis=0)

    assert len(set(names(found))) == len(found)
    assert set(names(every[inside(-CLOSE)])) <= set(names(found)) <= set(names(every[inside(1e-5)]))
    for parts in (2, 3, 50):
        cut = [each for part in region.cut(parts) for points in lattice_points(part) for each in names(points)]
        assert sorted(cut) == sorted(names(found))


@settings(max_examples=40, deadline=None)
@given(
    cells(),
    directions(),
    directions(),
    st.floats(0.9, 2.5),
    st.floats(-9.0, 9.0),
    st.sampled_from([0.01, 0.3, 2.0, 9.0]),
    st.one_of(st.none(), faces()),
)
def test_all_that_cross_the_sphere_within_a_range_are_found_and_no_other(
    cell: Array, beam: Array, spindle: Array, resolution: float, first: float, width: float, face: Face | None
) -> None:
    """Against the roots of c cos(phi) + s sin(phi) = n in tan(phi / 2), for every h k l."""
    camera = Camera(incident=beam, faces=() if face is None else (face,), resolution=resolution)
    found = gathered(crossing_reflections(camera, cell, spindle, first, first + width))
    assert np.abs(excitation(beam, found.vectors)).max(initial=0.0) < 1e-12
    assert ((found.angle >= first - CLOSE) & (found.angle <= first + width + CLOSE)).all()
    moved = turned_about(spindle, found.indices @ reciprocal_of(cell), found.angle)
    np.testing.assert_allclose(found.vectors, moved, rtol=0, atol=1e-12)
    expected = []
    for index in all_indices(cell, resolution):
        q = index @ reciprocal_of(cell)
        across = q - (q @ spindle) * spindle
        c, s = 2.0 * across @ beam, 2.0 * np.cross(spindle, across) @ beam
        n = -q @ q - 2.0 * (q @ spindle) * (beam @ spindle)
        if abs(n) > math.hypot(c, s) - 1e-6:
            continue
        for root in np.roots([n + c, -2.0 * s, n - c]):
            angle = 2.0 * math.atan(root.real)
            for turn in range(-4, 5):
                at = angle + turn * 2.0 * math.pi
                # Far from where two angles are one, a root is as good as its square root.
                if first + 1e-6 < at < first + width - 1e-6:
                    expected.append((index, at))
    if face is not None and expected:
        indices, angles = (np.array(each) for each in zip(*expected, strict=True))
        rays = beam + turned_about(spindle, indices @ reciprocal_of(cell), angles)
        expected = list(itertools.compress(expected, reached(face, rays)))
    # Each as often as it crosses.
    counts = {name: names(found.indices).count(name) for name in set(names(found.indices))}
    wanted = names(np.array([index for index, _ in expected]).reshape(-1, 3))
    assert all(counts.get(name, 0) >= wanted.count(name) for name in set(wanted))


@settings(max_examples=40, deadline=None)
@given(
    cells(),
    directions(),
    st.floats(0.9, 2.5),
    st.sampled_from([0.0, 0.01, 0.3]),
    st.sampled_from([0.0, 0.02, 0.3]),
    st.sampled_from([0.001, 0.05]),
    st.one_of(st.none(), faces()),
)
def test_all_within_their_margin_of_the_sphere_are_found_and_no_other(
    cell: Array, beam: Array, resolution: float, angle: float, bandwidth: float, width: float, face: Face | None
) -> None:
    margin = Margin(angle=angle, bandwidth=bandwidth, width=width)
    camera = Camera(incident=beam, faces=() if face is None else (face,), resolution=resolution)
    found = gathered(near_reflections(camera, cell, margin))
    vectors = found.indices @ reciprocal_of(cell)
    np.testing.assert_array_equal(found.vectors, vectors)
    assert len(set(names(found.indices))) == len(found.indices)

    def within(q: Array, slack: float) -> NDArray[np.bool_]:
        length = np.linalg.norm(q, axis=1)
        theta = np.arcsin(np.minimum(length / 2.0, 1.0))
        reach = angle * length * np.cos(theta) + bandwidth * length * np.sin(theta) + width
        near: NDArray[np.bool_] = np.abs(np.linalg.norm(beam + q, axis=1) - 1.0) <= reach + slack
        return near

    assert within(vectors, CLOSE).all()
    every = all_indices(cell, resolution + CLOSE)
    every = every[within(every @ reciprocal_of(cell), -CLOSE)]
    if face is not None:
        every = every[reached(face, beam + every @ reciprocal_of(cell))]
    assert set(names(every)) <= set(names(found.indices))


@settings(max_examples=60, deadline=None)
@given(cells(), directions(), directions(), faces(), st.sampled_from([0.02, 0.5]), number, st.floats(0.0, 8.0))
def test_the_region_of_a_turning_crystal_has_all_that_the_face_sees(
    cell: Array, beam: Array, spindle: Array, face: Face, pixel_size: float, first: float, width: float
) -> None:
    """Also of a small face far away, of which the bounds are tight."""
    face = attrs.evolve(face, pixel_size=pixel_size)
    region = Camera(incident=beam, faces=(face,)).turning(cell, spindle, first, first + width)
    q = face.points()[::37]
    q = q / np.linalg.norm(q, axis=1, keepdims=True) - beam
    for angle in np.linspace(first, first + width, 60):
        at_zero = turned_about(spindle, q, np.full(len(q), -angle))
        indices = at_zero @ cell.T
        assert (region.box[:, 0] - CLOSE <= indices).all() and (indices <= region.box[:, 1] + CLOSE).all()
        for shell in region.shells:
            length = np.linalg.norm(at_zero - shell.centre, axis=1)
            assert (shell.lowest - CLOSE <= length).all() and (length <= shell.highest + CLOSE).all()
        for slab in region.slabs:
            height = at_zero @ slab.direction
            assert (slab.lowest - CLOSE <= height).all() and (height <= slab.highest + CLOSE).all()


@settings(max_examples=50, deadline=None)
@given(faces(), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 2.0), st.floats(0.1, 9.0))
def test_a_ray_to_a_place_at_a_depth_of_a_face_is_there(
    face: Face, along_fast: float, along_slow: float, depth: float, length: float
) -> None:
    slow, fast = face.pixels
    place = np.array([along_fast * fast, along_slow * slow]) * face.pixel_size
    target = face.origin + place[0] * face.fast + place[1] * face.slow + depth * face.normal
    away = np.cross(face.fast, face.slow)
    # A sensor whose depths lie on both sides of the crystal is none.
    assume((away @ target) * (away @ face.origin) > 0.1)
    times, there = face.meet(target[None] / length, depth)
    # Rounding grows as the ray becomes parallel to the face.
    assert times[0] == pytest.approx(length, rel=1e-9)
    np.testing.assert_allclose(there[0], place, rtol=0, atol=1e-7)
    assert np.isinf(face.meet(-target[None])[0][0])


@settings(max_examples=50, deadline=None)
@given(faces(), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.001, 0.3))
def test_the_shoebox_of_a_cone_has_all_pixels_that_it_meets_and_no_others(
    face: Face, along_fast: float, along_slow: float, radius: float
) -> None:
    slow, fast = face.pixels
    target = face.origin + face.pixel_size * (along_fast * fast * face.fast + along_slow * slow * face.slow)
    ray = target / np.linalg.norm(target)
    (box,) = face.shoeboxes(ray[None], np.array([radius]))
    normal = np.cross(face.fast, face.slow)
    cosine = abs(normal @ ray) / np.linalg.norm(normal)
    across = np.cross(ray, [1.0, 0.0, 0.0] if abs(ray[0]) < 0.7 else [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    edge = math.cos(radius) * ray + math.sin(radius) * turned_about(
        ray, np.tile(across, (2000, 1)), np.linspace(0.0, 2.0 * math.pi, 2000)
    )
    pixel = face.meet(edge)[1] / face.pixel_size
    if math.acos(min(1.0, cosine)) + radius > 1.5:
        # It may not cross the plane in an ellipse, or in so large a one that few directions do not show its ends.
        return
    for axis, count in enumerate((fast, slow)):
        ends = np.floor([pixel[:, axis].min(), pixel[:, axis].max()])
        found = box[2 * axis : 2 * axis + 2]
        assert found[0] <= np.clip(ends[0], 0, count) and found[1] >= np.clip(ends[1], -1, count - 1)
        assert found[0] >= np.clip(ends[0] - 1, 0, count) and found[1] <= np.clip(ends[1] + 1, -1, count - 1)


def test_a_cone_behind_a_face_has_no_pixels_and_one_around_the_crystal_may_have_all() -> None:
    x, y, z = np.eye(3)
    face = Face(origin=10.0 * x - y - z, fast=y, slow=z, normal=x, pixel_size=0.1, pixels=(20, 30))
    boxes = face.shoeboxes(np.stack([-x, x, y]), np.array([0.1, 2.0, 0.1]))
    assert boxes[0, 1] < boxes[0, 0] and boxes[0, 3] < boxes[0, 2]
    np.testing.assert_array_equal(boxes[1:], [[0, 29, 0, 19]] * 2)


def test_of_faces_one_behind_the_other_a_ray_meets_the_nearest() -> None:
    x, y, z = np.eye(3)
    far = Face(origin=10.0 * x - y - z, fast=y, slow=z, normal=x, pixel_size=0.1, pixels=(20, 20))
    near = attrs.evolve(far, origin=5.0 * x - y, pixels=(5, 20))
    numbers, places = place_rays((far, near), np.array([x + 0.01 * z, x - 0.01 * z, -x]))
    assert numbers.tolist() == [1, 0, -1]
    np.testing.assert_allclose(places[:2], [[10.0, 0.5], [10.0, 9.0]], rtol=0, atol=1e-12)
    assert np.isnan(places[2]).all()


# Places in the image

CELL = (4e-9, 5e-9, 6e-9, *(math.radians(angle) for angle in (80, 95, 100)))
#: Axes of a panel that stand at 75 degrees to each other, in a detector that is tilted too.
SKEWED = ((1.0, 0.0, 0.0), (math.cos(math.radians(75)), math.sin(math.radians(75)), 0.0), (0.0, 0.0, 1.0))


def rendering_of(detector: Detector, scan: Scan, shape: str = "square", cells: int = 12) -> Rendering:
    experiment = Experiment(
        beam=Beam(wavelength=1.2e-10, fluence=1e28),
        crystal=Crystal(cell=CELL, cells=(cells, cells, cells), misset=(0.1, 0.2, 0.3)),
        detector=detector,
        scan=scan,
        sampling=Sampling(oversample=1),
    )
    factors = plugin("structure_factors", "hkl", default_F=100.0)
    return Simulation(experiment, structure_factors=factors, lattice_shape=shape, engine="eager").rendering()


@pytest.mark.parametrize("scan", [Scan(start=0.2), Scan(start=0.2, range=0.03, steps=15)], ids=["still", "rotation"])
@pytest.mark.parametrize(
    "detector",
    [
        Detector(pixels=(120, 130), pixel_size=0.2e-3, distance=0.1),
        Detector(pixels=(120, 130), pixel_size=0.2e-3, distance=0.1, rotation=(0.1, 0.2, 0.3), twotheta=0.1),
        Detector(
            layout=(Panel(pixels=(120, 130), pixel_size=0.2e-3, axes=SKEWED),), distance=0.1, rotation=(0, 0.2, 0)
        ),
    ],
    ids=["upright", "tilted", "skewed"],
)
def test_spots_are_brightest_in_the_pixel_where_they_are_predicted(detector: Detector, scan: Scan) -> None:
    rendering = rendering_of(detector, scan)
    image = rendering.frame().double().numpy()
    found = make_truth(rendering, (rendering.experiment.scan,), (), frozenset()).reflections()
    looked = 0
    for number in np.argsort(-found.photons)[:12]:
        fast, slow = found.pixel[number]
        apart = np.abs(found.pixel - found.pixel[number]).max(axis=1)
        apart[number] = np.inf
        column, row = int(fast), int(slow)
        if apart.min() < 8.0 or found.partiality[number] < 0.3 or not (4 <= column < 126 and 4 <= row < 116):
            continue
        part = image[row - 3 : row + 4, column - 3 : column + 4]
        brightest = np.array(np.unravel_index(int(part.argmax()), part.shape)[::-1]) - 3.0 + (column, row) + 0.5
        # The pixel itself, or the next one where it is predicted at the edge between the two.
        assert np.abs(brightest - found.pixel[number]).max() < 0.75
        looked += 1
    assert looked >= 4


def test_pixels_of_a_skewed_panel_have_the_photons_that_the_image_gives_them() -> None:
    """The image takes them for squares, of a larger solid angle than they have."""
    detector = Detector(layout=(Panel(pixels=(240, 260), pixel_size=0.1e-3, axes=SKEWED),), distance=0.1)
    rendering = rendering_of(detector, Scan(start=0.2), "gauss", 8)
    image = rendering.frame().double().numpy()
    found = make_truth(rendering, (rendering.experiment.scan,), (), frozenset()).reflections()
    ratios = []
    for place, (fast, slow) in enumerate(found.pixel):
        column, row = int(fast), int(slow)
        apart = np.abs(found.pixel - found.pixel[place]).max(axis=1)
        apart[place] = np.inf
        if apart.min() > 9.0 and 6 <= column < 254 and 6 <= row < 234 and found.partiality[place] > 0.2:
            ratios.append(image[row - 6 : row + 7, column - 6 : column + 7].sum() / found.photons[place])
    assert len(ratios) > 3
    # A part in a hundred for the curvature of the sphere within a spot.
    assert np.abs(np.array(ratios) - 1.0).max() < 0.01


def test_stills_that_stand_alike_are_predicted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(
        beam=Beam(wavelength=1.2e-10),
        crystal=Crystal(cell=CELL, cells=(8, 8, 8), misset=(0.1, 0.2, 0.3)),
        detector=Detector(pixels=(120, 130), pixel_size=0.2e-3, distance=0.1),
        scan=Scan(start=0.2, range=0.0),
    )
    layout = Simulation(experiment, structure_factors=plugin("structure_factors", "hkl", default_F=10.0)).layout()
    scan, later = layout.experiment.scan, attrs.evolve(layout.experiment.scan, start=0.4)
    calls = []
    searched = prediction.near_reflections

    def counted(camera: Camera, cell: Array, margin: Margin) -> Iterable[Found]:
        calls.append(cell)
        return searched(camera, cell, margin)

    monkeypatch.setattr(prediction, "near_reflections", counted)
    found = prediction.predict(layout, (scan, later, scan, scan), frozenset())
    assert len(calls) == 2
    alone = [prediction.predict(layout, (each,), frozenset()) for each in (scan, later)]
    for number, expected in enumerate((alone[0], alone[1], alone[0], alone[0])):
        rows = found.still == number
        assert rows.any()
        for name in ("indices", "pixel", "partiality", "photons", "angle"):
            np.testing.assert_array_equal(getattr(found, name)[rows], getattr(expected, name))
