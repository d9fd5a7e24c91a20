"""The mosaic models: the shared properties, and what their laws promise."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from openbragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    InputError,
    Sampling,
    Scan,
    Simulation,
    load_run,
    plugin,
    rotation_about,
)
from openbragg.testing import check_mosaic_model, mosaic_blocks, mosaic_deviation, run_command

A = 1e-10
#: Standard deviation about one axis of the reference's law, over its largest angle: a third of the mean of
#: (1 - r^2)^(2/3) for r even in (-1, 1).
REFERENCE = math.sqrt(math.gamma(0.5) * math.gamma(5 / 3) / math.gamma(13 / 6) / 6)
SPIRAL = 1 / math.sqrt(3)


def model(name: str, **options: Any) -> Any:
    return plugin("mosaic_models", name, **options)


def listed(rotations: Any, weights: Any = None) -> Any:
    return type(model("list"))(rotations=rotations, weights=weights)


def a_simulation(mosaic: Any, shape: str = "gauss_index", **crystal: Any) -> Simulation:
    """A small still of a triclinic crystal with a few spots."""
    settings = {"cells": (6.0, 7.0, 5.0), "misset": (0.1, 0.2, 0.3)} | crystal
    experiment = Experiment(
        crystal=Crystal(cell=(40 * A, 50 * A, 60 * A, 1.4, 1.7, 1.5), **settings),
        beam=Beam(wavelength=1.2 * A),
        detector=Detector(pixels=(40, 44), pixel_size=8e-4, distance=0.09),
        scan=Scan(start=0.2),
        sampling=Sampling(oversample=1),
    )
    factors = plugin("structure_factors", "hkl", default_F=100.0)
    return Simulation(
        experiment, structure_factors=factors, lattice_shape=shape, mosaic=mosaic, precision="double", engine="eager"
    )


@pytest.mark.parametrize(
    ("name", "options", "deviation"),
    [
        ("nanobragg", {}, REFERENCE),
        ("sobol", {}, REFERENCE),
        ("normal", {}, 1.0),
        ("normal", {"sequence": "random"}, 1.0),
        ("spiral", {}, SPIRAL),
        ("anisotropic", {}, SPIRAL),
        ("anisotropic", {"axes": "crystal"}, SPIRAL),
        ("closed", {}, 1.0),
    ],
)
def test_models_keep_their_contract_and_spread_as_they_say(
    name: str, options: dict[str, Any], deviation: float
) -> None:
    check_mosaic_model(model(name, **options), deviation=deviation)


def test_a_list_keeps_the_contract() -> None:
    turns = rotation_about(torch.eye(3, dtype=torch.float64), torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64))
    check_mosaic_model(listed(turns.numpy(), (1.0, 2.0, 5.0)))
    check_mosaic_model(listed(turns))


def test_sobol_domains_are_nearer_to_their_law_than_random_ones() -> None:
    """Of 256 domains each second moment of the rotation vectors is the law's, and the mean is 0, a tenth as far off."""

    def off(name: str) -> float:
        worst = []
        for seed in range(1, 6):
            turns = mosaic_blocks(model(name), 1e-3, 256, seed).rotations
            skew = (turns - turns.transpose(1, 2)) / 2e-3
            vectors = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], dim=1)
            moments = vectors.T @ vectors / len(vectors) - REFERENCE**2 * torch.eye(3, dtype=torch.float64)
            worst.append(max(float(moments.abs().max()), float(vectors.mean(dim=0).abs().max())))
        return sum(worst) / len(worst)

    assert off("sobol") < 0.2 * off("nanobragg")


