"""Properties of scenes."""

from __future__ import annotations

from math import inf, pi
from typing import Any

import attrs
import torch

from openbragg.model import Crystal
from openbragg.model.scalars import plain
from openbragg.roles import SceneCrystal, SceneModel, Shot
from openbragg.testing.assertions import require, require_close
from openbragg.testing.declaration import check_declaration
from openbragg.units import ANGSTROM

#: Angles of the crystal that the examples are about, in radians.
_MISSET = (0.1, -0.2, 0.3)


def check_scene_model(scene: Any, crystal: Crystal | None = None) -> None:
    """Run every check of this role on a scene that has all the options that it needs.

    Parameters
    ----------
    scene
        An instance.
    crystal
        A main crystal that the scene takes; by default one with an orthorhombic cell.

    Raises
    ------
    AssertionError
        When one of them fails; the message says what it found.
    """
    crystal = crystal or make_crystal()
    check_declaration(scene, SceneModel)
    check_shot(scene, crystal)
    check_same_shot(scene, crystal)
    check_shot_gradients(scene, crystal)


def make_crystal(*misset: Any) -> Crystal:
    """An orthorhombic crystal of few cells, turned by some angles or by those of the examples."""
    cell = (*(length * ANGSTROM for length in (50.0, 60.0, 70.0)), *(pi / 2,) * 3)
    return Crystal(cell=cell, cells=(5, 6, 7), misset=misset or _MISSET)


def check_shot(scene: SceneModel, crystal: Crystal) -> None:
    """A shot has crystals that can be laid out, with weights of 0 or more, not all 0."""
    shot = scene.shot(crystal, 1)
    require(isinstance(shot, Shot), f"expected a Shot, got {shot!r}")
    require(all(isinstance(other, SceneCrystal) for other in shot.others), "expected others that are SceneCrystal")
    weights = [plain(weight) for weight in (shot.weight, *(other.weight for other in shot.others))]
    require(all(0.0 <= weight < inf for weight in weights), f"weights are {weights}, expected numbers of 0 or more")
    require(any(weight > 0.0 for weight in weights), "all weights are 0")
    for number, other in enumerate(shot.others, 1):
        require(not isinstance(other.crystal.misset, str), f"the orientation of crystal {number} is yet to be drawn")
        require(bool(other.crystal.oriented_vectors().isfinite().all()), f"crystal {number} has no finite cell vectors")


def check_same_shot(scene: SceneModel, crystal: Crystal) -> None:
    """The same image has the same crystals again, whichever were asked for before."""
    first = _numbers(scene.shot(crystal, 2))
    scene.shot(crystal, 5)
    require_close(_numbers(scene.shot(crystal, 2)), first, "the crystals of one image, asked for twice")


def check_shot_gradients(scene: SceneModel, crystal: Crystal) -> None:
    """Where others follow the main crystal's orientation at all, their gradients do."""
    angles = torch.tensor(_MISSET, dtype=torch.float64)
    step = 1e-6
    ends = [_vectors(scene.shot(_turned(crystal, angles + shift), 1)) for shift in (step, -step)]
    wanted = float((ends[0] - ends[1]).sum() / (2.0 * step))
    if wanted == 0.0:
        return
    angles.requires_grad_(True)
    found = _vectors(scene.shot(_turned(crystal, angles), 1)).sum()
    require(found.requires_grad, "no gradient flows from the main crystal's orientation to the others, which follow it")
    (gradient,) = torch.autograd.grad(found, angles)
    require_close(gradient.sum(), wanted, "derivative of the others' vectors", absolute=1e-4, relative=1e-4)


def _turned(crystal: Crystal, angles: torch.Tensor) -> Crystal:
    return attrs.evolve(crystal, misset=angles)


def _vectors(shot: Shot) -> torch.Tensor:
    """The cell vectors of all others over an angstrom."""
    vectors = [other.crystal.oriented_vectors().reshape(-1) / ANGSTROM for other in shot.others]
    return torch.cat(vectors) if vectors else torch.zeros(1, dtype=torch.float64)


def _numbers(shot: Shot) -> torch.Tensor:
    """The vectors and weights of a shot."""
    weights = [plain(weight) for weight in (shot.weight, *(other.weight for other in shot.others))]
    return torch.cat([_vectors(shot).detach(), torch.tensor(weights, dtype=torch.float64)])
