"""Scenes: the laws of random rotations and of twins, and what a JSON file says."""

import json
from math import pi, radians, sin
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import Crystal, InputError, Shot, UsageError, plugin, rotation_xyz
from openbragg.testing import check_scene_model
from openbragg_plugins.scenes.laws import LAW, matrix_of, twinned_crystal
from openbragg_plugins.scenes.rotations import random_rotation

A = 1e-10
RIGHT = pi / 2
CRYSTAL = Crystal(cell=(30 * A, 40 * A, 50 * A, RIGHT, RIGHT, RIGHT), cells=(5, 6, 7), misset=(0.1, -0.2, 0.3))
CUBIC = Crystal(cell=(30 * A, 30 * A, 30 * A, RIGHT, RIGHT, RIGHT), misset=(0.1, -0.2, 0.3))


def angle_of(rotation: torch.Tensor) -> float:
    return float(((rotation.trace() - 1.0) / 2.0).clamp(-1.0, 1.0).acos())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("single", {}),
        ("lattices", {"count": 4, "spread": 0.1, "weights": (1.0, 0.5, 0.0, 2.0)}),
        ("lattices", {"count": 3}),
        ("split", {"angles": (0.01, 0.0, -0.02), "fraction": 0.25}),
        ("twin", {"law": "-h,-k,l", "fraction": 0.3}),
    ],
)
def test_scenes_keep_to_the_contract(name: str, options: dict[str, Any]) -> None:
    check_scene_model(plugin("scene_models", name, **options))


def test_random_rotations_have_the_angles_of_haar_s_measure_up_to_the_spread() -> None:
    for spread in (radians(10.0), pi):
        angles = np.sort([angle_of(random_rotation(spread, 3, number)) for number in range(1500)])
        assert angles[-1] <= spread
        wanted = (angles - np.sin(angles)) / (spread - sin(spread))
        # Kolmogorov's distance of 1500 draws: one part in a thousand is beyond 0.05.
        assert np.abs(wanted - (np.arange(1500) + 0.5) / 1500).max() < 0.05


def test_random_rotations_have_no_preferred_axis_and_are_the_seed_s() -> None:
    turned = torch.stack([random_rotation(pi, 7, number) for number in range(2000)])
    # Any orientation alike: the mean of each element is 0, with a standard deviation of 1 / sqrt(3 x 2000).
    assert turned.mean(dim=0).abs().max() < 0.06
    assert torch.equal(random_rotation(0.1, 7, 2), random_rotation(0.1, 7, 2))
    assert not torch.equal(random_rotation(0.1, 7, 2), random_rotation(0.1, 8, 2))


@given(st.floats(1e-9, 1e-3))
def test_a_small_spread_has_small_rotations(spread: float) -> None:
    skew = random_rotation(spread, 1, 2) - torch.eye(3, dtype=torch.float64)
    assert 0.0 < float(skew.norm()) <= 1.5 * spread


