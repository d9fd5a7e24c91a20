"""Many stills refined together."""

import json
import math
from functools import cache

import numpy as np
import pytest
import torch

import openbragg
from command_line import run
from openbragg import Detector, InputError, Simulation, UsageError, plugin
from openbragg_tools.refine import stills
from openbragg_tools.refine.gauge import held_motions
from openbragg_tools.refine.model import make_model
from openbragg_tools.refine.panels import panel_groups, plain_panels
from openbragg_tools.refine.reading import read_spots, read_spots_of_stills
from openbragg_tools.refine.stills import stills_of
from refined_stills import PIXEL, SIZE, counted, truth, turned

#: How the two halves of the detector are shifted, in metres, and tilted, in radians.
MOVED = np.array(
    [
        *(0.3 * PIXEL, -0.2 * PIXEL, 0.0, 0.0, 0.0, math.radians(0.05)),
        *(-0.4 * PIXEL, 0.1 * PIXEL, 0.0, 0.0, 0.0, math.radians(-0.08)),
    ]
)
#: Of the crystals, in radians.
ANGLES = ((0.3, 0.7, -0.4), (1.2, -0.5, 0.1))
#: Errors beyond so many of their standard deviations say that those are wrong; the images are always the same.
LIMIT = 3.5
SETTINGS = {"space_group": "P 2 2 2", "readout": 0.0}
FREE = ("scale", "panels")


@cache
def moved() -> Simulation:
    """The simulation whose panels stand otherwise than the start says."""
    start = truth(panels=2)
    detector = start.experiment.detector
    group = panel_groups(detector, "panels")
    return start.evolve(detector=plain_panels(group.moved(detector, torch.from_numpy(MOVED))))


@cache
def images() -> tuple[np.ndarray, ...]:
    return tuple(counted(turned(moved(), angles), seed) for seed, angles in enumerate(ANGLES))


@cache
def starts() -> tuple[Simulation, ...]:
    return tuple(turned(truth(panels=2), angles) for angles in ANGLES)


@cache
def refined():
    return openbragg.refine(starts(), list(images()), FREE, **SETTINGS)


def test_panels_come_back_within_their_errors():
    found = refined()
    errors = found.values - MOVED
    assert np.abs(errors / found.determined.sigmas).max() < LIMIT
    assert found.sigma("panel_0_shift_fast") < 0.1 * PIXEL * 1e3


