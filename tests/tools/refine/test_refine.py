"""Refinement against the pixels of small images."""

import json
import math
from functools import cache
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

import openbragg
from command_line import run
from openbragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, Simulation, UsageError, plugin
from openbragg_tools.refine.cells import cell_form
from openbragg_tools.refine.columns import Columns
from openbragg_tools.refine.counting import measured
from openbragg_tools.refine.determined import determined
from openbragg_tools.refine.elimination import fit_linear, normal_equations
from openbragg_tools.refine.likelihood import Likelihood
from openbragg_tools.refine.model import cell_and_orientation, make_model, standard_vectors
from openbragg_tools.refine.outputs import experiment_list, numbers, table
from openbragg_tools.refine.reading import read_spots
from openbragg_tools.refine.readout import readout_of
from openbragg_tools.refine.report import page
from openbragg_tools.refine.rotations import turn, turn_of
from openbragg_tools.refine.shoeboxes import cut
from openbragg_tools.refine.spots import find_spots
from openbragg_tools.refine.stills import Still

CELL = (60e-10, 62e-10, 65e-10, math.pi / 2, math.pi / 2, math.pi / 2)
MISSET = (0.3, 0.7, -0.4)
READOUT = 1.5
BACKGROUND = 8.0
#: A start as far off as indexing leaves it.
OFF = 0.25
#: Errors beyond so many of their standard deviations say that those are wrong; the images are always the same.
LIMIT = 3.5


