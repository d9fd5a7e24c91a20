"""Scenes from a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import Shot, UsageError, hookimpl, option
from openbragg_plugins.scenes.reading import read_scene

if TYPE_CHECKING:
    from openbragg import Crystal, SceneModel


@attrs.frozen
class SceneFile:
    """Any crystals beside the mounted one, as a JSON file says; docs/how-to/scene.md has all that may stand in it."""

    name: ClassVar[str] = "scene-file"
    summary: ClassVar[str] = "crystals listed in a JSON file"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-scene",
        type=Path,
        metavar="FILE.json",
        help="Put the crystals that a JSON file lists on the shot beside the mounted one.",
    )

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """See `openbragg.SceneModel.shot`."""
        if self.file is None:
            raise UsageError("the scene scene-file needs a file: -scene FILE.json")
        return read_scene(self.file).shot(crystal, image)

    def reads(self) -> tuple[Path, ...]:
        """See `openbragg.SceneModel`: the files that the scene names."""
        return () if self.file is None else read_scene(self.file).reads()


@hookimpl
def scene_models() -> list[type[SceneModel]]:
    """Offer it."""
    return [SceneFile]
