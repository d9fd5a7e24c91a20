"""The contract of presets: settings of a kind of experiment, that are no more than flags with reasons."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import attrs

from openbragg.roles.plugin import Plugin


@attrs.frozen
class PresetFlag:
    """A flag of a preset.

    Attributes
    ----------
    words
        The flag and its values, as on the command line.
    reason
        Why it has these values, in a few words.
    """

    words: tuple[str, ...]
    reason: str


@runtime_checkable
class Preset(Plugin, Protocol):
    """Settings of a kind of experiment, chosen by ``-preset NAME``.

    They stand before all other flags, so that each of them can be overruled; the run says all that count, with their
    reasons, before it begins.
    """

    @classmethod
    def settings(cls) -> tuple[PresetFlag, ...]:
        """The flags, in their order; the same each time. They are those that every simulation has."""