@pytest.mark.parametrize(
    ("law", "rows"),
    [
        ("h,k,l", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("-h, -k, l", [[-1, 0, 0], [0, -1, 0], [0, 0, 1]]),
        ("k,h,-l", [[0, 1, 0], [1, 0, 0], [0, 0, -1]]),
        ("h,-h-k,-l", [[1, 0, 0], [-1, -1, 0], [0, 0, -1]]),
        ("1/2h+k,2*l,-h", [[0.5, 1, 0], [0, 0, 2], [-1, 0, 0]]),
    ],
)
def test_laws_are_read(law: str, rows: list[list[float]]) -> None:
    assert LAW.accepts(law)
    assert matrix_of(law).tolist() == rows


@pytest.mark.parametrize("law", ["", "h,k", "h,k,l,m", "h,h,l", "hk,k,l", "x,y,z", "h,,l", "2/0h,k,l", "h+,k,l"])
def test_words_that_are_no_law_are_refused(law: str) -> None:
    assert not LAW.accepts(law)
    with pytest.raises(InputError, match="expected a twin law such as"):
        plugin("scene_models", "twin", law=law)


@pytest.mark.parametrize(
    ("crystal", "law"),
    [(CRYSTAL, "-h,k,-l"), (CRYSTAL, "h,-k,-l"), (CUBIC, "k,h,-l"), (CUBIC, "k,l,h"), (CRYSTAL, "-h,-k,-l")],
)
def test_where_h_of_the_first_lies_the_twin_has_what_the_law_makes_of_it(crystal: Crystal, law: str) -> None:
    twin = twinned_crystal(crystal, matrix_of(law))
    index = torch.tensor([3.0, -2.0, 5.0], dtype=torch.float64)
    first, second = (index_of(each, crystal, index) for each in (crystal, twin))
    assert torch.allclose(first, index, atol=1e-12)
    assert torch.allclose(second, matrix_of(law) @ index, atol=1e-9)


def index_of(crystal: Crystal, of: Crystal, index: torch.Tensor) -> torch.Tensor:
    """The indices that a crystal has where another one has some."""
    place = index @ torch.linalg.inv(of.oriented_vectors()).T
    return crystal.oriented_vectors() @ place


def test_a_law_that_the_lattice_nearly_has_turns_it_and_keeps_its_cell() -> None:
    nearly = attrs.evolve(CUBIC, cell=(30 * A, 30.6 * A, 30 * A, RIGHT, RIGHT, RIGHT))
    twin = twinned_crystal(nearly, matrix_of("k,h,-l"))
    assert torch.allclose(twin.oriented_vectors().norm(dim=1), nearly.oriented_vectors().norm(dim=1), rtol=1e-12)


def test_a_law_that_is_none_of_the_lattice_is_refused() -> None:
    with pytest.raises(InputError, match="the twin law is no operation of this lattice: it would change lengths by up"):
        twinned_crystal(CRYSTAL, matrix_of("k,h,-l"))


def test_there_are_as_many_weights_as_crystals() -> None:
    with pytest.raises(UsageError, match="-lattice_weights: expected 3 weights, one a crystal, got 2"):
        plugin("scene_models", "lattices", count=3, weights=(1.0, 2.0))
    with pytest.raises(UsageError, match="-lattices: expected 1000 at most, got 1001"):
        plugin("scene_models", "lattices", count=1001)
    with pytest.raises(UsageError, match="the scene scene-file needs a file: -scene"):
        plugin("scene_models", "scene-file").shot(CRYSTAL, 1)


def shot_of(path: Path, content: Any, crystal: Crystal = CRYSTAL) -> Shot:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    made: Shot = plugin("scene_models", "scene-file", file=path).shot(crystal, 1)
    return made


def test_a_file_lists_crystals_by_the_words_of_flags(tmp_path: Path) -> None:
    (tmp_path / "b.hkl").write_text("0 0 1 10\n")
    rows = [
        {"rotation": [0, 0, 90], "weight": 0.25, "N": 4, "Nb": 9, "mosaic": 0.5},
        {
            "cell": [20, 30, 40, 90, 100, 90],
            "misset": [0, 0, 45],
            "structure_factors": {"name": "hkl", "file": "b.hkl", "default_F": 5},
            "lattice_shape": "gauss",
        },
        {"law": "-h,k,-l"},
        {"spread": "random", "seed": 5},
    ]
    shot = shot_of(tmp_path / "s.json", {"weight": 0.5, "crystals": rows})
    turned, other, twin, drawn = shot.others
    assert shot.weight == 0.5 and [each.weight for each in shot.others] == [0.25, 1.0, 1.0, 1.0]
    assert turned.crystal.cells == (4.0, 9.0, 4.0)
    assert turned.crystal.mosaic_spread == pytest.approx(radians(0.5))
    quarter = rotation_xyz((0.0, 0.0, RIGHT))
    assert torch.allclose(turned.crystal.oriented_vectors(), CRYSTAL.oriented_vectors() @ quarter.T, atol=1e-20)
    assert other.crystal.cell == pytest.approx((20 * A, 30 * A, 40 * A, RIGHT, radians(100.0), RIGHT))
    assert other.crystal.misset == pytest.approx((0.0, 0.0, radians(45.0)))
    assert other.crystal.cells == CRYSTAL.cells
    assert other.structure_factors.default_F == 5.0 and other.lattice_shape.name == "gauss"
    assert torch.allclose(
        twin.crystal.oriented_vectors(), twinned_crystal(CRYSTAL, matrix_of("-h,k,-l")).oriented_vectors(), atol=1e-20
    )
    assert drawn.crystal.misset != CRYSTAL.misset
    model = plugin("scene_models", "scene-file", file=tmp_path / "s.json")
    assert [path.name for path in model.reads()] == ["b.hkl"]
    # What a plugin has prepared serves all images.
    assert model.shot(CRYSTAL, 2).others[1].structure_factors is model.shot(CRYSTAL, 1).others[1].structure_factors


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[", "s.json"),
        ([], "not a scene of crystals: expected an object with a list of crystals"),
        ({"crystals": {}}, "not a scene of crystals: expected an object with a list of crystals"),
        ({"crystals": [], "colour": 1}, "unknown key 'colour'; expected weight and crystals"),
        ({"crystals": [], "weight": "a"}, "weight: expected a number, got 'a'"),
        ({"crystals": [3]}, r"crystals\[0\]: expected an object, got 3"),
        ({"crystals": [{"size": 3}]}, r"crystals\[0\]: unknown key 'size'; expected one of weight, cell, law"),
        ({"crystals": [{"cell": [1, 2]}]}, "cell: expected a, b, c in A and alpha, beta, gamma in degrees"),
        ({"crystals": [{"rotation": 3}]}, "rotation: expected three angles in degrees, got 3"),
        ({"crystals": [{"law": "h,h,h"}]}, "law: expected a twin law such as"),
        ({"crystals": [{"seed": 3}]}, "seed: expected with spread"),
        ({"crystals": [{"spread": 3, "seed": 0.5}]}, "seed: expected a whole number, got 0.5"),
        ({"crystals": [{"N": "x"}]}, "N: expected a number, got 'x'"),
        ({"crystals": [{"N": -1}]}, "Crystal.cells: expected a number above 0"),
        ({"crystals": [{"lattice_shape": 3}]}, "lattice_shape: expected a name or an object, got 3"),
        ({"crystals": [{"lattice_shape": {"fudge": 3}}]}, "lattice_shape: the key name is missing"),
        ({"crystals": [{"lattice_shape": "oval"}]}, "oval"),
        ({"crystals": [{"structure_factors": {"name": "hkl", "file": "../a.hkl"}}]}, "file in the folder of the scene"),
        ({"crystals": [{"structure_factors": {"file": "/etc/passwd"}}]}, "file in the folder of the scene"),
    ],
)
def test_a_file_that_is_none_gets_one_line(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        shot_of(tmp_path / "s.json", content)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "s.json")) or "weight" in complaint
