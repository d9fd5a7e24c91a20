"""A twin: two domains of one crystal whose indices a law relates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import SceneCrystal, Shot, hookimpl, option
from openbragg_plugins.scenes.laws import LAW, matrix_of, twinned_crystal
from openbragg_plugins.scenes.parts import PART_OF_WHOLE

if TYPE_CHECKING:
    from openbragg import Crystal, SceneModel


@attrs.frozen
class Twin:
    """A crystal of which a part is turned by a twin law.

    Where the reflection h k l of the first domain lies, the second has the one that the law makes of h k l.
    """

    name: ClassVar[str] = "twin"
    summary: ClassVar[str] = "two domains related by a twin law"
    flags: ClassVar[tuple[str, ...]] = ()

    law: str = option(
        "-twin", type=str, rule=LAW, default="h,k,l", metavar="LAW", help='Twin law, such as "-h,-k,l" or "k,h,-l".'
    )
    fraction: Any = option(
        "-twin_fraction", rule=PART_OF_WHOLE, default=0.5, help="The part of the crystal in the second domain."
    )

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """See `openbragg.SceneModel.shot`."""
        second = SceneCrystal(twinned_crystal(crystal, matrix_of(self.law)), self.fraction)
        return Shot(weight=1.0 - self.fraction, others=(second,))


@hookimpl
def scene_models() -> list[type[SceneModel]]:
    """Offer it."""
    return [Twin]
