"""Files of what is known of a run: DIALS's experiment list of its geometry and crystal."""

import json
import math
from pathlib import Path
from typing import Any

import attrs
import msgpack
import numpy as np
import pytest
import torch

import openbragg
from command_line import run
from openbragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    Miller,
    Panel,
    PredictedReflections,
    Sampling,
    Scan,
    Simulation,
    Truth,
    plugin,
)
from openbragg.errors import InputError
from openbragg.orchestrator.outputs.truth import make_truth
from openbragg.orchestrator.prediction.rocking import make_profile
from openbragg.testing import check_truth_format, make_lattice
from openbragg_plugins.truth_formats.dials_experiments import DialsExperiments, experiment_list
from openbragg_plugins.truth_formats.dials_models import crystal_model, dials_axes, mosaicity, rotation_about
from openbragg_plugins.truth_formats.predicted_reflections import PredictedReflectionsFile, columns_of

MODEL = ("-cell", "40", "50", "60", "80", "95", "100", "-N", "3", "-default_F", "10", "-detpixels_f", "20")
CAMERA = (*MODEL, "-detpixels_s", "16", "-pixel", "0.1", "-distance", "50", "-misset", "10", "20", "30")


@pytest.mark.parametrize("name", ["a.refl", "a.csv", "a.expt"])
def test_truth_formats_keep_their_contract(name: str) -> None:
    check_truth_format(DialsExperiments() if name == "a.expt" else PredictedReflectionsFile(), name)


def expt(path: Path) -> dict:
    return json.loads(path.read_text(encoding="ascii"))


def a_truth(detector: Detector | None = None, convention: str = "mosflm", scan: Scan | None = None) -> Truth:
    """Of a triclinic crystal, not rendered."""
    cell = (4e-9, 5e-9, 6e-9, *(math.radians(angle) for angle in (80, 95, 100)))
    experiment = Experiment(
        beam=Beam(wavelength=1.2e-10),
        crystal=Crystal(cell=cell, cells=(3, 3, 3), misset=(0.1, 0.2, 0.3)),
        detector=detector or Detector(pixels=(16, 20)),
        scan=scan or Scan(start=0.2, range=0.01),
    )
    factors = plugin("structure_factors", "hkl", default_F=10.0)
    layout = Simulation(experiment, convention=convention, structure_factors=factors).layout()
    return make_truth(layout, (layout.experiment.scan,), (), frozenset())


def test_a_rotation_is_one_experiment_with_every_model_and_the_images(tmp_path: Path) -> None:
    images = ("-images", "3", "-osc", "1", "-phisteps", "2", "-phi", "10", "-exposure", "0.5")
    flags = ("-noisefile", tmp_path / "a_##.img", "-floatfile", tmp_path / "a.bin", "-expt", tmp_path / "a.expt")
    finished = run("simulate", *CAMERA, *images, *flags)
    assert finished.status == 0
    assert f"{tmp_path / 'a.expt'} (dials-experiments, truth)" in finished.out
    made = expt(tmp_path / "a.expt")
    assert made["__id__"] == "ExperimentList"
    (experiment,) = made["experiment"]
    models = ("beam", "detector", "goniometer", "scan", "crystal", "imageset")
    assert {name: experiment[name] for name in models} == dict.fromkeys(models, 0)
    assert [len(made[name]) for name in models] == [1] * 6
    # Relative to the file, so that the folder can be moved.
    assert made["imageset"][0]["template"] == "a_##.img"
    scan = made["scan"][0]
    assert scan["image_range"] == [1, 3]
    assert scan["oscillation"] == [pytest.approx(10.0), pytest.approx(1.0)]
    assert (scan["exposure_time"], scan["epochs"]) == ([0.5] * 3, [0.0, 0.5, 1.0])
    panel = made["detector"][0]["panels"][0]
    assert (panel["image_size"], panel["pixel_size"]) == ([20, 16], [pytest.approx(0.1)] * 2)
    # The default pedestal of 40 is taken off what 16 bits hold.
    assert (panel["pedestal"], panel["trusted_range"]) == (40.0, [-41.0, 65495.0])


