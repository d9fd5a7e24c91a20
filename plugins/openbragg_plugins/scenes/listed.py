"""Crystals that Python lists one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import SceneCrystal, Shot, UsageError, hookimpl

if TYPE_CHECKING:
    from openbragg import Crystal, SceneModel


@attrs.frozen(eq=False)
class Listed:
    """Any crystals beside the experiment's own; ``Simulation(..., scene=[...])`` makes it of a list.

    Parameters
    ----------
    crystals
        The further crystals.
    weight
        What the photons of the experiment's own crystal are multiplied by.
    """

    name: ClassVar[str] = "crystals"
    summary: ClassVar[str] = "the crystals that Python gives"
    flags: ClassVar[tuple[str, ...]] = ()

    crystals: tuple[SceneCrystal, ...] = attrs.field(default=(), converter=tuple)
    weight: float = attrs.field(default=1.0)

    def __attrs_post_init__(self) -> None:
        for crystal in self.crystals:
            if not isinstance(crystal, SceneCrystal):
                raise UsageError(f"scene: expected SceneCrystal objects, got {crystal!r}")

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """See `openbragg.SceneModel.shot`: the same on every image."""
        return Shot(weight=self.weight, others=self.crystals)


@hookimpl
def scene_models() -> list[type[SceneModel]]:
    """Offer it."""
    return [Listed]
