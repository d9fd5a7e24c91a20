"""Several crystals of one kind on a shot, turned at random."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import COUNT, NOT_NEGATIVE, SEED, SceneCrystal, Shot, UsageError, hookimpl, option
from openbragg_plugins.scenes.rotations import random_rotation

if TYPE_CHECKING:
    from openbragg import Crystal, SceneModel

#: More crystals than anybody takes apart again.
_MOST = 1000


@attrs.frozen
class Lattices:
    """The experiment's crystal and others like it, each turned on by a random rotation.

    All rotations up to the spread are alike probable. They are another draw of the seed on each still of a series.
    """

    name: ClassVar[str] = "lattices"
    summary: ClassVar[str] = "several crystals alike, turned at random"
    flags: ClassVar[tuple[str, ...]] = ()

    count: int = option(
        "-lattices",
        type=int,
        rule=COUNT,
        default=2,
        unit="crystals",
        help="So many crystals on each shot, with the one that is mounted; the others are turned on at random.",
    )
    spread: Any = option(
        "-lattice_spread",
        unit="deg",
        rule=NOT_NEGATIVE,
        words=("random",),
        default="random",
        metavar="deg | random",
        help="By at most so much are the others turned; from 180 on, and by random, into any orientation.",
    )
    seed: int = option("-lattice_seed", type=int, rule=SEED, default=1, help="Seed of these rotations.")
    weights: tuple[float, ...] | None = option(
        "-lattice_weights",
        length=(1, _MOST),
        rule=NOT_NEGATIVE,
        metavar="w ...",
        help="What the photons of each are multiplied by, the mounted one's first. Default: 1 for each.",
    )

    def __attrs_post_init__(self) -> None:
        if self.count > _MOST:
            raise UsageError(f"-lattices: expected {_MOST} at most, got {self.count}")
        if self.weights is not None and len(self.weights) != self.count:
            raise UsageError(f"-lattice_weights: expected {self.count} weights, one a crystal, got {len(self.weights)}")

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """See `openbragg.SceneModel.shot`."""
        from openbragg import turned_crystal

        weights = self.weights if self.weights is not None else (1.0,) * self.count
        spread = math.pi if isinstance(self.spread, str) else float(self.spread)
        others = (
            SceneCrystal(turned_crystal(crystal, random_rotation(spread, self.seed, image, number)), weights[number])
            for number in range(1, self.count)
        )
        return Shot(weight=weights[0], others=tuple(others))


@hookimpl
def scene_models() -> list[type[SceneModel]]:
    """Offer it."""
    return [Lattices]