def test_stills_are_experiments_of_their_own_without_a_goniometer(tmp_path: Path) -> None:
    flags = ("-images", "2", "-osc", "0", "-phi", "90", "-nxmx", tmp_path / "a.nxs", "-expt", tmp_path / "b.expt")
    assert run("simulate", *CAMERA, *flags).status == 0
    made = expt(tmp_path / "b.expt")
    assert [each["imageset"] for each in made["experiment"]] == [0, 1]
    assert len({each["identifier"] for each in made["experiment"]}) == 2
    assert (made["goniometer"], made["scan"]) == ([], [])
    assert [each["images"] for each in made["imageset"]] == [["a.nxs"], ["a.nxs"]]
    assert [each["single_file_indices"] for each in made["imageset"]] == [[0], [1]]
    # The crystal stands as the spindle at 90 degrees has it, about DIALS's x.
    assert run("simulate", *CAMERA, "-noisefile", tmp_path / "c.img", "-expt", tmp_path / "c.expt").status == 0
    (at_rest,) = expt(tmp_path / "c.expt")["crystal"]
    for name in ("real_space_a", "real_space_b", "real_space_c"):
        x, y, z = at_rest[name]
        np.testing.assert_allclose(made["crystal"][0][name], [x, -z, y], rtol=0, atol=1e-9)


def test_images_that_dials_reads_best_are_pointed_to(tmp_path: Path) -> None:
    flags = ("-noisefile", tmp_path / "a.img", "-cbf", tmp_path / "a.cbf", "-osc", "1", "-expt", tmp_path / "a.expt")
    assert run("simulate", *CAMERA, *flags).status == 0
    assert expt(tmp_path / "a.expt")["imageset"][0]["template"] == "a.cbf"
    assert expt(tmp_path / "a.expt")["detector"][0]["panels"][0]["trusted_range"] == [-1.0, 1048575.0]
    assert run("simulate", *CAMERA, "-floatfile", tmp_path / "a.bin", "-expt", tmp_path / "b.expt").status == 0
    made = expt(tmp_path / "b.expt")
    assert made["imageset"] == [] and "imageset" not in made["experiment"][0]


def test_equal_runs_give_equal_files_in_any_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        flags = ("-noisefile", folder / "a.img", "-osc", "1", "-seed", "1", "-expt", folder / "a.expt")
        assert run("simulate", *CAMERA, *flags).status == 0
    assert (tmp_path / "one/a.expt").read_bytes() == (tmp_path / "two/a.expt").read_bytes()


@pytest.mark.parametrize("convention", ["mosflm", "xds", "adxv", "denzo", "dials", "custom"])
def test_in_any_convention_beam_spindle_and_bragg_spots_are_those_of_the_laboratory(convention: str) -> None:
    """DIALS's laboratory is ours, turned: all scalar products and the hand are kept, and the beam runs along -z."""
    truth = a_truth(Detector(pixels=(16, 20), rotation=(0.1, 0.2, 0.3), twotheta=0.2), convention)
    made = experiment_list(truth, Path())
    axes = dials_axes(truth.laboratory)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), rtol=0, atol=1e-15)
    assert np.linalg.det(axes) == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(made["beam"][0]["direction"], [0, 0, 1], rtol=0, atol=1e-15)
    panel, frame = made["detector"][0]["panels"][0], truth.laboratory.panels[0]
    for ours, theirs in ((frame.fast, "fast_axis"), (frame.slow, "slow_axis"), (1e3 * frame.origin, "origin")):
        np.testing.assert_allclose(np.array(panel[theirs]) @ axes, ours.numpy(), rtol=0, atol=1e-12)
    axis = np.array(made["goniometer"][0]["rotation_axis"])
    np.testing.assert_allclose(axis @ axes, truth.laboratory.spindle.numpy(), rtol=0, atol=1e-15)
    # Of a spindle that is not along the beam the part across it is along x.
    assert abs(axis[1]) < 1e-15 and axis[0] > -1e-15
    crystal = made["crystal"][0]
    vectors = np.array([crystal[f"real_space_{name}"] for name in "abc"]) * 1e-10
    np.testing.assert_allclose(vectors @ axes, truth.cell_vectors, rtol=0, atol=1e-23)
    normal = np.array(made["beam"][0]["polarization_normal"]) @ axes
    assert abs(normal @ truth.laboratory.beam.numpy()) < 1e-15
    assert abs(normal @ truth.laboratory.polarization.numpy()) < 1e-15


def test_every_panel_is_written() -> None:
    tilt = math.cos(0.3), math.sin(0.3)
    axes = ((tilt[0], 0.0, -tilt[1]), (0.0, 1.0, 0.0), (tilt[1], 0.0, tilt[0]))
    panels = (
        Panel(pixels=(4, 5), pixel_size=1e-4),
        Panel(pixels=(6, 7), pixel_size=2e-4, offset=(1e-3, 0, 0), axes=axes),
    )
    truth = a_truth(Detector(layout=panels))
    detector = experiment_list(truth, Path())["detector"][0]
    assert detector["hierarchy"]["children"] == [{"panel": 0}, {"panel": 1}]
    assert [panel["image_size"] for panel in detector["panels"]] == [[5, 4], [7, 6]]
    first, second = (np.array(panel["fast_axis"]) for panel in detector["panels"])
    assert first @ second == pytest.approx(math.cos(0.3), abs=1e-15)
    apart = np.subtract(detector["panels"][1]["origin"], detector["panels"][0]["origin"])
    np.testing.assert_allclose(apart, first, rtol=0, atol=1e-12)


