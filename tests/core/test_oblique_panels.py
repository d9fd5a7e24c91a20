"""Panels of which the axes are neither at right angles nor of unit length: in images, prediction, truth and files."""

import json
import math
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
import pytest
import torch

import openbragg
from command_line import run
from dials import ask
from openbragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    Geometry,
    Panel,
    Sampling,
    Scan,
    described_convention,
    described_experiment,
    described_panel,
    plugin,
    read_geometry,
    read_image,
)
from openbragg.reflections import face_of

#: Metres and parts of a pixel: rounding, and what images in float32 differ by.
ROUNDING, SAME = 1e-12, 1e-5
FACTORS = plugin("structure_factors", "hkl", default_F=100.0)
FAST, SLOW = np.array([0.92, 0.31, 0.11]), np.array([-0.2, 1.07, -0.05])
CRYSTAL = Crystal(cell=(3e-9, 4e-9, 5e-9, math.pi / 2, 1.7, math.pi / 2), cells=(3, 3, 3))
GEOM = """photon_energy = 9300 eV
clen = 60 mm
res = 5000
p/min_fs = 0
p/max_fs = 39
p/min_ss = 0
p/max_ss = 29
p/fs = 0.92x +0.31y +0.11z
p/ss = -0.2x +1.07y -0.05z
p/corner_x = -16.5
p/corner_y = -20.25
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.geom").write_text(GEOM)


def geometry(fast: Any = FAST, slow: Any = SLOW, *, pixels: tuple[int, int] = (30, 40), **changes: Any) -> Geometry:
    """One panel, in a beam along z."""
    origin = changes.pop("origin", (-3.3e-3, -4.05e-3, 0.06))
    panel = described_panel(
        "a test", name="p", pixels=pixels, sides=(2e-4, 2e-4), origin=origin, fast=fast, slow=slow, as_written=True
    )
    return Geometry(source="a test", panels=(panel,), beam=(0.0, 0.0, 1.0), wavelength=1.3e-10, **changes)


def simulation(said: Geometry, **changes: Any) -> openbragg.Simulation:
    experiment = described_experiment(said, CRYSTAL, sampling=Sampling(oversample=1), **changes)
    return openbragg.Simulation(
        experiment, convention=described_convention(said), structure_factors=FACTORS, precision="double"
    )


def test_every_pixel_is_that_of_a_square_panel_at_its_place_by_its_area() -> None:
    """Each pixel once more, as a panel of one square pixel with the same middle and normal."""
    said = geometry()
    panel = said.panels[0]
    image = simulation(said).photons().numpy()
    area = np.linalg.norm(np.cross(FAST, SLOW))
    fast, slow, _ = panel.axes()
    for row, column in ((0, 0), (3, 37), (29, 12), (15, 20)):
        middle = np.array(panel.position(column + 0.5, row + 0.5))
        corner = middle - 1e-4 * (np.array(fast) + np.array(slow))
        alone = simulation(geometry(fast, slow, pixels=(1, 1), origin=corner)).photons().item()
        assert image[row, column] == pytest.approx(area * alone, rel=1e-9)


def test_a_parallelogram_is_the_same_by_axes_or_by_the_size_of_its_pixels() -> None:
    """Axes twice as long, of pixels half as large."""
    said = geometry()
    panel = said.panels[0]
    doubled = attrs.evolve(
        panel,
        pixel_size=1e-4,
        fast=tuple(2.0 * value for value in panel.fast),
        slow=tuple(2.0 * value for value in panel.slow),
    )
    one, other = simulation(said).photons(), simulation(attrs.evolve(said, panels=(doubled,))).photons()
    torch.testing.assert_close(one, other, rtol=1e-9, atol=0.0)


@pytest.mark.parametrize("flags", [(), ("--cull", "1e-3"), ("-water", "20"), ("-oversample_omega",)])
def test_trace_and_image_have_the_same_photons_and_the_places_that_the_file_says(flags: tuple[str, ...]) -> None:
    words = "-geometry p.geom -cell 30 40 50 90 97 90 -N 3 -default_F 100 -oversample 2".split()
    assert run("simulate", *words, *flags, "-floatfile", "image.bin").status == 0
    image = np.fromfile("image.bin", "<f4").reshape(30, 40)
    finished = run("trace", *words, *(flag for flag in flags if flags[0] != "--cull"), "--pixel", 21, 33)
    values = dict(line.split(" ", 2)[1:] for line in finished.out.splitlines() if line.startswith("TRACE_PY:"))
    assert float(values["I_pixel_final"]) == pytest.approx(image[21, 33], rel=SAME, abs=1e-3 * image.max())
    place = [float(word) for word in values["pix0_vector_meters"].split()]
    np.testing.assert_allclose(place, [-16.5 * 2e-4, -20.25 * 2e-4, 0.06], atol=ROUNDING)


def test_reflections_are_predicted_where_their_rays_meet_the_panel() -> None:
    said = geometry(start=0.0, oscillation=0.05)
    made = simulation(said, scan=Scan(start=0.0, range=0.05, steps=3))
    found = made.reflections()
    assert len(found.angle) > 5
    for ray, (fast, slow) in zip(found.ray, found.pixel, strict=True):
        place = np.array(said.panels[0].position(fast, slow))
        np.testing.assert_allclose(np.cross(ray, place / np.linalg.norm(place)), 0.0, atol=1e-12)
        assert 0.0 <= fast < 40.0 and 0.0 <= slow < 30.0


@pytest.mark.parametrize("point_pixel", [False, True])
def test_a_predicted_reflection_has_the_photons_that_square_pixels_have(point_pixel: bool) -> None:
    """All of a spot is on a panel, whatever pixels it is cut into; a point pixel counts as one of a square metre."""
    turn = {"scan": Scan(start=0.0, range=0.1, steps=3)}
    panel = geometry().panels[0]
    fast, slow, _ = panel.axes()
    photons = []
    for said in (geometry(), geometry(fast, slow, pixels=(60, 80), origin=panel.position(-20, -10))):
        made = simulation(said, **turn)
        experiment = made.experiment
        detector = attrs.evolve(experiment.detector, point_pixel=point_pixel)
        found = made.evolve(experiment=attrs.evolve(experiment, detector=detector)).reflections()
        photons.append(dict(zip(map(tuple, found.indices.tolist()), found.photons.tolist(), strict=True)))
    both = sorted(photons[0].keys() & photons[1].keys())
    assert len(both) > 5
    # Square metres to a pixel of each kind, where pixels have no area.
    areas = np.linalg.norm(np.cross(FAST, SLOW)) if point_pixel else 1.0
    for index in both:
        assert areas * photons[0][index] == pytest.approx(photons[1][index], rel=1e-6)


def test_beam_and_near_point_are_parts_along_the_axes() -> None:
    panel = geometry().panels[0]
    frame = simulation(geometry()).layout().laboratory.panels[0]
    beam = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    hit, near = (
        panel.position(*(float(value) / 2e-4 for value in place))
        for place in (frame.beam_point(beam), frame.near_point())
    )
    np.testing.assert_allclose(hit[:2], 0.0, atol=ROUNDING)
    np.testing.assert_allclose(np.cross(near, panel.axes()[2]), 0.0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"beam_centre": (3e-3, 2e-3)}, (3e-3, 2e-3)),
        ({"distance": 0.1, "beam_centre": (1e-3, 4e-3)}, (1e-3, 4e-3)),
    ],
)
def test_a_beam_centre_is_given_along_the_axes(settings: dict[str, Any], expected: tuple[float, float]) -> None:
    said = geometry()
    detector = attrs.evolve(described_experiment(said, CRYSTAL).detector, **settings)
    laboratory = described_convention(said).place(detector)
    frame = laboratory.panels[0]
    spot = frame.origin.numpy() + expected[0] * FAST + expected[1] * SLOW
    np.testing.assert_allclose(spot, [0.0, 0.0, spot[2]], atol=ROUNDING)
    if "distance" in settings:
        assert spot[2] == pytest.approx(settings["distance"])
    np.testing.assert_allclose([float(value) for value in laboratory.beam_centre], expected, atol=ROUNDING)


def test_the_near_point_is_given_along_the_axes() -> None:
    said = geometry()
    detector = attrs.evolve(described_experiment(said, CRYSTAL).detector, near_point=(2e-3, 1e-3))
    frame = described_convention(said).place(detector).panels[0]
    np.testing.assert_allclose([float(value) for value in frame.near_point()], (2e-3, 1e-3), atol=ROUNDING)


def test_an_upright_panel_is_the_nearest_that_has_right_angles() -> None:
    frame = simulation(geometry()).layout().laboratory.panels[0]
    made, off = frame.upright()
    assert abs(float(made.fast @ made.slow)) < 1e-15
    assert float(made.fast.norm()) == pytest.approx(np.linalg.norm(FAST))
    assert float(made.slow.norm()) == pytest.approx(np.linalg.norm(SLOW))
    corners = [
        (made.origin + 2e-4 * (i * made.fast + j * made.slow))
        - (frame.origin + 2e-4 * (i * frame.fast + j * frame.slow))
        for i in (0, 40)
        for j in (0, 30)
    ]
    assert off == pytest.approx(max(float(corner.norm()) for corner in corners) / 2e-4)
    assert float(sum(corners).norm()) < ROUNDING
    square, nothing = made.upright()
    assert (square, nothing) == (made, 0.0)


def test_panels_that_are_not_oblique_are_computed_as_ever() -> None:
    """To the last bit: axes of unit length at right angles are not divided by anything."""
    assert not Panel(pixels=(2, 2), pixel_size=1e-4).is_oblique()
    laboratory = plugin("geometry_conventions", "mosflm").place(Detector(pixels=(20, 30), pixel_size=1e-4))
    (frame,) = laboratory.panels
    assert frame.near_point() == (-(frame.origin @ frame.fast), -(frame.origin @ frame.slow))
    assert frame.pixel_sides() == (1e-4, 1e-4)
    assert frame.upright() == (frame, 0.0)


def test_files_have_the_lengths_of_axes_and_a_word_on_their_angles() -> None:
    words = "-cell 30 40 50 90 97 90 -N 3 -default_F 100 -oversample 3 -osc 1".split()
    finished = run("simulate", "-geometry", "p.geom", *words, "-expt", "a.expt", "-nxmx_photons", "a.nxs")
    assert finished.status == 0, finished.err
    said = [line for line in finished.complaints() if "oblique" in line]
    assert [line.split()[2] for line in said] == ["a.expt", "a.nxs"]
    assert all("with right angles they are up to" in line and "-expt" not in line for line in said)
    off = float(said[0].split(" up to ")[1].split()[0])
    true = read_geometry("p.geom").panels[0]
    listed = read_geometry("a.expt").panels[0]
    stored = read_image("a.nxs").geometry
    assert stored is not None
    assert stored.panels[0].pixels == listed.pixels == true.pixels
    # Seen from the crystal, whichever frame a file has.
    for panel in (listed, stored.panels[0]):
        lengths = [
            [math.dist(each.position(i, j), each.position(20, 15)) for i in (0, 40) for j in (0, 30)]
            for each in (panel, true)
        ]
        np.testing.assert_allclose(*lengths, atol=off * 2e-4)
        assert math.hypot(*panel.position(20, 15)) == pytest.approx(math.hypot(*true.position(20, 15)), rel=1e-12)
        assert panel.pixel_size * math.hypot(*panel.fast) == pytest.approx(2e-4 * np.linalg.norm(FAST))
        assert panel.pixel_size * math.hypot(*panel.slow) == pytest.approx(2e-4 * np.linalg.norm(SLOW))


def test_oblong_pixels_go_through_every_file_as_they_are() -> None:
    """Only of two lengths, which DIALS and NeXus have: nothing to notice, and the same image from what is written."""
    oblong = GEOM.replace("0.92x +0.31y +0.11z", "0.96x +0.72y").replace("-0.2x +1.07y -0.05z", "-0.48x +0.64y")
    Path("p.geom").write_text(oblong)
    words = "-cell 30 40 50 90 97 90 -N 3 -default_F 100 -oversample 3 -lambda 1.3".split()
    finished = run(
        "simulate", "-geometry", "p.geom", *words, *"-osc 1 -floatfile a.bin -expt a.expt -nxmx a.nxs".split()
    )
    assert finished.status == 0 and "oblique" not in finished.err
    (panel,) = json.loads(Path("a.expt").read_text())["detector"][0]["panels"]
    assert panel["pixel_size"] == pytest.approx([0.24, 0.16])
    assert run("simulate", "-geometry", "a.expt", *words, *"-mosaic_dom 1 -floatfile b.bin -osc 1".split()).status == 0
    images = [np.fromfile(name, "<f4") for name in ("a.bin", "b.bin")]
    np.testing.assert_allclose(images[0], images[1], atol=1e-5 * images[0].max())
    stored = read_image("a.nxs").geometry
    assert stored is not None
    assert math.hypot(*stored.panels[0].slow) * stored.panels[0].pixel_size == pytest.approx(1.6e-4)


def test_a_face_has_the_pixels_of_an_oblique_panel() -> None:
    said = geometry()
    face = face_of(simulation(said).layout().laboratory.panels[0])
    rays = np.array([said.panels[0].position(7.25, 11.5), said.panels[0].position(39.0, 0.5)])
    _, places = face.meet(rays)
    np.testing.assert_allclose(places / 2e-4, [[7.25, 11.5], [39.0, 0.5]], atol=1e-9)


def test_the_gradient_of_a_panels_axes_is_that_of_its_photons() -> None:
    """Also of its area, though the axes are of unit length and at right angles."""
    experiment = Experiment(crystal=CRYSTAL, beam=Beam(wavelength=1.3e-10), sampling=Sampling(oversample=1))

    def photons(axes: Any) -> torch.Tensor:
        detector = Detector(layout=(Panel(pixels=(2, 3), pixel_size=2e-4, axes=axes),), distance=0.06)
        made = attrs.evolve(experiment, detector=detector)
        return openbragg.Simulation(made, structure_factors=FACTORS, precision="double").photons().sum()

    axes = torch.eye(3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(photons(axes), axes)
    step = torch.zeros(3, 3, dtype=torch.float64)
    step[0, 0] = 1e-6
    with torch.no_grad():
        there, back = (
            photons(torch.eye(3, dtype=torch.float64) + step),
            photons(torch.eye(3, dtype=torch.float64) - step),
        )
    assert float(slope[0, 0]) == pytest.approx(float(there - back) / 2e-6, rel=1e-5)


def test_of_a_spectrum_in_an_image_the_mean_by_its_weights_is_taken() -> None:
    words = "-cell 30 -N 3 -default_F 100 -detpixels 8 -pixel 1 -distance 60 -oversample 3".split()
    assert run("simulate", *words, "-nxmx_photons", "a.nxs").status == 0
    with h5py.File("a.nxs", "r+") as file:
        beam = file["entry/instrument/beam"]
        del beam["incident_wavelength"]
        beam["incident_wavelength"] = [1.0, 1.1, 1.4]
        beam["incident_wavelength"].attrs["units"] = "angstrom"
        beam["incident_wavelength_weights"] = [1.0, 2.0, 1.0]
    said = read_image("a.nxs").geometry
    assert said is not None and said.wavelength == pytest.approx(1.15e-10)
    finished = run("simulate", "-img", "a.nxs", *words[:6], "-oversample", "3", "-floatfile", "a.bin")
    assert finished.status == 0
    assert "a.nxs: of a spectrum of 3 wavelengths the mean is taken, 1.15 A" in finished.err
    given = run("simulate", "-img", "a.nxs", *words[:6], "-oversample", "3", "-lambda", "1.2", "-floatfile", "a.bin")
    assert given.status == 0 and "spectrum" not in given.err


def test_dials_opens_what_is_written_of_an_oblique_panel() -> None:
    """Its pixels lie where the notice says that they do, and its experiment list and NXmx agree."""
    words = "-cell 30 40 50 90 97 90 -N 3 -default_F 100 -oversample 3 -osc 1".split()
    finished = run("simulate", "-geometry", "p.geom", *words, "-expt", "a.expt", "-nxmx", "a.nxs")
    assert finished.status == 0
    script = (
        "panels = [ExperimentListFactory.from_json_file('a.expt', check_format=False)[0].detector[0],\n"
        "    ExperimentListFactory.from_filenames(['a.nxs'])[0].detector[0]]\n"
        "places = [(0, 0), (40, 0), (0, 30), (40, 30), (20, 15)]\n"
        "print(json.dumps([[panel.get_pixel_lab_coord(place) for place in places] for panel in panels]))"
    )
    listed, stored = (np.array(places) for places in ask(script, folder=Path.cwd()))
    np.testing.assert_allclose(listed, stored, atol=1e-6)
    true = np.array(
        [read_geometry("p.geom").panels[0].position(*place) for place in ((0, 0), (40, 0), (0, 30), (40, 30), (20, 15))]
    )
    apart = np.linalg.norm(listed * 1e-3, axis=1) - np.linalg.norm(true, axis=1)
    assert abs(apart[4]) < 1e-9
    off = float(finished.err.split(" up to ")[1].split()[0])
    assert 1e-6 < abs(apart).max() < off * 2e-4
