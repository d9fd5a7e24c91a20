"""Several crystals on a shot: the image is the sum over crystals, in all that is made of it."""

import json
from collections.abc import Callable
from math import cos, pi, radians, sin
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_oracle import TOLERANCE, crystals, detectors, engine, exposures, simulation_of

import oracle
from command_line import SMALL, run
from openbragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    InputError,
    Sampling,
    Scan,
    SceneCrystal,
    Shot,
    Simulation,
    UsageError,
    load_run,
    plugin,
    rotation_xyz,
    turned_crystal,
)

A = 1e-10
RIGHT = pi / 2
CELL = (40 * A, 50 * A, 60 * A, RIGHT, RIGHT, RIGHT)
#: Two domains' sums are added in another order, in single precision.
ROUNDING = 3e-7
#: A cube of water, and a background, about as bright as the crystal.
WATER = 2e-11
BEHIND = plugin("backgrounds", "uniform", per_pixel=0.5)


def simulation(**changed: Any) -> Simulation:
    """A still of 12 x 12 pixels with some spots, quick to render."""
    parts: dict[str, Any] = {
        "crystal": Crystal(cell=CELL, cells=(5, 6, 7), misset=(0.1, 0.2, 0.3)),
        "beam": Beam(wavelength=A, fluence=1e24),
        "detector": Detector(pixels=(12, 12), pixel_size=4e-3, distance=0.08),
        "sampling": Sampling(oversample=2, seed=1),
    }
    parts |= {name: changed.pop(name) for name in list(changed) if name in (*parts, "scan")}
    factors = plugin("structure_factors", "hkl", default_F=100.0)
    return Simulation(Experiment(**parts), structure_factors=factors, engine="eager", **changed)


def lattices(**options: Any) -> Any:
    return plugin("scene_models", "lattices", **{"count": 3, "spread": 0.2, "weights": (0.5, 1.0, 2.0)} | options)


def alone(scene: Simulation) -> list[tuple[float, Simulation]]:
    """Each crystal of a scene as the only one, with its weight."""
    shot = scene.scene.shot(scene.layout().experiment.crystal, scene.layout().experiment.scan.image)
    single = scene.evolve(scene="single")
    others = [(float(other.weight), single.evolve(crystal=other.crystal)) for other in shot.others]
    return [(float(shot.weight), single), *others]


def test_a_scene_is_the_weighted_sum_of_single_images() -> None:
    scene = simulation(scene=lattices())
    found = scene.photons()
    wanted = torch.stack([weight * one.photons().double() for weight, one in alone(scene)]).sum(dim=0)
    assert (found - wanted).abs().max() <= ROUNDING * wanted.max()
    slow, fast = [3, 5, 11], [2, 5, 0]
    assert torch.equal(scene.pixels(slow, fast), found[slow, fast])


def test_backgrounds_and_water_are_of_the_whole_shot() -> None:
    wet = attrs.evolve(simulation().experiment.crystal, water=WATER)
    double: dict[str, Any] = {"precision": "double", "backgrounds": [BEHIND]}
    scene = simulation(crystal=wet, scene=lattices(), **double)
    dry = simulation(scene=lattices(), precision="double")
    behind = simulation(crystal=wet, **double).photons() - simulation(precision="double").photons()
    assert torch.allclose(scene.photons() - dry.photons(), behind, rtol=1e-9)
    assert 0.01 < float(behind.min()) < float(behind.max()) < 100.0


@given(crystals(), crystals(), detectors(), exposures(), st.floats(0.0, 3.0), st.floats(0.0, 3.0))
@settings(max_examples=8)
def test_a_scene_equals_the_oracle(
    first: dict[str, Any],
    second: dict[str, Any],
    detector: dict[str, Any],
    exposure: dict[str, Any],
    weight: float,
    other_weight: float,
) -> None:
    flags, other_flags = first | detector | exposure, second | detector | exposure
    alike = simulation_of(other_flags)
    member = SceneCrystal(
        alike.layout().experiment.crystal,
        other_weight,
        structure_factors=alike.structure_factors,
        lattice_shape=alike.lattice_shape,
        mosaic=alike.mosaic,
    )
    scene = plugin("scene_models", "crystals", crystals=(member,), weight=weight)
    expected = np.array(oracle.simulate_scene([(weight, flags), (other_weight, other_flags)]))
    got, reflection = engine(flags, scene=scene)
    peak = max(np.abs(expected).max(), 1e-15 * reflection)
    assert np.abs(got - expected).max() <= TOLERANCE * peak


