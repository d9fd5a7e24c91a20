"""What DIALS reads of the truth, and of the images: skipped where DIALS is not installed."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import openbragg
from command_line import run
from dials import ask, dials, dials_python, environment

ROOT = Path(__file__).parents[2]
CRYSTAL = ("-cell", "40", "50", "60", "80", "95", "100", "-N", "5", "-default_F", "10", "-misset", "10", "20", "30")
CAMERA = (
    "-detpixels_f",
    "120",
    "-detpixels_s",
    "100",
    "-pixel",
    "0.5",
    "-distance",
    "80",
    "-Xbeam",
    "22",
    "-Ybeam",
    "33",
)
SCAN = ("-osc", "1", "-phisteps", "2", "-phi", "10", "-images", "3", "-exposure", "0.5", "-lambda", "1.2")

_MODELS = """
def models(path):
    experiment = ExperimentListFactory.from_filenames([path])[0] if not path.endswith(".expt") else (
        ExperimentListFactory.from_json_file(path, check_format=True)[0])
    panel, beam, scan = experiment.detector[0], experiment.beam, experiment.scan
    return {
        "fast": panel.get_fast_axis(), "slow": panel.get_slow_axis(), "origin": panel.get_origin(),
        "centre": panel.get_beam_centre_px(beam.get_s0()), "s0": beam.get_s0(),
        "spindle": experiment.goniometer.get_rotation_axis(),
        "scan": [*scan.get_oscillation(), *scan.get_image_range(), *scan.get_exposure_times()],
        "normal": beam.get_polarization_normal(),
        "sum": sum(int(np.array(experiment.imageset.get_raw_data(i)[0]).sum()) for i in range(scan.get_num_images())),
    }
"""
_COMPARED = (
    _MODELS
    + """
from glob import glob
files = {"smv": sorted(glob("a_*.img")), "minicbf": sorted(glob("a_*.cbf")), "nxmx": ["a.nxs"]}
found = {}
for name, paths in files.items():
    experiments = ExperimentListFactory.from_filenames(paths)
    assert len(experiments) == 1
    experiments.as_json(name + ".expt")
    found[name] = models(name + ".expt")
found["truth"] = models("truth.expt")
print(json.dumps(found))
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A series in three formats, and the truth."""
    dials_python()
    made = tmp_path_factory.mktemp("dials")
    images = ("-noisefile", made / "a_###.img", "-cbf", made / "a_###.cbf", "-nxmx", made / "a.nxs", "-seed", "1")
    truths = ("-expt", made / "truth.expt", "-refl", made / "truth.refl")
    assert run("simulate", *CRYSTAL, *CAMERA, *SCAN, *images, *truths).status == 0
    return made


def test_images_of_every_format_are_where_the_truth_says(folder: Path) -> None:
    found = ask(_COMPARED, folder=folder)
    truth = found.pop("truth")
    assert truth["spindle"] == [1.0, 0.0, 0.0]
    assert truth["scan"] == [pytest.approx(10), pytest.approx(1), 1, 3, 0.5, 0.5, 0.5]
    for name, models in found.items():
        # Headers have nine digits, in millimetres and pixels.
        for key, tolerance in (("fast", 1e-12), ("slow", 1e-12), ("origin", 1e-6), ("centre", 1e-6), ("s0", 1e-7)):
            np.testing.assert_allclose(models[key], truth[key], rtol=0, atol=tolerance, err_msg=f"{name} {key}")
        assert models["spindle"] == pytest.approx(truth["spindle"], abs=1e-12), name
        assert models["scan"] == pytest.approx(truth["scan"], abs=1e-7), name
        assert np.abs(np.dot(models["normal"], truth["normal"])) == pytest.approx(1.0, abs=1e-12), name
    # The truth points to the NXmx file, and its pixels come through.
    assert truth["sum"] == found["nxmx"]["sum"] == found["minicbf"]["sum"] > 0


_STILLS = """
import logging, warnings
logging.basicConfig(level=logging.WARNING)
experiments = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name in sys.argv[1:]:
        experiments[name] = list(ExperimentListFactory.from_filenames([name]))