def test_what_is_refined_together_explains_every_still():
    found = refined()
    assert found.numbers == (0, 1)
    for still in found.stills:
        assert abs(still.reduced_chi_squared() - 1.0) < 4.0 * math.sqrt(2.0 / still.freedom())
        assert [each.name for each in still.parameters] == ["scale"]
    losses = [step.loss for step in found.history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_a_turn_of_all_panels_about_the_beam_is_held():
    model = make_model(starts()[0], ("misset", "panels"), "P 2 2 2")
    rows, lines = held_motions(model, model.of(["panels"]))
    # A crystal in the middle: what is turned about the beam is neither shifted along it nor tilted.
    assert rows.shape == (1, 12)
    assert rows.reshape(2, 6)[:, 2:5] == pytest.approx(np.zeros((2, 3)), abs=1e-12)
    assert lines == ["all panels turned about the beam do what all crystals do: that turn is held"]
    model = make_model(starts()[0], ("misset", "panels", "detector"), "P 2 2 2")
    rows, lines = held_motions(model, model.of(["panels", "detector"]))
    assert rows.shape == (7, 18)
    assert any("what detector does" in line for line in lines)


def test_stills_that_share_nothing_are_those_of_each():
    found = openbragg.refine(starts(), list(images()), ("misset", "scale"), steps=1, **SETTINGS)
    alone = openbragg.refine(starts()[1], images()[1], ("misset", "scale"), steps=1, **SETTINGS)
    assert found.parameters == ()
    assert found.stills[1].values == pytest.approx(alone.values)
    assert found.stills[1].determined.sigmas == pytest.approx(alone.determined.sigmas)


def test_a_still_that_explains_nothing_is_left_out():
    empty = np.random.default_rng(2).poisson(3.0, images()[0].shape)
    found = openbragg.refine(starts(), [images()[0], empty], ("misset", "scale"), steps=1, **SETTINGS)
    assert found.numbers == (0,)
    assert [number for number, _ in found.left_out] == [1]
    assert any(line.startswith("image 2 is left out: ") and "too few" in line for line in found.notices)
    with pytest.raises(InputError, match="no still can be refined"):
        openbragg.refine(starts(), [empty, empty], ("misset", "scale"), steps=1, **SETTINGS)


def test_stills_that_do_not_fit_together_are_refused():
    first, second = starts()
    with pytest.raises(UsageError, match="3 images and 2 crystals"):
        openbragg.refine([first, second], [*images(), images()[0]])
    with pytest.raises(InputError, match=r"image 2: 96 x 60 pixels.*one detector"):
        openbragg.refine([first, second], [images()[0], images()[1][:60]], ("scale",), **SETTINGS)
    other = second.evolve(detector=Detector(pixels=(SIZE, SIZE), pixel_size=PIXEL, distance=55e-3))
    with pytest.raises(UsageError, match="start 2 has another detector"):
        openbragg.refine([first, other], list(images()))


def test_the_best_so_far_is_kept_when_the_user_ends_it():
    calls = []

    def watch(done, total):
        calls.append(done)
        if len(calls) == 5:
            raise KeyboardInterrupt

    found = openbragg.refine(starts(), list(images()), ("scale", "panels"), watch=watch, steps=2, **SETTINGS)
    assert found.interrupted
    assert any(line.startswith("interrupted") for line in found.notices)
    assert np.isfinite(found.values).all()


def test_the_command_line_refines_stills_of_an_experiment_list(tmp_path):
    whole = None
    for number in range(2):
        np.save(tmp_path / f"counts_{number}.npy", images()[number])
        name = tmp_path / "one.expt"
        with name.open("wb") as stream:
            plugin("truth_formats", "dials-experiments").write_truth(stream, name, starts()[number].truth())
        one = json.loads(name.read_text())
        if whole is None:
            whole = one
        else:
            whole["crystal"] += one["crystal"]
            whole["experiment"] += [{**one["experiment"][0], "crystal": 1}]
    (tmp_path / "start.expt").write_text(json.dumps(whole))
    openbragg.write_hkl_table(tmp_path / "F.hkl", *truth(2).structure_factors.reflections)
    pictures = [tmp_path / f"counts_{number}.npy" for number in range(2)]
    crystal = ("-hkl", tmp_path / "F.hkl", "-Na", 8, "-Nb", 9.5, "-Nc", 6.5, "-gauss_index", "-fluence", 6e27)
    start = ("-expt", tmp_path / "start.expt", "-oversample", 1, "-engine", "eager")
    wanted = ("-free", "scale,distance", "-refinement_steps", 1, "-readout_sigma", 0, "-o", tmp_path / "out")
    done = run("refine", *pictures, *start, *crystal, *wanted)
    assert done.status == 0, done.err
    assert "is taken" not in done.err
    lines = done.out.splitlines()
    assert lines[1].startswith("distance")
    assert sum(line.startswith(str(tmp_path / "counts_")) for line in lines) == 2
    said = json.loads((tmp_path / "out.json").read_text())
    assert [row["name"] for row in said["shared"]["parameters"]] == ["distance"]
    assert [still["image"] for still in said["stills"]] == list(map(str, pictures))
    every = openbragg.read_geometries(tmp_path / "out.expt")
    assert len(every) == 2
    assert every[0].panels == every[1].panels
    assert every[0].reciprocal_vectors != every[1].reciprocal_vectors
    listed = json.loads((tmp_path / "out.expt").read_text())
    assert [each["images"] for each in listed["imageset"]] == [["counts_0.npy"], ["counts_1.npy"]]
    both = read_spots_of_stills(tmp_path / "out.refl", (), range(2))
    assert sum(map(len, both)) == len(read_spots(tmp_path / "out.refl"))
    assert min(map(len, both)) > 10
    with pytest.raises(InputError, match="no spots in it of experiment 2"):
        read_spots_of_stills(tmp_path / "out.refl", (), (2,))
    text = (tmp_path / "out.html").read_text()
    assert text.count("<details") == 2
    assert "http" not in text.replace("http://www.w3.org", "")
    done = run("refine", *pictures, pictures[0], *start, *crystal, *wanted)
    assert "3 images and 2 crystals" in done.err


def test_a_file_of_several_images_is_so_many_stills(tmp_path, monkeypatch):
    np.save(tmp_path / "one.npy", images()[0])
    (still,) = stills_of([tmp_path / "one.npy"])
    assert still.place is None
    assert np.array_equal(still.read().pixels, images()[0])
    assert [each.source for each in stills_of([images()[0], images()[1]])] == ["image 1", "image 2"]
    several = [openbragg.ReadImage(pixels=image) for image in images()]
    monkeypatch.setattr(stills, "read_images", lambda path, shape: several)
    found = stills_of([tmp_path / "one.npy"])
    assert [each.place for each in found] == [0, 1]
    assert found[1].read() is several[1]
    with pytest.raises(UsageError, match="has 2 images"):
        stills_of([tmp_path / "one.npy"], single=True)[0].read()
