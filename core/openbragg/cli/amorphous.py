"""Flags of amorphous matter, which nanoBragg.c reads and does nothing with, and which are nonBragg.c's here."""

from __future__ import annotations

from pathlib import Path

from openbragg.cli.compose import FlagOption
from openbragg.cli.reference_flags import Given
from openbragg.orchestrator.reading.amplitudes import read_amplitudes
from openbragg.orchestrator.resolving.quirks import notice

#: The quirk.
_IGNORED = "stol-ignored"
#: First spellings of the flags that name a table, of those that go with one, and of one that nanoBragg.c does not know.
_TABLES, _WITH_TABLE, _OWN = ("-stol", "-4stol", "-Q"), ("-density", "-MW"), ("-thick",)
#: What asks for the same background by its name.
_NAME, _FLAG = "table", "-background"


def heeded(given: Given, quirks: frozenset[str]) -> tuple[Given, list[str]]:
    """The flags that count, and what is to be said of them.

    With the quirk stol-ignored none of amorphous matter do; without it, those that go with a table do so when there is
    one, or the background is asked for by name.

    Raises
    ------
    InputError
        When a file that has no effect is not what it should be.
    UsageError
        When the value of a flag that has no effect is none.
    """
    flags = [option.opts[0] for option, _ in given]
    tables = [flag for flag in flags if flag in _TABLES]
    named = any(_asks_by_name(option, words) for option, words in given)
    if _IGNORED not in quirks:
        if named or tables:
            return given, [notice(_IGNORED, f"{' '.join(dict.fromkeys(tables))} here")] if tables else []
        idle: tuple[str, ...] = _WITH_TABLE
    else:
        for option, words in given:
            if option.opts[0] in _TABLES:
                read_amplitudes(Path(words[0]))
        if named:
            return given, []
        idle = (*_TABLES, *_WITH_TABLE, *_OWN)
    for option, words in given:
        if option.opts[0] in idle and isinstance(option, FlagOption):
            option.flag.value(words)
    lines = [f"{flag} has no effect, in the reference program as here" for flag in dict.fromkeys(flags) if flag in idle]
    return [pair for pair in given if pair[0].opts[0] not in idle], lines


def _asks_by_name(option: object, words: list[str]) -> bool:
    return isinstance(option, FlagOption) and option.opts[0] == _FLAG and words == [_NAME]