def test_gaps_and_the_places_of_panels_in_the_frame_are_written() -> None:
    panels = (Panel(pixels=(4, 5), pixel_size=1e-4), Panel(pixels=(6, 5), pixel_size=1e-4, offset=(0, 4e-4, 0)))
    truth = a_truth(Detector(layout=panels, gaps=((1, 2, 3, 5),)))
    first, second = experiment_list(truth, Path())["detector"][0]["panels"]
    assert (first["raw_image_offset"], second["raw_image_offset"]) == ([0, 0], [0, 4])
    assert (first["mask"], second["mask"]) == ([[1, 3, 3, 4]], [[1, 0, 3, 2]])


def test_a_sensor_that_absorbs_has_the_correction_of_the_parallax() -> None:
    thick = Detector(pixels=(16, 20), sensor_thickness=450e-6, sensor_layers=10, attenuation_length=300e-6)
    panel = experiment_list(a_truth(thick), Path())["detector"][0]["panels"][0]
    assert (panel["thickness"], panel["mu"]) == (pytest.approx(0.45), pytest.approx(1 / 0.3))
    assert panel["px_mm_strategy"] == {"type": "ParallaxCorrectedPxMmStrategy"}
    surface = experiment_list(a_truth(), Path())["detector"][0]["panels"][0]
    assert (surface["mu"], surface["px_mm_strategy"]) == (0.0, {"type": "SimplePxMmStrategy"})


def test_mosaicity_is_the_spread_of_rotations_about_one_axis() -> None:
    """Of rotations by 2 and -2 degrees about x, y and z a third each is about any axis: 2 / sqrt(3)."""
    angle = math.radians(2.0)
    rotations = [rotation_about(axis, sign * angle) for axis in np.eye(3) for sign in (1.0, -1.0)]
    assert math.degrees(mosaicity(np.array(rotations))) == pytest.approx(2.0 / math.sqrt(3.0))
    assert mosaicity(np.eye(3)[None]) == 0.0
    assert "mosaicity" not in experiment_list(a_truth(), Path())["crystal"][0]


def rendered(
    shape: str = "gauss",
    *,
    scan: Scan | None = None,
    mosaic: float | None = 0.0,
    domains: int | None = 1,
    model: Any = "nanobragg",
    crystal: Crystal | None = None,
    region: tuple[int, int, int, int] | None = None,
    compat: tuple[str, ...] = (),
    oversampled: bool = False,
    **more: Any,
):
    """Photons of a rendered crystal, without noise and background, and its reflections; `more` is the detector's."""
    cell = (4e-9, 5e-9, 6e-9, *(math.radians(angle) for angle in (80, 95, 100)))
    experiment = Experiment(
        beam=Beam(wavelength=1.2e-10, polarization=0.5, fluence=1e28),
        crystal=crystal
        or Crystal(cell=cell, cells=(8, 8, 8), misset=(0.1, 0.2, 0.3), mosaic_spread=mosaic, mosaic_domains=domains),
        detector=Detector(pixels=(240, 260), pixel_size=0.1e-3, distance=0.1, **more),
        scan=scan or Scan(),
        sampling=Sampling(oversample=1, region=region, oversample_solid_angle=oversampled),
    )
    factors = plugin("structure_factors", "hkl", default_F=100.0)
    rendering = Simulation(
        experiment, structure_factors=factors, lattice_shape=shape, mosaic=model, engine="eager", compat=compat
    ).rendering()
    truth = make_truth(rendering, (rendering.experiment.scan,), (), frozenset(compat))
    return rendering.frame().double().numpy(), truth.reflections(), truth


def spots(image: np.ndarray, found: PredictedReflections, least: float, most: float = 2.0, box: int = 6):
    """Of each reflection that stands alone and has a partiality in a range.

    The photons in a box of pixels over the predicted ones, and how far the centroid is from the predicted place.
    """
    ratios, shifts = [], []
    for place, (fast, slow) in enumerate(found.pixel):
        column, row = int(fast), int(slow)
        apart = np.abs(found.pixel - found.pixel[place]).max(axis=1)
        apart[place] = np.inf
        inside = box < column < image.shape[1] - box and box < row < image.shape[0] - box
        if not inside or apart.min() < 1.5 * box or not least <= found.partiality[place] <= most:
            continue
        part = image[row - box : row + box + 1, column - box : column + box + 1]
        steps = np.arange(-box, box + 1) + 0.5
        middle = np.array([column + part.sum(axis=0) @ steps / part.sum(), row + part.sum(axis=1) @ steps / part.sum()])
        ratios.append(part.sum() / found.photons[place])
        shifts.append(np.abs(middle - found.pixel[place]).max())
    assert len(ratios) > 3
    return np.array(ratios), np.array(shifts)