truth = list(ExperimentListFactory.from_json_file("still.expt", check_format=False))
panels = [each[0].detector[0] for each in (experiments["still.nxs"], truth)]
print(json.dumps({
    "warned": [str(each.message) for each in caught if issubclass(each.category, RuntimeWarning)],
    "stills": {name: [one.is_still() and one.scan is None for one in each] for name, each in experiments.items()},
    "frames": [[*panel.get_fast_axis(), *panel.get_slow_axis(), *panel.get_origin()] for panel in panels],
}))
"""


def test_stills_in_nxmx_are_stills_to_dials_and_a_swung_detector_stands_where_it_does(tmp_path: Path) -> None:
    dials_python()
    swung = (*CRYSTAL, *CAMERA, "-twotheta", "20", "-seed", "1")
    still, stills = (tmp_path / name for name in ("still.nxs", "stills.nxs"))
    assert run("simulate", *swung, "-phi", "7", "-nxmx", still, "-expt", tmp_path / "still.expt").status == 0
    assert run("simulate", *swung, "-images", "2", "-osc", "0", "-nxmx", stills).status == 0
    found = ask(_STILLS, "still.nxs", "stills.nxs", folder=tmp_path)
    assert found["warned"] == []
    assert found["stills"] == {"still.nxs": [True], "stills.nxs": [True, True]}
    np.testing.assert_allclose(*found["frames"], rtol=0, atol=1e-9)
    assert np.degrees(openbragg.read_image(still).geometry.start) == pytest.approx(7.0)


_PREDICTED = """
from dials.array_family import flex
found = {}
for name in sys.argv[1:]:
    table = flex.reflection_table.from_file(name)
    found[name] = [
        [*h, *px, *s1] for h, px, s1 in zip(table["miller_index"], table["xyzcal.px"], table["s1"])
    ]
    found[name + " d"] = list(table["d"]) if "d" in table else []
print(json.dumps(found))
"""


def test_reflections_are_where_dials_predicts_them(folder: Path) -> None:
    dials("dials.predict", "truth.expt", "d_min=2.5", folder=folder)
    found = ask(_PREDICTED, "predicted.refl", "truth.refl", folder=folder)
    theirs, ours = (np.array(found[name]) for name in ("predicted.refl", "truth.refl"))
    # A reflection passes the sphere once in three degrees, or twice and then far apart.
    key = {(*row[:3], round(row[5])): row for row in ours.tolist()}
    pairs = [(row, key[*row[:3], round(row[5])]) for row in theirs.tolist() if (*row[:3], round(row[5])) in key]
    assert len(pairs) > 0.95 * len(theirs) > 20
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    np.testing.assert_allclose(one[:, 3:6], other[:, 3:6], rtol=0, atol=0.01)
    np.testing.assert_allclose(one[:, 6:], other[:, 6:], rtol=0, atol=1e-5)


def test_dials_shows_the_truth(folder: Path) -> None:
    shown = dials("dials.show", "truth.expt", "truth.refl", folder=folder)
    assert "Unit cell: 40.000, 50.000, 60.000, 80.000, 95.000, 100.000" in shown
    for column in ("partiality", "intensity", "xyzcal.px", "s1", "miller_index", "F"):
        assert f"| {column}" in shown


@pytest.mark.skipif("OPENBRAGG_DIALS" not in os.environ, reason="takes minutes; OPENBRAGG_DIALS=MODEL.pdb runs it")
def test_a_crystal_goes_through_dials_and_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """The example meets its nine demands in each of the three formats."""
    dials_python()
    command = ["sh", str(ROOT / "examples/dials/process.sh"), os.environ["OPENBRAGG_DIALS"], str(tmp_path / "out")]
    finished = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=7200, check=False)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
    assert finished.stdout.count("  PASS  ") == 27 and "  FAIL  " not in finished.stdout


@pytest.mark.skipif("OPENBRAGG_DIALS" not in os.environ, reason="takes minutes; OPENBRAGG_DIALS=MODEL.pdb runs it")
def test_five_crystals_come_out_of_dials_as_they_went_in(tmp_path: Path) -> None:
    """In all systems, formats and directions of the spindle that the example has, and without a hint."""
    dials_python()
    command = ["sh", str(ROOT / "examples/dials/five_crystals.sh"), str(tmp_path / "out")]
    finished = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=7200, check=False)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
    lines = [row.split() for row in finished.stdout.splitlines() if row.endswith("PASS")]
    assert len({row[0] for row in lines}) == 5
    assert {row[1] for row in lines} == {"smv", "minicbf", "nxmx"}
    assert {row[2] for row in lines} == {"+x", "-x", "vertical"}


@pytest.mark.skipif("OPENBRAGG_DIALS" not in os.environ, reason="takes minutes; OPENBRAGG_DIALS=MODEL.pdb runs it")
def test_dials_finds_the_spots_that_labels_of_a_data_set_have(tmp_path: Path) -> None:
    """99 % of those above ten sigma, on images that are where the data set says."""
    dials_python()
    command = ["sh", str(ROOT / "examples/dials/dataset_recall.sh"), str(tmp_path / "out")]
    finished = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=7200, check=False)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