@cache
def truth() -> Simulation:
    """An orthorhombic crystal on a small detector."""
    draws = np.random.default_rng(5)
    indices = np.stack(np.meshgrid(*[np.arange(-20, 21)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    amplitudes = np.sqrt(draws.exponential(4e4, len(indices)))
    return Simulation(
        Experiment(
            crystal=Crystal(cell=CELL, misset=MISSET, cells=(8.0, 9.5, 6.5)),
            beam=Beam(wavelength=1.3e-10, fluence=6e27, polarization=1.0),
            detector=Detector(pixels=(160, 160), pixel_size=0.2e-3, distance=90e-3),
            sampling=Sampling(oversample=2),
        ),
        structure_factors=plugin("structure_factors", "hkl", reflections=(indices, amplitudes), default_F=0.0),
        lattice_shape="gauss_index",
        engine="eager",
        threads=1,
    )


@cache
def counts() -> np.ndarray:
    """Its image with background and noise."""
    draws = np.random.default_rng(11)
    photons = draws.poisson(truth().photons().double().numpy() + BACKGROUND)
    return np.rint(photons + draws.normal(0.0, READOUT, photons.shape))


def start(off: float = OFF, stretch: float = 1.003) -> Simulation:
    """A crystal turned by so many degrees, with another cell and size."""
    turned = tuple(angle + math.radians(off) / math.sqrt(3.0) for angle in MISSET)
    cell = (*(edge * part for edge, part in zip(CELL[:3], (stretch, 1.0 / stretch, stretch), strict=True)), *CELL[3:])
    return truth().evolve(
        crystal=Crystal(cell=cell, misset=turned, cells=(10.0, 10.0, 10.0)),
        beam=attrs.evolve(truth().experiment.beam, fluence=2e27),
    )


@cache
def refined():
    return openbragg.refine(start(), counts(), space_group="P 2 2 2", readout=READOUT)


def test_a_wrong_start_ends_at_the_truth_within_its_errors():
    found = refined()
    expected = dict(zip(("N_a", "N_b", "N_c", "a", "b", "c"), (8.0, 9.5, 6.5, 60.0, 62.0, 65.0), strict=True))
    expected["scale"] = 3.0
    for name, value in expected.items():
        assert abs(found.value(name) - value) < LIMIT * found.sigma(name), name
    vectors = (torch.linalg.inv(each.experiment.crystal.oriented_vectors()).T for each in (truth(), found.simulation))
    (_, first), (_, second) = (cell_and_orientation(each) for each in vectors)
    errors = turn_of(second @ first.T).numpy() / found.determined.sigmas[:3]
    assert np.abs(errors).max() < LIMIT


def test_what_is_refined_explains_the_noise():
    found = refined()
    # The mean of so many squares is off 1 by this with a probability of 1 in 15,000.
    assert abs(found.reduced_chi_squared() - 1.0) < 4.0 * math.sqrt(2.0 / found.freedom())
    assert found.determined.rank == len(found.parameters)
    assert found.jacobians <= 12


def test_the_refined_simulation_has_the_scale():
    found = refined()
    assert float(found.simulation.experiment.beam.fluence) == pytest.approx(2e27 * found.scale)


def test_distance_and_cell_together_are_kept_apart_or_named():
    found = openbragg.refine(
        start(0.1), counts(), free=("misset", "cell", "distance", "scale", "cells"), space_group="P 2 2 2", steps=4
    )
    assert found.value("distance") == pytest.approx(90.0, abs=LIMIT * found.sigma("distance"))


def test_a_prior_holds_what_it_says():
    found = openbragg.refine(
        start(), counts(), space_group="P 2 2 2", readout=READOUT, priors={"N_a": (10.0, 1e-4)}, steps=2
    )
    assert found.value("N_a") == pytest.approx(10.0, abs=1e-2)


def test_outputs_say_what_was_found(tmp_path):
    found = refined()
    image = Still("image.img", tmp_path / "image.img", None, lambda: None)
    said = json.loads(numbers(found, image))
    assert [row["name"] for row in said["parameters"]] == [each.name for each in found.parameters]
    assert said["jacobians"] == found.jacobians
    listed = json.loads(experiment_list(found, image, tmp_path / "refined.expt"))
    lengths = [math.hypot(*listed["crystal"][0][f"real_space_{axis}"]) for axis in "abc"]
    assert lengths == pytest.approx([found.value(axis) for axis in "abc"], rel=1e-9)
    assert listed["imageset"][0]["images"] == ["image.img"]
    assert "N_a" in table(found)
    text = page(found, image.source).decode()
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.count("data:image/png") == 36


def test_the_command_line_refines_from_an_experiment_list(tmp_path):
    np.save(tmp_path / "counts.npy", counts())
    factors = truth().structure_factors
    openbragg.write_hkl_table(tmp_path / "F.hkl", *factors.reflections)
    with (tmp_path / "start.expt").open("wb") as stream:
        plugin("truth_formats", "dials-experiments").write_truth(stream, tmp_path / "start.expt", truth().truth())
    refinement = ("-free", "misset,scale", "-refinement_steps", 2, "-readout_sigma", READOUT, "-o", tmp_path / "out")
    crystal = ("-hkl", tmp_path / "F.hkl", "-Na", 8, "-Nb", 9.5, "-Nc", 6.5, "-gauss_index")
    start = ("-expt", tmp_path / "start.expt", "-oversample", 2, "-engine", "eager")
    done = run("refine", tmp_path / "counts.npy", *start, *crystal, *refinement, "--progress")
    assert done.status == 0, done.err
    assert "refining, chi2 " in done.err
    assert "misset_x" in done.out
    said = json.loads((tmp_path / "out.json").read_text())
    for row in said["parameters"][:3]:
        assert abs(row["end"]) < LIMIT * row["sigma"]
    assert all((tmp_path / f"out{end}").stat().st_size for end in (".expt", ".refl", ".html"))
    found = read_spots(tmp_path / "out.refl")
    assert len(found) > 50


def test_an_image_is_asked_for(tmp_path):
    done = run("refine", "-cell", 50, "-default_F", 1)
    assert (done.status, len(done.complaints())) == (2, 1)
    assert "expected an image" in done.err


def test_spots_are_lines_of_fast_and_slow(tmp_path):
    (tmp_path / "spots.txt").write_text("# fast slow\n10.5 20\n1,2\n")
    assert read_spots(tmp_path / "spots.txt").tolist() == [[10.5, 20.0], [1.0, 2.0]]
    (tmp_path / "spots.txt").write_text("1 2\n3\n")
    with pytest.raises(InputError, match="line 2"):
        read_spots(tmp_path / "spots.txt")
    (tmp_path / "spots.txt").write_text("# fast slow\n")
    with pytest.raises(InputError, match="no spots"):
        read_spots(tmp_path / "spots.txt")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (lambda: np.zeros((160, 160)), "nothing in it"),
        (lambda: np.ones((100, 160)), "160 x 100 pixels"),
        (lambda: np.full((160, 160), np.nan), "no pixel can be used"),
        (lambda: np.random.default_rng(1).poisson(9.0, (160, 160)), "too few"),
    ],
)
def test_images_that_cannot_be_refined_against_are_refused(image, message):
    with pytest.raises(InputError, match=message) as caught:
        openbragg.refine(start(), image())
    assert "\n" not in str(caught.value)


def test_pixels_that_are_not_numbers_are_left_out():
    spoiled = counts().copy()
    spoiled[::7, ::5] = np.nan
    found = openbragg.refine(start(0.05), spoiled, free=("misset", "scale", "cells"), readout=READOUT, steps=3)
    assert np.isfinite(found.boxes.counts).all()
    assert not np.isnan(spoiled[found.boxes.slow, found.boxes.fast]).any()


@pytest.mark.parametrize("changed", [{"off": 35.0}, {"stretch": 1.3}])
def test_a_start_that_explains_no_spot_is_an_error(changed):
    with pytest.raises(InputError, match="another crystal"):
        openbragg.refine(start(**changed), counts(), steps=5)


def test_names_that_are_no_parameters_are_refused():
    with pytest.raises(UsageError, match="free: expected some of"):
        openbragg.refine(start(), counts(), free=("misset", "colour"))
    with pytest.raises(UsageError, match="prior: expected one of"):
        openbragg.refine(start(), counts(), priors={"colour": (1.0, 1.0)})


@pytest.mark.parametrize(
    ("space_group", "cell", "names"),
    [
        ("P 1", (50, 60, 70, 80, 95, 100), ("a", "b", "c", "alpha", "beta", "gamma")),
        ("P 1 21 1", (50, 60, 70, 90, 95, 90), ("a", "b", "c", "beta")),
        ("P 21 21 21", (50, 60, 70, 90, 90, 90), ("a", "b", "c")),
        ("P 43 21 2", (50, 50, 70, 90, 90, 90), ("a", "c")),
        ("P 6", (50, 50, 70, 90, 90, 120), ("a", "c")),
        ("R 3", (50, 50, 70, 90, 90, 120), ("a", "c")),
        ("R 3", (50, 50, 50, 80, 80, 80), ("a", "alpha")),
        ("I 2 3", (50, 50, 50, 90, 90, 90), ("a",)),
    ],
)
def test_a_crystal_system_leaves_its_numbers_free(space_group, cell, names):
    inside = [*(edge * 1e-10 for edge in cell[:3]), *map(math.radians, cell[3:])]
    form = cell_form(space_group, inside)
    assert form.names == names
    made = form.cell(torch.tensor(form.free(inside), dtype=torch.float64))
    assert made.tolist() == pytest.approx(inside)


def test_a_cell_of_another_system_is_refused():
    inside = [50e-10, 60e-10, 70e-10, math.pi / 2, math.pi / 2, math.pi / 2]
    with pytest.raises(UsageError, match="not tetragonal"):
        cell_form("P 4", inside).free(inside)


def test_standard_vectors_are_turned_as_they_were():
    cell = torch.tensor([50e-10, 60e-10, 70e-10, 1.4, 1.7, 1.9], dtype=torch.float64)
    rotation = turn(torch.tensor([0.4, -1.1, 0.8], dtype=torch.float64))
    found, orientation = cell_and_orientation(standard_vectors(cell) @ rotation.T)
    assert found == pytest.approx(cell.tolist())
    assert torch.allclose(orientation, rotation, atol=1e-12)
    assert turn_of(rotation).tolist() == pytest.approx([0.4, -1.1, 0.8])


def test_derivatives_are_those_of_the_model():
    model = make_model(start(), ("misset", "cell", "cells"), "P 2 2 2")
    values = torch.tensor(model.start(), dtype=torch.float64)
    pixels = (np.arange(25, 105, 4), np.arange(25, 105, 4))
    found = model.simulation.derivatives(model.changed, values, pixels)
    peak = found.abs().amax(dim=0)
    for place, each in enumerate(model.parameters):
        step = torch.zeros_like(values)
        step[place] = each.stride * 1e-3
        precise = model.simulation.evolve(precision="double")
        above, below = (model.changed(precise, values + sign * step).pixels(*pixels).double() for sign in (1.0, -1.0))
        differences = (above - below) / (2.0 * step[place])
        # Differences over a thousandth of a stride are off by its square; single precision is 1e-6 of the peak.
        assert torch.allclose(found[:, place].double(), differences, atol=2e-4 * float(peak[place]))


def test_scale_and_planes_are_those_of_least_squares():
    draws = np.random.default_rng(3)
    image = draws.poisson(20.0, (40, 40)).astype(float)
    boxes = cut(image, np.ones_like(image, dtype=bool), np.array([[10.0, 10.0], [28.0, 25.0]]), np.array([6.0, 7.0]))
    spots = draws.exponential(1.0, len(boxes.counts))
    boxes = attrs.evolve(boxes, counts=boxes.counts + draws.poisson(5.0 * spots))
    fit = fit_linear(boxes, spots, Likelihood(1.0))
    blocks = np.zeros((len(spots), 7))
    blocks[:, 0] = spots
    for pixel, box in enumerate(boxes.boxes()):
        blocks[pixel, 1 + 3 * box : 4 + 3 * box] = boxes.planes[pixel]
    weights = fit.weights[:, None]
    solved = np.linalg.solve(blocks.T @ (weights * blocks), blocks.T @ (fit.weights * boxes.counts))
    assert fit.scale == pytest.approx(solved[0], rel=1e-3)
    assert fit.planes.ravel() == pytest.approx(solved[1:], rel=1e-2, abs=1e-2)
    # What is left of a normal matrix is that of the whole, its planes eliminated.
    column = draws.normal(size=(len(spots), 1))
    whole = np.column_stack([column, blocks[:, 1:]])
    full = whole.T @ (weights * whole)
    expected = full[0, 0] - full[0, 1:] @ np.linalg.solve(full[1:, 1:], full[1:, 0])
    assert normal_equations(boxes, fit, Columns.of_all(column))[0][0, 0] == pytest.approx(expected, rel=1e-9)


def test_a_pixel_belongs_to_one_box():
    image = np.zeros((30, 30))
    boxes = cut(image, np.ones_like(image, dtype=bool), np.array([[12.0, 12.0], [12.0, 18.0]]), np.array([6.0, 6.0]))
    places = boxes.slow * 30 + boxes.fast
    assert len(np.unique(places)) == len(places)
    assert (boxes.fast[boxes.boxes() == 0] < 15).all()


def test_what_nothing_depends_on_is_named():
    matrix = np.array([[4.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 9.0]])
    found = determined(matrix, [10.0, 10.0, 10.0])
    assert found.open == (0, 1)
    assert found.rank == 2
    assert found.sigmas[2] == pytest.approx(1.0 / 3.0)


@pytest.mark.parametrize("freedom", [None, 4.0])
def test_the_slope_of_the_deviance_is_the_weighted_residual(freedom):
    likelihood = Likelihood(1.5, freedom)
    # The last two are expected under a plane that sinks to where there is no variance left, and below it.
    counts, expected = np.array([-2.0, 0.0, 7.0, 300.0, 3.0, 0.0]), np.array([1.0, 2.0, 9.0, 280.0, -3.0, -2.5])
    step = 1e-5
    slope = (likelihood.losses(counts, expected + step) - likelihood.losses(counts, expected - step)) / (2.0 * step)
    if freedom is None:
        assert slope == pytest.approx(-2.0 * likelihood.weights(counts, expected) * (counts - expected), rel=1e-5)
    else:
        assert (slope * (counts - expected) < 0.0).all()


def test_the_public_problems_are_where_the_program_looks_for_them():
    folder = Path(__file__).resolve().parents[4] / "shared" / "simtbx" / "refine"
    if not folder.is_dir():
        pytest.skip("the problems of simtbx are not here")
    assert len(list(folder.glob("*/start.json"))) >= 4


def test_the_best_so_far_is_kept_when_the_user_ends_it():
    def ended(history):
        if len(history) == 3:
            raise KeyboardInterrupt

    found = openbragg.refine(start(), counts(), space_group="P 2 2 2", readout=READOUT, watch=ended)
    assert found.interrupted
    assert any("interrupted" in line for line in found.notices)
    losses = [step.loss for step in found.history]
    assert losses == sorted(losses, reverse=True)
    assert found.fit.loss == pytest.approx(losses[-1], rel=1e-6)
    assert np.isfinite(found.determined.sigmas).all()


def test_a_mosaic_spread_that_the_data_do_not_tell_from_the_size_is_held():
    crystal = attrs.evolve(start(0.0, 1.0).experiment.crystal, mosaic_spread=2e-5, mosaic_domains=4)
    begun = start(0.0, 1.0).evolve(crystal=crystal, mosaic="spiral")
    found = openbragg.refine(begun, counts(), ("cells", "mosaic_spread", "scale"), readout=READOUT)
    names = [each.name for each in found.parameters]
    assert "mosaic_spread" not in names
    assert any("cannot tell mosaic_spread from the number of cells" in line for line in found.notices)
    assert abs(found.value("N_a") - 8.0) < LIMIT * found.sigma("N_a")


def test_reflections_with_scales_of_their_own_bear_wrong_structure_factors():
    indices, amplitudes = truth().structure_factors.reflections
    draws = np.random.default_rng(8)
    wrong = amplitudes * np.exp(draws.normal(0.0, 0.25, len(amplitudes)))
    begun = start(0.1, 1.0).evolve(
        structure_factors=plugin("structure_factors", "hkl", reflections=(indices, wrong), default_F=0.0)
    )
    free = ("misset", "cells", "scale")
    without = openbragg.refine(begun, counts(), free, readout=READOUT)
    found = openbragg.refine(begun, counts(), free, readout=READOUT, reflection_scales=0.5)
    assert any("more than noise" in line for line in without.notices)
    # Some boxes have two reflections, and one scale.
    assert found.reduced_chi_squared() - 1.0 < 0.1 * (without.reduced_chi_squared() - 1.0)
    # Intensities are off by twice as much as amplitudes.
    assert 0.25 < found.fit.parts.std() < 1.0
    assert abs(found.value("scale") - 3.0) < 4.0 * found.sigma("scale")
    with pytest.raises(UsageError, match="reflection_scales"):
        openbragg.refine(begun, counts(), free, reflection_scales=-1.0)


def test_own_scales_are_those_of_least_squares_with_a_prior():
    draws = np.random.default_rng(3)
    image = draws.poisson(20.0, (40, 40)).astype(float)
    boxes = cut(image, np.ones_like(image, dtype=bool), np.array([[10.0, 10.0], [28.0, 25.0]]), np.array([6.0, 7.0]))
    spots = draws.exponential(1.0, len(boxes.counts))
    boxes = attrs.evolve(boxes, counts=boxes.counts + draws.poisson(5.0 * spots * (1.0 + 0.3 * boxes.boxes())))
    own = 0.2
    fit = fit_linear(boxes, spots, Likelihood(1.0), own=own)
    blocks = np.zeros((len(spots), 9))
    blocks[:, 0] = spots
    for pixel, box in enumerate(boxes.boxes()):
        blocks[pixel, 1 + 4 * box : 4 + 4 * box] = boxes.planes[pixel]
        blocks[pixel, 4 + 4 * box] = fit.scale * spots[pixel]
    prior = np.zeros(9)
    prior[[4, 8]] = own**-2
    weights = fit.weights[:, None]
    solved = np.linalg.solve(blocks.T @ (weights * blocks) + np.diag(prior), blocks.T @ (fit.weights * boxes.counts))
    assert fit.scale == pytest.approx(solved[0], rel=1e-3)
    assert fit.parts == pytest.approx(solved[[4, 8]], abs=1e-3)
    column = draws.normal(size=(len(spots), 1))
    whole = np.column_stack([column, blocks[:, 1:]])
    full = whole.T @ (weights * whole) + np.diag([0.0, *prior[1:]])
    expected = full[0, 0] - full[0, 1:] @ np.linalg.solve(full[1:, 1:], full[1:, 0])
    assert normal_equations(boxes, fit, Columns.of_all(column), own)[0][0, 0] == pytest.approx(expected, rel=1e-9)


def test_the_read_out_is_what_the_background_varies_more_than_photons_do():
    seen = measured(openbragg.ReadImage(pixels=counts()), truth())
    found = readout_of(seen, find_spots(seen.photons, seen.usable), None)
    # Of some 10,000 pairs the variance is known to a part of 0.02 of 20; rounding adds a twelfth, faint spots a little.
    assert found**2 == pytest.approx(READOUT**2, abs=0.6)
