"""Properties of presets."""

from __future__ import annotations

from openbragg.cli.from_flags import from_flags
from openbragg.errors import OpenBraggError
from openbragg.roles import Preset, PresetFlag
from openbragg.testing.assertions import require
from openbragg.testing.declaration import check_declaration

#: A crystal, without which there is no simulation.
_CRYSTAL = ("-cell", "50", "60", "70", "90", "90", "90", "-default_F", "100")


def check_preset(preset: type[Preset]) -> None:
    """The preset declares itself, is the same each time, and its flags describe an experiment.

    Parameters
    ----------
    preset
        The class.

    Raises
    ------
    AssertionError
        With what it does not keep.
    """
    check_declaration(preset(), Preset)
    title = preset.__name__
    settings = preset.settings()
    require(len(settings) > 0, f"{title}.settings() has no flags")
    require(settings == preset.settings(), f"{title}.settings() is not the same each time")
    flags = set()
    for setting in settings:
        require(isinstance(setting, PresetFlag), f"{title}: {setting!r} is no PresetFlag")
        require(bool(setting.reason), f"{title}: {' '.join(setting.words)} has no reason")
        require(setting.words[0] not in flags, f"{title} has {setting.words[0]} twice")
        flags.add(setting.words[0])
    try:
        from_flags([*_CRYSTAL, *(word for setting in settings for word in setting.words)]).layout()
    except OpenBraggError as error:
        require(False, f"{title}: {error}")
