"""The checks of scenes find what a scene should not do."""

from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import pytest
import torch

from openbragg import Crystal, SceneCrystal, Shot, rotation_xyz, turned_crystal
from openbragg.testing import check_scene_model


@attrs.frozen
class Second:
    """A second crystal, turned on from the first by a tenth of a radian."""

    name: ClassVar[str] = "second"
    summary: ClassVar[str] = "a second crystal"
    flags: ClassVar[tuple[str, ...]] = ()

    def shot(self, crystal: Crystal, image: int) -> Shot:
        return Shot(others=(SceneCrystal(turned_crystal(crystal, rotation_xyz((0.1, 0.0, 0.0)))),))


@attrs.frozen
class Negative(Second):
    def shot(self, crystal: Crystal, image: int) -> Shot:
        return Shot(weight=-1.0)


@attrs.frozen
class Dark(Second):
    def shot(self, crystal: Crystal, image: int) -> Shot:
        return Shot(weight=0.0)


@attrs.frozen
class Bare(Second):
    def shot(self, crystal: Crystal, image: int) -> Any:
        return (crystal,)


@attrs.frozen
class Undrawn(Second):
    def shot(self, crystal: Crystal, image: int) -> Shot:
        return Shot(others=(SceneCrystal(attrs.evolve(crystal, misset="random")),))


@attrs.frozen
class Counting(Second):
    """Another crystal at every call."""

    calls: list[int] = attrs.field(factory=list)

    def shot(self, crystal: Crystal, image: int) -> Shot:
        self.calls.append(image)
        return Shot(others=(SceneCrystal(crystal, float(len(self.calls))),))


@attrs.frozen
class Detached(Second):
    """Follows the first crystal, but not its gradients."""

    def shot(self, crystal: Crystal, image: int) -> Shot:
        assert crystal.misset is not None
        angles = tuple(float(torch.as_tensor(angle).detach()) for angle in crystal.misset)
        return Shot(others=(SceneCrystal(attrs.evolve(crystal, misset=angles)),))


def test_a_scene_that_keeps_to_the_contract_passes() -> None:
    check_scene_model(Second())


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (Negative, r"weights are \[-1.0\], expected numbers of 0 or more"),
        (Dark, "all weights are 0"),
        (Bare, "expected a Shot, got"),
        (Undrawn, "the orientation of crystal 1 is yet to be drawn"),
        (Counting, "the crystals of one image, asked for twice"),
        (Detached, "no gradient flows from the main crystal's orientation to the others, which follow it"),
    ],
)
def test_a_scene_that_does_not_is_found(made: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_scene_model(made())