def test_the_spiral_is_the_formula_of_the_peer() -> None:
    quantiles = (0.5, 0.0, 0.25, 0.75)
    blocks = mosaic_blocks(type(model("spiral"))(quantiles=quantiles), 0.01)
    assert blocks.weights is None and len(blocks.rotations) == 8
    for i, quantile in enumerate(quantiles):
        height = (i + 0.5) / 4
        azimuth = math.sqrt(math.pi * 4) * math.asin(height)
        axis = np.array([*(math.sin(math.acos(height)) * np.array([math.cos(azimuth), math.sin(azimuth)])), height])
        angle = 0.01 * math.sqrt(2.0) * float(torch.tensor(quantile, dtype=torch.float64).erfinv())
        for place, turn in ((2 * i, angle), (2 * i + 1, -angle)):
            cross = np.cross(axis, np.eye(3)).T
            wanted = math.cos(turn) * np.eye(3) + (1 - math.cos(turn)) * np.outer(axis, axis) + math.sin(turn) * cross
            np.testing.assert_allclose(blocks.rotations[place].numpy(), wanted, rtol=0, atol=1e-14)


def test_a_seed_shuffles_the_same_quantiles() -> None:
    one, other = (mosaic_blocks(model("spiral"), 0.01, 40, seed) for seed in (1, 2))
    assert not torch.equal(one.rotations, other.rotations)
    assert float(mosaic_deviation(one)) == pytest.approx(float(mosaic_deviation(other)), rel=1e-12)


@pytest.mark.parametrize("axes", ["lab", "crystal"])
def test_three_spreads_turn_blocks_most_about_the_axis_of_the_largest(axes: str) -> None:
    found = mosaic_blocks(model("anisotropic", spreads=(0.001, 0.002, 0.02), axes=axes), None, 2000)
    skew = found.rotations - found.rotations.transpose(1, 2)
    vectors = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], dim=1) / 2.0
    _, directions = torch.linalg.eigh(vectors.T @ vectors)
    crystal = Crystal(cell=(40 * A, 50 * A, 60 * A, 1.4, 1.7, 1.5))
    axis = crystal.oriented_vectors()[2] if axes == "crystal" else torch.tensor([0.0, 0.0, 1.0]).double()
    assert abs(float(directions[:, -1] @ axis / axis.norm())) > 0.99
    assert found.mounted == (axes == "crystal")


def test_blocks_about_the_crystal_s_axes_turn_with_it() -> None:
    for axes, same in (("crystal", True), ("lab", False)):
        simulation = a_simulation(model("anisotropic", spreads=(0.001, 0.004, 0.02), axes=axes), mosaic_domains=10)
        turned, resting = (simulation.evolve(scan=Scan(start=angle)).layout() for angle in (0.7, 0.0))
        rotation = rotation_about(turned.laboratory.spindle, torch.tensor(0.7, dtype=torch.float64))
        along = resting.plan.cell_vectors @ rotation.T / A
        assert torch.allclose(turned.plan.cell_vectors / A, along, rtol=0, atol=1e-9) == same


def test_weights_count_in_the_image() -> None:
    """A block that is listed three times is one of three times the weight."""
    about = torch.eye(3, dtype=torch.float64)
    first, second, _ = rotation_about(about, torch.tensor([0.004, -0.006, 0.0], dtype=torch.float64))
    repeated = a_simulation(listed(torch.stack([first, second, second, second]))).photons()
    weighted = a_simulation(listed(torch.stack([first, second]), (0.5, 1.5))).photons()
    assert torch.allclose(weighted, repeated, rtol=0, atol=1e-12 * float(repeated.max()))