def test_a_twin_by_the_identity_is_the_crystal() -> None:
    one = simulation()
    twin = one.evolve(scene=plugin("scene_models", "twin", law="h,k,l", fraction=0.3)).photons()
    assert (twin - one.photons()).abs().max() <= ROUNDING * twin.max()


def test_a_twin_equals_the_oracle_s() -> None:
    # A monoclinic cell whose reciprocal vectors are turned about all axes.
    beta = radians(100.0)
    vectors = Crystal(cell=(30 * A, 35 * A, 40 * A, RIGHT, beta, RIGHT), misset=(0.3, -0.2, 0.5)).oriented_vectors()
    rows = (A * torch.linalg.inv(vectors).T).tolist()
    common = {"lambda": 1.0, "N": 4, "default_F": 50.0, "distance": 60.0, "pixel": 8.0, "detpixels": 4, "oversample": 1}
    table = {(h, k, l): 10.0 + h + 3 * k + 7 * l for h in range(-4, 5) for k in range(-4, 5) for l in range(-4, 5)}
    law = ((-1, 0, 0), (0, 1, 0), (0, 0, -1))
    twinned = oracle.twin_rows(rows, law)
    flags = [common | {"hkl": table, "mat": [list(row) for row in zip(*each, strict=True)]} for each in (rows, twinned)]
    expected = np.array(oracle.simulate_scene([(0.7, flags[0]), (0.3, flags[1])]))
    made = Simulation(
        Experiment(
            crystal=Crystal(reciprocal_vectors=tuple(tuple(x / A for x in row) for row in rows), cells=(4, 4, 4)),
            beam=Beam(wavelength=A),
            detector=Detector(pixels=(4, 4), pixel_size=8e-3, distance=0.06),
            sampling=Sampling(oversample=1),
        ),
        structure_factors=plugin(
            "structure_factors",
            "hkl",
            default_F=50.0,
            reflections=(torch.tensor(list(table)), torch.tensor(list(table.values()), dtype=torch.float64)),
        ),
        scene=plugin("scene_models", "twin", law="-h,k,-l", fraction=0.3),
        precision="double",
        engine="eager",
    )
    assert np.abs(made.photons().numpy() - expected).max() <= TOLERANCE * expected.max()


def test_gradients_flow_to_the_fraction_and_to_every_member() -> None:
    def image(fraction: torch.Tensor, angle: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        crystal = Crystal(cell=CELL, cells=(3.0, 3.0, 3.0), misset=(angle, 0.2, 0.3))
        turned = turned_crystal(crystal, torch.eye(3, dtype=torch.float64))
        twin = plugin("scene_models", "twin", law="h,-k,-l", fraction=fraction)
        detector = Detector(pixels=(1, 2), pixel_size=8e-3, distance=0.08)
        sampling = Sampling(oversample=1)
        one = simulation(
            crystal=crystal, detector=detector, sampling=sampling, precision="double", lattice_shape="gauss", scene=twin
        )
        other = one.evolve(scene=[SceneCrystal(turned, weight)])
        return torch.stack([one.photons(), other.photons()]) * 1e-3

    values = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.3, 0.1, 0.4)]
    assert torch.autograd.gradcheck(image, values, eps=1e-6, atol=1e-6, rtol=1e-4)


def test_the_jacobian_has_the_scene_s_numbers() -> None:
    split = plugin("scene_models", "split", angles=(0.02, 0.0, 0.01), fraction=0.3)
    made, places, step = simulation(scene=split, precision="double"), ([4, 7], [5, 2]), 1e-6
    found = made.jacobian(("scene.fraction", "angles", "scale"), places)
    assert found["angles"].shape == (2, 3)
    up, down = (made.evolve(scene=attrs.evolve(split, fraction=0.3 + each)).pixels(*places) for each in (step, -step))
    assert torch.allclose(found["scene.fraction"], (up - down) / (2 * step), rtol=1e-6)
    # The crystal's own scale counts in both pieces.
    assert torch.allclose(found["scale"], made.pixels(*places), rtol=1e-9)


