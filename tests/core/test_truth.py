"""Files of what is known of a run: DIALS's experiment list of its geometry and crystal."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from command_line import run
from openbragg import Beam, Crystal, Detector, Experiment, Panel, Scan, Truth, plugin
from openbragg.orchestrator.simulate import lay_out
from openbragg.orchestrator.truth import make_truth
from openbragg_plugins.truth_formats.dials_experiments import experiment_list
from openbragg_plugins.truth_formats.dials_models import dials_axes, mosaicity, rotation_about

MODEL = ("-cell", "40", "50", "60", "80", "95", "100", "-N", "3", "-default_F", "10", "-detpixels_f", "20")
CAMERA = (*MODEL, "-detpixels_s", "16", "-pixel", "0.1", "-distance", "50", "-misset", "10", "20", "30")


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
    layout = lay_out(experiment, convention=convention, structure_factors=factors)
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
