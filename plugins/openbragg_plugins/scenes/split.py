"""A split crystal: a part of it is turned by a small angle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import SceneCrystal, Shot, hookimpl, option
from openbragg_plugins.scenes.parts import PART_OF_WHOLE

if TYPE_CHECKING:
    from openbragg import Crystal, SceneModel


@attrs.frozen
class Split:
    """A crystal of two pieces, of which the second is turned on from the first."""

    name: ClassVar[str] = "split"
    summary: ClassVar[str] = "a crystal of two pieces, one a little turned"
    flags: ClassVar[tuple[str, ...]] = ()

    angles: Any = option(
        "-split",
        length=3,
        unit="deg",
        default=(0.0, 0.0, 0.0),
        metavar="x y z",
        help="Turn a piece of the crystal on about x, then y, then z.",
    )
    fraction: Any = option(
        "-split_fraction", rule=PART_OF_WHOLE, default=0.5, help="The part of the crystal that is in this piece."
    )

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """See `openbragg.SceneModel.shot`."""
        from openbragg import rotation_xyz, turned_crystal

        piece = SceneCrystal(turned_crystal(crystal, rotation_xyz(self.angles)), self.fraction)
        return Shot(weight=1.0 - self.fraction, others=(piece,))


@hookimpl
def scene_models() -> list[type[SceneModel]]:
    """Offer it."""
    return [Split]
