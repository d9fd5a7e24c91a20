"""Files whose names end as those of another image format than their flag's."""

from __future__ import annotations

from pathlib import Path

from openbragg.cli.compose import Flag, FlagOption, flags_of
from openbragg.cli.reference_flags import Given
from openbragg.errors import UsageError, shown
from openbragg.roles import Registry

#: The quirk with which files are the reference's own.
_REFERENCE = "smv-header"


def by_ends(registry: Registry, words: Given, compat: frozenset[str], notices: list[str]) -> Given:
    """Flags that name image files, each by the format that the name's end tells, where the flag's own format lets it.

    ``-noisefile image.cbf`` is ``-cbf image.cbf``: the reference knows one format, whatever the name.

    Raises
    ------
    UsageError
        When a file is named for that format already.
    """
    if _REFERENCE in compat:
        return words
    formats = [found.cls for found in registry.of_role("image_formats")]
    last = {(flag.owner, flag.field): number for number, flag in _flags(words)}
    made: Given = []
    for number, pair in enumerate(words):
        option, values = pair
        flag = option.flag if isinstance(option, FlagOption) else None
        if flag is not None and _yields(flag) and last[flag.owner, flag.field] != number:
            # A later one names the file.
            continue
        other = _other(formats, flag, values) if flag is not None else None
        if flag is None or other is None:
            # The pair itself, by which those of a recorded run are known.
            made.append(pair)
            continue
        if (other.owner, other.field) in last:
            names = f"{flag.spellings[0]} {shown(values[0])} and {other.spellings[0]}"
            raise UsageError(f"{names} are the same kind of file: one is written")
        kind = getattr(other.owner, "name", "")
        notices.append(
            f"{shown(values[0])} is written as {kind}, as its name's end says; the reference writes "
            f"{getattr(flag.owner, 'name', '')} under any name; to do the same: --compat {_REFERENCE}"
        )
        made.append((FlagOption(other), values))
    return made


def _flags(words: Given) -> list[tuple[int, Flag]]:
    """Flags that set a field, each with its number among all."""
    return [(number, option.flag) for number, (option, _) in enumerate(words) if isinstance(option, FlagOption)]


def _yields(flag: Flag) -> bool:
    return bool(flag.spec.output) and flag.component is None and getattr(flag.owner, "yields_to_names", False)


def _other(formats: list[type], flag: Flag, values: list[str]) -> Flag | None:
    """How a format names a file, whose names end so, and which has such a content."""
    if not (values and _yields(flag)):
        return None
    end = Path(values[0]).suffix.lower()
    if end in getattr(flag.owner, "suffixes", ()):
        return None
    found = [cls for cls in formats if getattr(cls, "takes_names", False) and end in getattr(cls, "suffixes", ())]
    if len(found) != 1:
        return None
    return next((each for each in flags_of(found[0]) if each.spec.output == flag.spec.output), None)
