"""One crystal on a shot."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import Shot, hookimpl

if TYPE_CHECKING:
    from openbragg import Crystal, SceneModel


@attrs.frozen
class Single:
    """The experiment's crystal alone."""

    name: ClassVar[str] = "single"
    summary: ClassVar[str] = "one crystal"
    flags: ClassVar[tuple[str, ...]] = ()

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """See `openbragg.SceneModel.shot`."""
        return Shot()


@hookimpl
def scene_models() -> list[type[SceneModel]]:
    """Offer it."""
    return [Single]