def test_photons_of_whole_and_partial_reflections_are_those_in_the_image() -> None:
    """Gaussian spots have no fringes, so that a box of pixels has all of one.

    Steps finer than a spot add up to the integral; what is lost is the curvature of the sphere within a spot, and in a
    partial one that the speed changes.
    """
    image, found, _ = rendered(scan=Scan(start=0.2, range=math.radians(4.0), steps=70))
    ratios, shifts = spots(image, found, 0.95)
    assert np.abs(ratios - 1.0).max() < 0.002
    assert shifts.max() < 0.1
    ratios, _ = spots(image, found, 0.2, 0.9)
    assert np.abs(ratios - 1.0).max() < 0.03


def test_steps_that_go_beyond_the_range_sweep_as_far_as_the_image_does() -> None:
    """2 degrees are said, and 70 steps of 0.05 degrees taken."""
    scan = Scan(start=0.2, range=math.radians(2.0), step=math.radians(0.05), steps=70)
    image, found, _ = rendered(scan=scan)
    ratios, shifts = spots(image, found, 0.95)
    assert np.abs(ratios - 1.0).max() < 0.002
    assert shifts.max() < 0.1


def test_a_series_whose_images_turn_farther_than_they_say_is_refused() -> None:
    scan = Scan(start=0.2, range=math.radians(2.0), step=math.radians(0.05), steps=70)
    _, _, truth = rendered(scan=scan)
    layout = Simulation(
        truth.experiment, structure_factors=plugin("structure_factors", "hkl", default_F=100.0)
    ).layout()
    later = attrs.evolve(layout.experiment.scan, start=0.2 + math.radians(2.0))
    with pytest.raises(InputError, match=r"70 steps of 0\.05 degrees are not 2 degrees"):
        make_truth(layout, (layout.experiment.scan, later), (), frozenset()).reflections()


def test_a_cell_that_overrules_a_matrix_of_other_angles_is_predicted_where_it_is_rendered() -> None:
    cell = (4e-9, 5e-9, 6e-9, *(math.radians(angle) for angle in (80, 95, 100)))
    other = np.linalg.inv(np.array([[4e-9, 0, 0], [1e-9, 5e-9, 0], [-1e-9, 1e-9, 6e-9]])).T
    crystal = Crystal(cell=cell, reciprocal_vectors=tuple(map(tuple, other.tolist())), cells=(8, 8, 8))
    image, found, _ = rendered(scan=Scan(start=0.2), crystal=crystal)
    ratios, shifts = spots(image, found, 0.2)
    assert np.abs(ratios - 1.0).max() < 0.01
    assert shifts.max() < 0.1


def test_with_the_quirk_the_last_layer_counts_for_all() -> None:
    sensor = {"sensor_thickness": 4e-4, "sensor_layers": 5, "attenuation_length": 3e-4}
    image, found, _ = rendered(scan=Scan(start=0.2), compat=("last-layer",), **sensor)
    ratios, _ = spots(image, found, 0.2)
    assert np.abs(ratios - 1.0).max() < 0.01


def test_a_running_product_has_no_predicted_photons() -> None:
    with pytest.raises(InputError, match="running-product"):
        rendered(compat=("running-product",), oversampled=True)


def test_reflections_on_panels_are_where_the_frame_has_them() -> None:
    """One panel turned, each in a slab of its own, a region and a gap."""
    tilt = math.cos(0.2), math.sin(0.2)
    axes = ((tilt[0], 0.0, -tilt[1]), (0.0, 1.0, 0.0), (tilt[1], 0.0, tilt[0]))
    panels = (
        Panel(pixels=(240, 130), pixel_size=1e-4, slab=(7, 140)),
        Panel(pixels=(240, 130), pixel_size=1e-4, slab=(20, 3), offset=(13e-3, 0.0, 0.0), axes=axes),
    )
    gap = (150, 160, 0, 259)
    image, every, _ = rendered(scan=Scan(start=0.2), layout=panels, gaps=(gap,))
    assert set(every.panel) == {0, 1}
    slabs = np.array([(140, 7), (3, 20)])
    placed = attrs.evolve(every, pixel=every.pixel + slabs[every.panel])
    column = placed.pixel[:, 0]
    assert not ((column >= 150) & (column < 161)).any()
    clear = np.abs(column - 155.5) > 12.0
    kept = {field.name: getattr(placed, field.name)[clear] for field in attrs.fields(PredictedReflections)}
    ratios, shifts = spots(image, PredictedReflections(**kept), 0.2)
    assert np.abs(ratios - 1.0).max() < 0.01
    assert shifts.max() < 0.1
    _, some, _ = rendered(scan=Scan(start=0.2), layout=panels, gaps=(gap,), region=(0, 132, 20, 259))
    assert set(some.panel) == {1}
    assert len(some.panel) == (every.panel == 1).sum()