@pytest.mark.parametrize(
    ("mosaic", "crystal", "said"),
    [
        (model("spiral"), {"mosaic_spread": 0.01, "mosaic_domains": 5}, "an even number of domains, got 5"),
        (
            type(model("spiral"))(quantiles=(0.1, 0.5)),
            {"mosaic_spread": 0.01, "mosaic_domains": 6},
            "has 2 quantiles for the pairs of 6 domains",
        ),
        (type(model("spiral"))(quantiles=(0.1, 1.0)), {"mosaic_spread": 0.01}, "quantiles of 0 or more and below 1"),
        (
            model("anisotropic", spreads=(0.1, 0.1, 0.1)),
            {"mosaic_spread": math.radians(0.5)},
            "give -mosaic or -mosaic_anisotropic; -mosaic is 0.5 degrees",
        ),
        (listed(np.eye(3)[None]), {"mosaic_spread": 0.01}, "has no part in the mosaic model list"),
        (listed(np.eye(3)[None]), {"mosaic_domains": 4}, "-mosaic_domains is 4, and 1 rotations are listed"),
        (listed(-np.eye(3)[None]), {}, "matrix 1 of 1 is no proper rotation"),
        (listed(np.eye(3)), {}, r"expected rotation matrices, \(rotations, 3, 3\), got \(3, 3\)"),
        (listed(np.eye(3)[None], (-1.0,)), {}, "expected weights of 0 or more, not all 0"),
        (listed(np.eye(3)[None], (1.0, 1.0)), {}, "expected 1 weights, one for each rotation"),
        (model("list"), {}, "needs rotations: give -mosaic_rotations FILE"),
    ],
)
def test_what_a_model_cannot_use_is_refused_in_a_line(mosaic: Any, crystal: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        a_simulation(mosaic, **crystal).layout()


def test_a_spread_that_means_something_else_than_in_the_reference_has_a_notice() -> None:
    for name, words in (("normal", "rotations about each axis"), ("closed", "about each axis"), ("spiral", "angle")):
        notices = a_simulation(model(name), mosaic_spread=math.radians(0.2)).notices
        (line,) = [line for line in notices if line.startswith(f"with the mosaic model {name}")]
        assert "the spread of 0.2 degrees is the standard deviation of the rotations" in line and words in line
    assert not [line for line in a_simulation("sobol", mosaic_spread=0.01).notices if "spread" in line]


WORDS = ("simulate", "-cell", 50, "-N", 5, "-default_F", 100, "-detpixels", 8, "-pixel", 1, "-gauss_index", "-nopgm")


def test_the_command_line_has_models_their_options_and_a_record(tmp_path: Path) -> None:
    turns = rotation_about(torch.eye(3, dtype=torch.float64), torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64))
    (tmp_path / "a.json").write_text(json.dumps({"rotations": turns.tolist(), "weights": [1, 2, 3]}))
    flags = {
        "list": ("-mosaic_rotations", tmp_path / "a.json"),
        "anisotropic": ("-mosaic_anisotropic", 0.1, 0.2, 0.3, "-mosaic_axes", "crystal"),
        "closed": ("-mosaic_model", "closed", "-mosaic", 0.3),
    }
    for name, words in flags.items():
        image, record = tmp_path / f"{name}.bin", tmp_path / f"{name}_run.json"
        finished = run_command([*WORDS, *words, "-floatfile", image, "--record", record])
        assert finished.status == 0, finished.err
        used = {each["role"]: each["name"] for each in json.loads(record.read_text())["plugins"]}
        assert used["mosaic_models"] == name
        again = tmp_path / "again.bin"
        assert run_command(["simulate", "--from", record, "-floatfile", again]).status == 0
        assert again.read_bytes() == image.read_bytes()


def test_what_python_gives_goes_into_a_record_and_comes_back(tmp_path: Path) -> None:
    turns = rotation_about(torch.eye(3, dtype=torch.float64), torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64))
    spiral = type(model("spiral"))(quantiles=np.array([0.5, 0.0, 0.25]))
    for mosaic, crystal in ((listed(turns, (1.0, 2.0, 3.0)), {}), (spiral, {"mosaic_spread": 0.01})):
        simulation = a_simulation(mosaic, **crystal)
        simulation.write(tmp_path / "a.bin", record=tmp_path / "run.json")
        again = load_run(tmp_path / "run.json").simulation
        assert torch.equal(again.photons(), simulation.photons())