def test_a_split_crystal_has_its_piece_turned_from_where_it_stands() -> None:
    made = simulation(scene=plugin("scene_models", "split", angles=(0.0, 0.0, 0.1), fraction=1.0))
    whole, piece = made.layout().lattices()
    assert float(whole.plan.scale) == 0.0
    turn = torch.tensor([[cos(0.1), -sin(0.1), 0.0], [sin(0.1), cos(0.1), 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    wanted = whole.plan.cell_vectors[0, 0] @ turn.T
    assert torch.allclose(piece.plan.cell_vectors[0, 0], wanted, rtol=0.0, atol=1e-12 * 60 * A)


def test_crystals_alike_share_what_was_prepared() -> None:
    main, *others = simulation(scene=lattices()).layout().lattices()
    assert all(other.plan.tables[0] is main.plan.tables[0] for other in others)


def test_a_crystal_s_volume_is_so_many_coherent_blocks() -> None:
    crystal = attrs.evolve(simulation().experiment.crystal, volume=2e-21)
    made = simulation(crystal=crystal)
    blocks = 2e-21 / (5 * 6 * 7 * 40 * 50 * 60 * A**3)
    assert made.choices["coherent blocks"].startswith(f"{blocks:.6g} ")
    assert torch.allclose(made.photons(), blocks * simulation().photons(), rtol=1e-6)
    assert "coherent blocks" not in simulation().choices


def test_a_scaled_crystal_keeps_its_background() -> None:
    crystal = attrs.evolve(simulation().experiment.crystal, scale=3.0, water=WATER)
    made = simulation(crystal=crystal, backgrounds=[BEHIND], precision="double")
    plain = made.evolve(crystal=attrs.evolve(crystal, scale=1.0))
    bare = simulation(precision="double").photons()
    assert torch.allclose(made.photons() - plain.photons(), 2.0 * bare, rtol=1e-9, atol=1e-12)


def test_the_parts_of_a_trace_add_up_to_the_pixel() -> None:
    scene = simulation(scene=lattices())
    image = scene.photons()
    slow, fast = divmod(int(image.argmax()), image.shape[1])
    parts = [float(scene.trace(slow, fast, number).photons) for number in range(3)]
    assert sum(parts) == pytest.approx(float(image[slow, fast]), rel=1e-6)
    with pytest.raises(UsageError, match="lattice: expected a whole number from 0 to 2, got 3"):
        scene.trace(slow, fast, 3)


def test_reflections_are_those_of_each_crystal_with_its_number_and_weight() -> None:
    scene = simulation(scene=lattices())
    found = scene.reflections()
    for number, (weight, one) in enumerate(alone(scene)):
        mine, wanted = found.lattice == number, one.reflections()
        assert np.array_equal(found.indices[mine], wanted.indices)
        assert np.allclose(found.photons[mine], weight * wanted.photons, rtol=1e-9)
    assert list(found.lattice) == sorted(found.lattice)


@pytest.mark.parametrize("osc", [None, 0.01])
def test_truth_files_list_every_crystal(osc: float | None, tmp_path: Path) -> None:
    scene = simulation(scene=lattices(), scan=Scan(range=osc))
    scene.write(tmp_path / "a.cbf", truth=[tmp_path / "t.expt", tmp_path / "t.csv"])
    listed = json.loads((tmp_path / "t.expt").read_text())
    assert [each["crystal"] for each in listed["experiment"]] == [0, 1, 2]
    assert len(listed["crystal"]) == 3 and len(listed["imageset"]) == 1
    assert len({each["identifier"] for each in listed["experiment"]}) == 3
    lengths = [np.linalg.norm(each["real_space_c"]) for each in listed["crystal"]]
    assert lengths == pytest.approx([60.0] * 3)
    assert len({tuple(each["real_space_a"]) for each in listed["crystal"]}) == 3
    rows = np.genfromtxt(tmp_path / "t.csv", delimiter=",", names=True)
    found = scene.reflections()
    assert np.array_equal(rows["id"].astype(int), found.lattice)


def test_every_still_of_a_series_has_crystals_of_its_own_and_a_rotation_the_same(tmp_path: Path) -> None:
    stills = simulation(scene=lattices(), scan=Scan(range=0.0)).series(2)
    vectors = [[each.plan.cell_vectors[0, 0] for each in stills[number].layout().lattices()] for number in (0, 1)]
    assert torch.equal(vectors[0][0], vectors[1][0])
    assert not torch.allclose(vectors[0][1], vectors[1][1], rtol=1e-3, atol=0.0)
    again = simulation(scene=lattices(), scan=Scan(range=0.0)).series(5)[1]
    assert torch.equal(again.photons(), stills[1].photons())
    turning = simulation(scene=lattices(), scan=Scan(range=0.01, steps=1)).series(2)
    first, second = (turning[number].layout().lattices() for number in (0, 1))
    assert first[1].experiment.crystal.misset == second[1].experiment.crystal.misset

    stills.write(tmp_path / "s_#.cbf", truth=[tmp_path / "s.expt", tmp_path / "s.csv"])
    listed = json.loads((tmp_path / "s.expt").read_text())
    assert [each["crystal"] for each in listed["experiment"]] == list(range(6))
    assert [each["imageset"] for each in listed["experiment"]] == [0, 0, 0, 1, 1, 1]
    rows = np.genfromtxt(tmp_path / "s.csv", delimiter=",", names=True)
    assert set(rows["id"].astype(int)) == set(range(6))
    assert list(rows["id"]) == sorted(rows["id"])


def test_a_truth_of_images_with_other_numbers_of_crystals_is_refused_before_any_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arriving(since: int) -> Callable[[Any, Crystal, int], Shot]:
        """From one image on another crystal is on the shot, on every image another one."""

        def shot(_: Any, crystal: Crystal, image: int) -> Shot:
            turned = turned_crystal(crystal, rotation_xyz((0.0, 0.0, 0.1 * image)))
            return Shot(others=(SceneCrystal(turned),) * (image >= since))

        return shot

    files, truth = tmp_path / "x_#.bin", tmp_path / "x.expt"
    monkeypatch.setattr(type(lattices()), "shot", arriving(2))
    with pytest.raises(InputError, match=r"as on the first, 1; the scene lattices has 2 on image 2$"):
        simulation(scene=lattices(), scan=Scan(range=0.0)).series(3).write(files, truth=truth)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(type(lattices()), "shot", arriving(1))
    simulation(scene=lattices(), scan=Scan(range=0.0)).series(2).write(files, truth=truth)
    first, second = (json.loads(truth.read_text())["crystal"][number]["real_space_a"] for number in (1, 3))
    assert first != second


def test_a_recorded_scene_gives_the_same_photons(tmp_path: Path) -> None:
    satellite = SceneCrystal(
        Crystal(cell=(30 * A, 30 * A, 30 * A, RIGHT, RIGHT, RIGHT), cells=(4, 4, 4)),
        0.2,
        structure_factors=plugin("structure_factors", "hkl", default_F=70.0),
        lattice_shape="gauss",
    )
    for name, scene in (("listed", [satellite]), ("lattices", lattices())):
        made = simulation(scene=scene)
        made.write(tmp_path / f"{name}.cbf", record=tmp_path / f"{name}.json")
        assert torch.equal(load_run(tmp_path / f"{name}.json").simulation.photons(), made.photons())


def test_flags_make_a_scene_and_a_record_repeats_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = (*SMALL, "-twin", "-h,-k,l", "-twin_fraction", "0.3", "-misset", "10", "20", "30", "-crystal_scale", "2")
    finished = run("simulate", *flags, "-floatfile", "a.bin", "-record", "r.json")
    assert (finished.status, finished.err) == (0, "")
    assert "lattice weights 0.7 0.3" in " ".join(finished.out.split())
    assert run("simulate", "-from", "r.json", "-floatfile", "b.bin").status == 0
    assert Path("a.bin").read_bytes() == Path("b.bin").read_bytes()


def test_a_trace_file_has_the_part_of_one_crystal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = (*SMALL, "-lattices", "2", "-floatfile", "a.bin", "-trace_pixel", "1", "1")
    texts = [run("simulate", *flags, "-trace_lattice", str(number)).out for number in (0, 1)]
    assert texts[0] != texts[1]
    assert run("simulate", *flags, "-trace_lattice", "2").complaints()[-1].endswith("expected a number below 2, got 2")


def test_what_is_printed_is_said_to_be_of_one_crystal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finished = run("simulate", *SMALL, "-lattices", "2", "-floatfile", "a.bin", "-printout_pixel", "1", "1")
    assert "what is printed is of the mounted crystal alone" in finished.err


def test_a_weight_is_no_number_below_0() -> None:
    other = SceneCrystal(simulation().experiment.crystal, -1.0)
    with pytest.raises(InputError, match="lattice 1: expected a weight of 0 or more, got -1"):
        simulation(scene=[other]).layout()
    with pytest.raises(UsageError, match="scene: expected SceneCrystal objects"):
        simulation(scene=[simulation().experiment.crystal])


def test_a_crystal_is_not_scaled_where_its_sum_holds_the_water() -> None:
    crystal = attrs.evolve(simulation().experiment.crystal, scale=2.0, water=1e-7)
    sampling = Sampling(oversample=1, oversample_polarization=True)
    quirks = ("running-product", "water-over-steps")
    with pytest.raises(InputError, match="a crystal is not scaled with the quirks running-product"):
        simulation(crystal=crystal, sampling=sampling, compat=quirks).layout()