def test_many_domains_are_worked_on_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"scan": Scan(start=0.2, range=math.radians(1.5), steps=2), "mosaic": 0.005, "domains": 5}
    _, whole, _ = rendered(**options)
    monkeypatch.setattr("openbragg.orchestrator.prediction.prediction._BATCH", 2)
    _, pieces, _ = rendered(**options)
    np.testing.assert_allclose(pieces.photons, whole.photons, rtol=1e-12)


def test_photons_of_stills_and_their_places_are_those_in_the_image() -> None:
    image, found, truth = rendered(scan=Scan(start=0.2))
    ratios, shifts = spots(image, found, 0.2)
    assert np.abs(ratios - 1.0).max() < 0.005
    assert shifts.max() < 0.1
    assert set(columns_of(truth)["xyzcal.px"][:, 2]) == {0.5}


def test_mosaic_domains_count_each_for_itself() -> None:
    image, found, _ = rendered(scan=Scan(start=0.2, range=math.radians(1.5), steps=30), mosaic=0.005, domains=5)
    ratios, shifts = spots(image, found, 0.2)
    assert np.abs(ratios - 1.0).max() < 0.03
    # Five domains are not spread evenly about the first.
    assert shifts.max() < 0.3


def turned_blocks() -> Any:
    """Three blocks of different weights."""
    angles = torch.tensor([0.002, 0.004, -0.003], dtype=torch.float64)
    rotations = openbragg.rotation_about(torch.eye(3, dtype=torch.float64), angles)
    return type(plugin("mosaic_models", "list"))(rotations=rotations, weights=(1.0, 2.0, 5.0))


ALONG_CRYSTAL = plugin("mosaic_models", "anisotropic", spreads=(0.001, 0.003, 0.005), axes="crystal")


@pytest.mark.parametrize(
    ("model", "mosaic", "domains", "steps"),
    [
        ("closed", 0.003, None, None),
        ("closed", 0.003, None, 40),
        (turned_blocks(), None, None, None),
        (turned_blocks(), None, None, 40),
        (ALONG_CRYSTAL, None, 8, None),
        (ALONG_CRYSTAL, None, 8, 30),
    ],
)
def test_photons_are_those_in_the_image_for_every_model_of_blocks(
    model: Any, mosaic: float | None, domains: int | None, steps: int | None
) -> None:
    scan = Scan(start=0.9) if steps is None else Scan(start=0.9, range=math.radians(3.0), steps=steps)
    image, found, _ = rendered("gauss_index", scan=scan, model=model, mosaic=mosaic, domains=domains)
    ratios, _ = spots(image, found, 0.3, box=7)
    assert np.abs(ratios - 1.0).max() < 0.02


def test_the_spread_of_a_closed_form_is_the_crystal_s_mosaicity() -> None:
    _, _, truth = rendered("gauss_index", model="closed", mosaic=math.radians(0.1), domains=None)
    assert crystal_model(truth)["mosaicity"] == pytest.approx(0.1)
    _, _, truth = rendered("gauss_index", model=turned_blocks(), mosaic=None, domains=None)
    weighted = math.degrees(mosaicity(truth.mosaic_rotations, np.array([1.0, 2.0, 5.0])))
    assert crystal_model(truth)["mosaicity"] == pytest.approx(weighted)


def test_a_tilted_sensor_of_several_layers_counts_at_its_mean_depth() -> None:
    sensor = {"sensor_thickness": 4e-4, "sensor_layers": 5, "attenuation_length": 3e-4}
    image, found, _ = rendered(scan=Scan(start=0.2), rotation=(0.1, 0.2, 0.3), **sensor)
    ratios, shifts = spots(image, found, 0.2)
    assert np.abs(ratios - 1.0).max() < 0.01
    assert shifts.max() < 0.1


def test_the_square_shape_keeps_the_photons_of_its_fringes() -> None:
    """A box of 13 pixels has the fringes to about the fourth on each side: all but some percent."""
    image, found, _ = rendered("square", scan=Scan(start=0.2, range=math.radians(3.0), steps=60))
    ratios, _ = spots(image, found, 0.5)
    assert ratios.min() > 0.9 and np.median(ratios) > 0.94 and ratios.max() < 1.03


@pytest.mark.parametrize("name", ["square", "round", "gauss"])
def test_the_whole_of_a_profile_is_the_sum_over_the_cell(name: str) -> None:
    """A grid sums periodic functions exactly below its finest wave; the ellipsoid's tail is cut a little otherwise."""
    whole, expected = whole_over_the_cell(name, (5, 7, 4))
    assert whole == pytest.approx(expected, rel=2e-3)
    profile = make_profile(plugin("lattice_shapes", name), make_lattice((5, 7, 4)))
    # The density along any direction is the derivative of the part below, and the whole is one.
    direction = np.array([[2e8, 1e8, -3e8]])
    places = np.linspace(-5e8, 5e8, 4001)[None]
    (density,), (highest,) = profile.density(places, direction)
    (passed,) = profile.passed(places, direction)
    assert highest == pytest.approx(density.max(), rel=1e-12)
    assert passed[-1] - passed[0] == pytest.approx(1.0, abs=0.02)
    assert np.trapezoid(density, places[0]) == pytest.approx(1.0, abs=0.02)
    half = np.trapezoid(density[:2001], places[0][:2001])
    assert half == pytest.approx(0.5, abs=0.02)


def whole_over_the_cell(name: str, cells: tuple[int, int, int]) -> tuple[float, float]:
    """The whole of a profile, and the mean over a grid in the cell."""
    lattice, shape = make_lattice(cells), plugin("lattice_shapes", name)
    points = (torch.arange(60, dtype=torch.float64) + 0.5) / 60 - 0.5
    offset = Miller(*torch.meshgrid(points, points, points, indexing="ij"))
    nearest = Miller(*(torch.zeros_like(part) for part in offset))
    amplitude = math.prod(shape.factors(offset, nearest, lattice))
    return make_profile(shape, lattice).whole, float((amplitude**2).mean())


@pytest.mark.parametrize("spread", [1e5, 1e7, 4e7])
def test_a_profile_at_many_places_is_that_at_each(spread: float) -> None:
    """A series sums many together, and rounding is all that it adds."""
    profile = make_profile(plugin("lattice_shapes", "square"), make_lattice((20, 15, 12)))
    random = np.random.default_rng(3)
    direction = random.normal(size=(3, 3)) * 2e8
    places = 2e7 + spread * random.normal(size=(3, 700))
    few = [places[:, first : first + 5] for first in range(0, 700, 5)]
    passed = np.concatenate([profile.passed(part, direction) for part in few], axis=1)
    density = np.concatenate([profile.density(part, direction)[0] for part in few], axis=1)
    together, (highest, *_) = profile.density(places, direction)
    np.testing.assert_allclose(profile.passed(places, direction), passed, rtol=0, atol=1e-13)
    np.testing.assert_allclose(together, density, rtol=0, atol=1e-13 * highest)
    assert passed.std() > 0.0


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 2, 2), (3, 1, 2)])
@pytest.mark.parametrize("name", ["round", "gauss"])
def test_spots_that_run_into_each_other_have_a_profile(name: str, cells: tuple[int, int, int]) -> None:
    """They end at the faces of the cell, which a spiral of directions meets within a part in a hundred."""
    whole, expected = whole_over_the_cell(name, cells)
    assert whole == pytest.approx(expected, rel=0.01)


def test_flat_spots_that_fill_the_cell_are_refused_before_anything_is_rendered(tmp_path: Path) -> None:
    files = ("-floatfile", tmp_path / "a.bin", "-refl", tmp_path / "a.csv")
    finished = run("simulate", *CAMERA, "-tophat_spots", "-N", "2", *files)
    assert finished.status == 1
    assert "spots that fill the whole cell" in finished.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_reflections_are_written_alike_as_refl_csv_and_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    images = ("-images", "2", "-osc", "1", "-phisteps", "2", "-noisefile", tmp_path / "a.img", "-pixel", "2")
    for name in ("a.refl", "a.csv", "a.parquet"):
        assert run("simulate", *CAMERA, *images, "-restart", "-refl", tmp_path / name).status == 0
    lines = (tmp_path / "a.csv").read_text().splitlines()
    names = lines[0].split(",")
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert list(table) == names
    assert len(lines) > 3
    assert [[float(word) for word in line.split(",")] for line in lines[1:]] == [
        list(row) for row in zip(*table.values(), strict=True)
    ]
    kind, version, content = msgpack.unpackb((tmp_path / "a.refl").read_bytes(), strict_map_key=False)
    assert (kind, version, content["nrows"]) == ("dials::af::reflection_table", 1, len(lines) - 1)
    type_name, (rows, data) = content["data"]["intensity"]
    assert (type_name, rows) == ("double", len(lines) - 1)
    assert np.frombuffer(data, "<f8").tolist() == table["intensity"]


def test_a_table_of_reflections_refers_to_the_experiments(tmp_path: Path) -> None:
    flags = ("-noisefile", tmp_path / "a.img", "-expt", tmp_path / "a.expt", "-refl", tmp_path / "a.refl")
    assert run("simulate", *CAMERA, "-osc", "1", *flags).status == 0
    (experiment,) = expt(tmp_path / "a.expt")["experiment"]
    content = msgpack.unpackb((tmp_path / "a.refl").read_bytes(), strict_map_key=False)[2]
    assert content["identifiers"] == {0: experiment["identifier"]}


def test_a_detector_whose_normal_lies_in_its_plane_has_no_predicted_places(tmp_path: Path) -> None:
    words = ("simulate", *CAMERA, "-fdet_vector", "0", "0", "1", "-sdet_vector", "1", "0", "0", "-oversample", "1")
    assert run(*words, "-floatfile", tmp_path / "a.bin").status == 0
    (tmp_path / "a.bin").unlink()
    finished = run(*words, "-floatfile", tmp_path / "a.bin", "-refl", tmp_path / "a.refl")
    assert (finished.status, list(tmp_path.iterdir())) == (1, [])
    (line,) = finished.complaints()
    assert line == "openbragg: error: the detector's normal lies in its plane, so that no ray's place on it can be told"


def test_stills_of_other_spectra_have_a_beam_each_and_reflections_of_it(tmp_path: Path) -> None:
    flags = (
        "-lambda",
        "1.2",
        "-sase_width",
        "2",
        "-sase_channels",
        "5",
        "-images",
        "3",
        "-osc",
        "0",
        "-oversample",
        "1",
    )
    files = ("-floatfile", tmp_path / "a.bin", "-expt", tmp_path / "a.expt", "-refl", tmp_path / "a.csv")
    assert run("simulate", *CAMERA, *flags, *files).status == 0
    made = expt(tmp_path / "a.expt")
    wavelengths = [each["wavelength"] for each in made["beam"]]
    spectrum, beam = plugin("spectra", "sase", width=0.02, count=5), Beam(wavelength=1.2e-10)
    shots = [spectrum.channels_of(beam, image) for image in (1, 2, 3)]
    means = [float((shot.weights * shot.wavelengths).sum() / shot.weights.sum()) * 1e10 for shot in shots]
    np.testing.assert_allclose(wavelengths, means, rtol=1e-12)
    assert len(set(wavelengths)) == 3
    assert [each["beam"] for each in made["experiment"]] == [0, 1, 2]
    table = np.genfromtxt(tmp_path / "a.csv", delimiter=",", names=True)
    rays = np.column_stack([table[f"s1_{axis}"] for axis in "xyz"])
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0 / np.array(wavelengths)[table["id"].astype(int)])
    assert set(table["id"]) == {0.0, 1.0, 2.0}


def test_a_name_without_a_known_end_is_refused_before_anything_is_rendered(tmp_path: Path) -> None:
    finished = run("simulate", *CAMERA, "-refl", tmp_path / "a.txt")
    assert (finished.status, finished.out) == (2, "")
    assert "expected a name that ends in .refl, .csv, .parquet" in finished.err


@pytest.mark.parametrize(("flag", "name"), [("-refl", "a.csv"), ("-expt", "a.expt")])
def test_of_a_curved_detector_nothing_is_written(flag: str, name: str, tmp_path: Path) -> None:
    finished = run("simulate", *CAMERA, "-curved_det", "-floatfile", tmp_path / "a.bin", flag, tmp_path / name)
    assert finished.status == 2
    assert "-curved_det" in finished.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-osc", "1e20", "-phisteps", "1"), "reflections are predicted of scans up to"),
        (("-osc", "1", "-phisteps", "1", "-phi", "1e20"), "reflections are predicted of scans up to"),
        (("-cell", *["1e6"] * 3, *["90"] * 3, "-N", "1"), "too many to predict reflections"),
    ],
)
def test_what_only_a_slip_can_mean_is_refused(flags: tuple[str, ...], said: str, tmp_path: Path) -> None:
    files = ("-floatfile", tmp_path / "a.bin", "-refl", tmp_path / "a.csv")
    finished = run("simulate", *CAMERA, "-oversample", "1", *flags, *files)
    assert finished.status == 1
    assert said in finished.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_more_reflections_than_can_be_kept_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbragg.orchestrator.prediction.prediction._MOST_REFLECTIONS", 3)
    with pytest.raises(InputError, match="more than 3 reflections"):
        rendered(scan=Scan(start=0.2))


def test_reflections_of_masked_and_unrendered_pixels_are_left_out() -> None:
    _, every, _ = rendered(scan=Scan(start=0.2))
    mask = torch.zeros((240, 260), dtype=torch.bool)
    mask[50:, :100] = True
    _, some, _ = rendered(scan=Scan(start=0.2), mask=mask)
    shown = (every.pixel[:, 1] >= 50) & (every.pixel[:, 0] < 100)
    assert 0 < shown.sum() < len(shown)
    np.testing.assert_array_equal(some.indices, every.indices[shown])


def test_a_recorded_run_repeats_its_truth_to_the_byte(tmp_path: Path) -> None:
    flags = ("-noisefile", tmp_path / "a.img", "-osc", "1", "-expt", tmp_path / "a.expt", "-refl", tmp_path / "a.refl")
    assert run("simulate", *CAMERA, *flags, "--record", tmp_path / "run.json").status == 0
    record = json.loads((tmp_path / "run.json").read_text())
    assert {"truth_formats"} <= {used["role"] for used in record["plugins"]}
    assert [file["path"] for file in record["outputs"]][-2:] == [str(tmp_path / "a.expt"), str(tmp_path / "a.refl")]
    before = [(tmp_path / name).read_bytes() for name in ("a.expt", "a.refl")]
    assert run("simulate", "--from", tmp_path / "run.json", "--write-anywhere").status == 0
    assert [(tmp_path / name).read_bytes() for name in ("a.expt", "a.refl")] == before


def test_a_trace_says_that_it_writes_no_truth(tmp_path: Path) -> None:
    finished = run("trace", *CAMERA, "--pixel", "3", "4", "-expt", tmp_path / "a.expt")
    assert finished.status == 0
    assert "-expt" in finished.err and "is not written by openbragg trace" in finished.err


def test_steps_in_the_middle_sweep_what_the_header_says() -> None:
    """Partial reflections at the ends of the scan tell where it ends: half a step is a fifth of their width."""
    scan = Scan(start=0.2, range=math.radians(4.0), steps=70, phi_sampling="middle")
    image, found, _ = rendered(scan=scan)
    ratios, _ = spots(image, found, 0.2, 0.9)
    assert np.abs(ratios - 1.0).max() < 0.03


@pytest.mark.parametrize("flags", [("-expt", "a.expt"), ("-refl", "a.csv"), ("-nxmx", "a.nxs")])
@pytest.mark.parametrize("images", [(), ("-images", "2", "--restart")])
def test_a_file_that_says_angles_has_a_notice_of_the_half_step_that_middle_takes_away(
    flags: tuple[str, str], images: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (*CAMERA, "-osc", "1", "-phisteps", "5", "-noisefile", "a_#.img", *flags, *images)
    finished = run("simulate", *words)
    assert f"half a step, 0.1 degrees, behind what {flags[1]} says; -phi_sampling middle" in finished.err
    assert "half a step" not in run("simulate", *words, "-phi_sampling", "middle").err


def test_images_whose_angles_nothing_says_exactly_have_no_notice_of_the_half_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "half a step" not in run("simulate", *CAMERA, "-osc", "1", "-phisteps", "5", "-noisefile", "a.img").err
    assert "half a step" not in run("simulate", *CAMERA, "-expt", "a.expt", "-noisefile", "b.img").err


def test_the_crystal_has_the_mean_turn_of_its_mosaic_domains() -> None:
    """Of a still the mean of the domains' own cells; of a rotation what is left of it over the scan."""
    words = "-cell 40 50 60 -N 3 -default_F 10 -detpixels 4 -mosaic 1 -mosaic_domains 5"
    truths = []
    for scan in ("", " -osc 1e-6 -phisteps 1", " -osc 360 -phisteps 1"):
        layout = openbragg.from_flags(words + scan).layout()
        truths.append((layout, make_truth(layout, (layout.experiment.scan,), (), frozenset())))
    cells = []
    for (layout, truth), still in zip(truths, (0, None, None), strict=True):
        model = crystal_model(truth, still)
        vectors = np.array([model[f"real_space_{axis}"] for axis in "abc"]) * 1e-10
        cells.append(vectors @ dials_axes(layout.laboratory))
    domains = truths[0][0].plan.cell_vectors[0].numpy()
    # Lengths shrink in a mean of turned vectors, by the square of a degree.
    turned = np.array([np.linalg.norm(cell - domains.mean(axis=0)) for cell in cells[:2]]) / 1e-9
    untouched = np.linalg.norm(truths[0][1].cell_vectors - domains.mean(axis=0)) / 1e-9
    assert turned.max() < 0.01 < 0.03 < untouched
    rotation = np.linalg.solve(truths[2][1].cell_vectors, cells[2]).T
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    # A whole turn leaves only what is about the spindle.
    spindle = truths[2][0].laboratory.spindle.numpy()
    assert np.linalg.norm(np.cross(axis, spindle)) < 1e-6
